/* JSON as a tree of lines, with marks at paths: {"actions.3": "message"}. */

import { h, visibleLines } from "./dom.js";

const LONG = 400; // characters of a text before it folds

function leaf(value) {
  if (typeof value !== "string") return h("span", { class: `json-${value === null ? "null" : typeof value}` }, String(value));
  const text = visibleLines(JSON.stringify(value));
  if (text.length <= LONG) return h("bdi", { class: "json-string" }, text);
  return h("details", { class: "inline" }, h("summary", {}, h("bdi", { class: "json-string" }, `${text.slice(0, 160)}…`), h("span", { class: "faint" }, ` ${value.length} characters`)), h("bdi", { class: "json-string" }, text));
}

/** `marks`: dotted path -> {text, kind}; a mark is drawn below the line of its path. */
export function json(value, marks = new Map(), path = "") {
  const rows = [];
  lines(value, path, 0, "", "", marks, rows);
  return h("div", { class: "json", role: "group" }, rows);
}

function line(depth, name, shown, tail, path, marks, rows) {
  const mark = marks.get(path);
  const node = h("div", { class: `line${mark ? ` marked ${mark.kind ?? ""}` : ""}`, "data-path": path }, name === "" ? null : h("span", { class: "json-key" }, name, ": "), shown, tail);
  node.style.paddingInlineStart = `${depth * 14 + 8}px`;
  rows.push(node);
  if (!mark?.text) return;
  const said = h("div", { class: `said ${mark.kind ?? ""}`, role: "note" }, "↳ ", mark.text);
  said.style.paddingInlineStart = `${depth * 14 + 8}px`;
  rows.push(said);
}

function lines(value, path, depth, name, tail, marks, rows) {
  const list = Array.isArray(value);
  if (value === null || typeof value !== "object" || (list ? value.length : Object.keys(value).length) === 0) {
    line(depth, name, value !== null && typeof value === "object" ? (list ? "[]" : "{}") : leaf(value), tail, path, marks, rows);
    return;
  }
  const flat = list && value.length <= 12 && value.every((v) => v === null || typeof v !== "object") && JSON.stringify(value).length < 90 && !value.some((_, i) => marks.has(path ? `${path}.${i}` : String(i)));
  if (flat) {
    line(depth, name, h("bdi", {}, JSON.stringify(value).replaceAll(",", ", ")), tail, path, marks, rows);
    return;
  }
  line(depth, name, list ? "[" : "{", "", path, marks, rows);
  const entries = list ? value.map((v, i) => ["", v, i]) : Object.entries(value).map(([k, v]) => [k, v, k]);
  entries.forEach(([shown, v, k], i) => lines(v, path ? `${path}.${k}` : String(k), depth + 1, shown, i < entries.length - 1 ? "," : "", marks, rows));
  line(depth, "", list ? "]" : "}", tail, `${path}$`, marks, rows);
}

/** Marks whose path is not in the value stand at the nearest part of it that is. */
export function settle(value, problems) {
  const marks = new Map();
  for (const { path, message } of problems) {
    const parts = path === "" || path === "$" ? [] : path.replace(/^\$\.?/, "").split(".");
    let at = value;
    const found = [];
    for (const part of parts) {
      if (at === null || typeof at !== "object" || !(part in at)) break;
      at = at[part];
      found.push(part);
    }
    const missing = parts.slice(found.length).join(".");
    const here = found.join(".");
    const text = (missing ? `${missing}: ` : "") + message;
    const before = marks.get(here);
    marks.set(here, { kind: "bad", text: before ? `${before.text}; ${text}` : text });
  }
  return marks;
}
