/* The middle pane: who it is, the graph of the page that is open, and all pages as cards. */

import { empty, failed, foreign, h, loading, swap } from "./dom.js";
import { fixed } from "./format.js";
import * as graph from "./graph.js";
import { goTo } from "./model.js";
import { state, watch } from "./store.js";

let cards;
let head;

export function begin(pane) {
  head = h("div", { class: "head" });
  const nodes = h("div", { class: "graph" });
  cards = h("div", { class: "scroll cards", "data-scroll": "cards", tabindex: "-1" });
  pane.append(head, nodes, cards);
  graph.begin(nodes);
  cards.addEventListener("keydown", (event) => {
    const way = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    turn(way);
  });
  watch(["timeline", "agent", "page", "error"], show);
  watch(["agents", "overview"], () => state.agents && title());
  show();
}

/** The agent's next page, or the one before. */
export function turn(by) {
  const pages = state.timeline?.pages ?? [];
  const at = pages.findIndex((p) => p.page === state.page);
  const next = pages[at + by];
  if (next) goTo(state.agent, next.page, state.node);
}

export const focusPage = () => cards.querySelector('.card[aria-current="true"] .open')?.focus();

function title() {
  const at = state.agents ? state.agents.agent.indexOf(state.agent) : -1;
  const of = (name) => state.agents?.[name]?.[at];
  const traits = at < 0 || of("activity") == null ? [] : [`activity ${of("activity")}`, `conformity ${of("conformity")}`, `diversity ${of("diversity")}`];
  swap(
    head,
    h("h2", {}, state.agent ? ["Agent ", foreign(state.agent)] : "No agent"),
    h("span", { class: "soft small grow nowrap" }, traits.join(" · ")),
    at >= 0 && of("edited") ? h("span", { class: "tag accent" }, "edited") : null,
    at >= 0 ? h("span", { class: `tag ${of("status")}` }, of("status")) : null,
  );
}

function show() {
  title();
  if (state.error) return swap(cards, failed(state.error));
  if (!state.agent) return swap(cards, state.agents ? empty("Nobody is in this run yet. They come with its first barrier.") : loading("Reading the run"));
  if (!state.timeline) return swap(cards, loading("Reading the pages"));
  const { pages } = state.timeline;
  if (pages.length === 0) return swap(cards, empty("This agent has lived no page yet."));
  swap(cards, pages.map(card));
  const current = cards.querySelector('.card[aria-current="true"]');
  if (current && (current.offsetTop < cards.scrollTop || current.offsetTop + Math.min(current.offsetHeight, cards.clientHeight) > cards.scrollTop + cards.clientHeight))
    cards.scrollTop = Math.max(0, current.offsetTop - 8);
  return undefined;
}

function card(page) {
  const here = page.page === state.page;
  const { decision } = page;
  const on = decision?.next;
  const chosen = page.exposures.filter((e) => e.positive).length;
  const bad = page.failures.length > 0;
  return h(
    "article", { class: `card${here ? " here" : ""}${bad ? " broken" : ""}`, "aria-current": here ? "true" : "false", "data-page": page.page },
    h(
      "header", {},
      h("button", { class: "open", "data-key": `page-${page.page}`, "aria-label": `Page ${page.page}`, onclick: () => goTo(state.agent, page.page, here ? state.node : "") }, h("span", { class: "strong" }, `Page ${page.page}`), h("span", { class: "soft small" }, `${chosen} of ${page.exposures.length} chosen`)),
      page.edited?.length ? h("span", { class: "tag accent", title: page.edited.map((e) => e.text ?? JSON.stringify(e)).join("\n") }, "edited") : null,
      h("span", { class: "grow" }),
      meter(page.satisfaction ?? decision?.satisfaction),
      decision?.next === undefined ? null : h("span", { class: `tag ${on ? "on" : "left"}` }, on ? "next page" : "leaves"),
    ),
    h("ol", { class: "slate" }, [...page.exposures].sort((a, b) => (a.shown_at ?? 0) - (b.shown_at ?? 0)).map(item)),
    bad ? h("ul", { class: "failures" }, page.failures.map((f) => h("li", {}, h("span", { class: "strong" }, f.node ?? f.kind ?? "failed", " "), foreign(said(f))))) : null,
    h(
      "footer", {},
      page.feeling ? h("p", {}, h("span", { class: "label" }, "felt"), foreign(page.feeling, { class: "foreign clamp" })) : null,
      decision?.reason ? h("p", {}, h("span", { class: "label" }, "decided"), foreign(decision.reason === "scripted" ? "by the formula of scripted users" : decision.reason, { class: "foreign clamp" }), typeof decision.fatigue === "number" ? h("span", { class: "soft small nowrap", title: "Fatigue after the page, 0 to 1" }, `fatigue ${fixed(decision.fatigue, 2)}`) : null, decision.invalid ? h("span", { class: "tag left" }, "no valid answer") : null) : null,
      page.interview?.text ? h("p", {}, h("span", { class: "label" }, "interview"), foreign(page.interview.text, { class: "foreign clamp" })) : null,
    ),
  );
}

const said = (failure) => [failure.status, failure.error ?? failure.message ?? failure.reason, failure.detail].filter(Boolean).join(": ");

function meter(value) {
  if (typeof value !== "number") return null;
  const bar = h("i", {});
  bar.style.width = `${Math.max(0, Math.min(100, ((value - 1) / 9) * 100))}%`;
  return h("span", { class: `meter${value < 4 ? " low" : ""}`, title: `Satisfaction ${fixed(value, 2)} of 10` }, h("span", { class: "track" }, bar), h("span", {}, fixed(value)));
}

/** A title; what the catalogue says after it stands back. */
function named(title) {
  const at = title.lastIndexOf(" — ");
  const [name, more] = at > 0 ? [title.slice(0, at), title.slice(at)] : [title, ""];
  return h("bdi", { class: "foreign clamp", title }, name, more ? h("span", { class: "more" }, more) : null);
}

function item(e) {
  const done = Boolean(e.positive);
  const why = e.reason || e.feeling;
  return h(
    "li", { class: done ? "chosen" : "", "data-item": e.item },
    h("span", { class: "mark", "aria-hidden": "true" }, done ? "●" : "○"),
    h("span", { class: "title" }, named(e.title ?? e.item)),
    h("span", { class: "did" }, e.action ? foreign(e.action) : "–"),
    h("span", { class: "rating", title: e.rating == null ? "" : `Rated ${e.rating}` }, e.rating == null ? "" : ["★ ", Number(e.rating).toString()], e.liked ? " ♥" : ""),
    why ? h("span", { class: "why" }, foreign(why, { class: "foreign clamp" })) : null,
  );
}
