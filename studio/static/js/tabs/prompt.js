/* The rendered prompt, message by message. */

import { block, h } from "../dom.js";
import { plural } from "../format.js";
import { each, head } from "./calls.js";

export const badge = (moment) => (moment.calls.length ? { text: moment.calls.length } : null);

export const draw = (moment) =>
  each(moment, (call) => [
    head(call),
    call.messages.map((m) =>
      h("div", { class: `message ${["system", "user", "assistant", "tool"].includes(m.role) ? m.role : ""}` }, h("div", { class: "role" }, h("span", {}, m.role), h("span", { class: "faint" }, plural(content(m).length, "character"))), block(content(m))),
    ),
    call.schema ? h("details", { "data-key": `schema-${call.key}` }, h("summary", {}, "Schema of the answer"), block(JSON.stringify(call.schema, null, 2))) : null,
  ]);

/** A message's text; parts of another kind are shown as what they are. */
export const content = (message) => (typeof message.content === "string" ? message.content : JSON.stringify(message.content, null, 2) ?? "");
