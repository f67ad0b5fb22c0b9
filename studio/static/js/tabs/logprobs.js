/* Log-probabilities of a score call's labels, in nats, and what they come to among each other. */

import { empty, foreign, h } from "../dom.js";
import { each, head } from "./calls.js";

export const badge = (moment) => {
  const n = moment.calls.reduce((sum, c) => sum + c.questions.length, 0);
  return n ? { text: n } : null;
};

export const draw = (moment) =>
  each(moment, (call) => [
    head(call),
    call.questions.length
      ? [h("p", { class: "soft small lead" }, "Bars are shares among the labels asked about: exp(nats), normalised."), call.questions.map(question)]
      : empty("This call's answer holds no log-probabilities: text was asked for, not likelihoods."),
  ]);

function question({ suffix, labels, logprobs }) {
  const known = (logprobs ?? []).filter((v) => typeof v === "number");
  const top = Math.max(...known);
  const sum = known.reduce((s, v) => s + Math.exp(v - top), 0);
  return h(
    "section", { class: "question" },
    h("p", { class: "strong" }, foreign(suffix)),
    h("div", { class: "bars", role: "table", "aria-label": "Log-probabilities" },
      labels.map((label, i) => {
        const nats = logprobs?.[i];
        const share = typeof nats === "number" ? Math.exp(nats - top) / sum : 0;
        const bar = h("i", { class: nats === top ? "best" : "" });
        bar.style.width = `${share * 100}%`;
        return h("div", { class: "row", role: "row" }, h("span", { role: "cell", class: "label" }, foreign(label)), h("span", { role: "cell", class: "track" }, bar), h("span", { role: "cell", class: "number" }, `${(share * 100).toFixed(1)} %`), h("span", { role: "cell", class: "number soft" }, typeof nats === "number" ? nats.toFixed(3) : "not listed"));
      })),
  );
}
