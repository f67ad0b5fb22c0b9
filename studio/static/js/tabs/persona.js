/* Who the agent is, as it is in force here. */

import { foreign, h } from "../dom.js";
import { fixed } from "../format.js";
import { forkWith } from "../forking.js";
import { state } from "../store.js";

const TRAITS = ["activity", "conformity", "diversity"];
const SHOWN = ["user", ...TRAITS, "tastes", "likes", "dislikes", "rating_tendency", "mean_rating", "n_history"];

export function draw() {
  const { persona } = state.timeline;
  const rest = Object.entries(persona).filter(([name]) => !SHOWN.includes(name));
  return [
    h("section", { class: "traits" }, TRAITS.filter((t) => persona[t] !== undefined).map((t) => h("div", { class: "trait" }, h("span", { class: "label" }, t), h("span", { class: "steps", "aria-hidden": "true" }, [1, 2, 3].map((i) => h("i", { class: i <= persona[t] ? "full" : "" }))), h("span", { class: "strong" }, String(persona[t])), h("button", { class: "link", "data-key": `trait-${t}`, onclick: () => forkWith(`trait ${t}=${persona[t]}`) }, "edit")))),
    persona.tastes ? part("tastes", h("ul", { class: "plain" }, [persona.tastes].flat().map((t) => h("li", {}, foreign(t))))) : null,
    persona.likes?.length || persona.dislikes?.length ? part("likes and dislikes", h("p", { class: "tags" }, [(persona.likes ?? []).map((g) => h("span", { class: "tag good" }, foreign(g))), (persona.dislikes ?? []).map((g) => h("span", { class: "tag bad" }, foreign(g)))])) : null,
    persona.rating_tendency ? part("ratings", h("p", {}, foreign(persona.rating_tendency))) : null,
    persona.mean_rating === undefined ? null : part("history", h("p", {}, `${persona.n_history} ratings, ${fixed(persona.mean_rating, 2)} on average`)),
    rest.length ? h("details", { "data-key": "persona-rest" }, h("summary", {}, "All other fields"), h("dl", { class: "fields" }, rest.map(([name, value]) => [h("dt", {}, foreign(name)), h("dd", {}, foreign(typeof value === "string" ? value : JSON.stringify(value)))]))) : null,
  ];
}

const part = (name, body) => h("section", { class: "part" }, h("h3", { class: "label" }, name), body);
