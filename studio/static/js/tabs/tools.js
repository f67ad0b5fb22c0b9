/* Tool calls of the answers. */

import { empty, foreign, h } from "../dom.js";
import { json } from "../json.js";
import { each, head } from "./calls.js";

export const badge = (moment) => {
  const n = moment.calls.reduce((sum, c) => sum + c.tools.length, 0);
  return n ? { text: n } : null;
};

export const draw = (moment) =>
  each(moment, (call) => [
    head(call),
    call.tools.length
      ? call.tools.map((tool) => h("section", { class: "tool" }, h("p", { class: "strong" }, foreign(tool.name)), json(tool.arguments)))
      : empty("The model called no tool here."),
  ]);
