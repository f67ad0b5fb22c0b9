/* The bar of actions, each with its key: step, continue, go to, fork, edit, ask again, diff, replay. */

import { post } from "./api.js";
import { askAgain } from "./asking.js";
import { findNext } from "./breakpoints.js";
import { dialog } from "./dialog.js";
import { showDiff } from "./diffing.js";
import { h, swap } from "./dom.js";
import { continues, forkWith } from "./forking.js";
import { bind } from "./keys.js";
import { atNode, attempt, goTo, openRun } from "./model.js";
import { clear, notice } from "./notice.js";
import { set, state, watch } from "./store.js";

let stepping = false;
let waiting = ""; // one step that was asked for while another is made; of a key held down no more are kept

/** A step through the recording; at its end one is told how to live on. */
async function step(stride) {
  if (!state.agent) return;
  if (stepping) {
    waiting = stride;
    return;
  }
  stepping = true;
  try {
    await moved(stride);
  } finally {
    stepping = false;
  }
  const next = waiting;
  waiting = "";
  if (next) await step(next);
}

async function moved(stride) {
  // The next node of a page that is open is known here already.
  const names = (state.moments ?? []).map((m) => m.place.node);
  const next = names[names.indexOf(state.node) + 1];
  if (stride === "node" && next) return atNode(next);
  const found = await attempt(async () => {
    await post("place", { run: state.run, agent: state.agent, page: state.page, node: state.node });
    return post("step", { run: state.run, stride });
  });
  if (!found) return undefined;
  if (found.place) return goTo(found.place.agent, found.place.page, found.place.node, { tell: false });
  const more = state.overview.status === "finished" ? "" : " Press c to live on.";
  const words = { page: "This agent's last page", round: "The last round" }[stride] ?? "The last moment";
  return notice({ name: "step", text: `${words} of the recording.${more}` });
}

/** The node before, as far as this page goes; then the page before. */
function back() {
  const names = (state.moments ?? []).map((m) => m.place.node);
  const at = names.indexOf(state.node);
  if (at > 0) atNode(names[at - 1]);
  else if (state.page > 0) goTo(state.agent, state.page - 1, "decide");
}

const goOn = (pages = null) =>
  attempt(async () => {
    set({ hit: null });
    clear("stopped");
    set({ busy: await post("go-on", { run: state.run, pages, stop: true, budget: null }) });
  });

const stop = () => attempt(() => post("stop", { run: state.busy?.run ?? state.run }));

const nextHit = async () => {
  if (!state.breakpoints.some((b) => b.on)) return notice({ text: "No breakpoint is on. Press b to write one." });
  const hit = await findNext();
  if (hit === undefined) return undefined;
  if (!hit) return notice({ text: "No breakpoint holds at a later moment of the recording." });
  set({ hit });
  return goTo(hit.place.agent, hit.place.page, hit.place.node);
};

function goToDialog() {
  const agent = h("input", { type: "text", value: state.agent, "aria-label": "Agent", list: "agents-known", autofocus: true, spellcheck: "false", "data-field": "agent" });
  const page = h("input", { type: "number", min: "0", value: String(state.page), "aria-label": "Page", "data-field": "page" });
  const node = h("select", { "aria-label": "Node", "data-field": "node" }, ["", "observe", "react", "remember", "reflect", "decide", "interview"].map((n) => h("option", { value: n }, n || "(the page)")));
  dialog({
    title: "Go to",
    name: "go-to",
    body: h("div", { class: "form" }, h("label", {}, "agent", agent), h("label", {}, "page", page), h("label", {}, "node", node)),
    buttons: [
      { label: "Cancel", run: () => {} },
      {
        label: "Go", main: true,
        run: async () => {
          const { place } = await post("place", { run: state.run, agent: agent.value.trim(), page: Number(page.value), node: node.value });
          await goTo(place.agent, place.page, place.node, { tell: false });
        },
      },
    ],
  });
}

const replay = () =>
  attempt(async () => {
    notice({ name: "replay", text: "Replaying the run from its recording, without a model …", lasts: 0 });
    const found = await post("replay", { run: state.run }).catch((problem) => (clear("replay"), Promise.reject(problem)));
    notice({
      name: "replay", kind: found.same ? "good" : "error", lasts: 0,
      text: (found.same ? `Replayed without a model in ${found.seconds.toFixed(2)} s: the digest is the same, ${found.digest.slice(0, 16)}…` : `The replay's digest is another one: ${found.replayed.slice(0, 16)}… instead of ${found.digest.slice(0, 16)}…`) + (found.note ? `\n${found.note}` : ""),
    });
  });

/** What a run that went on stopped for. */
export function stopped(event) {
  if (event.run !== state.run) {
    notice({ name: "stopped", text: `${event.run || "The opened run"}: ${event.error ?? event.reason ?? event.status}`, actions: [{ label: "Open it", run: () => attempt(() => openRun(event.run)) }] });
    return;
  }
  if (event.error) {
    notice({ name: "stopped", kind: "error", text: event.hint ? `${event.error}\n${event.hint}` : event.error });
    return;
  }
  set({ hit: event.hit ?? null });
  if (event.hit) {
    const { place } = event.hit;
    notice({ name: "stopped", kind: "hit", text: event.reason || `breakpoint ${event.hit.breakpoint.id}: ${event.hit.breakpoint.when}`, actions: [{ label: "Fork before it", run: () => forkWith() }] });
    goTo(place.agent, place.page, place.node);
  } else {
    const forked = state.overview?.parent !== null;
    notice({ name: "stopped", kind: "good", text: event.status === "finished" ? "Lived to its end." : `Stands before page ${event.page}${event.reason ? `: ${event.reason}` : "."}`, actions: forked ? [{ label: "Diff against parent", run: () => showDiff() }] : [], lasts: 0 });
  }
}

const idle = () => state.overview && !state.busy;
const over = () => state.overview?.status === "finished";

const ACTIONS = [
  { name: "back", key: ",", label: "", glyph: "◂", about: "The node before", run: back, when: () => state.agent },
  { name: "node", key: "n", label: "Node", glyph: "▸", about: "Step to the next node of the page", run: () => step("node"), when: () => state.agent },
  { name: "page", key: "p", label: "Page", about: "Step to this agent's next page", run: () => step("page"), when: () => state.agent },
  { name: "agent", key: "a", label: "Agent", about: "Step to the next agent on this page", run: () => step("agent"), when: () => state.agent },
  { name: "round", key: "r", label: "Round", about: "Step to everybody's next page", run: () => step("round"), when: () => state.agent },
  null,
  { name: "hit", key: "m", label: "Next hit", about: "The next recorded moment at which a breakpoint holds", run: nextHit, when: () => state.agent },
  { name: "go-to", key: "g", label: "Go to", about: "Go to an agent, page and node", run: goToDialog, when: () => state.overview },
  null,
  { name: "continue", key: "c", label: "Continue", about: "Live on to the first breakpoint that holds, or to the end", run: () => goOn(), when: () => idle() && !over(), main: true },
  { name: "one", key: "o", label: "+1 page", about: "Live one page of everybody who browses", run: () => goOn(1), when: () => idle() && !over() },
  { name: "stop", key: "x", label: "Stop", about: "Pause what goes on at its last whole page", run: stop, when: () => state.busy },
  null,
  { name: "fork", key: "f", label: "Fork here", about: "Fork before this page", run: () => forkWith(), when: () => state.overview },
  { name: "edit", key: "e", label: "Edit", about: "Edit what is in the open tab; becomes a fork", run: edit, when: () => state.agent },
  { name: "ask", key: "q", label: "Ask again", about: "Put this step's call again, old and new side by side", run: () => askAgain(), when: () => state.moments?.length },
  null,
  { name: "diff", key: "d", label: "Diff", about: "What this run did otherwise than its parent", run: () => showDiff(), when: () => state.overview },
  { name: "replay", key: "y", label: "Replay", about: "Prove the recording: replay without a model, compare the digest", run: replay, when: idle },
];

/** An edit of what the open tab shows. */
function edit() {
  const now = state.moments?.find((m) => m.place.node === state.node);
  const call = now?.calls?.[0];
  const { persona } = state.timeline ?? {};
  const by = {
    memory: () => 'memory add ""',
    persona: () => `trait activity=${persona?.activity ?? 2}`,
    state: () => `state satisfaction=${now?.before?.satisfaction ?? ""}`,
    answer: () => call && `answer ${call.key}=${JSON.stringify(call.parsed ?? call.raw)}`,
    prompt: () => call && `prompt ${call.node}=""`,
  };
  forkWith(by[state.tab]?.() || "");
}

export function begin(bar) {
  continues(goOn);
  for (const action of ACTIONS) if (action) bind(action.key, ["back", "node", "page", "agent", "round", "hit", "go-to"].includes(action.name) ? "Move" : "Run", action.about, () => action.when() && action.run());
  const show = () => swap(bar, draw());
  watch(["overview", "busy", "agent", "moments", "run"], show);
  show();
}

function draw() {
  return [
    ACTIONS.map((a) =>
      a === null
        ? h("span", { class: "gap", "aria-hidden": "true" })
        : h("button", { class: a.main ? "action main" : "action", disabled: !a.when(), "data-key": `do-${a.name}`, "data-does": a.name, title: `${a.about} (${a.key})`, "aria-keyshortcuts": a.key, "aria-label": a.label ? undefined : a.about, onclick: a.run }, a.glyph ? h("span", { class: "glyph", "aria-hidden": "true" }, a.glyph) : null, a.label, h("kbd", {}, a.key)),
    ),
  ];
}
