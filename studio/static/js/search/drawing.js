/* The panes of a search: its steps, its prompts with what changed in them, cases and calls, breakpoints and forks. */

import { block, empty, foreign, h, visibleLines } from "../dom.js";
import { bytes, plural } from "../format.js";
import { json } from "../json.js";
import { clearBreakpoint, setBreakpoint, turnBreakpoint, waiting } from "./acting.js";
import { attempt, look, openCall, openRun, seen } from "./main.js";

const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
const head = (title, ...more) => h("div", { class: "head" }, h("h2", {}, title), h("span", { class: "grow" }), more);
const id = (text, go = true) => (go && seen.candidates.some((c) => c.id === text) ? h("button", { class: "link mono", onclick: (event) => (event.stopPropagation(), look({ candidate: text })) }, text) : h("code", {}, text));

function happened(s) {
  const lines = [];
  for (const e of s.edits) lines.push(h("span", { class: "warn" }, "edited: ", foreign(e)));
  for (const e of s.entered) lines.push(h("span", {}, "enters ", h("code", {}, e)));
  for (const e of s.refused) lines.push(h("span", { class: "bad" }, "refused ", h("code", {}, e)));
  for (const [name, said] of Object.entries(s.scores)) lines.push(h("span", {}, h("code", {}, name), ` ${score(said.mean)} on ${said.cases} cases`));
  for (const t of s.thoughts) lines.push(h("span", {}, foreign(t.node), ` ${t.status ?? ""}`));
  for (const d of s.decided) lines.push(h("span", { class: d.accepted ? "good" : "bad" }, `a ${d.by} ${d.accepted ? "accepts" : "refuses"} `, h("code", {}, d.candidate)));
  if (s.stopped) lines.push(h("span", { class: "warn foreign" }, s.stopped));
  return lines;
}

export function drawSteps() {
  return [
    head("Steps"),
    h(
      "div", { class: "scroll", "data-scroll": "steps" },
      seen.steps.length === 0 ? empty("Nothing has happened yet.") : null,
      h(
        "ol", { class: "rowlist", "aria-label": "Steps of the search" },
        seen.steps.map((s) =>
          h(
            "li", {},
            h(
              "button", { "data-step": s.step, "data-key": `step-${s.step}`, "aria-current": s.step === seen.step ? "true" : "false", onclick: () => look({ step: s.step }) },
              h("span", { class: "line" }, h("b", {}, String(s.step)), h("span", { class: "strong" }, s.kind || "not taken yet"), h("span", { class: "grow" }), s.calls.length ? h("span", { class: "soft small" }, plural(s.calls.length, "call")) : null),
              happened(s).map((line) => h("span", { class: "line small soft" }, line)),
            ),
          ),
        ),
      ),
    ),
  ];
}

const words = (pieces) => h("pre", { class: "words" }, pieces.map(([what, text]) => h(what === "gone" ? "del" : what === "new" ? "ins" : "span", {}, document.createTextNode(visibleLines(text)))));

function chosen() {
  const c = seen.candidates.find((each) => each.id === seen.candidate);
  if (!c) return empty("No prompt is chosen.");
  const others = seen.candidates.filter((each) => each.id !== c.id);
  const against = seen.against && seen.against !== c.id ? seen.against : (c.parents.find((p) => others.some((o) => o.id === p)) ?? "");
  return h(
    "section", { class: "candidate-text", "aria-label": "The prompt" },
    h("p", { class: "facts" }, h("code", {}, c.id), h("span", { class: "tag" }, c.fate), h("span", {}, foreign(c.operator)), c.maker ? h("span", {}, "by ", foreign(c.maker)) : null, c.parents.length ? h("span", {}, "parents ", c.parents.map((p) => [id(p), " "])) : null),
    c.reason ? h("p", { class: "small" }, foreign(c.reason)) : null,
    c.why ? h("p", { class: "soft small" }, foreign(c.why)) : null,
    c.problems.length ? h("ul", { class: "failures" }, c.problems.map((p) => h("li", {}, foreign(p)))) : null,
    h("label", { class: "small soft" }, "changes since ", h("select", { "aria-label": "Compare with", "data-key": "against", "data-field": "against", onchange: (event) => look({ against: event.target.value, candidate: c.id }) }, h("option", { value: "" }, "(its parent)"), others.map((o) => h("option", { value: o.id, selected: o.id === seen.against }, o.id)))),
    Object.entries(c.texts).map(([part, text]) => [h("p", { class: "role" }, foreign(part), seen.parts && against ? h("span", { class: "soft" }, ` against ${against}`) : null), seen.parts?.[part] ? words(seen.parts[part]) : block(text)]),
  );
}

export function drawCandidates() {
  const v = seen.overview?.verdict;
  return [
    head("Prompts"),
    h(
      "div", { class: "scroll", "data-scroll": "candidates" },
      waiting(),
      v ? h("p", { class: `verdict ${v.fresh === false ? "warn" : ""}`, "data-verdict": v.outcome }, foreign(v.text)) : null,
      h(
        "ul", { class: "rowlist", "aria-label": "Candidates" },
        seen.candidates.map((c) =>
          h(
            "li", {},
            h(
              "button", { "data-candidate": c.id, "data-key": `candidate-${c.id}`, "aria-current": c.id === seen.candidate ? "true" : "false", onclick: () => look({ candidate: c.id, against: "" }) },
              h("span", { class: "line" }, h("code", { class: "mono" }, c.id), h("b", {}, score(c.score)), c.cases ? h("span", { class: "soft small" }, `on ${c.cases} cases`) : null, c.lead ? h("span", { class: "small" }, `${c.lead.mean >= 0 ? "+" : "−"}${Math.abs(c.lead.mean).toFixed(3)} to the seed`) : null, h("span", { class: "grow" }), h("span", { class: "soft small" }, foreign(c.operator)), h("span", { class: `tag ${c.fate === "winner" ? "good" : c.fate === "refused" ? "bad" : ""}` }, c.fate)),
            ),
          ),
        ),
      ),
      chosen(),
    ),
  ];
}

function callView(c) {
  return [
    h("p", { class: "pad" }, h("button", { class: "link", "data-key": "back", onclick: () => look({ call: null }) }, "← back to the cases")),
    h(
      "section", { class: "called", "aria-label": "A call" },
      h("p", { class: "facts" }, h("span", { class: `tag ${c.status === "ok" ? "good" : "bad"}` }, c.status), h("span", {}, foreign(c.model)), h("span", {}, `${c.prompt_tokens} + ${c.completion_tokens} tokens`), c.case ? h("span", {}, "case ", foreign(c.case)) : null),
      c.error ? h("p", { class: "bad small" }, foreign(c.error)) : null,
      c.messages.map((m) => h("div", { class: `message ${m.role}` }, h("p", { class: "role" }, m.role), block(typeof m.content === "string" ? m.content : JSON.stringify(m.content, null, 1)))),
      h("p", { class: "role" }, "answer"),
      c.raw ? block(c.raw) : null,
      c.values === null ? null : json(c.values),
    ),
  ];
}

export function drawInspector() {
  if (seen.call) return [head("Call"), h("div", { class: "scroll inspector", "data-scroll": "call" }, callView(seen.call))];
  const step = seen.steps.find((s) => s.step === seen.step);
  return [
    head(seen.candidate ? `Cases of ${seen.candidate}` : "Cases"),
    h(
      "div", { class: "scroll inspector", "data-scroll": "cases" },
      step?.notes.length ? h("details", { "data-key": "notes", open: true }, h("summary", {}, `Notes of step ${step.step}`), h("ul", { class: "plain small" }, step.notes.map((n) => h("li", {}, id(n.candidate), ` ${n.what}: `, foreign(n.why))))) : null,
      step?.thoughts.length ? h("details", { "data-key": "thoughts", open: true }, h("summary", {}, `What the proposer said at step ${step.step}`), step.thoughts.map((t) => [t.value === null || t.value === undefined ? h("p", { class: "bad" }, foreign(t.error)) : json(t.value), (t.calls ?? []).map((key) => h("button", { class: "link mono", onclick: () => openCall(key) }, key.slice(0, 12)))])) : null,
      seen.cases.length === 0
        ? empty("It was asked no case.")
        : h(
            "table", { class: "cases" },
            h("thead", {}, h("tr", {}, ["case", "split", "value", "what happened", "calls"].map((name) => h("th", { scope: "col" }, name)))),
            h("tbody", {}, seen.cases.map((c) => h("tr", { "data-case": c.case }, h("td", {}, foreign(c.case)), h("td", {}, c.split), h("td", { class: "number" }, score(c.value)), h("td", {}, h("span", { class: c.status === "ok" ? "" : "bad" }, foreign(c.kind || c.status)), " ", h("span", { class: "soft" }, foreign(c.text))), h("td", {}, c.calls.map((key) => h("button", { class: "link mono", "data-call": key, onclick: () => openCall(key) }, key.slice(0, 8))))))),
          ),
    ),
  ];
}

function branch(fork, depth) {
  return h(
    "li", { role: "treeitem", "aria-level": depth + 1, "aria-selected": fork.run === seen.run ? "true" : "false" },
    h(
      "button", { class: `fork${fork.run === seen.run ? " here" : ""}`, "data-run": fork.run, "data-key": `fork-${fork.run}`, onclick: () => fork.run !== seen.run && attempt(() => openRun(fork.run)) },
      h("span", { class: "line" }, h("span", { class: "strong" }, foreign(fork.name)), h("span", { class: `tag ${fork.status}` }, fork.status), h("span", { class: "grow" }), h("span", { class: "soft small" }, bytes(fork.size))),
      h("span", { class: "soft small" }, fork.left_at === null ? `root, ${fork.steps} steps` : `leaves before step ${fork.left_at}, is at ${fork.steps}`),
      fork.edits.map((e) => h("code", { class: "edit" }, foreign(e))),
    ),
    fork.forks.length ? h("ul", { role: "group" }, fork.forks.map((f) => branch(f, depth + 1))) : null,
  );
}

let typed = ""; // a condition that is being written outlasts what is drawn anew

export function drawLower() {
  const input = h("input", { type: "text", class: "grow mono", placeholder: 'kind == "accept"', "aria-label": "Condition of a new breakpoint", spellcheck: "false", "data-key": "condition", list: "condition-names", value: typed, oninput: (event) => (typed = event.target.value) });
  const said = h("div", { class: "said-error", role: "alert" });
  const add = async (event) => {
    event.preventDefault();
    if (!input.value.trim()) return;
    try {
      await setBreakpoint(input.value.trim(), () => (typed = ""));
    } catch (problem) {
      said.replaceChildren(block(problem.message));
    }
  };
  return [
    head("Breakpoints and forks"),
    h(
      "div", { class: "scroll", "data-scroll": "lower" },
      h("form", { class: "filter", onsubmit: add }, input, h("button", { class: "quiet", "data-does": "add-breakpoint" }, "Add")),
      h("datalist", { id: "condition-names" }, (seen.about?.fields ?? []).map((f) => h("option", { value: f.name }, f.about))),
      said,
      seen.note ? h("p", { class: "note warn small foreign" }, seen.note) : null,
      h(
        "ul", { class: "rows", role: "list" },
        seen.breakpoints.map((b) => h("li", { "data-breakpoint": b.id }, h("input", { type: "checkbox", checked: b.on, "aria-label": `Breakpoint ${b.id} is on`, onchange: () => turnBreakpoint(b) }), h("code", { class: "grow" }, foreign(b.when)), h("button", { class: "link", onclick: () => clearBreakpoint(b) }, "remove"))),
      ),
      seen.tree ? h("ul", { class: "tree", role: "tree", "aria-label": "Search and forks" }, branch(seen.tree, 0)) : null,
    ),
  ];
}
