/* The agent's state before and after the step: what changed first, then all of it. */

import { empty, foreign, h } from "../dom.js";
import { forkWith } from "../forking.js";
import { json } from "../json.js";

const SCALARS = new Set(["satisfaction", "watched", "bad_pages", "left"]);

export const badge = (moment) => {
  const n = Object.keys(moment.changed).length;
  return n ? { text: n } : null;
};

export function draw(moment) {
  const changed = Object.entries(moment.changed);
  const marks = new Map(changed.map(([path]) => [path.replace(/\[(\d+)\]/g, ".$1"), { kind: "changed" }]));
  return [
    h(
      "section", { class: "called" },
      h("header", { class: "call" }, h("span", { class: "strong" }, `Changed by ${moment.place.node}`), h("span", { class: "grow" }), [...SCALARS].filter((name) => name === "satisfaction").map((name) => h("button", { class: "quiet", "data-key": `state-${name}`, title: "Set it before this page: becomes a fork", onclick: () => forkWith(`state ${name}=${moment.before[name] ?? ""}`) }, `Edit ${name}`))),
      changed.length
        ? h("table", { class: "changes" }, h("thead", {}, h("tr", {}, h("th", {}, "path"), h("th", {}, "before"), h("th", {}, "after"))), h("tbody", {}, changed.map(([path, [before, after]]) => h("tr", {}, h("td", {}, h("code", {}, foreign(path))), h("td", { class: "was" }, said(before)), h("td", { class: "is" }, said(after))))))
        : empty("This step changed nothing."),
    ),
    h("details", { open: true, "data-key": "state-after" }, h("summary", {}, "State after"), json(moment.after, marks)),
    h("details", { "data-key": "state-before" }, h("summary", {}, "State before"), json(moment.before)),
  ];
}

const HEX = /\b([0-9a-f]{10})[0-9a-f]{54}\b/g; // keys of calls: their beginning tells them apart

function said(value) {
  if (value === undefined || value === null) return h("span", { class: "faint" }, "–");
  if (typeof value === "object" && !Array.isArray(value))
    return Object.entries(value).map(([name, v]) => h("span", { class: "pairs" }, h("span", {}, name, " "), long(v)));
  return long(value);
}

function long(value) {
  if (Array.isArray(value) && value.some((v) => v !== null && typeof v === "object")) return h("details", { class: "inline" }, h("summary", {}, value.length === 1 ? "1 entry" : `${value.length} entries`), json(value));
  const text = (typeof value === "string" ? value : JSON.stringify(value) ?? "–").replace(HEX, "$1…");
  if (text.length <= 240) return foreign(text);
  return h("details", { class: "inline" }, h("summary", {}, foreign(`${text.slice(0, 120)}…`)), foreign(text));
}
