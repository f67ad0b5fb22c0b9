/* One recorded call put again, perhaps otherwise; old and new side by side. Nothing of the run changes. */

import { post } from "./api.js";
import { dialog } from "./dialog.js";
import { empty, foreign, h, loading, swap } from "./dom.js";
import { count, fixed, model as modelName, money } from "./format.js";
import { moment } from "./model.js";
import { notice } from "./notice.js";
import { state } from "./store.js";
import { shown } from "./tabs/answer.js";

export function askAgain(call = moment()?.calls?.[0]) {
  if (!call) {
    notice({ text: "No model was asked in this step: there is no call to put again." });
    return;
  }
  const texts = call.messages.map((m) => {
    const area = h("textarea", { class: "mono", rows: Math.min(9, Math.max(3, String(m.content).split("\n").length)), "aria-label": `${m.role} message`, spellcheck: "false" });
    area.value = typeof m.content === "string" ? m.content : JSON.stringify(m.content);
    area.disabled = typeof m.content !== "string";
    return area;
  });
  const model = h("input", { type: "text", placeholder: call.model, "aria-label": "Model", spellcheck: "false" });
  const temperature = h("input", { type: "number", step: "0.1", min: "0", max: "2", placeholder: "as recorded", "aria-label": "Temperature" });
  const samples = h("input", { type: "number", min: "1", max: "16", value: "1", "aria-label": "Samples" });
  const result = h("div", { class: "sides" }, side("recorded", call), h("section", {}, empty("The new answer will stand here.")));
  dialog({
    title: `Ask again: the ${call.node} call of agent ${call.agent} on page ${call.page}`,
    name: "ask",
    wide: true,
    body: [
      h("p", { class: "soft" }, "The call is made anew and shown beside the recorded one. Nothing of the run changes."),
      h("details", {}, h("summary", {}, "Ask otherwise: messages"), h("div", { class: "form" }, texts.map((area, i) => h("label", { class: "tall" }, call.messages[i].role, area)))),
      h("div", { class: "form inline" }, h("label", {}, "model", model), h("label", {}, "temperature", temperature), h("label", {}, "samples", samples)),
      result,
    ],
    buttons: [
      {
        label: "Ask", name: "ask", main: true,
        run: async () => {
          swap(result, side("recorded", call), h("section", {}, loading("Asking the model")));
          const messages = call.messages.map((m, i) => ({ ...m, content: texts[i].disabled ? m.content : texts[i].value }));
          const other = messages.some((m, i) => m.content !== call.messages[i].content);
          try {
            const said = await post("ask-again", {
              run: state.run, key: call.key, messages: other ? messages : null,
              model: model.value.trim() || null, temperature: temperature.value === "" ? null : Number(temperature.value), samples: Number(samples.value) || 1,
            });
            swap(result, side("recorded", said.old), said.new.map((c, i) => side(said.new.length > 1 ? `new, sample ${i + 1}` : "new", c, said.old)));
          } catch (problem) {
            swap(result, side("recorded", call), h("section", {}, empty("No new answer.")));
            throw problem;
          }
          return false;
        },
      },
    ],
  });
}

function side(name, call, old) {
  const same = old && call.raw === old.raw;
  return h(
    "section", { "data-side": name },
    h("header", { class: "call" }, h("span", { class: "strong" }, name), h("span", { class: `tag ${call.status === "ok" ? "good" : "bad"}` }, call.status), old ? h("span", { class: `tag ${same ? "" : "accent"}` }, same ? "the same text" : "another text") : null, h("p", { class: "facts" }, foreign(modelName(call.model), { title: call.model }), h("span", {}, `${count(call.prompt_tokens)} + ${count(call.completion_tokens)} tokens`), h("span", {}, money(call.cost)), h("span", {}, `${fixed(call.latency, 3)} s`))),
    call.error ? h("p", { class: "bad small" }, foreign(call.error)) : null,
    shown(call),
  );
}
