"""`Debugger`: one run (or fork) under the glass. The command and the web page are thin over this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ...runs import Run
from ...runs.progress import Progress

if TYPE_CHECKING:
    from .edits import Edit
    from .views import (
        Breakpoint,
        CallView,
        Difference,
        Fork,
        Hit,
        Moment,
        Overview,
        PageView,
        Place,
        Reasked,
        Stop,
        Stride,
    )


class Debugger:
    """Look at a rehearsal's run, move through it, fork it, go on. Reading needs no model; only `go_on` and `ask_again` call one.

    A run that is being written may be looked at; what is committed is what is seen. `api_key` is for calls that are made
    again, and goes nowhere else. Raises what `Run.open` raises, and `DebugError` for a run of another kind.
    """

    def __init__(self, path: str | Path, *, api_key: str | None = None) -> None:
        self.path = Path(path)
        self.run = Run.open(self.path)
        self._api_key = api_key

    # Looking

    def overview(self) -> Overview:
        """The run at a glance."""
        from .population import overview

        return overview(self.run)

    def agents(self) -> Mapping[str, Sequence[Any]]:
        """Who is where, as columns of equal length in the order of the run: agent, pages, status (`browsing`, `left`, `stopped`:
        the cap), satisfaction, shown, chosen, mean_rating, failures, calls, tokens, cost, activity, conformity, diversity, edited."""
        from .population import agents

        return agents(self.run)

    def timeline(self, agent: str) -> list[PageView]:
        """An agent's pages, in order. Raises `DebugError` for an unknown agent."""
        from .population import timeline

        return timeline(self.run, agent)

    def persona(self, agent: str) -> Mapping[str, Any]:
        """Who the agent is, as it is in force here (edits included)."""
        from .population import persona

        return persona(self.run, agent)

    async def moments(self, agent: str, page: int) -> list[Moment]:
        """The nodes of one agent-page, lived again from the recording: no model is called. Scripted users have one, `page`."""
        from .moments import moments

        return await moments(self.run, agent, page)

    def call(self, key: str) -> CallView:
        """A recorded call, by its key or an unambiguous beginning of it."""
        from .moments import call_view

        return call_view(self.run, key)

    def memory(self, agent: str, page: int | None = None, query: str = "") -> list[Mapping[str, Any]]:
        """What the agent remembers before `page` (None: now), oldest first; with a `query`, best first with scores and their parts."""
        from .moments import memory

        return memory(self.run, agent, page, query)

    # Moving

    def breakpoints(self) -> list[Breakpoint]:
        """The run's breakpoints."""
        from .session import Session

        return Session.of(self.path).breakpoints

    def break_at(self, when: str, against: str = "") -> Breakpoint:
        """Add a breakpoint. Raises `ConditionError` (a `DebugError`), pointing at what is wrong in `when`."""
        from .session import Session

        return Session.of(self.path).add(when, against)

    def clear(self, id: int | None = None) -> None:
        """Take out one breakpoint, or all."""
        from .session import Session

        Session.of(self.path).clear(id)

    def switch(self, id: int, on: bool) -> Breakpoint:
        """Turn a breakpoint on or off. Raises `DebugError` where there is none such."""
        from .session import Session

        return Session.of(self.path).switch(id, on)

    @property
    def note(self) -> str:
        """Why breakpoints and place are kept in memory only (a folder that cannot be written); empty where they are kept."""
        from .session import Session

        return Session.of(self.path).note

    @property
    def place(self) -> Place | None:
        """The moment one looks at; None before the first."""
        from .breakpoints import place_of

        return place_of(self.run)

    def go_to(self, agent: str, page: int, node: str = "") -> Place:
        """Look at this moment. Raises `DebugError` where the recording has none such."""
        from .breakpoints import go_to

        return go_to(self.run, agent, page, node)

    def step(self, stride: Stride = "node") -> Place | None:
        """Move on in the recording; None at its end (`go_on` lives further)."""
        from .breakpoints import step

        return step(self.run, stride)

    def find(self, when: str | None = None, *, against: str = "", after: Place | None = None) -> Hit | None:
        """The first moment of the recording, after `after`, at which `when` (None: any breakpoint that is on) holds."""
        from .breakpoints import find

        return find(self.run, when, against=against, after=after)

    # Changing

    def fork(
        self,
        page: int,
        edits: Sequence[Edit | str] = (),
        *,
        agents: Sequence[str] | None = None,
        name: str = "",
    ) -> Path:
        """A run of its own below this one, which leaves it before `page`; it holds only what differs. Nothing is lived yet.

        `agents`: those who live on from there, all others do what they did (None: those that the edits name; where they name
        none, everybody). Raises `DebugError`: an edit that cannot be, agents that are not independent (a recommender that refits).
        """
        from .forking import fork

        return fork(self.run, page, edits, agents=agents, name=name)

    async def go_on(
        self,
        *,
        pages: int | None = None,
        stop: bool = True,
        budget: str | None = None,
        progress: Progress | None = None,
    ) -> Stop:
        """Live on from the last committed page: to the first breakpoint that holds (`stop`), at most `pages` more, or to the end.

        What is recorded is not asked again. A run that is finished is left as it is.
        """
        from .forking import go_on

        return await go_on(self.path, pages=pages, stop=stop, budget=budget, progress=progress, api_key=self._api_key)

    async def ask_again(
        self,
        key: str,
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        model: str | None = None,
        temperature: float | None = None,
        samples: int = 1,
    ) -> Reasked:
        """Put a recorded call again, perhaps otherwise, and show old and new. Nothing of the run changes."""
        from .asking import ask_again

        return await ask_again(
            self.run,
            key,
            messages=messages,
            model=model,
            temperature=temperature,
            samples=samples,
            api_key=self._api_key,
        )

    # Comparing

    def tree(self) -> Fork:
        """The root of this run's forks, with all of them below."""
        from .forking import tree

        return tree(self.path)

    def diff(self, other: str | Path | None = None) -> Difference:
        """What this run did otherwise than `other` (None: its parent)."""
        from .diffing import diff

        return diff(self.run, other)

    def close(self) -> None:
        """Close the run."""
        self.run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
