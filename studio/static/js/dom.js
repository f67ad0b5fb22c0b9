/* Making nodes. All text goes in as text nodes, never as markup, and what cannot be seen is made visible first. */

const SVG = "http://www.w3.org/2000/svg";
/* Joiners and the emoji selector stay: words of several scripts and many emoji fall apart without them. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
const KEPT = new Set(["\u200c", "\u200d", "\ufe0f"]);

function sign(character) {
  if (KEPT.has(character)) return character;
  const code = character.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "␡";
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** Text on one line: every control, direction and other invisible character as a visible sign. */
export const visible = (text) => String(text).replace(HIDDEN, sign);

/** The same with the text's own line breaks and tabs kept. */
export const visibleLines = (text) => String(text).replace(HIDDEN, (c) => (c === "\n" || c === "\t" ? c : sign(c)));

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : name === "title" ? visible(value).slice(0, 2000) : String(value));
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    if (Array.isArray(child)) append(node, child);
    else node.append(child instanceof Node ? child : document.createTextNode(visible(child)));
  }
}

/** An element: h("button", {class: "quiet", onclick}, "Step"). */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** The same of SVG. */
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Text of people or models on one line, kept apart from the direction of what stands around it. */
export const foreign = (text, attributes) => h("bdi", { class: "foreign", ...attributes }, text ?? "");

/** Long text with its line breaks; where a caret points at a place in it, columns are kept. */
export const block = (text, attributes) => {
  const node = h("pre", { class: /^\s*\^/m.test(text ?? "") ? "text pointing" : "text", ...attributes });
  node.append(document.createTextNode(visibleLines(text ?? "")));
  return node;
};

/** Puts `children` in the place of what is there, and leaves scroll and focus where they were (`data-key` says what is what). */
export function swap(box, ...children) {
  const active = document.activeElement;
  const held = box.contains(active) ? active.closest("[data-key]")?.dataset.key : undefined;
  const scrolled = [box, ...box.querySelectorAll("[data-scroll]")].map((n) => [n.dataset.scroll, n.scrollTop, n.scrollLeft]);
  const open = new Map([...box.querySelectorAll("details[data-key]")].map((d) => [d.dataset.key, d.open]));
  box.replaceChildren();
  append(box, children);
  for (const details of box.querySelectorAll("details[data-key]"))
    if (open.has(details.dataset.key)) details.open = open.get(details.dataset.key);
  for (const [name, top, left] of scrolled) {
    const node = name === undefined || name === box.dataset.scroll ? box : box.querySelector(`[data-scroll="${CSS.escape(name)}"]`);
    if (node) [node.scrollTop, node.scrollLeft] = [top, left];
  }
  if (held !== undefined) box.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
}

/** A key in its cap. */
export const key = (name) => h("kbd", {}, name);

/** A line that says there is nothing, or that something is on its way. */
export const empty = (...words) => h("p", { class: "empty" }, ...words);
export const loading = (what) => h("p", { class: "empty", role: "status" }, h("span", { class: "spinner" }), ` ${what} …`);
export const failed = (error) => h("div", { class: "failed", role: "alert" }, block(error.message ?? error));
