/* What can be done with a search: go on, stop before an acceptance, say a word on it, edit, fork, compare, replay. */

import { get, post } from "../api.js";
import { dialog } from "../dialog.js";
import { block, foreign, h } from "../dom.js";
import { notice } from "../notice.js";
import { attempt, draw, look, openRun, read, seen } from "./main.js";

const ACCEPT = 'kind == "accept"';

export const goOn = (how = {}) =>
  attempt(async () => {
    seen.busy = await post("go-on", { run: seen.run, until: null, steps: null, stop: true, budget: null, accept: null, ...how });
    draw();
  });

/** How going on ended. */
export function stopped(event) {
  if (event.error) return notice({ name: "stopped", kind: "error", text: event.hint ? `${event.error}\n${event.hint}` : event.error });
  if (event.run !== seen.run) return notice({ name: "stopped", text: `${event.run || "The opened search"}: ${event.reason || event.status}` });
  if (event.hit) look({ step: event.hit.step, ...(event.hit.candidate ? { candidate: event.hit.candidate } : {}) });
  return notice({ name: "stopped", kind: event.hit ? "hit" : "good", text: event.reason || `The search is ${event.status}.`, lasts: event.hit ? 0 : 8000 });
}

const button = (name, label, run, more = {}) => h("button", { class: "action", "data-does": name, "data-key": `do-${name}`, onclick: run, ...more }, label);

export function actions() {
  const o = seen.overview;
  const stands = !o || o.status === "finished" || Boolean(seen.busy);
  return [
    button("go-on", "Go on", () => goOn(), { disabled: stands }),
    button("step-on", "One step", () => goOn({ steps: 1 }), { disabled: stands }),
    button("to-accept", "To the next acceptance", () => goOn({ until: ACCEPT }), { disabled: stands, title: "Stop before a candidate is accepted" }),
    button("stop", "Stop", () => attempt(() => post("stop", { run: seen.run })), { disabled: !seen.busy }),
    h("span", { class: "gap" }),
    button("fork", "Fork before this step …", () => forkDialog(), { disabled: !o || seen.step === null }),
    button("edit", "Edit this prompt …", () => editDialog(), { disabled: !o || !seen.candidate || seen.candidate === o.seed }),
    h("span", { class: "gap" }),
    button("diff", "Diff with its parent", () => attempt(showDiff), { disabled: !o?.parent || !seen.run }),
    button("replay", "Replay", () => attempt(replay), { disabled: !o || Boolean(seen.busy) }),
  ];
}

/** The candidate that the search stands before, and the three words on it. */
export function waiting() {
  const w = seen.overview?.waits;
  if (!w) return null;
  return h(
    "section", { class: "waits", "aria-label": "To be accepted" },
    h("p", { class: "strong" }, "Candidate ", h("code", {}, w.candidate), " is to be accepted instead of ", h("code", {}, w.instead_of || "?"), "."),
    h("p", { class: "soft small foreign" }, seen.overview.reason),
    h(
      "p", { class: "buttons" },
      h("button", { class: "main", "data-does": "accept", disabled: Boolean(seen.busy), onclick: () => goOn({ accept: true }) }, "Accept"),
      h("button", { "data-does": "accept-edited", disabled: Boolean(seen.busy), onclick: () => acceptEdited(w) }, "Edit and accept …"),
      h("button", { "data-does": "reject", disabled: Boolean(seen.busy), onclick: () => goOn({ accept: false }) }, "Reject"),
    ),
  );
}

function fields(texts) {
  const areas = Object.entries(texts).map(([part, text]) => [part, h("textarea", { class: "mono", rows: "12", value: text, "aria-label": part, "data-part": part, spellcheck: "false" })]);
  return { nodes: areas.map(([part, area]) => h("label", {}, h("span", { class: "label" }, part), area)), read: () => Object.fromEntries(areas.map(([part, area]) => [part, area.value])) };
}

function acceptEdited(w) {
  const { nodes, read: texts } = fields(w.texts);
  dialog({
    title: `Edit ${w.candidate} and accept your text`, name: "accept-edited", wide: true,
    body: [h("p", { class: "soft small" }, "It must keep the fields, and hold nothing of the cases. What is accepted is your text; the candidate becomes its parent."), ...nodes],
    buttons: [{ label: "Cancel", run: () => {} }, { label: "Accept this text", name: "accept-text", main: true, run: () => void goOn({ accept: texts() }) }],
  });
}

async function forked(step, edits, name) {
  const { run } = await post("fork", { run: seen.run, step, edits, name });
  await openRun(run);
  notice({ kind: "good", text: `The fork ${run} is made. Nothing is asked yet.`, actions: [{ label: "Go on", run: () => goOn() }] });
}

function editDialog() {
  const c = seen.candidates.find((each) => each.id === seen.candidate);
  if (!c) return;
  const { nodes, read: texts } = fields(c.texts);
  dialog({
    title: `Edit ${c.id} in a fork`, name: "edit", wide: true,
    body: [h("p", { class: "soft small" }, `The fork leaves before step ${c.step}, where this prompt enters, and your text goes on in its place.`), ...nodes],
    buttons: [
      { label: "Cancel", run: () => {} },
      {
        label: "Fork with this text", name: "fork-text", main: true,
        run: () => forked(null, Object.entries(texts()).filter(([part, text]) => text !== c.texts[part]).map(([part, text]) => `candidate ${c.id} ${part}=${JSON.stringify(text)}`), ""),
      },
    ],
  });
}

function forkDialog() {
  const step = h("input", { type: "number", min: "0", value: String(seen.step), "aria-label": "Step", "data-field": "step" });
  const name = h("input", { type: "text", "aria-label": "Name", "data-field": "name" });
  const edits = h("textarea", { class: "mono", rows: "4", "aria-label": "Edits, one a line", "data-field": "edits", placeholder: "option rounds=4\nconfig approve=true" });
  dialog({
    title: "Fork", name: "fork",
    body: h("div", { class: "form" }, h("label", {}, "before step", step), h("label", {}, "name", name), h("label", { class: "tall" }, "edits", edits), h("details", {}, h("summary", {}, "How edits are written"), h("ul", { class: "plain" }, (seen.about?.edits ?? []).map((e) => h("li", {}, h("code", {}, e.form), ` – ${e.about}`))))),
    buttons: [{ label: "Cancel", run: () => {} }, { label: "Fork", name: "make-fork", main: true, run: () => forked(Number(step.value), edits.value.split("\n").map((line) => line.trim()).filter(Boolean), name.value.trim()) }],
  });
}

async function replay() {
  const found = await post("replay", { run: seen.run });
  notice({ name: "replay", kind: found.same ? "good" : "error", lasts: 0, text: found.same ? `Searched again without a model: the digest is the same, ${found.digest.slice(0, 16)}…` : `The replay's digest is another one.\n${found.note}` });
}

async function showDiff() {
  const d = await get("diff", { run: seen.run });
  const list = (title, views) => (views.length ? [h("p", { class: "label" }, title), h("ul", { class: "plain" }, views.map((v) => h("li", {}, h("code", {}, v.id), ` ${v.operator}, ${v.score === null ? "never scored" : v.score.toFixed(3)}, ${v.fate}`)))] : null);
  const pair = (title, [then, now]) => h("section", {}, h("p", { class: "label" }, title), h("div", { class: "sides" }, h("section", {}, block(then || "none")), h("section", {}, block(now || "none"))));
  dialog({
    title: `${d.b.name} against ${d.a.name}`, name: "diff", wide: true,
    body: h(
      "div", { class: "diff" },
      h("p", { class: "strong" }, d.parts === null ? "Every step is the same." : `They part at step ${d.parts}.`),
      Object.entries(d.config).map(([name, [then, now]]) => h("p", {}, h("code", {}, name), ": ", foreign(JSON.stringify(then)), " → ", foreign(JSON.stringify(now)))),
      list("Prompts that it has no more", d.only_a),
      list("New prompts", d.only_b),
      pair("Best", d.best),
      pair("Verdict", d.verdict),
      h("p", { class: "soft small" }, `${d.calls[1]} calls of its own.`),
    ),
  });
}

export const setBreakpoint = async (when, done) => {
  await post("breakpoints", { run: seen.run, when });
  done();
  await read();
};
export const turnBreakpoint = (b) => attempt(async () => (await post("breakpoints/switch", { run: seen.run, id: b.id, on: !b.on }), read()));
export const clearBreakpoint = (b) => attempt(async () => (await post("breakpoints/clear", { run: seen.run, id: b.id }), read()));
