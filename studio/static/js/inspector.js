/* The right pane: what there is to know about the moment, in tabs. */

import { h, loading, empty, failed, swap } from "./dom.js";
import { moment } from "./model.js";
import { set, state, watch } from "./store.js";
import * as answer from "./tabs/answer.js";
import * as logprobs from "./tabs/logprobs.js";
import * as memory from "./tabs/memory.js";
import * as persona from "./tabs/persona.js";
import * as prompt from "./tabs/prompt.js";
import * as change from "./tabs/state.js";
import * as tools from "./tabs/tools.js";

/** Each tab: `draw(moment)` gives nodes; `needs` what it shows something of; `badge(moment)` a small number on it. */
export const TABS = [
  { name: "prompt", label: "Prompt", needs: "moment", ...prompt },
  { name: "answer", label: "Answer", needs: "moment", ...answer },
  { name: "logprobs", label: "Log-probs", needs: "moment", ...logprobs },
  { name: "tools", label: "Tools", needs: "moment", ...tools },
  { name: "memory", label: "Memory", needs: "agent", ...memory },
  { name: "state", label: "State", needs: "moment", ...change },
  { name: "persona", label: "Persona", needs: "agent", ...persona },
];

let body;
let list;

export function begin(pane) {
  list = h("div", { class: "tabs", role: "tablist", "aria-label": "Inspector" });
  body = h("div", { class: "scroll inspector", role: "tabpanel", id: "inspected", tabindex: "0", "data-scroll": "inspected" });
  pane.append(list, body);
  list.addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const at = TABS.findIndex((t) => t.name === state.tab);
    open(TABS[(at + way + TABS.length) % TABS.length].name);
    queueMicrotask(() => list.querySelector('[aria-selected="true"]')?.focus());
  });
  watch(["tab", "moments", "node", "timeline", "agent", "page", "problem", "error"], show);
  show();
}

export function open(name) {
  body.scrollTop = 0;
  set({ tab: name });
}

export const focus = () => body.focus();

function show() {
  const tab = TABS.find((t) => t.name === state.tab) ?? TABS[0];
  const at = moment();
  swap(
    list,
    TABS.map((t, i) => {
      const badge = at ? t.badge?.(at) : null;
      return h(
        "button",
        { role: "tab", "aria-selected": t === tab ? "true" : "false", tabindex: t === tab ? "0" : "-1", "aria-controls": "inspected", "data-key": `tab-${t.name}`, "data-tab": t.name, title: `${t.label} (${i + 1})`, onclick: () => open(t.name) },
        t.label, badge ? h("span", { class: `badge ${badge.kind ?? ""}` }, badge.text) : null,
      );
    }),
  );
  body.setAttribute("aria-label", tab.label);
  if (state.error) return swap(body, empty("Nothing to look at."));
  if (!state.agent) return swap(body, state.agents ? empty("No agent is chosen.") : loading("Reading the run"));
  if (tab.needs === "moment" && !state.moments) return swap(body, loading("Living the page again from its recording"));
  if (tab.needs === "moment" && state.problem) return swap(body, failed(state.problem));
  if (tab.needs === "moment" && !at) return swap(body, empty("This page has not been lived yet."));
  if (tab.needs === "agent" && !state.timeline) return swap(body, loading("Reading the agent"));
  return swap(body, tab.draw(at));
}
