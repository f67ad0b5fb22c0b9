"""What the page may ask. Everything below is the contract between the page (`static/`) and the server.

In general
    Every route is same-origin and needs the cookie that the first address gave; fetch sends it by itself. Reads are GET with
    query parameters; changes are POST with a JSON object and `Content-Type: application/json`, and no others. Unknown
    parameters and fields are refused. Bodies end at 1 MiB (413).
    `run` is a fork's address below the run that was opened: "" that run itself (also where it is left out), "a" its fork a,
    "a/b" the fork b of a. Pages count from 0. Times are seconds, costs US dollars (null: unknown). NaN is null.
    Errors, of any status from 400: {"error": what happened, "hint": what to do next ("" where nothing can be said)}, both plain
    text, perhaps of several lines (an error in a condition points at its place with a caret: show it in a fixed-width font).
        400 a parameter or field is missing, unknown or malformed      401 no cookie (the server was started anew)
        403 Host or Origin of another site                             404 no such route, run, agent, page, node, call, breakpoint
        409 the run is in use, goes on already, stands still, or is of a kind that has no view
        410 the run is no longer there                                 413, 415 body too large; not JSON
        422 the engine refused, in words (condition, edit, fork)       500 damaged, or a fault of ours
        502 a model endpoint did not answer as it should
    GETs of a run carry `ETag: W/"VERSION"`, where VERSION is the `version` below, and `Cache-Control: private, no-cache`: a
    plain `fetch` revalidates by itself and costs a 304 where nothing is new. Large answers are compressed.
    All text in answers (titles, memories, prompts, answers) is data that may be hostile: set it as textContent, never as HTML.

Values
    Place       {"agent", "page", "node"}; node "" is the page as a whole
    Overview    {"run", "name", "kind", "status": running|paused|finished|failed, "reason", "model", "recommender", "agents",
                "browsing", "page": pages committed, "pages": the cap, "calls", "failed", "tokens", "cost", "seconds",
                "parent": name or null, "barrier": page at which a fork left its parent or null, "touched": [agent],
                "edits": [{…}], "notes": [text]}
    PageView    {"agent", "page", "exposures": [{"item", "title", "shown_at", "rank", "action", "positive", "rating", "reason",
                "liked", …}], "memories": [{…}], "feeling", "decision": {…}, "interview": {…} or null, "failures": [{…}],
                "calls": [key], "satisfaction", "edited": [{…}]}
    Moment      {"place": Place, "before": {state}, "after": {state}, "changed": {"dotted.path": [before, after]}, "recalled":
                [{"id", "kind", "text", "importance", "created", "accessed", "score", …}], "calls": [CallView], "failures": [{…}]}
    CallView    {"key", "agent", "page", "node", "sample", "model", "kind": chat|score, "status", "error", "messages": [{"role",
                "content"}], "schema", "raw", "parsed", "problems": [{"path", "message"}], "questions": [{"suffix", "labels",
                "logprobs"}], "tools": [{"name", "arguments"}], "prompt_tokens", "completion_tokens", "cost", "latency",
                "attempts", "edited"}
    Breakpoint  {"id", "when", "against": run address or null, "on"}
    Hit         {"breakpoint": Breakpoint, "place": Place, "values": {name: value}}
    Stop        {"run", "status", "reason", "page", "hit": Hit or null}
    Fork        {"run", "name", "status", "barrier", "page", "touched", "edits": [text], "size": bytes, "forks": [Fork]}
    Difference  {"a": {"run": address or null where it lies outside, "name"}, "b": the same, "first": {"agent", "page", "field",
                "a", "b"} or null, "agents": {agent: [{"page", "a": {…}, "b": {…}}]}, "same": agents with equal digest, "metrics":
                {name: {"label", "a", "b", "difference"}}, "calls": [of a, of b]}
    Living      {"run", "what": "go-on"|"replay", "stage", "done", "total" (0: unknown), "notes": [text]}
    The fields are those of `recloop.simulations.debugging.views`, whose docstrings say more; a path of a run there is an
    address here.

Reading a run: GET
    /api/about                          {"version": of RecLoop, "name", "kind", "path": text to show, "view": "simulate", "writable":
                                        false where nothing can be kept, "fields": [{"name", "about"}]: names for conditions,
                                        "edits": [{"form", "about"}]: how edits are written}
    /api/overview?run                   Overview + {"version", "living": Living or null, "stopped": the last Stop, or
                                        {"error", "hint"} of what went on here, or null}
    /api/agents?run                     {"version", "columns": {"agent": […], "pages", "status": browsing|left|stopped,
                                        "satisfaction", "shown", "chosen", "mean_rating", "failures", "calls", "tokens", "cost",
                                        "activity", "conformity", "diversity", "edited"}}: equal lengths, in the run's order;
                                        sorting and paging are the page's. 10,000 agents in one answer
    /api/agent?run&agent                {"version", "agent", "persona": {…}, "pages": [PageView]}
    /api/moments?run&agent&page         {"version", "moments": [Moment]}: the page's nodes in order (scripted users have one, `page`)
    /api/call?run&key                   CallView; `key` may be an unambiguous beginning
    /api/memory?run&agent&page&query    {"version", "memories": [{…}]}; page left out: now; with query: best first with scores
    /api/breakpoints?run                {"breakpoints": [Breakpoint], "note": "" or why they are not kept}
    /api/place?run                      {"place": Place or null}
    /api/diff?run&against               Difference; b is `run`, a is `against` (left out: its parent)
    /api/tree                           Fork: the opened run with all forks below it
    /api/live?run                       server-sent events, see below

Moving: POST
    /api/breakpoints         {"run", "when", "against": address or null}       201 Breakpoint; 422 points at what is wrong
    /api/breakpoints/switch  {"run", "id", "on": bool}                         Breakpoint
    /api/breakpoints/clear   {"run", "id": number, or null for all}            {"breakpoints": [Breakpoint]}
    /api/place               {"run", "agent", "page", "node": ""}              {"place": Place}
    /api/step                {"run", "stride": node|page|agent|round}          {"place": Place, or null at the recording's end}
    /api/find                {"run", "when": text, or null for the breakpoints that are on, "against", "after": Place or null}
                             {"hit": Hit or null}: the first moment after `after`; it does not move there

Changing: POST
    /api/fork       {"run", "page": left before this one, "edits": [text], "agents": [agent] or null, "name": ""}   201 {"run"}
                    Edits are written as in the command (`/api/about` lists the forms). From the page none may name a file
                    (`@file`), an address or code: that is left to the command.
    /api/go-on      {"run", "pages": number or null, "stop": true, "budget": text or null}     202 Living; the end is told by `stopped`
    /api/stop       {"run"}                                                     202 Living; the run is paused at its last whole page
    /api/ask-again  {"run", "key", "messages": [{"role", "content"}] or null, "model", "temperature", "samples": 1…16}
                    {"old": CallView, "new": [CallView], "changes": {…}}
    /api/replay     {"run"}         {"same": bool, "digest", "replayed": digest, "seconds", "note": text}; told of by `living` meanwhile

Live: GET /api/live?run (EventSource)
    Follows the run's files, so it works for a run that another process writes, too. On connecting `state` comes at once, and
    `living` where something goes on. Browsers allow six streams over all tabs: close it while the page is hidden.
    event: state     {"run", "version", "status", "reason", "barrier": last committed (-1: none), "page", "calls"}; whenever one
                     changes. Refetch what is shown if `barrier` rose; overview and agents if only `calls` did.
    event: tree      {}: forks came, went or changed status; refetch /api/tree
    event: session   {"run"}: breakpoints or place were changed (by the command, or another tab)
    event: living    Living: progress of what goes on, in any run of the tree; at most 5 a second
    event: stopped   Stop, or {"run", "error", "hint"}: what went on is at its end
    event: lost      {"run", "error", "hint"}: the run can no longer be read; `state` follows if it comes back
    A comment line comes every 15 seconds.
"""
