/* All keys, and the names and forms that conditions and edits are written in. */

import { dialog } from "./dialog.js";
import { h } from "./dom.js";
import { groups } from "./keys.js";
import { aboutRun } from "./model.js";

const SHOWN = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", " ": "Space" };

export function help() {
  const about = aboutRun();
  dialog({
    title: "Keys",
    name: "help",
    wide: true,
    body: [
      h("div", { class: "help" }, [...groups()].map(([group, entries]) => h("section", {}, h("h3", { class: "label" }, group), h("dl", { class: "keys" }, entries.map((e) => [h("dt", {}, e.keys.slice(0, 2).map((k) => h("kbd", {}, SHOWN[k] ?? k))), h("dd", {}, e.label)]))))),
      about?.fields?.length ? h("details", {}, h("summary", {}, "Names in conditions"), h("p", { class: "soft" }, "== != < <= > >=, in, not in, and, or, not, parentheses; numbers, \"texts\", true, false, none."), h("dl", { class: "fields" }, about.fields.map((f) => [h("dt", {}, h("code", {}, f.name)), h("dd", {}, f.about)]))) : null,
      about?.edits?.length ? h("details", {}, h("summary", {}, "How edits are written"), h("dl", { class: "fields" }, about.edits.map((e) => [h("dt", {}, h("code", {}, e.form)), h("dd", {}, e.about)]))) : null,
      h("p", { class: "soft small" }, about ? `RecLoop ${about.version} · ${about.path}` : ""),
    ],
  });
}
