/* The page of a prompt search begins here: what is read, what is looked at, and when it is read anew. */

import { get, live } from "../api.js";
import { h, swap } from "../dom.js";
import { compact, count, money } from "../format.js";
import { error } from "../notice.js";
import { splitters } from "../panes.js";
import * as theme from "../theme.js";
import { actions, stopped } from "./acting.js";
import { drawCandidates, drawInspector, drawLower, drawSteps } from "./drawing.js";

/** All that is shown. `step`, `candidate`, `call`: what is looked at. */
export const seen = { run: "", about: null, overview: null, steps: [], candidates: [], breakpoints: [], tree: null, note: "", step: null, candidate: "", against: "", parts: null, cases: [], call: null, busy: null };

const at = (id) => document.getElementById(id);
let ends = null;
let reading = 0;

/** Runs `work`; an error is said, and undefined comes back. */
export async function attempt(work) {
  try {
    return await work();
  } catch (problem) {
    error(problem);
    return undefined;
  }
}

function drawBars() {
  swap(at("top"), top());
  swap(at("actions"), actions());
}

export function draw() {
  drawBars();
  swap(at("steps"), drawSteps());
  swap(at("lower"), drawLower());
  swap(at("middle"), drawCandidates());
  swap(at("right"), drawInspector());
}

function top() {
  const o = seen.overview;
  const stat = (label, value) => h("span", { class: "stat" }, h("b", { "data-stat": label }, value), h("span", {}, label));
  return [
    h("span", { class: "brand" }, h("img", { src: "/static/icon.svg", alt: "", width: "18", height: "18" }), h("h1", {}, "RecLoop")),
    o
      ? [
          h("span", { class: "run", title: seen.about?.path }, h("bdi", { class: "foreign" }, seen.run || o.name)),
          h("span", { class: `tag ${o.status}`, title: o.reason, "data-status": o.status }, o.status),
          stat("steps", count(o.steps)),
          stat("prompts", count(o.candidates)),
          h("span", { class: "soft small model" }, h("bdi", {}, `${o.optimizer} over ${o.task}, ${o.metric} · ${o.model}`)),
          h("span", { class: "grow" }),
          seen.busy ? h("span", { class: "progress", role: "status" }, h("span", { class: "soft small" }, `${seen.busy.stage} ${seen.busy.done}${seen.busy.total ? ` of ${seen.busy.total}` : ""}`), h("progress", seen.busy.total ? { max: seen.busy.total, value: Math.min(seen.busy.done, seen.busy.total) } : {})) : null,
          h("span", { class: "cost" }, stat("calls", compact(o.calls)), stat("tokens", compact(o.tokens)), stat("", o.cost === null ? "$ ?" : money(o.cost))),
        ]
      : h("span", { class: "grow" }),
    h("button", { class: "quiet", "data-key": "theme", title: "Dark or light", "aria-label": "Dark or light", onclick: theme.toggle }, "◐"),
  ];
}

/** Reads all of a run; what was looked at stays, where it is still there. */
export async function read() {
  const mine = ++reading;
  const { run } = seen;
  const [overview, steps, candidates, marks, tree] = await Promise.all([get("overview", { run }), get("steps", { run }), get("candidates", { run }), get("breakpoints", { run }), get("tree")]);
  if (mine !== reading) return;
  Object.assign(seen, { overview, steps: steps.steps, candidates: candidates.candidates, breakpoints: marks.breakpoints, note: marks.note, tree, busy: overview.living ?? null });
  if (!seen.candidates.some((c) => c.id === seen.candidate)) seen.candidate = overview.waits?.candidate || overview.best;
  if (!seen.steps.some((s) => s.step === seen.step)) seen.step = seen.steps.at(-1)?.step ?? null;
  await readPlace(mine);
}

async function readPlace(mine) {
  const { run, candidate, step } = seen;
  const chosen = seen.candidates.find((c) => c.id === candidate);
  const other = seen.candidates.some((c) => c.id === seen.against) ? seen.against : (chosen?.parents[0] ?? "");
  const known = other && other !== candidate && seen.candidates.some((c) => c.id === other);
  const [cases, texts] = await Promise.all([candidate ? get("cases", { run, candidate }) : { cases: [] }, known ? get("texts", { run, a: other, b: candidate }) : { parts: null }]);
  if (mine !== reading) return;
  Object.assign(seen, { cases: cases.cases, parts: texts.parts, step });
  draw();
}

export const look = (place) =>
  attempt(async () => {
    Object.assign(seen, place);
    if ("candidate" in place || "step" in place) seen.call = null;
    await readPlace(++reading);
  });

export const openCall = (key) =>
  attempt(async () => {
    seen.call = await get("call", { run: seen.run, key });
    draw();
  });

export async function openRun(run) {
  Object.assign(seen, { run, step: null, candidate: "", against: "", call: null });
  const link = run ? `#run=${encodeURIComponent(run)}` : location.pathname;
  if (location.hash !== (run ? link : "")) history.pushState(null, "", link);
  await read();
  follow();
}

let soon = 0;
function readSoon() {
  soon ||= setTimeout(() => ((soon = 0), attempt(read)), 300);
}

function follow() {
  ends?.();
  ends = live(seen.run, (kind, event) => {
    if (kind === "state" || kind === "tree" || kind === "session") readSoon();
    else if (kind === "living" && event.run === seen.run) ((seen.busy = event), drawBars());
    else if (kind === "stopped") ((seen.busy = null), readSoon(), stopped(event));
    else if (kind === "lost") error(new Error(event.hint ? `${event.error}\n${event.hint}` : event.error));
  });
}

const named = () => new URLSearchParams(location.hash.slice(1)).get("run") ?? "";

async function begin() {
  theme.begin();
  splitters();
  await attempt(async () => {
    seen.about = await get("about");
    await openRun(named());
    document.title = `${seen.run || seen.overview.name} – RecLoop debugger`;
  });
  window.addEventListener("popstate", () => named() !== seen.run && attempt(() => openRun(named())));
  document.body.dataset.ready = "true";
}

begin();
