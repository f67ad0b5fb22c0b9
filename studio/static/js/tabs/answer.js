/* What the model wrote, as it came and as it was read; where it breaks its schema is marked at its path. */

import { block, empty, foreign, h } from "../dom.js";
import { editAnswer } from "../forking.js";
import { json, settle } from "../json.js";
import { each, head } from "./calls.js";

export function badge(moment) {
  const n = moment.calls.reduce((sum, c) => sum + c.problems.length, 0);
  if (n) return { text: n, kind: "bad" };
  return moment.failures.length || moment.calls.some((c) => c.status !== "ok") ? { text: "!", kind: "bad" } : null;
}

export const draw = (moment) => [failures(moment), each(moment, (call) => [head(call, edit(call)), shown(call)])];

const edit = (call) => (call.kind === "chat" ? h("button", { class: "quiet", "data-key": `edit-${call.key}`, title: "Put in another answer: becomes a fork", onclick: () => editAnswer(call) }, "Edit") : null);

/** The parsed answer with its problems, and the raw text. Also used where old and new stand side by side. */
export function shown(call) {
  const read = call.parsed !== null && call.parsed !== undefined;
  return [
    call.problems.length ? h("p", { class: "problems" }, h("span", { class: "bad strong" }, `${call.problems.length} ${call.problems.length === 1 ? "place breaks" : "places break"} the schema`), call.status === "ok" ? h("span", { class: "soft" }, "; the answer could be read all the same") : null) : null,
    read ? [h("div", { class: "role" }, "parsed"), json(call.parsed, settle(call.parsed, call.problems))] : null,
    !read && call.problems.length ? h("ul", { class: "failures" }, call.problems.map((p) => h("li", {}, h("code", {}, p.path || "(all)"), " ", foreign(p.message)))) : null,
    call.raw
      ? read
        ? h("details", { "data-key": `raw-${call.key}` }, h("summary", {}, "Raw answer"), block(call.raw))
        : [h("div", { class: "role" }, "raw: not JSON"), block(call.raw)]
      : call.kind === "score"
        ? empty("A score call has no text; its log-probabilities are in the next tab.")
        : empty("The model wrote nothing."),
  ];
}

function failures(moment) {
  if (!moment.failures.length) return null;
  return h("ul", { class: "failures" }, moment.failures.map((f) => h("li", {}, h("span", { class: "strong" }, f.status ?? "failed", " "), foreign(f.error ?? f.message ?? f.reason ?? JSON.stringify(f)))));
}
