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
        403 Host or Origin of another site                             404 no such route, run or file
        409 the run is in use, goes on already, stands still, or is of a kind that has no view
        410 the run is no longer there                                 413, 415 body too large; not JSON
        422 the engine refused, in words: a condition, an edit, a fork; no such agent, page, call or breakpoint
        500 damaged, or a fault of ours                                502 a model endpoint did not answer as it should
    GETs of a run carry `ETag: W/"VERSION"`, where VERSION is the `version` below, and `Cache-Control: private, no-cache`: a
    plain `fetch` revalidates by itself and costs a 304 where nothing is new. Large answers are compressed.
    `/` is `static/index.html`; every other file of the page is at `/static/NAME` (html, js, css, svg, png, json).
    All text in answers (titles, memories, prompts, answers) is data that may be hostile: set it as textContent, never as HTML.

Values
    Place       {"agent", "page", "node"}; node "" is the page as a whole
    Overview    {"run", "name", "kind", "status": running|paused|finished|failed|killed (its process died; go-on
                goes on), "reason", "model", "recommender", "agents", "browsing", "page": pages committed, "pages": the cap,
                "calls", "failed", "tokens", "cost", "seconds", "parent": name or null, "barrier": page at which a fork left its parent or null, "touched": [agent],
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
                                        false where nothing can be kept, "fields": [{"name", "kind": number|text|truth|list,
                                        "about", "words": all that a text can be}]: names for conditions,
                                        "edits": [{"verb", "form", "about"}]: how edits are written}
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

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from .. import __version__
from ..runs import Manifest, Run, get_kind
from ..runs.lock import holder
from ..simulations.debugging import Debugger, Place
from . import asked as a
from . import shown
from .asked import as_json, as_plain, asked, response, sent
from .careful import check_model, edits_of
from .errors import Refused, clean, known_secrets, refusal
from .following import follow
from .living import Crew, Work
from .opening import view_of
from .shelf import Shelf

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEEP_ALIVE = 15.0
"""Seconds after which a silent stream says something, so that a page that has gone is noticed."""
BEHIND = 1_000
"""Events kept for a page that is slow to read them."""


class API:
    """The routes over one run and its forks."""

    page = "index.html"
    """The file that is shown first."""

    def __init__(self, root: Path, *, api_key: str | None = None) -> None:
        self.shelf = Shelf(root, api_key)
        self.view = view_of(root)
        self.crew = Crew(self.tell)
        self.secrets = known_secrets(api_key)
        self._streams: set[asyncio.Queue[tuple[str, Mapping[str, Any]] | None]] = set()
        self._moving = asyncio.Lock()  # breakpoints and the place are read, changed and written

    def routes(self) -> list[web.RouteDef]:
        """All of the above."""
        reads, changes = self.reads(), self.changes()
        return [
            *(web.get(f"/api/{name}", handler, allow_head=False) for name, handler in reads.items()),
            *(web.post(f"/api/{name}", handler) for name, handler in changes.items()),
        ]

    def reads(self) -> dict[str, Handler]:
        """GETs by name."""
        return {
            "about": self.about,
            "overview": self.overview,
            "agents": self.agents,
            "agent": self.agent,
            "moments": self.moments,
            "call": self.call,
            "memory": self.memory,
            "breakpoints": self.breakpoints,
            "place": self.place,
            "diff": self.diff,
            "tree": self.tree,
            "live": self.live,
        }

    def changes(self) -> dict[str, Handler]:
        """POSTs by name."""
        return {
            "breakpoints": self.break_at,
            "breakpoints/switch": self.switch,
            "breakpoints/clear": self.clear,
            "place": self.go_to,
            "step": self.step,
            "find": self.find,
            "fork": self.fork,
            "go-on": self.go_on,
            "stop": self.stop,
            "ask-again": self.ask_again,
            "replay": self.replay,
        }

    # Reading

    async def about(self, request: web.Request) -> web.Response:
        asked(request, a.Nothing)
        from .words import EDITS, FIELDS

        return self.told_about(request, FIELDS, EDITS)

    def told_about(self, request: web.Request, fields: Any, edits: Any) -> web.Response:
        """What the page is told first: the run that was opened, and what conditions and edits may say."""
        manifest = Manifest.read(self.shelf.path(""))
        said = {
            "version": __version__,
            "name": self.shelf.root.resolve().name,
            "kind": manifest.kind,
            "path": str(self.shelf.root),
            "view": self.view,
            "writable": self.shelf.writable(),
            "fields": fields,
            "edits": edits,
        }
        return response(request, as_json(said))

    async def overview(self, request: web.Request) -> web.Response:
        run = asked(request, a.Asked).run

        def read(debugger: Debugger) -> Mapping[str, Any]:
            said = shown.overview(self.shelf, debugger.overview())
            work = self.crew.of(run)
            return said | {"living": work and work.shown(), "stopped": self.crew.last.get(run)}

        return await self._answer(request, run, read, cached=False)

    async def agents(self, request: web.Request) -> web.Response:
        return await self._answer(request, asked(request, a.Asked).run, lambda d: {"columns": d.agents()})

    async def agent(self, request: web.Request) -> web.Response:
        given = asked(request, a.AgentAsked)

        def read(debugger: Debugger) -> Mapping[str, Any]:
            pages = debugger.timeline(given.agent)  # first: it raises for an unknown agent
            return {"agent": given.agent, "persona": debugger.persona(given.agent), "pages": pages}

        return await self._answer(request, given.run, read)

    async def moments(self, request: web.Request) -> web.Response:
        given = asked(request, a.MomentsAsked)
        return await self._answer(
            request, given.run, lambda d: {"moments": asyncio.run(d.moments(given.agent, given.page))}
        )

    async def call(self, request: web.Request) -> web.Response:
        given = asked(request, a.CallAsked)
        return await self._answer(request, given.run, lambda d: d.call(given.key))

    async def memory(self, request: web.Request) -> web.Response:
        given = asked(request, a.MemoryAsked)
        return await self._answer(
            request, given.run, lambda d: {"memories": d.memory(given.agent, given.page, given.query)}
        )

    async def breakpoints(self, request: web.Request) -> web.Response:
        run = asked(request, a.Asked).run
        return await self._answer(request, run, self._breakpoints, cached=False)

    async def place(self, request: web.Request) -> web.Response:
        return await self._answer(request, asked(request, a.Asked).run, lambda d: {"place": d.place}, cached=False)

    async def diff(self, request: web.Request) -> web.Response:
        given = asked(request, a.DiffAsked)
        other = None if given.against is None else self.shelf.path(given.against)
        return await self._answer(
            request, given.run, lambda d: shown.difference(self.shelf, d.diff(other)), cached=other is None
        )

    async def tree(self, request: web.Request) -> web.Response:
        asked(request, a.Nothing)
        return await self._answer(request, "", self._tree, cached=False)

    async def live(self, request: web.Request) -> web.StreamResponse:
        run = asked(request, a.Asked).run
        self.shelf.path(run)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        queue: asyncio.Queue[tuple[str, Mapping[str, Any]] | None] = asyncio.Queue(BEHIND)
        for work in self.crew.all():
            queue.put_nowait(("living", work.shown()))
        self._streams.add(queue)
        following = asyncio.create_task(self._follow(run, queue))
        try:
            await stream.prepare(request)
            while True:
                try:
                    said = await asyncio.wait_for(queue.get(), KEEP_ALIVE)
                except TimeoutError:
                    await stream.write(b":\n\n")
                    continue
                if said is None:
                    break
                event, data = said
                await stream.write(b"event: %b\ndata: %b\n\n" % (event.encode(), as_json(data)))
        except ConnectionResetError:
            pass  # the page has gone
        finally:
            self._streams.discard(queue)
            following.cancel()
        return stream

    # Moving

    async def break_at(self, request: web.Request) -> web.Response:
        given = await sent(request, a.BreakAt)
        against = self._against(given.against)
        return await self._move(
            request,
            given.run,
            lambda d: shown.breakpoint_(self.shelf, d.break_at(given.when, against)),
            status=201,
        )

    async def switch(self, request: web.Request) -> web.Response:
        given = await sent(request, a.Switch)
        return await self._move(
            request, given.run, lambda d: shown.breakpoint_(self.shelf, d.switch(given.id, given.on))
        )

    async def clear(self, request: web.Request) -> web.Response:
        given = await sent(request, a.Clear)

        def clear(debugger: Debugger) -> Mapping[str, Any]:
            debugger.clear(given.id)
            return self._breakpoints(debugger)

        return await self._move(request, given.run, clear)

    async def go_to(self, request: web.Request) -> web.Response:
        given = await sent(request, a.GoTo)
        return await self._move(request, given.run, lambda d: {"place": d.go_to(given.agent, given.page, given.node)})

    async def step(self, request: web.Request) -> web.Response:
        given = await sent(request, a.Step)
        return await self._move(request, given.run, lambda d: {"place": d.step(given.stride)})

    async def find(self, request: web.Request) -> web.Response:
        given = await sent(request, a.Find)
        against = self._against(given.against)
        after = given.after and Place(given.after.agent, given.after.page, given.after.node)
        return await self._answer(
            request,
            given.run,
            lambda d: {"hit": shown.hit(self.shelf, d.find(given.when, against=against, after=after))},
            cached=False,
        )

    # Changing

    async def fork(self, request: web.Request) -> web.Response:
        given = await sent(request, a.ForkOff)

        def fork(debugger: Debugger) -> Mapping[str, Any]:
            edits = edits_of(given.edits, str(debugger.run.manifest.config.get("model", "")))
            made = debugger.fork(given.page, edits, agents=given.agents, name=given.name)
            return {"run": self.shelf.address(made)}

        return await self._move(request, given.run, fork, status=201)

    async def go_on(self, request: web.Request) -> web.Response:
        given = await sent(request, a.GoOn)

        async def live_on(work: Work) -> Mapping[str, Any]:
            with self.shelf.debugger(given.run) as debugger:
                found = await debugger.go_on(
                    pages=given.pages, stop=given.stop, budget=given.budget or None, progress=work
                )
            return shown.stop(self.shelf, found)

        return self.begun(request, given.run, live_on)

    def begun(
        self, request: web.Request, run: str, live_on: Callable[[Work], Awaitable[Mapping[str, Any]]]
    ) -> web.Response:
        """Let a run go on in a thread of its own; the page is told how it ends. Raises `Refused` (409)."""
        if (pid := holder(self.shelf.path(run))) is not None and self.crew.of(run) is None:
            raise Refused(409, f"the run is being written by process {pid or '?'}", "wait for it, or end it there")
        self.crew.last.pop(run, None)
        work, end = self.crew.start(run, "go-on", live_on)
        end.add_done_callback(lambda end: self._stopped(run, end))
        return response(request, as_json(work.shown()), status=202)

    async def stop(self, request: web.Request) -> web.Response:
        run = (await sent(request, a.Change)).run
        self.shelf.path(run)
        if (work := self.crew.of(run)) is None:
            raise Refused(409, "nothing goes on in this run here", "what another process does is stopped there")
        work.stop()
        return response(request, as_json(work.shown()), status=202)

    async def ask_again(self, request: web.Request) -> web.Response:
        given = await sent(request, a.AskAgain)
        messages = None if given.messages is None else [each.model_dump() for each in given.messages]

        def ask(debugger: Debugger) -> Any:
            if given.model is not None:
                check_model(given.model, str(debugger.run.manifest.config.get("model", "")))
            return shown.reasked(
                asyncio.run(
                    debugger.ask_again(
                        given.key,
                        messages=messages,
                        model=given.model,
                        temperature=given.temperature,
                        samples=given.samples,
                    )
                )
            )

        return await self._answer(request, given.run, ask, cached=False)

    async def replay(self, request: web.Request) -> web.Response:
        run = (await sent(request, a.Change)).run
        path = self.shelf.path(run)
        began = time.monotonic()

        async def again(work: Work) -> tuple[str, str]:
            with tempfile.TemporaryDirectory(prefix="recloop-replay-") as scratch:
                kind = get_kind(Manifest.read(path).kind)
                return await kind.call("replay", path, out=Path(scratch) / "run", progress=work)

        _, end = self.crew.start(run, "replay", again)
        try:
            recorded, replayed = await asyncio.shield(end)
        except asyncio.CancelledError:
            if not end.cancelled():
                raise
            raise Refused(409, "the replay was stopped") from None
        same = recorded == replayed
        said = {
            "same": same,
            "digest": recorded,
            "replayed": replayed,
            "seconds": time.monotonic() - began,
            "note": "" if same else "data, prompts, recommender and code must be those of the recording",
        }
        return response(request, as_json(said))

    # What all of them share

    @web.middleware
    async def words(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Errors of any kind as JSON in words."""
        try:
            return await handler(request)
        except web.HTTPException as error:
            hint = f"it takes {error.headers.get('Allow', 'another method')}" if error.status == 405 else ""
            return self.told_off(
                request, Refused(error.status, f"{request.method} {request.path}: {error.reason}", hint)
            )
        except Exception as error:
            found = refusal(error, self.secrets)
            if found.status == 500:
                detail = "".join(traceback.format_exception(error))
                print(clean(detail, self.secrets), file=sys.stderr)
            return self.told_off(request, found)

    def told_off(self, request: web.Request, error: Refused) -> web.Response:
        """An error as the page gets it."""
        found = refusal(error, self.secrets)
        return response(request, as_json({"error": found.what, "hint": found.hint}), status=found.status)

    def tell(self, event: str, data: Mapping[str, Any]) -> None:
        """Every open page gets this event; one that reads too slowly misses it."""
        for queue in self._streams:
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait((event, data))

    def warm(self) -> None:
        """Read ahead, in a thread, what the page asks for first: seconds of ten thousand agents, and of imports. What is
        wrong with the run is told when the page asks."""
        with contextlib.suppress(Exception), self.shelf.debugger("") as debugger:
            if agents := debugger.agents()["agent"]:
                asyncio.run(debugger.moments(agents[0], 0))

    async def close(self) -> None:
        """End the streams, pause what goes on, close the runs."""
        for queue in self._streams:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(None)
        await self.crew.close()
        await asyncio.to_thread(self.shelf.close)

    async def _answer(
        self,
        request: web.Request,
        run: str,
        read: Callable[[Debugger], Any],
        *,
        cached: bool = True,
        status: int = 200,
    ) -> web.Response:
        """What `read` finds in a run, read, spelled and squeezed in a thread of its own; 304 where the page has it."""
        version = await asyncio.to_thread(self.shelf.version, run)  # before reading: never newer than what is read
        etag = f'W/"{version}"' if cached else ""
        if etag and request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag, "Cache-Control": "private, no-cache"})

        def answer() -> web.Response:
            with self.shelf.debugger(run) as debugger:
                found = read(debugger)
                if request.method == "GET" and isinstance(found, Mapping):
                    found = {"version": version, **found}
                return response(request, as_json(found), status=status, etag=etag)

        return await asyncio.to_thread(answer)

    async def _move(
        self, request: web.Request, run: str, change: Callable[[Debugger], Any], *, status: int = 200
    ) -> web.Response:
        async with self._moving:
            return await self._answer(request, run, change, cached=False, status=status)

    def _breakpoints(self, debugger: Debugger) -> Mapping[str, Any]:
        kept = [shown.breakpoint_(self.shelf, each) for each in debugger.breakpoints()]
        return {"breakpoints": kept, "note": debugger.note}

    def _tree(self, debugger: Debugger) -> Any:
        waiting = [debugger.tree()]  # it begins at the root of all, which may lie above the run that was opened
        while waiting:
            found = waiting.pop()
            if found.path.resolve() == self.shelf.root:
                return shown.fork(self.shelf, found)
            waiting += found.forks
        raise Refused(410, f"the run {self.shelf.root} is no longer among the forks of its root")

    def _against(self, address: str | None) -> str:
        return "" if address is None else str(self.shelf.path(address))

    async def _follow(self, run: str, queue: asyncio.Queue[tuple[str, Mapping[str, Any]] | None]) -> None:
        async for said in follow(self.shelf, run):
            await queue.put(said)

    def _stopped(self, run: str, end: asyncio.Future[Any]) -> None:
        try:
            said = end.result()
        except asyncio.CancelledError:
            said = self._stands(run)
        except Exception as error:
            found = refusal(error, self.secrets)
            if found.status == 500:
                print(clean("".join(traceback.format_exception(error)), self.secrets), file=sys.stderr)
            said = {"run": run, "error": found.what, "hint": found.hint}
        said = self.crew.last[run] = as_plain(said)
        self.tell("stopped", said)

    def _stands(self, run: str) -> Mapping[str, Any]:
        """A run that was stopped, as it stands."""
        try:
            with Run.open(self.shelf.path(run)) as opened:
                page, manifest = max(0, opened.barrier), opened.manifest
        except Exception as error:
            found = refusal(error, self.secrets)
            return {"run": run, "error": found.what, "hint": found.hint}
        return {"run": run, "status": manifest.status, "reason": manifest.reason, "page": page, "hit": None}
