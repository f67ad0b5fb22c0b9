/* Dialogs: a native modal with a heading, a body and buttons; Escape closes, Ctrl+Enter does the main thing. */

import { block, h } from "./dom.js";

/**
 * Opens a dialog. body: nodes; buttons: [{label, key, main, run(dialog) -> keep open where it returns false}].
 * `wide` for side by side. Focus returns to where it was.
 */
export function dialog({ title, body, buttons = [], wide = false, name = "" }) {
  const before = document.activeElement;
  const error = h("div", { class: "said-error", role: "alert" });
  const node = h("dialog", { class: wide ? "wide" : "", "aria-labelledby": "dialog-title", "data-dialog": name });
  const close = () => node.close();
  const act = async (button) => {
    error.replaceChildren();
    const nodes = [...node.querySelectorAll("footer button")];
    for (const b of nodes) b.disabled = true;
    try {
      if ((await button.run({ close, node })) !== false) close();
    } catch (problem) {
      error.replaceChildren(block(problem.message));
      error.scrollIntoView({ block: "nearest" });
    } finally {
      for (const b of nodes) b.disabled = false;
    }
  };
  const main = buttons.find((b) => b.main);
  node.append(
    h("header", {}, h("h2", { id: "dialog-title" }, title), h("span", { class: "grow" }), h("button", { class: "quiet", "aria-label": "Close", onclick: close }, "Close", h("kbd", {}, "Esc"))),
    h("div", { class: "dialog-body" }, body),
    error,
    buttons.length
      ? h("footer", {}, h("span", { class: "grow" }), buttons.map((b) => h("button", { class: b.main ? "main" : "", "data-does": b.name ?? b.label, onclick: () => act(b) }, b.label, b.main ? h("kbd", {}, "Ctrl ⏎") : null)))
      : "",
  );
  node.addEventListener("keydown", (event) => {
    if (main && event.key === "Enter" && (event.ctrlKey || event.metaKey)) (event.preventDefault(), act(main));
    else if (main && event.key === "Enter" && event.target.tagName === "INPUT" && event.target.type !== "radio" && event.target.type !== "checkbox") (event.preventDefault(), act(main));
  });
  node.addEventListener("click", (event) => event.target === node && close());
  node.addEventListener("close", () => {
    node.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
  });
  document.body.append(node);
  node.showModal();
  node.querySelector("[autofocus]")?.focus();
  return { node, close, error };
}
