/* Reading the run into the store: what is asked for when one looks elsewhere, and when something new is there. */

import { get, live, post } from "./api.js";
import { hash, set, state, unhash, watch } from "./store.js";

export const NODES = ["observe", "react", "remember", "reflect", "decide", "interview"];

let about = null;
let ends = null; // of the live stream
let told = null; // the last `state` event
let asked = 0; // number of the newest question about a place: older answers are dropped
let wanted = null; // a page that was asked for before it was lived: it is gone to as soon as it is there
let onError = () => {};
let onStopped = () => {};

export const aboutRun = () => about;

/** Where errors without a place of their own, and the ends of what goes on, are said. */
export function report({ error, stopped }) {
  onError = error;
  onStopped = stopped;
}

/** Runs `work`; an error is said, and undefined comes back. */
export async function attempt(work) {
  try {
    return await work();
  } catch (problem) {
    if (problem.name !== "AbortError") onError(problem);
    return undefined;
  }
}

export async function begin() {
  about = await get("about").catch((problem) => {
    if (problem.status === 401 || problem.status === 0) throw problem;
    return null; // without it the help is shorter; the run can be looked at all the same
  });
  const place = unhash(location.hash);
  set({ tab: place.tab });
  await openRun(place.run, place);
  window.addEventListener("hashchange", () => {
    const to = unhash(location.hash);
    if (hash() === location.hash) return;
    set({ tab: to.tab });
    if (to.run !== state.run) attempt(() => openRun(to.run, to));
    else if (to.agent && !state.agents?.agent.includes(to.agent)) onError(new Error(`No agent “${to.agent}” in this run.`));
    else if (to.agent) goTo(to.agent, to.page, to.node);
  });
  watch(["run", "agent", "page", "node", "tab"], () => {
    // A step is not a page of the browser's history; another run or agent is.
    if (hash() !== location.hash) history.replaceState(null, "", hash());
  });
}

/** Looks at a run of the tree: all of it is read anew. */
export async function openRun(run, place = null) {
  const mine = ++asked;
  set({ run, overview: null, agents: null, timeline: null, moments: null, agent: "", node: "", page: 0, hit: null, error: null });
  const [overview, agents, kept, marks, tree] = await Promise.all([
    get("overview", { run }),
    get("agents", { run }),
    get("place", { run }),
    get("breakpoints", { run }),
    get("tree").catch((problem) => (onError(problem), null)), // a damaged fork does not hide its parent
  ]);
  if (mine !== asked) return;
  set({ overview, agents: agents.columns, breakpoints: marks.breakpoints, note: marks.note, tree, busy: overview.living ?? null });
  follow(run);
  const known = (p) => p?.agent && agents.columns.agent.includes(p.agent);
  const first = agents.columns.agent[0];
  const to = known(place) ? place : known(kept.place) ? kept.place : first === undefined ? null : { agent: first, page: 0, node: "" };
  if (place?.agent && !known(place)) onError(new Error(`No agent “${place.agent}” in this run; the first one is shown.`));
  if (to) await goTo(to.agent, to.page, to.node, { tell: false });
}

/** Looks at a moment. `tell`: the server keeps it as the place from which steps are made. */
export async function goTo(agent, page, node = "", { tell = true, again = false } = {}) {
  const mine = ++asked;
  const other = agent !== state.agent || again;
  if (wanted && agent !== wanted.agent) wanted = null;
  set({ agent, page, node, ...(other && !again ? { timeline: null, moments: null } : {}), ...(page !== state.page && !again ? { moments: null } : {}) });
  await attempt(async () => {
    const { run } = state;
    const reading = other || !state.timeline ? get("agent", { run, agent }) : null;
    // The page's nodes are asked for together with the pages, where the table says that there is such a page.
    const lives = () => get("moments", { run, agent, page }).catch((problem) => ({ problem }));
    const at = state.agents?.agent.indexOf(agent) ?? -1;
    const living = at >= 0 && state.agents.pages[at] > page ? lives() : null;
    if (reading) {
      const timeline = await reading;
      if (mine !== asked) return;
      set({ timeline });
    }
    const { pages } = state.timeline;
    if (!pages.some((p) => p.page === page)) {
      wanted = { run, agent, page };
      if (pages.length > 0) return goTo(agent, pages.at(-1).page, "", { tell });
      set({ moments: [], node: "" });
      return undefined;
    }
    const lived = await (living ?? lives());
    if (mine !== asked) return undefined;
    if (lived.problem) {
      set({ moments: [], problem: lived.problem });
      return undefined;
    }
    const names = lived.moments.map((m) => m.place.node);
    set({ moments: lived.moments, problem: null, node: names.includes(node) ? node : liveliest(lived.moments) });
    if (tell) await post("place", { run, agent, page, node: state.node }).catch(() => {}); // a folder that cannot be written keeps none
    return undefined;
  });
}

/** Of a page that is opened as a whole: the node in which the model was asked, else the first. */
const liveliest = (moments) => (moments.find((m) => m.failures?.length) ?? moments.find((m) => m.calls?.length) ?? moments[0])?.place.node ?? "";

/** Another node of the page that is open. */
export function atNode(node) {
  if (node === state.node) return;
  set({ node });
  post("place", { run: state.run, agent: state.agent, page: state.page, node }).catch(() => {});
}

export const moment = () => state.moments?.find((m) => m.place.node === state.node) ?? null;
export const pageView = () => state.timeline?.pages.find((p) => p.page === state.page) ?? null;

export const readBreakpoints = () =>
  attempt(async () => {
    const { breakpoints, note } = await get("breakpoints", { run: state.run });
    set({ breakpoints, note });
  });

export const readTree = () => attempt(async () => set({ tree: await get("tree") }));

async function refresh(everything) {
  const { run, agent, page, node } = state;
  await attempt(async () => {
    const [overview, agents] = await Promise.all([get("overview", { run }), get("agents", { run })]);
    if (run !== state.run) return;
    set({ overview, agents: agents.columns, busy: overview.living ?? null });
    if (!everything || !agent || agent !== state.agent || page !== state.page) return;
    const at = agents.columns.agent.indexOf(agent);
    if (wanted && wanted.run === run && wanted.agent === agent && agents.columns.pages[at] > wanted.page) {
      const { page: there } = wanted;
      wanted = null;
      await goTo(agent, there, "", { tell: false, again: true });
    } else await goTo(agent, page, node, { tell: false, again: true });
  });
}

let soon = 0;
let whole = false;

/** Reads what is new, at most twice a second: a run that goes on tells of every call. */
function refreshSoon(everything) {
  whole ||= everything;
  if (soon) return;
  soon = setTimeout(() => {
    soon = 0;
    const all = whole;
    whole = false;
    refresh(all);
  }, 500);
}

function follow(run) {
  ends?.();
  told = null;
  ends = live(run, (kind, event) => {
    if (kind === "open") set({ live: "on" });
    else if (kind === "broken") set({ live: "lost" });
    else if (kind === "state") {
      if (told && (told.barrier !== event.barrier || told.status !== event.status)) refreshSoon(true);
      else if (told && told.calls !== event.calls) refreshSoon(false);
      told = event;
      set({ live: "on" });
    } else if (kind === "tree") readTree();
    else if (kind === "session") event.run === state.run && readBreakpoints();
    else if (kind === "living") set({ busy: event });
    else if (kind === "stopped") {
      set({ busy: null });
      refreshSoon(true);
      readTree();
      onStopped(event);
    } else if (kind === "lost") {
      set({ live: "lost" });
      onError(Object.assign(new Error(event.hint ? `${event.error}\n${event.hint}` : event.error)));
    }
  });
}
