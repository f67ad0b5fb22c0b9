/* The tree of the run and its forks. */

import { empty, foreign, h, loading, swap } from "./dom.js";
import { bytes } from "./format.js";
import { attempt, openRun } from "./model.js";
import { state, watch } from "./store.js";

let box;

export function begin(pane) {
  box = pane;
  box.addEventListener("keydown", (event) => {
    const way = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!way) return;
    const all = [...box.querySelectorAll("[role=treeitem] > button")];
    const to = all[all.indexOf(document.activeElement) + way];
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    to.focus();
  });
  watch(["tree", "run", "agent", "page"], show);
  show();
}

export const focus = () => box.querySelector('[aria-current="true"], button')?.focus();

function show() {
  if (!state.tree) return swap(box, loading("Reading the forks"));
  return swap(box, h("ul", { class: "tree", role: "tree", "aria-label": "Run and forks" }, branch(state.tree, 0)), state.tree.forks.length ? null : empty("No forks yet. ", h("kbd", {}, "f"), " forks here."));
}

function branch(fork, depth) {
  const here = fork.run === state.run;
  return h(
    "li", { role: "treeitem", "aria-selected": here ? "true" : "false", "aria-level": depth + 1, "aria-expanded": fork.forks.length ? "true" : undefined },
    h(
      "button",
      { class: `fork${here ? " here" : ""}`, "aria-current": here ? "true" : "false", "data-key": `fork-${fork.run}`, "data-run": fork.run, onclick: () => !here && attempt(() => openRun(fork.run, { agent: state.agent, page: state.page, node: state.node })) },
      h("span", { class: "line" }, h("span", { class: "strong" }, foreign(fork.name)), h("span", { class: `tag ${fork.status}` }, fork.status), h("span", { class: "grow" }), h("span", { class: "soft small" }, bytes(fork.size))),
      fork.barrier === null || fork.barrier === undefined
        ? h("span", { class: "soft small" }, `root, ${fork.page} pages`)
        : h("span", { class: "soft small" }, `leaves before page ${fork.barrier}, is at ${fork.page} · ${fork.touched.length ? (fork.touched.length === 1 ? `agent ${fork.touched[0]}` : `${fork.touched.length} agents`) : "everybody"}`),
      fork.edits.map((e) => h("code", { class: "edit" }, foreign(e))),
    ),
    fork.forks.length ? h("ul", { role: "group" }, fork.forks.map((f) => branch(f, depth + 1))) : null,
  );
}
