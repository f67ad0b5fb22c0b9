/* The left pane: everybody in a table, and two small pictures of where they are. */

import { foreign, h, loading, svg, swap, visible } from "./dom.js";
import { parse } from "./filter.js";
import { count, fixed, money } from "./format.js";
import { Grid } from "./grid.js";
import { goTo } from "./model.js";
import { state, watch } from "./store.js";

const col = (name) => state.agents?.[name] ?? [];
const number = (name, label, title, width, show) => ({ name, label, title, width, number: true, cell: (i) => show(col(name)[i]) });
const whole = (v) => (v === null || v === undefined ? "–" : String(v));

const COLUMNS = [
  { name: "agent", label: "agent", title: "Who", width: 66, cell: (i) => visible(col("agent")[i]).slice(0, 80) },
  number("pages", "pages", "Pages lived", 54, whole),
  { name: "status", label: "is", title: "browsing, left, or stopped (still there after the last page)", width: 74, cell: (i) => String(col("status")[i]) },
  number("satisfaction", "sat.", "Satisfaction, 1 to 10, after the last page", 44, (v) => fixed(v)),
  number("chosen", "chosen", "Items chosen", 56, whole),
  number("mean_rating", "rating", "Mean rating given", 52, (v) => fixed(v)),
  number("failures", "fails", "Pages or calls without a usable answer", 44, (v) => (v ? String(v) : "·")),
  number("shown", "shown", "Items shown", 52, whole),
  number("calls", "calls", "Calls to the model", 48, (v) => count(v)),
  number("tokens", "tokens", "Tokens sent and received", 64, (v) => count(v)),
  number("cost", "cost", "US dollars", 72, (v) => money(v)),
  number("activity", "act.", "Trait: activity, 1 to 3", 42, whole),
  number("conformity", "conf.", "Trait: conformity, 1 to 3", 46, whole),
  number("diversity", "div.", "Trait: diversity, 1 to 3", 42, whole),
  { name: "edited", label: "edited", title: "Lives on otherwise in this fork", width: 56, cell: (i) => (col("edited")[i] ? "edited" : "") },
];

let order = { name: "", down: false };
let grid;
let filter;
let note;
let counted;
let pictures;
let asked = 0;

export function begin(pane) {
  filter = h("input", {
    type: "search", class: "grow", placeholder: "filter: left  sat<3  4530", "aria-label": "Filter agents", spellcheck: "false", autocomplete: "off",
    oninput: () => refresh(true),
    onkeydown: (event) => {
      if (event.key === "Enter" || event.key === "ArrowDown") (event.preventDefault(), grid.box.focus(), grid.at < 0 && grid.pick(0));
      if (event.key === "Escape" && filter.value) (event.stopPropagation(), (filter.value = ""), refresh(true));
    },
  });
  counted = h("span", { class: "soft small", "aria-live": "polite" });
  note = h("p", { class: "note bad small", hidden: true });
  pictures = h("div", { class: "pictures" });
  grid = new Grid({ label: "Agents", columns: COLUMNS, choose, sort, none: () => (state.agents ? "No agent matches this filter." : "") });
  pane.append(h("div", { class: "head" }, h("h2", {}, "Population"), counted), pictures, h("div", { class: "filter" }, filter, h("kbd", {}, "/")), note, grid.box);
  swap(pictures, loading("Reading the population"));
  watch(["agents"], () => refresh(false));
  watch(["agent"], () => mark());
}

function choose(i) {
  const agent = state.agents.agent[i];
  clearTimeout(asked);
  // While a key is held down rows fly by: only the one it stays on is asked for.
  asked = setTimeout(() => agent !== state.agent && goTo(agent, Math.max(0, Math.min(state.page, state.agents.pages[i] - 1)), ""), 70);
}

function sort(name) {
  order = order.name !== name ? { name, down: name !== "agent" && name !== "status" } : order.down === (name !== "agent" && name !== "status") ? { name, down: !order.down } : { name: "", down: false };
  refresh(true);
}

function rows() {
  const columns = state.agents;
  const holds = parse(filter.value, columns);
  const found = [];
  for (let i = 0; i < columns.agent.length; i++) if (holds(i)) found.push(i);
  if (order.name) {
    const values = columns[order.name];
    const way = order.down ? -1 : 1;
    const text = order.name === "agent" || order.name === "status";
    found.sort((a, b) => {
      const [x, y] = [values[a], values[b]];
      if (x === null || x === undefined) return y === null || y === undefined ? a - b : 1;
      if (y === null || y === undefined) return -1;
      return (text ? String(x).localeCompare(String(y), "en", { numeric: true }) : x - y) * way || a - b;
    });
  }
  return found;
}

function refresh(reset) {
  if (!state.agents) return;
  let found = [];
  note.hidden = true;
  try {
    found = rows();
  } catch (problem) {
    note.hidden = false;
    note.textContent = visible(problem.message);
  }
  counted.textContent = found.length === state.agents.agent.length ? count(found.length) : `${count(found.length)} of ${count(state.agents.agent.length)}`;
  if (reset) grid.box.scrollTop = 0;
  const at = found.findIndex((i) => state.agents.agent[i] === state.agent);
  grid.show(found, at, order.name, order.down);
  draw();
}

function mark() {
  if (!state.agents) return;
  const at = grid.rows.findIndex((i) => state.agents.agent[i] === state.agent);
  if (at === grid.at) return;
  grid.at = at;
  grid.reveal(at);
  grid.draw();
}

/* Pictures */

function bars({ title, bins, narrow }) {
  const most = Math.max(1, ...bins.map((b) => b.parts.reduce((s, p) => s + p.n, 0)));
  const [wide, high] = [160, 34];
  const step = wide / bins.length;
  const drawn = bins.map((bin, i) => {
    let y = high;
    const total = bin.parts.reduce((s, p) => s + p.n, 0);
    const boxes = bin.parts.filter((p) => p.n).map((part) => {
      const tall = Math.max(1, (part.n / most) * (high - 2));
      y -= tall;
      return svg("rect", { class: `bar ${part.kind}`, x: i * step + 0.75, y, width: Math.max(1, step - 1.5), height: tall, rx: 1 });
    });
    return svg("g", { class: "bin", onclick: () => narrow(bin) }, svg("title", {}, `${bin.label}: ${count(total)}`), svg("rect", { class: "ground", x: i * step, y: 0, width: step, height: high }), boxes);
  });
  const words = bins.filter((b) => b.parts.some((p) => p.n)).map((b) => `${b.label}: ${b.parts.reduce((s, p) => s + p.n, 0)}`).join(", ");
  return h(
    "figure", { class: "picture" },
    svg("svg", { viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", role: "img", "aria-label": `${title}. ${words}` }, drawn),
    h("div", { class: "axis" }, h("span", {}, bins[0]?.tick ?? ""), h("span", { class: "name" }, title), h("span", {}, bins.at(-1)?.tick ?? "")),
  );
}

function only(text) {
  filter.value = filter.value.trim() === text ? "" : text;
  refresh(true);
}

function draw() {
  const { satisfaction, pages, status } = state.agents;
  const cap = Math.max(1, state.overview?.pages ?? 0, ...new Set(pages));
  const wide = Math.max(1, Math.ceil((cap + 1) / 24)); // a run of many pages has several in one bar
  const kinds = ["browsing", "stopped", "left"];
  const lived = Array.from({ length: Math.ceil((cap + 1) / wide) }, (_, i) => ({
    low: i * wide, high: i * wide + wide - 1, tick: String(i * wide),
    label: wide === 1 ? `${i} page${i === 1 ? "" : "s"}` : `${i * wide} to ${i * wide + wide - 1} pages`,
    parts: kinds.map((kind) => ({ kind, n: 0 })),
  }));
  const felt = Array.from({ length: 9 }, (_, i) => ({ low: i + 1, high: i + 2, tick: String(i + (i === 8 ? 2 : 1)), label: `satisfaction ${i + 1} to ${i + 2}`, parts: [{ kind: "all", n: 0 }] }));
  for (let i = 0; i < pages.length; i++) {
    const kind = kinds.indexOf(status[i]);
    lived[Math.min(lived.length - 1, Math.floor(pages[i] / wide))].parts[kind < 0 ? 0 : kind].n++;
    if (typeof satisfaction[i] === "number") felt[Math.max(0, Math.min(8, Math.floor(satisfaction[i]) - 1))].parts[0].n++;
  }
  const of = (kind) => status.reduce((n, s) => n + (s === kind), 0);
  const legend = kinds.map((kind) => [kind, of(kind)]).filter(([, n]) => n);
  swap(
    pictures,
    h(
      "div", { class: "pair" },
      bars({ title: "pages lived", bins: lived, narrow: (b) => only(b.low === b.high ? `pages=${b.low}` : `pages>=${b.low} pages<=${b.high}`) }),
      bars({ title: "satisfaction", bins: felt, narrow: (b) => only(`sat>=${b.low} sat${b.high === 10 ? "<=" : "<"}${b.high}`) }),
    ),
    h("div", { class: "legend" }, legend.map(([kind, n]) => h("button", { class: "chip", "data-key": `legend-${kind}`, onclick: () => only(kind), title: kind === "stopped" ? "Show those who were still there after the last page" : `Show those who are ${kind}` }, h("i", { class: `dot ${kind}` }), `${count(n)} ${kind}`))),
  );
}

export const focusFilter = () => (filter.focus(), filter.select());
export const focusGrid = () => grid.box.focus();
export const move = (by) => grid.move(by);
