"""What the page of a prompt search may ask, where it differs from `api.py` (errors, addresses, versions, streams are as there).

Values, as in `recloop.prompt_opt.debugging.views`; a path of a run there is an address here:
    Overview, StepView, CandidateView, CaseView, CallView, Breakpoint {"id", "when", "on"}, Waits, Hit
    Stop        {"run", "status", "reason", "step", "hit", "waits"}
    Fork        {"run", "name", "status", "left_at", "steps", "edits", "verdict", "size", "forks"}

GET
    /api/about, /api/overview?run, /api/breakpoints?run, /api/tree, /api/live?run      as in api.py
    /api/steps?run                      {"version", "steps": [StepView]}
    /api/candidates?run                 {"version", "candidates": [CandidateView]}
    /api/cases?run&candidate&step       {"version", "cases": [CaseView]}; either may be left out
    /api/texts?run&a&b                  {"version", "parts": {name: [["same"|"gone"|"new", text]]}}: from candidate a to b
    /api/call?run&key                   CallView
    /api/diff?run&against               Difference; b is `run`, a is `against` (left out: its parent)

POST
    /api/breakpoints, /api/breakpoints/switch, /api/breakpoints/clear, /api/stop, /api/replay     as in api.py
    /api/find        {"run", "when": null for any breakpoint, "after": step or null}     {"hit": Hit or null}
    /api/fork        {"run", "step" or null, "edits": [text], "name"}                    201 {"run"}
    /api/go-on       {"run", "until", "steps", "stop", "budget", "accept"}               202 Living; `stopped` follows with a Stop
                     accept: true, false, {part: text} or null
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, cast

from aiohttp import web
from pydantic import Field, StringConstraints

from ..prompt_opt.debugging import SearchDebugger, edits, fields
from . import asked as a
from . import shown
from .api import API, Handler
from .asked import asked, sent
from .careful import check_search_edit
from .living import Work
from .opening import view_of

Number = Annotated[int, Field(ge=0, le=1_000_000)]
Prompt = Annotated[str, StringConstraints(max_length=200_000)]


class CasesAsked(a.Asked):
    candidate: a.Id = ""
    step: Number | None = None


class TextsAsked(a.Asked):
    a: a.Id
    b: a.Id


class SearchBreak(a.Change):
    when: a.Text


class SearchFind(a.Change):
    when: a.Text | None = None
    after: Number | None = None


class SearchFork(a.Change):
    step: Number | None = None
    edits: Annotated[list[Prompt], Field(max_length=1_000)] = Field(default_factory=list)
    name: Annotated[str, StringConstraints(max_length=80)] = ""


class SearchOn(a.Change):
    until: a.Text | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    stop: bool = True
    budget: a.Text | None = None
    accept: bool | dict[str, Prompt] | None = None


class SearchAPI(API):
    """The routes over one prompt search and its forks."""

    page = "search.html"

    def reads(self) -> dict[str, Handler]:
        """GETs by name."""
        return {
            "about": self.about,
            "overview": self.overview,
            "steps": self.steps,
            "candidates": self.candidates,
            "cases": self.cases,
            "texts": self.texts,
            "call": self.call,
            "breakpoints": self.breakpoints,
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
            "find": self.find,
            "fork": self.fork,
            "go-on": self.go_on,
            "stop": self.stop,
            "replay": self.replay,
        }

    async def about(self, request: web.Request) -> web.Response:
        asked(request, a.Nothing)
        names = [{"name": f.name, "kind": f.kind, "about": f.doc, "words": f.words} for f in fields.FIELDS]
        forms = [{"verb": verb, "form": form, "about": about} for verb, form, about in edits.FORMS]
        return self.told_about(request, names, forms)

    async def steps(self, request: web.Request) -> web.Response:
        return await self._search(request, asked(request, a.Asked).run, lambda d: {"steps": d.steps()})

    async def candidates(self, request: web.Request) -> web.Response:
        return await self._search(request, asked(request, a.Asked).run, lambda d: {"candidates": d.candidates()})

    async def cases(self, request: web.Request) -> web.Response:
        given = asked(request, CasesAsked)
        return await self._search(request, given.run, lambda d: {"cases": d.cases(given.candidate, given.step)})

    async def texts(self, request: web.Request) -> web.Response:
        given = asked(request, TextsAsked)
        return await self._search(request, given.run, lambda d: {"parts": d.texts(given.a, given.b)})

    async def break_at(self, request: web.Request) -> web.Response:
        given = await sent(request, SearchBreak)
        return await self._move(request, given.run, lambda d: d.break_at(given.when), status=201)

    async def switch(self, request: web.Request) -> web.Response:
        given = await sent(request, a.Switch)
        return await self._move(request, given.run, lambda d: d.switch(given.id, given.on))

    async def find(self, request: web.Request) -> web.Response:
        given = await sent(request, SearchFind)
        return await self._search(
            request, given.run, lambda d: {"hit": d.find(given.when, after=given.after)}, cached=False
        )

    async def fork(self, request: web.Request) -> web.Response:
        given = await sent(request, SearchFork)

        def fork(debugger: SearchDebugger) -> Mapping[str, Any]:
            said = [edits.parse(text, files=False) for text in given.edits]
            for each in said:
                check_search_edit(each, str(debugger.run.manifest.config.get("model", "")))
            made = asyncio.run(debugger.fork(given.step, said, name=given.name))
            return {"run": self.shelf.address(made)}

        return await self._move(request, given.run, cast("Any", fork), status=201)

    async def go_on(self, request: web.Request) -> web.Response:
        given = await sent(request, SearchOn)

        async def live_on(work: Work) -> Mapping[str, Any]:
            with self.shelf.debugger(given.run) as opened:
                found = await cast("SearchDebugger", opened).go_on(
                    until=given.until or None,
                    steps=given.steps,
                    stop=given.stop,
                    budget=given.budget or None,
                    accept=given.accept,
                    progress=work,
                )
            return {"run": self.shelf.address(found.path), **shown.fields_of(found, "path")}

        return self.begun(request, given.run, live_on)

    def warm(self) -> None:
        """Read ahead what the page asks for first."""
        with contextlib.suppress(Exception), self.shelf.debugger("") as debugger:
            debugger.overview()

    async def _search(
        self, request: web.Request, run: str, read: Callable[[SearchDebugger], Any], *, cached: bool = True
    ) -> web.Response:
        return await self._answer(request, run, cast("Any", read), cached=cached)

    def _breakpoints(self, debugger: Any) -> Mapping[str, Any]:
        return {"breakpoints": debugger.breakpoints(), "note": debugger.note}


def open_api(run: Path, *, api_key: str | None = None) -> API:
    """The routes over a run, of its kind. Raises `Refused` for a kind without a page, and what `Run.open` raises."""
    return (SearchAPI if view_of(run) == "optimize" else API)(run, api_key=api_key)
