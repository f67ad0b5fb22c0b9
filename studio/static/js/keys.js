/* Keys: one table of what they do, which the help, the buttons' hints and the listener all read. */

const table = [];

/** Says what a key does. `when`: whether it may now. */
export function bind(keys, group, label, run, when = () => true) {
  table.push({ keys: [keys].flat(), group, label, run, when });
}

/** All keys by group, for the help. */
export function groups() {
  const found = new Map();
  for (const entry of table) found.set(entry.group, [...(found.get(entry.group) ?? []), entry]);
  return found;
}

const writing = (node) => node instanceof HTMLElement && (node.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName));

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]")) return; // a dialog has its own keys
  if (writing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  // Enter and space belong to the button that has the focus.
  if ((event.key === "Enter" || event.key === " ") && event.target.closest?.("button, a, summary, [role=tab]")) return;
  const entry = table.find((e) => e.keys.includes(event.key) && e.when());
  if (!entry) return;
  event.preventDefault();
  entry.run(event);
}

export const listen = () => document.addEventListener("keydown", pressed);
