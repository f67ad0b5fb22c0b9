/* What a fork did otherwise than its parent (or another run): where it first differs, who, and how the numbers moved. */

import { get } from "./api.js";
import { dialog } from "./dialog.js";
import { empty, failed, foreign, h, loading, swap, visible } from "./dom.js";
import { count, fixed, measured, plural } from "./format.js";
import { goTo } from "./model.js";
import { state } from "./store.js";

const SHOWN = 200; // agents listed at once

export async function showDiff(against) {
  const body = h("div", { class: "diff" }, loading("Comparing"));
  const choice = h("select", { "aria-label": "Compare with" }, runs(state.tree).filter((f) => f.run !== state.run).map((f) => h("option", { value: f.run }, f.run || f.name)));
  const { close } = dialog({ title: `Diff of ${state.run || state.overview.name}`, name: "diff", wide: true, body: [h("div", { class: "form inline" }, h("label", {}, "against", choice)), body] });
  const parent = parentOf(state.tree, state.run);
  const read = async (other) => {
    swap(body, loading("Comparing"));
    try {
      // What a fork did otherwise is read from its parent to it, whichever of the two is open.
      const back = runs(find(state.tree, state.run)).some((f) => f.run === other);
      const found = await get("diff", back ? { run: other, against: state.run } : { run: state.run, against: other });
      swap(body, draw(found, (agent, page) => (close(), goTo(agent, page, ""))));
    } catch (problem) {
      swap(body, failed(problem));
    }
  };
  choice.addEventListener("change", () => read(choice.value));
  if (against === undefined && parent === null) {
    if (choice.options.length) {
      const lived = runs(state.tree).filter((f) => f.run !== state.run && f.status === "finished").at(-1);
      if (lived) choice.value = lived.run;
      return read(choice.value);
    }
    swap(body, empty("This run has no parent and no forks: there is nothing to compare it with. Press f to fork it."));
    return undefined;
  }
  choice.value = against ?? parent;
  return read(against ?? parent);
}

/** All runs of the tree, the root first. */
export const runs = (fork) => (fork ? [fork, ...fork.forks.flatMap(runs)] : []);

const find = (fork, run) => runs(fork).find((f) => f.run === run) ?? null;

function parentOf(fork, run) {
  if (!fork) return null;
  if (fork.forks.some((f) => f.run === run)) return fork.run;
  for (const below of fork.forks) {
    const found = parentOf(below, run);
    if (found !== null) return found;
  }
  return null;
}

function draw(d, open) {
  const agents = Object.entries(d.agents);
  const metrics = Object.entries(d.metrics);
  const moved = metrics.filter(([, m]) => m.difference !== 0 && m.difference !== null);
  const still = metrics.filter(([, m]) => m.difference === 0 || m.difference === null);
  return [
    h(
      "p", { class: "lead" },
      d.first
        ? ["First divergence: ", h("button", { class: "link strong", "data-first": "", onclick: () => open(d.first.agent, d.first.page) }, "agent ", foreign(d.first.agent), `, page ${d.first.page}`), d.first.field ? [" in ", h("code", {}, d.first.field)] : null, ". "]
        : "Nothing differs. ",
      `${plural(agents.length, "agent")} ${agents.length === 1 ? "lives" : "live"} otherwise; ${count(d.same)} ${d.same === 1 ? "has" : "have"} the same digest in both. Calls of their own: ${count(d.calls[0])} and ${count(d.calls[1])}.`,
    ),
    h(
      "div", { class: "diff-body" },
      h(
        "section", {},
        h("h3", { class: "label" }, "numbers that moved"),
        moved.length ? numbers(moved, d) : empty("None of them."),
        still.length ? h("details", {}, h("summary", {}, `${still.length} are the same in both`), numbers(still, d)) : null,
      ),
      h("section", {}, h("h3", { class: "label" }, "agents, page by page"), agents.slice(0, SHOWN).map(([agent, pages], i) => pair(agent, pages, i === 0, d, open)), agents.length > SHOWN ? empty(`${count(agents.length - SHOWN)} more agents differ; the first ${SHOWN} are shown.`) : agents.length ? null : empty("No agent's pages differ.")),
    ),
  ];
}

const numbers = (rows, d) =>
  h("table", { class: "changes numbers" }, h("thead", {}, h("tr", {}, h("th", {}, ""), h("th", { class: "number" }, foreign(d.a.name)), h("th", { class: "number" }, foreign(d.b.name)), h("th", { class: "number" }, "difference"))), h("tbody", {}, rows.map(([name, m]) => h("tr", { "data-metric": name }, h("td", {}, m.label ?? name), num(m.a, m.unit), num(m.b, m.unit), h("td", { class: `number ${m.difference ? "moved" : "faint"}` }, m.difference === 0 ? "0" : measured(m.difference, m.unit, true))))));

const num = (v, unit) => h("td", { class: "number" }, measured(v, unit));

function pair(agent, pages, open, d, go) {
  const node = h(
    "details", { class: "agent-diff", open, "data-agent": agent },
    h("summary", {}, h("span", { class: "strong" }, "agent ", foreign(agent)), h("span", { class: "soft small" }, ` ${pages.length === 1 ? "page" : "pages"} ${pages.map((p) => p.page).join(", ")}`)),
    pages.map((p) =>
      h("div", { class: "sides" }, h("button", { class: "link page", onclick: () => go(agent, p.page) }, `page ${p.page}`, p.field && JSON.stringify(p.a) === JSON.stringify(p.b) ? [": the same, but ", h("code", {}, p.field)] : null), h("section", {}, h("div", { class: "role" }, foreign(d.a.name)), did(p.a, p.b)), h("section", {}, h("div", { class: "role" }, foreign(d.b.name)), did(p.b, p.a))),
    ),
  );
  // The comparison names items by id; their titles stand in the agent's pages, read when they are looked at.
  const name = () => node.open && !node.dataset.named && ((node.dataset.named = "true"), titles(node, agent));
  node.addEventListener("toggle", name);
  name();
  return node;
}

async function titles(node, agent) {
  const { pages } = await get("agent", { run: state.run, agent }).catch(() => ({ pages: [] })); // ids say it, too
  const known = new Map(pages.flatMap((p) => p.exposures.map((e) => [String(e.item), e.title])));
  for (const item of node.querySelectorAll("[data-item]")) if (known.has(item.dataset.item)) item.textContent = visible(known.get(item.dataset.item));
}

/** What one side did on a page; what the other did otherwise is marked. */
function did(mine, other) {
  if (!mine) return empty("No such page: had left, or has not come here.");
  const { chosen = [], ratings = {}, ...rest } = mine;
  const there = new Set(other?.chosen ?? []);
  return [
    chosen.length
      ? h("ul", { class: "did" }, chosen.map((item) => {
          const differs = !there.has(item) || ratings[item] !== other.ratings?.[item];
          return h("li", { class: differs ? "differs" : "soft" }, h("bdi", { class: "foreign clamp", "data-item": item }, item), h("span", { class: "star" }, ratings[item] === undefined || ratings[item] === null ? "" : `★ ${ratings[item]}`));
        }))
      : h("p", { class: "soft small" }, "chose nothing"),
    h("dl", { class: "fields" }, Object.entries(rest).map(([name, value]) => [h("dt", {}, name), h("dd", {}, h("span", { class: JSON.stringify(value) === JSON.stringify(other?.[name]) ? "soft" : "differs" }, said(value)))])),
  ];
}

const said = (value) => (value === null || value === undefined ? "–" : typeof value === "number" && !Number.isInteger(value) ? fixed(value, 3) : foreign(typeof value === "string" ? value : JSON.stringify(value)));
