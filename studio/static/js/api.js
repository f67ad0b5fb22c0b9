/* The server's answers (the contract is the docstring of studio/api.py). Same origin, nothing else. */

/** What the server refused: `message` and, on the next lines, what to do. */
export class Refused extends Error {
  constructor(status, error, hint) {
    super(hint ? `${error}\n${hint}` : error);
    this.status = status;
    this.error = error;
    this.hint = hint ?? "";
  }
}

async function answer(request) {
  let response;
  try {
    response = await request;
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Refused(0, "The debugger's server does not answer.", "Is `recloop debug` still running? Start it again and open the address it prints.");
  }
  const text = await response.text();
  let body;
  try {
    body = text ? JSON.parse(text) : {};
  } catch {
    throw new Refused(response.status, `The server answered ${response.status} with something that is not JSON.`, "");
  }
  if (!response.ok) throw new Refused(response.status, body.error ?? `The server answered ${response.status}.`, body.hint);
  return body;
}

/** GET; parameters that are undefined or null are left out. */
export function get(route, parameters = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined && value !== null) query.set(name, String(value));
  const text = query.toString();
  return answer(fetch(`/api/${route}${text ? `?${text}` : ""}`, { credentials: "same-origin", signal }));
}

/** POST of a JSON object. */
export const post = (route, body) =>
  answer(
    fetch(`/api/${route}`, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }),
  );

/** Server-sent events of a run; closed while the page is hidden. Returns the function that ends it. */
export function live(run, on) {
  let source = null;
  const kinds = ["state", "tree", "session", "living", "stopped", "lost"];
  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource(`/api/live?${new URLSearchParams(run ? { run } : {})}`);
    source.onopen = () => on("open", {});
    source.onerror = () => on("broken", {});
    for (const kind of kinds) source.addEventListener(kind, (event) => on(kind, JSON.parse(event.data)));
  };
  const close = () => {
    source?.close();
    source = null;
  };
  const turn = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", turn);
  open();
  return () => {
    document.removeEventListener("visibilitychange", turn);
    close();
  };
}
