"""`SearchDebugger`: the one face of the debugger for prompt searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ...runs import Manifest, Run
from ...runs.progress import Progress
from ..worddiff import Piece, texts_diff
from . import showing
from .edits import Edit
from .errors import DebugError
from .session import Session
from .views import (
    Breakpoint,
    CallView,
    CandidateView,
    CaseView,
    Difference,
    Hit,
    Overview,
    SearchFork,
    StepView,
    Stop,
)


class SearchDebugger:
    """A prompt search, opened to be looked at, gone on with step by step, and forked. Reading calls no model; a run is never
    changed but by `go_on`, which appends to it."""

    def __init__(self, path: str | Path, *, api_key: str | None = None) -> None:
        """Open a search. Raises what `Run.open` raises, and `DebugError` for a run of another kind."""
        from .. import tables  # noqa: F401  registers the kind

        self.path = Path(path)
        self.run = Run.open(self.path)
        self._api_key = api_key
        try:
            showing.check_search(self.run)
        except DebugError:
            self.run.close()
            raise

    # Looking

    def overview(self) -> Overview:
        """The search at a glance."""
        return showing.overview(self.run)

    def steps(self) -> list[StepView]:
        """Every recorded step, and what stands behind the last."""
        return showing.steps(self.run)

    def step_view(self, step: int) -> StepView:
        """One step. Raises `DebugError` where there is none such."""
        return showing.step(self.run, step)

    def candidates(self) -> list[CandidateView]:
        """Every candidate in the order it came, refused ones included."""
        return showing.candidates(self.run)

    def candidate(self, id: str) -> CandidateView:
        """One candidate, by the beginning of its id, or `seed`, or `best`. Raises `DebugError`."""
        full = showing.full_id(self.run, id)
        return next(each for each in self.candidates() if each.id == full)

    def cases(self, candidate: str = "", step: int | None = None) -> list[CaseView]:
        """Results case by case: of a candidate, of a step, of both. The sealed test's are among them once it was opened."""
        return showing.cases(self.run, showing.full_id(self.run, candidate) if candidate else "", step)

    def call(self, key: str) -> CallView:
        """A recorded call, by its key or an unambiguous beginning of it."""
        return showing.call(self.run, key)

    # Moving

    def breakpoints(self) -> list[Breakpoint]:
        """The search's breakpoints."""
        return Session.of(self.path).breakpoints

    def break_at(self, when: str) -> Breakpoint:
        """Add a breakpoint. Raises `ConditionError`, pointing at what is wrong in `when`."""
        return Session.of(self.path).add(when)

    def clear(self, id: int | None = None) -> None:
        """Take out one breakpoint, or all."""
        Session.of(self.path).clear(id)

    def switch(self, id: int, on: bool) -> Breakpoint:
        """Turn a breakpoint on or off. Raises `DebugError` where there is none such."""
        return Session.of(self.path).switch(id, on)

    @property
    def note(self) -> str:
        """Why breakpoints and place are kept in memory only; empty where they are kept."""
        return Session.of(self.path).note

    @property
    def place(self) -> int | None:
        """The step one looks at; None before the first look."""
        return Session.of(self.path).step

    def go_to(self, step: int) -> StepView:
        """Look at this step. Raises `DebugError` where the recording has none such."""
        view = self.step_view(step)
        Session.of(self.path).look_at(step)
        return view

    def step(self) -> StepView | None:
        """Look at the next step of the recording; None at its end (`go_on` goes further)."""
        here = self.place
        wanted = 0 if here is None else here + 1
        return self.go_to(wanted) if wanted < len(self.steps()) else None

    def texts(self, a: str, b: str) -> dict[str, list[Piece]]:
        """What changed from one candidate's texts to another's, word by word, by part."""
        return texts_diff(self.candidate(a).texts, self.candidate(b).texts)

    def find(self, when: str | None = None, *, after: int | None = None) -> Hit | None:
        """The first moment of the recording, after step `after`, at which `when` (None: any breakpoint that is on) holds."""
        from .watching import find

        return find(self.run, when, after=after)

    # Changing

    async def fork(self, step: int | None = None, edits: Sequence[Edit | str] = (), *, name: str = "") -> Path:
        """A search of its own below this one, which leaves it before `step` (None: where the edited candidate enters) with
        edits. Nothing is asked yet, and what was asked before is not asked again.

        Raises `DebugError`: an edit that the guards refuse, or with which the search would part from its recording earlier.
        """
        from .forking import fork

        return await fork(self.run, step, edits, name)

    async def go_on(
        self,
        *,
        until: str | None = None,
        stop: bool = True,
        steps: int | None = None,
        accept: bool | Mapping[str, str] | None = None,
        budget: str | None = None,
        progress: Progress | None = None,
    ) -> Stop:
        """Go on to the first moment at which `until` or (`stop`) a breakpoint holds, at most `steps` more, or to the end.

        At `kind == "accept"` the search stops before a candidate is accepted. `accept` is the word on the candidate before
        whose acceptance it stands: yes, no, or texts by part, which go through the guards and are accepted in its place;
        None: as the search's own rule has it (or it waits on, where a person was to be asked). A finished search is left as it is.
        """
        from .watching import go_on

        try:
            return await go_on(
                self.path,
                until=until,
                stop=stop,
                steps=steps,
                accept=accept,
                budget=budget,
                progress=progress,
                api_key=self._api_key,
            )
        finally:
            self.run.manifest = Manifest.read(self.path)

    # Comparing

    def tree(self) -> SearchFork:
        """The root of this search's forks, with all of them below."""
        from .forking import tree

        return tree(self.path)

    def diff(self, other: str | Path | None = None) -> Difference:
        """What this search came to otherwise than `other` (None: its parent)."""
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
