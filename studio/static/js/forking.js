/* A fork with its edits: everything that is changed becomes a run of its own. */

import { post } from "./api.js";
import { dialog } from "./dialog.js";
import { foreign, h } from "./dom.js";
import { count } from "./format.js";
import { aboutRun, moment, openRun, pageView, readTree } from "./model.js";
import { notice } from "./notice.js";
import { state } from "./store.js";

let goOn = () => {};

/** What continues a run once it is made; set by the actions, which know how. */
export const continues = (run) => (goOn = run);

/** Edits that suit the moment, as they are written, ready to be changed. */
function suggestions() {
  const { persona } = state.timeline ?? { persona: {} };
  const page = pageView();
  const asked = moment()?.calls?.[0];
  const found = [
    ["trait", `trait activity=${persona.activity === 1 ? 3 : 1}`],
    ["memory", 'memory add "I have had enough of sequels."'],
    ["state", "state satisfaction=2"],
  ];
  if (page) found.push(["slate", `slate = ${[...page.exposures].sort((a, b) => a.rank - b.rank).map((e) => e.item).reverse().join(",")}`]);
  if (asked) found.push(["prompt", `prompt ${asked.node}=${JSON.stringify("…")}`], ["model", `model=${asked.model}`], ["answer", `answer ${asked.key}=${JSON.stringify(asked.parsed ?? asked.raw)}`]);
  return found;
}

/** The dialog, with `edit` written into it. */
export function forkWith(edit = "") {
  if (!state.overview) return;
  const lines = h("textarea", { rows: 5, class: "mono", "aria-label": "Edits, one a line", placeholder: "one edit a line; none: only chance and what is asked anew may differ", spellcheck: "false", autofocus: true, "data-field": "edits" });
  lines.value = edit;
  const name = h("input", { type: "text", "aria-label": "Name of the fork", placeholder: "named for you", spellcheck: "false", "data-field": "name" });
  const page = h("input", { type: "number", min: "0", max: String(state.overview.page), value: String(state.page), "aria-label": "Before page", "data-field": "page" });
  const one = h("input", { type: "radio", name: "who", value: "one", checked: Boolean(state.agent), "data-field": "one" });
  const all = h("input", { type: "radio", name: "who", value: "all", checked: !state.agent, "data-field": "all" });
  const lives = h("input", { type: "checkbox", checked: true, "data-field": "live" });
  const add = (text) => {
    lines.value = lines.value.trim() ? `${lines.value.trimEnd()}\n${text}` : text;
    lines.focus();
    const quote = text.indexOf('"') + 1;
    if (quote) lines.setSelectionRange(lines.value.length - text.length + quote, lines.value.length - 1);
  };
  dialog({
    title: "Fork",
    name: "fork",
    body: [
      h("p", { class: "soft" }, "A fork is a run of its own that leaves this one before a page. It stores only what differs; this run stays as it is."),
      h(
        "div", { class: "form" },
        h("label", {}, "before page", page),
        h("fieldset", {}, h("legend", {}, "who lives on"), h("label", {}, one, h("span", {}, "agent ", foreign(state.agent || "–", { class: "foreign strong" })), h("span", { class: "soft small" }, "all others do what they did")), h("label", {}, all, `everybody (${count(state.overview.agents)})`)),
        h("label", { class: "tall" }, "edits", lines),
        h("div", { class: "chips", role: "group", "aria-label": "Add an edit" }, suggestions().map(([kind, text]) => h("button", { type: "button", class: "chip", title: text.slice(0, 300), onclick: () => add(text) }, `+ ${kind}`))),
        forms(),
        h("label", {}, "name", name),
        h("label", { class: "check" }, lives, "go on at once, to the first breakpoint that holds or to the end"),
      ),
    ],
    buttons: [
      { label: "Cancel", run: () => {} },
      {
        label: "Fork", name: "fork", main: true,
        run: async () => {
          const edits = lines.value.split("\n").map((l) => l.trim()).filter(Boolean);
          const agents = one.checked && state.agent ? [state.agent] : null;
          const before = Number(page.value);
          const { run } = await post("fork", { run: state.run, page: before, edits, agents, name: name.value.trim() });
          const place = { agent: state.agent, page: before, node: "" };
          await readTree();
          await openRun(run, place);
          if (lives.checked) await goOn();
          else notice({ kind: "good", text: `Fork ${run} leaves before page ${before}. Nothing is lived yet: press c to go on.` });
        },
      },
    ],
  });
  if (edit.endsWith('""')) lines.setSelectionRange(edit.length - 1, edit.length - 1);
}

function forms() {
  const known = aboutRun()?.edits ?? [];
  if (!known.length) return null;
  return h("details", {}, h("summary", {}, "How edits are written"), h("dl", { class: "fields" }, known.map((e) => [h("dt", {}, h("code", {}, e.form)), h("dd", {}, e.about)])));
}

/** Another answer in the place of a recorded one. */
export function editAnswer(call) {
  forkWith(`answer ${call.key}=${JSON.stringify(call.parsed ?? call.raw)}`);
}
