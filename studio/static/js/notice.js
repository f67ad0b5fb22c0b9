/* What happened, in one line above the panes, with what can be done about it. */

import { block, h } from "./dom.js";

const box = () => document.getElementById("notice");

/** kind: info | good | hit | error. `actions`: [{label, run}]. Replaces the notice of the same `name`. */
export function notice({ name = "said", kind = "info", text, actions = [], lasts = kind === "info" || kind === "good" ? 8000 : 0 }) {
  clear(name);
  const node = h(
    "div", { class: `notice ${kind}`, "data-notice": name, role: kind === "error" ? "alert" : undefined },
    text.includes("\n") ? block(text) : h("span", { class: "foreign" }, text),
    h("span", { class: "grow" }),
    actions.map((a) => h("button", { class: "quiet", onclick: () => (node.remove(), a.run()) }, a.label)),
    h("button", { class: "quiet", "aria-label": "Dismiss", onclick: () => node.remove() }, "Dismiss"),
  );
  box().append(node);
  if (lasts) setTimeout(() => node.remove(), lasts);
}

export const clear = (name) => box().querySelector(`[data-notice="${CSS.escape(name)}"]`)?.remove();
export const clearAll = () => box().replaceChildren();
export const error = (problem) => notice({ name: "error", kind: "error", text: problem.message });
