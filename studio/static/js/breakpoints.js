/* Breakpoints: conditions on a moment, added, switched and cleared; which of them holds here is marked. */

import { post } from "./api.js";
import { block, empty, foreign, h, key, swap } from "./dom.js";
import { literal } from "./format.js";
import { aboutRun, attempt, goTo, readBreakpoints } from "./model.js";
import { state, watch } from "./store.js";

let input;
let list;
let said;

export function begin(box) {
  input = h("input", { type: "text", class: "grow mono", placeholder: "satisfaction < 3 and page > 0", "aria-label": "Condition of a new breakpoint", spellcheck: "false", autocomplete: "off", list: "condition-names" });
  said = h("div", { class: "said-error", role: "alert" });
  list = h("div", {});
  const names = h("datalist", { id: "condition-names" }, (aboutRun()?.fields ?? []).map((f) => h("option", { value: f.name }, f.about)));
  box.append(h("form", { class: "filter", onsubmit: (event) => (event.preventDefault(), add()) }, input, h("button", { class: "quiet", "data-does": "add-breakpoint" }, "Add")), names, said, list);
  input.addEventListener("input", () => said.replaceChildren());
  watch(["breakpoints", "hit", "note"], show);
  show();
}

export const focus = () => input.focus();

async function add() {
  const when = input.value.trim();
  if (!when) return;
  said.replaceChildren();
  try {
    await post("breakpoints", { run: state.run, when, against: null });
    input.value = "";
    await readBreakpoints();
  } catch (problem) {
    said.replaceChildren(block(problem.message)); // a caret points at the place: a fixed-width font
    input.focus();
  }
}

const turn = (b) => attempt(async () => (await post("breakpoints/switch", { run: state.run, id: b.id, on: !b.on }), readBreakpoints()));
const clear = (b) => attempt(async () => (await post("breakpoints/clear", { run: state.run, id: b.id }), readBreakpoints()));

/** Goes to the next moment at which a breakpoint holds. */
export const findNext = (when = null) =>
  attempt(async () => {
    const after = state.agent ? { agent: state.agent, page: state.page, node: state.node } : null;
    const { hit } = await post("find", { run: state.run, when, against: null, after });
    return hit;
  });

function show() {
  const { hit } = state;
  if (!state.breakpoints.length)
    return swap(list, h("p", { class: "empty" }, "No breakpoint. Write a condition on what an agent is or does: ", h("code", {}, "failures > 0"), ", ", h("code", {}, 'decision == "leave"'), ", ", h("code", {}, '"watch" in actions'), "."));
  swap(
    list,
    state.note ? h("p", { class: "note warn small" }, state.note) : null,
    h(
      "ul", { class: "rows", role: "list" },
      state.breakpoints.map((b) => {
        const holds = hit?.breakpoint.id === b.id;
        return h(
          "li", { class: holds ? "holds" : "", "data-breakpoint": b.id },
          h("input", { type: "checkbox", checked: b.on, "aria-label": `Breakpoint ${b.id} is on`, "data-key": `break-${b.id}`, onchange: () => turn(b) }),
          h("code", { class: `grow ${b.on ? "" : "off"}` }, foreign(b.when)),
          b.against ? h("span", { class: "soft small" }, "against ", foreign(b.against)) : null,
          h("button", { class: "link", "data-key": `clear-${b.id}`, "aria-label": `Remove breakpoint ${b.id}`, onclick: () => clear(b) }, "remove"),
          holds
            ? h("p", { class: "hit" }, h("button", { class: "link strong", onclick: () => goTo(hit.place.agent, hit.place.page, hit.place.node) }, "holds at ", foreign(hit.place.agent), `, page ${hit.place.page}${hit.place.node ? `, ${hit.place.node}` : ""}`), " ", Object.entries(hit.values).slice(0, 6).map(([name, value]) => [" ", h("code", {}, `${name} = ${literal(value)}`.slice(0, 160))]))
            : null,
        );
      }),
    ),
    h("p", { class: "soft small pad" }, "Next moment at which one holds: ", key("m"), ". Live on to the first: ", key("c"), "."),
  );
  return undefined;
}
