/* What the agent remembers before this page, what came back in this step and why, and a query of one's own. */

import { get } from "../api.js";
import { empty, failed, foreign, h, loading, swap } from "../dom.js";
import { fixed } from "../format.js";
import { forkWith } from "../forking.js";
import { state } from "../store.js";

const PARTS = ["recency", "importance_part", "importance", "relevance"];
let kept = { of: "", query: "", rows: null }; // the answer that is shown, so that a redraw asks nothing again

export const badge = (moment) => (moment.recalled.length ? { text: moment.recalled.length } : null);

export function draw(moment) {
  const list = h("div", {});
  const of = JSON.stringify([state.run, state.overview?.version, state.agent, state.page]);
  const input = h("input", { type: "search", class: "grow", placeholder: "query: what would come back?", "aria-label": "Query the memory", value: kept.of === of ? kept.query : "", "data-key": "memory-query", spellcheck: "false" });
  const ask = async (query) => {
    const { run, agent, page } = state;
    swap(list, loading("Reading the memory"));
    try {
      const { memories } = await get("memory", { run, agent, page, query: query || undefined });
      kept = { of, query, rows: memories };
      swap(list, rows(memories, query));
    } catch (problem) {
      swap(list, failed(problem));
    }
  };
  if (kept.of === of && kept.rows) swap(list, rows(kept.rows, kept.query));
  else ask("");
  return [
    moment?.recalled.length ? h("section", { class: "called" }, h("header", { class: "call" }, h("span", { class: "strong" }, `Came back in ${moment.place.node}`), h("span", { class: "soft small" }, "best first")), scored(moment.recalled)) : null,
    h(
      "section", { class: "called" },
      h("header", { class: "call" }, h("span", { class: "strong" }, `All before page ${state.page}`), h("span", { class: "grow" }), h("button", { class: "quiet", "data-key": "memory-add", title: "Add a memory: becomes a fork", onclick: () => forkWith('memory add ""') }, "Add")),
      h("form", { class: "filter", onsubmit: (event) => (event.preventDefault(), ask(input.value.trim())) }, input, h("button", { class: "quiet" }, "Query")),
      list,
    ),
  ];
}

function rows(memories, query) {
  if (!memories.length) return empty(query ? "Nothing comes back." : state.moments?.[0]?.place.node === "page" ? "Scripted users keep no memory." : "Nothing is remembered yet.");
  return query ? scored(memories) : h("ol", { class: "memories" }, memories.map((m) => record(m)));
}

const scored = (memories) => h("ol", { class: "memories" }, memories.map((m) => record(m, parts(m))));

function record(m, more) {
  return h(
    "li", { "data-memory": m.id },
    h("p", {}, foreign(m.text)),
    h(
      "p", { class: "facts" },
      h("span", { class: "tag" }, m.kind), h("span", {}, `#${m.id}`), h("span", {}, `importance ${m.importance ?? "–"}`), h("span", {}, `written on ${m.created ?? "–"}`),
      m.accessed === undefined ? null : h("span", {}, `recalled on ${m.accessed}`),
      h("span", { class: "grow" }),
      h("span", { class: "nowrap" }, h("button", { class: "link", "data-key": `memory-edit-${m.id}`, onclick: () => forkWith(`memory ${m.id} = ${JSON.stringify(m.text)}`) }, "edit"), " ", h("button", { class: "link", "data-key": `memory-drop-${m.id}`, onclick: () => forkWith(`memory drop ${m.id}`) }, "drop")),
    ),
    more,
  );
}

/** Score and parts; each part is 0 to 1 before its weight. */
function parts(m) {
  // `importance` is the record's own 1 to 10 unless it lies within 0 to 1: then it is the part.
  const shown = Object.entries(m.parts ?? Object.fromEntries(PARTS.filter((p) => typeof m[p] === "number" && m[p] <= 1).map((p) => [p.replace("_part", ""), m[p]])));
  return h(
    "div", { class: "scored" },
    h("span", {}, "score", h("b", {}, fixed(m.score, 3))),
    shown.map(([name, value]) => {
      const bar = h("i", {});
      bar.style.width = `${Math.max(0, Math.min(1, value)) * 100}%`;
      return h("span", {}, h("span", { class: "part-of" }, name, h("span", {}, fixed(value, 3))), h("span", { class: "track" }, bar));
    }),
  );
}
