/* The bar at the top: which run, how it stands, what it has cost, whether it lives. */

import { foreign, h, swap } from "./dom.js";
import { compact, count, model, money } from "./format.js";
import { help } from "./help.js";
import { aboutRun } from "./model.js";
import { state, watch } from "./store.js";
import * as theme from "./theme.js";

const LIVE = { on: "live: what is written to the run is shown at once", off: "not connected", lost: "the connection is lost; it is tried again" };

export function begin(bar) {
  const show = () => swap(bar, draw());
  watch(["overview", "live", "busy", "run"], show);
  show();
}

const stat = (label, value, title) => h("span", { class: "stat", title }, h("b", { "data-stat": label }, value), h("span", {}, label));

function progress({ what, stage, done, total, run }) {
  const bar = h("progress", { "aria-label": stage || what, ...(total ? { max: total, value: done } : {}) });
  const where = run === state.run ? "" : `${run || "root"}: `;
  return h("span", { class: "progress", role: "status", title: `${where}${stage || what}${total ? ` ${done} of ${total}` : ""}` }, h("span", { class: "soft small" }, where, stage || (what === "replay" ? "replaying" : "going on"), total ? ` ${count(done)} of ${count(total)}` : ""), bar);
}

function draw() {
  const o = state.overview;
  const dot = state.busy ? "busy" : state.live;
  return [
    h("span", { class: "brand" }, h("img", { src: "/static/icon.svg", alt: "", width: "18", height: "18" }), h("h1", {}, "RecLoop")),
    o
      ? [
          h("span", { class: "run", title: aboutRun()?.path }, state.run ? h("span", { class: "soft" }, foreign(aboutRun()?.name ?? "run"), " / ") : null, foreign(state.run || o.name)),
          h("span", { class: `tag ${o.status}`, title: o.reason }, o.status),
          stat(`of ${o.pages} pages`, count(o.page), "Pages committed, of the cap"),
          stat("browsing", compact(o.browsing), `${count(o.browsing)} of ${count(o.agents)} agents are still browsing`),
          h("span", { class: "soft small model", title: `Model ${o.model}, recommender ${o.recommender}` }, foreign(model(o.model)), " · ", foreign(o.recommender)),
        ]
      : null,
    h("span", { class: "grow" }),
    state.busy ? progress(state.busy) : null,
    o ? h("span", { class: "cost", "aria-label": "Cost of this run" }, stat("calls", compact(o.calls), `${count(o.calls)} calls, ${count(o.failed)} failed`), o.failed ? h("span", { class: "stat bad" }, h("b", {}, compact(o.failed)), h("span", {}, "failed")) : null, stat("tokens", compact(o.tokens), `${count(o.tokens)} tokens`), stat("", o.cost === null ? "$ ?" : money(o.cost), o.cost === null ? "The price of this model is not known" : "US dollars, over calls of known price")) : null,
    h("span", { class: `live ${dot}`, role: "img", "aria-label": state.busy ? "working" : LIVE[state.live], title: state.busy ? "working" : LIVE[state.live] }, h("i", {})),
    h("button", { class: "quiet", "data-key": "theme", title: "Dark or light (t)", "aria-label": "Dark or light", onclick: theme.toggle }, "◐"),
    h("button", { class: "quiet", "data-key": "help", title: "Keys (?)", "aria-label": "Keys", onclick: help }, "?"),
  ];
}
