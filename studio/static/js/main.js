/* Begins here: the panes, the keys, and the run that the address names. */

import * as actions from "./actions.js";
import * as breakpoints from "./breakpoints.js";
import { empty, h } from "./dom.js";
import * as forks from "./forks.js";
import { help } from "./help.js";
import * as inspector from "./inspector.js";
import { bind, listen } from "./keys.js";
import * as model from "./model.js";
import { clearAll, error } from "./notice.js";
import { splitters } from "./panes.js";
import * as population from "./population.js";
import { set, state, watch } from "./store.js";
import * as theme from "./theme.js";
import * as timeline from "./timeline.js";
import * as topbar from "./topbar.js";

const at = (id) => document.getElementById(id);

function lower(pane) {
  const names = ["Breakpoints", "Forks"];
  const panels = names.map((name) => h("div", { class: "scroll", role: "tabpanel", "aria-label": name, "data-scroll": name }));
  const count = names.map(() => h("span", { class: "badge" }));
  const tabs = names.map((name, i) => h("button", { role: "tab", "data-lower": name.toLowerCase(), onclick: () => show(i) }, name, count[i]));
  const show = (open) => {
    tabs.forEach((tab, i) => (tab.setAttribute("aria-selected", String(i === open)), (tab.tabIndex = i === open ? 0 : -1)));
    panels.forEach((panel, i) => (panel.hidden = i !== open));
  };
  pane.append(h("div", { class: "tabs", role: "tablist", "aria-label": "Breakpoints and forks" }, tabs), ...panels);
  breakpoints.begin(panels[0]);
  forks.begin(panels[1]);
  const forksOf = (fork) => (fork?.forks ?? []).reduce((n, f) => n + 1 + forksOf(f), 0);
  const counted = () => [state.breakpoints.length, forksOf(state.tree)].forEach((n, i) => ((count[i].textContent = n || ""), (count[i].hidden = !n)));
  watch(["breakpoints", "tree"], counted);
  counted();
  show(0);
  pane.addEventListener("keydown", (event) => {
    if (event.target.role !== "tab" || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    event.stopPropagation();
    const open = 1 - tabs.indexOf(event.target);
    show(open);
    tabs[open].focus();
  });
  return show;
}

function keys(showLower) {
  bind(["j", "ArrowDown"], "Lists", "The next row: of the population, or of the list that has the focus", () => population.move(1));
  bind(["k", "ArrowUp"], "Lists", "The row before", () => population.move(-1));
  bind(["]", "ArrowRight"], "Lists", "The agent's next page", () => timeline.turn(1));
  bind(["[", "ArrowLeft"], "Lists", "The agent's page before", () => timeline.turn(-1));
  bind("/", "Lists", "Filter the population", population.focusFilter);
  bind("u", "Panes", "The population", population.focusGrid);
  bind("l", "Panes", "The timeline", timeline.focusPage);
  bind("i", "Panes", "The inspector", inspector.focus);
  bind("b", "Panes", "Write a breakpoint", () => (showLower(0), breakpoints.focus()));
  bind("w", "Panes", "The tree of forks", () => (showLower(1), forks.focus()));
  inspector.TABS.forEach((tab, i) => bind(String(i + 1), "Inspector", tab.label, () => inspector.open(tab.name)));
  bind("t", "Page", "Dark or light", theme.toggle);
  bind("?", "Page", "These keys", help);
  bind("Escape", "Page", "Close, leave a field, dismiss what was said", () => (clearAll(), document.activeElement?.blur()));
  listen();
}

async function begin() {
  theme.begin();
  splitters();
  topbar.begin(at("top"));
  actions.begin(at("actions"));
  population.begin(at("population"));
  timeline.begin(at("middle"));
  inspector.begin(at("right"));
  model.report({ error, stopped: actions.stopped });
  watch(["overview"], () => state.overview && (document.title = `${state.run || state.overview.name} – RecLoop debugger`));
  try {
    await model.begin();
  } catch (problem) {
    set({ error: problem });
    at("population").querySelector(".pictures").replaceChildren(empty("Nobody to show."));
  }
  keys(lower(at("lower")));
  document.body.dataset.ready = "true";
}

begin();
