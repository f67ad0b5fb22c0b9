/* What the page knows, and who is told when it changes. */

export const state = {
  run: "", // the path of the run that is looked at, below the one that was opened
  overview: null,
  agents: null, // columns
  breakpoints: [],
  tree: null,
  agent: "",
  page: 0,
  node: "",
  tab: "prompt",
  timeline: null, // pages of `agent`
  moments: null, // nodes of `page`
  busy: null, // what the server is at: {what, done, total}
  live: "off", // off | on | lost
  hit: null,
};

const listeners = new Map();

/** Calls `then` after any of `names` changed. */
export function watch(names, then) {
  for (const name of names) listeners.set(name, [...(listeners.get(name) ?? []), then]);
}

let pending = new Set();

/** Changes what is known; listeners are called once, after all changes of this turn. */
export function set(changes) {
  for (const [name, value] of Object.entries(changes)) {
    if (Object.is(state[name], value)) continue;
    state[name] = value;
    if (pending.size === 0) queueMicrotask(tell);
    pending.add(name);
  }
}

function tell() {
  const changed = pending;
  pending = new Set();
  const due = new Set();
  for (const name of changed) for (const then of listeners.get(name) ?? []) due.add(then);
  for (const then of due) then();
}

/** The place as a link. */
export function hash() {
  const fields = new URLSearchParams();
  if (state.run) fields.set("run", state.run);
  if (state.agent) {
    fields.set("agent", state.agent);
    fields.set("page", String(state.page));
    if (state.node) fields.set("node", state.node);
  }
  if (state.tab !== "prompt") fields.set("tab", state.tab);
  return `#${fields}`;
}

/** The place that a link names. */
export function unhash(text) {
  const fields = new URLSearchParams(text.replace(/^#/, ""));
  const page = Number.parseInt(fields.get("page") ?? "", 10);
  return {
    run: fields.get("run") ?? "",
    agent: fields.get("agent") ?? "",
    page: Number.isFinite(page) && page >= 0 ? page : 0,
    node: fields.get("node") ?? "",
    tab: fields.get("tab") ?? "prompt",
  };
}
