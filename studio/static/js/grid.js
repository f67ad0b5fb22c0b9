/* A table of any length: only the rows in sight are in the document. */

import { h } from "./dom.js";

const HEIGHT = 24;
const SPARE = 6; // rows kept above and below what is in sight, so that a quick scroll shows no gap

/**
 * columns: [{name, label, title, width, number, cell(row) -> string or Node}]; `choose(row)` when a row is picked,
 * `sort(name)` when a heading is. Rows are numbers that mean something to the caller.
 */
export class Grid {
  constructor({ label, columns, choose, sort, none }) {
    this.columns = columns;
    this.rows = [];
    this.at = -1; // position of the picked row
    this.choose = choose;
    this.none = none;
    this.pool = [];
    this.heads = columns.map((column) =>
      h("button", { class: column.number ? "cell number" : "cell", role: "columnheader", tabindex: "-1", "data-column": column.name, title: column.title, onclick: () => sort(column.name) }, column.label),
    );
    this.body = h("div", { class: "grid-body", role: "rowgroup" });
    this.said = h("p", { class: "empty", hidden: true });
    this.box = h(
      "div",
      { class: "grid scroll", role: "grid", tabindex: "0", "aria-label": label, "data-scroll": label, "data-list": "", "aria-colcount": columns.length },
      h("div", { class: "grid-head", role: "row" }, this.heads),
      this.body,
      this.said,
    );
    this.box.style.setProperty("--columns", columns.map((c) => `${c.width}px`).join(" "));
    this.box.addEventListener("scroll", () => this.later(), { passive: true });
    this.box.addEventListener("keydown", (event) => this.pressed(event));
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("[data-at]");
      if (row) this.pick(Number(row.dataset.at));
    });
    new ResizeObserver(() => this.later()).observe(this.box);
  }

  /** Shows `rows`; `at` is the position of the picked one among them, -1 where it is not there. Scroll stays. */
  show(rows, at, sorted, down) {
    this.rows = rows;
    this.at = at;
    this.body.style.height = `${rows.length * HEIGHT}px`;
    this.box.setAttribute("aria-rowcount", rows.length + 1);
    for (const head of this.heads) {
      const here = head.dataset.column === sorted;
      head.setAttribute("aria-sort", here ? (down ? "descending" : "ascending") : "none");
    }
    this.said.hidden = rows.length > 0;
    if (rows.length === 0) this.said.textContent = this.none();
    this.draw();
  }

  later() {
    if (this.due) return;
    this.due = requestAnimationFrame(() => ((this.due = 0), this.draw()));
  }

  draw() {
    const top = this.box.scrollTop;
    const first = Math.max(0, Math.floor(top / HEIGHT) - SPARE);
    const last = Math.min(this.rows.length, Math.ceil((top + this.box.clientHeight) / HEIGHT) + SPARE);
    while (this.pool.length < last - first) {
      const cells = this.columns.map((c) => h("span", { class: c.number ? "cell number" : "cell", role: "gridcell" }));
      const node = h("div", { class: "grid-row", role: "row" }, cells);
      this.body.append(node);
      this.pool.push({ node, cells });
    }
    this.pool.forEach(({ node, cells }, i) => {
      const at = first + i;
      node.hidden = at >= last;
      if (node.hidden) return;
      node.style.transform = `translateY(${at * HEIGHT}px)`;
      node.dataset.at = at;
      node.id = `row-${at}`;
      node.setAttribute("aria-rowindex", at + 2);
      node.setAttribute("aria-selected", at === this.at ? "true" : "false");
      this.columns.forEach((column, j) => {
        const shown = column.cell(this.rows[at]);
        if (shown instanceof Node) cells[j].replaceChildren(shown);
        else if (cells[j].textContent !== shown) cells[j].textContent = shown;
      });
    });
    if (this.at >= 0) this.box.setAttribute("aria-activedescendant", `row-${this.at}`);
    else this.box.removeAttribute("aria-activedescendant");
  }

  /** Brings a position into sight. */
  reveal(at) {
    if (at < 0) return;
    const head = 26;
    const top = at * HEIGHT;
    const room = this.box.clientHeight - head;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + HEIGHT > this.box.scrollTop + room) this.box.scrollTop = top + HEIGHT - room;
  }

  pick(at) {
    if (this.rows.length === 0) return;
    this.at = Math.max(0, Math.min(this.rows.length - 1, at));
    this.reveal(this.at);
    this.draw();
    this.choose(this.rows[this.at]);
  }

  move(by) {
    this.pick(this.at < 0 ? 0 : this.at + by);
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / HEIGHT) - 2);
    const to = {
      ArrowDown: () => this.move(1),
      j: () => this.move(1),
      ArrowUp: () => this.move(-1),
      k: () => this.move(-1),
      PageDown: () => this.move(page),
      PageUp: () => this.move(-page),
      Home: () => this.pick(0),
      End: () => this.pick(this.rows.length - 1),
    }[event.key];
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    to();
  }
}
