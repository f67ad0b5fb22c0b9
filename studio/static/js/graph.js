/* The nodes of one agent-page, the current one lit. */

import { h, swap } from "./dom.js";
import { plural } from "./format.js";
import { atNode, NODES } from "./model.js";
import { state, watch } from "./store.js";

const ABOUT = {
  observe: "sees the slate and recalls what bears on it",
  react: "chooses an action for every item",
  remember: "writes the page into memory",
  reflect: "turns what has gathered into a feeling",
  decide: "goes on to the next page, or leaves",
  interview: "is asked how it was",
  page: "a scripted user's page, which is one step",
};

export function begin(box) {
  box.setAttribute("role", "tablist");
  box.setAttribute("aria-label", "Nodes of the page");
  const show = () => swap(box, draw());
  watch(["moments", "node"], show);
  show();
}

function draw() {
  const lived = new Map((state.moments ?? []).map((m) => [m.place.node, m]));
  const scripted = lived.has("page");
  const names = scripted ? ["page"] : NODES;
  return names.map((name, i) => {
    const here = lived.get(name);
    const calls = here?.calls ?? [];
    const bad = (here?.failures?.length ?? 0) > 0 || calls.some((c) => c.status !== "ok");
    const lit = here && name === state.node;
    const words = [
      bad ? "failed" : calls.length ? plural(calls.length, "call") : null,
      here?.recalled?.length ? `${here.recalled.length} recalled` : null,
    ].filter(Boolean);
    return [
      i > 0 && h("span", { class: here ? "edge" : "edge off", "aria-hidden": "true" }),
      h(
        "button",
        {
          class: `node${lit ? " lit" : ""}${bad ? " broken" : ""}`, role: "tab", "aria-selected": lit ? "true" : "false", tabindex: lit ? "0" : "-1",
          disabled: !here, "data-key": `node-${name}`, "data-node": name, title: `${name}: ${ABOUT[name]}`, onclick: () => atNode(name),
        },
        h("span", { class: "name" }, name),
        h("span", { class: "what" }, words.length ? words.join(" · ") : here ? "code" : "–"),
      ),
    ];
  });
}
