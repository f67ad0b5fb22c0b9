/* What the tabs on calls share: a heading for each call of the moment. */

import { empty, foreign, h } from "../dom.js";
import { count, fixed, model, money } from "../format.js";
import { askAgain } from "../asking.js";

export function head(call, ...more) {
  const bad = call.status !== "ok";
  return h(
    "header", { class: "call" },
    h("span", { class: "strong" }, call.kind === "score" ? "Score call" : "Call", call.sample ? `, sample ${call.sample}` : ""),
    h("span", { class: `tag ${bad ? "bad" : "good"}` }, call.status),
    call.edited ? h("span", { class: "tag accent" }, "put in by hand") : null,
    h("span", { class: "grow" }),
    more,
    h("button", { class: "quiet", "data-key": `again-${call.key}`, onclick: () => askAgain(call) }, "Ask again", h("kbd", {}, "q")),
    h(
      "p", { class: "facts" },
      foreign(model(call.model), { title: call.model }),
      h("span", {}, `${count(call.prompt_tokens)} + ${count(call.completion_tokens)} tokens`),
      h("span", {}, money(call.cost)),
      h("span", {}, `${fixed(call.latency, 3)} s`),
      call.attempts > 1 ? h("span", { class: "warn" }, `${call.attempts} attempts`) : null,
      h("code", { class: "faint", title: call.key }, call.key.slice(0, 12)),
    ),
    call.error ? h("p", { class: "bad small" }, foreign(call.error)) : null,
  );
}

/** Each call of the moment drawn by `draw`, or a line that says there is none. */
export function each(moment, draw) {
  const { calls } = moment;
  if (!calls.length) {
    const words = moment.place.node === "page" ? "A scripted user decides in code: no model was asked." : `No model was asked in ${moment.place.node}: code alone did this step.`;
    const others = "Steps that asked one have a number of calls in the graph.";
    return empty(words, moment.place.node === "page" ? "" : ` ${others}`);
  }
  return calls.map((call) => h("section", { class: "called", "data-call": call.key }, draw(call)));
}
