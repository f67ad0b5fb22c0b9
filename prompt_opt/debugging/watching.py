"""Going on with a search to where a breakpoint holds, or to a candidate that is to be accepted; and a person's word on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...runs import Event, Run
from ...runs.conditions import Condition
from ...runs.progress import Progress
from ..errors import Waiting
from ..steps import Accept
from .errors import DebugError
from .fields import condition
from .forking import check_texts
from .recording import Recording, by_barrier, made_so_far, read
from .session import Session
from .showing import check_search, steps_of, waits
from .views import Breakpoint, Hit, Moment, Stop

UNTIL = 0
"""The number of the condition that one call of `go_on` was given."""


class BreakpointWatch:
    """Stops a search at breakpoints, or after `steps` more. What one stands at already does not stop it again.

    `waiting`: the candidate before whose acceptance the search stands; `decides`: whether a person's word on it is at hand.
    """

    def __init__(
        self, path: Path, breakpoints: Sequence[Breakpoint], steps: int | None, waiting: str, decides: bool
    ) -> None:
        self.hit: Hit | None = None
        self._conditions: list[tuple[Breakpoint, Condition]] = [(b, condition(b.when)) for b in breakpoints if b.on]
        self._steps, self._waiting, self._decides = steps, waiting, decides
        self._recording = Recording()
        self._coming: list[Moment] = []
        """What has happened since the search was last looked at."""
        with Run.open(path) as run:
            for _ in read(run, self._recording):
                pass
            self._seen, self._begun = _last(run), steps_of(run)
        self._taken = 0
        """Events ahead of the next step that were taken before it is committed with them."""
        self._first = True

    def asks(self, run: Run, ahead: Sequence[Event], step: int, accept: Accept) -> bool:
        """See `Watch`."""
        self._catch_up(run, ahead)
        candidate = accept.candidate.id
        if candidate == self._waiting:
            self._waiting = ""
            return self._decides
        values = self._recording.values(step, "accept", candidate, made_so_far(run), accepted=True)
        self._stop(Moment(step, "accept", candidate, values), f"candidate {candidate} is to be accepted at step {step}")
        return False

    def passed(self, run: Run, ahead: Sequence[Event]) -> None:
        """See `Watch`."""
        self._catch_up(run, ahead)
        moments, self._coming = self._coming, []
        first, self._first = self._first, False
        if first:
            return
        for moment in moments:
            if moment.kind != "accept":  # those were looked at before they were accepted
                self._stop(moment, f"step {moment.step}, {moment.kind} {moment.candidate}".rstrip())
        if self._steps is not None and (done := steps_of(run) - self._begun) >= self._steps and self._more(run):
            raise Waiting(f"{done} step{'s' * (done != 1)} further, as asked")

    def _catch_up(self, run: Run, ahead: Sequence[Event]) -> None:
        made = made_so_far(run)
        if new := list(run.events(since=self._seen)):
            self._seen = new[-1].seq
            for events in by_barrier(iter(new[self._taken :])):
                self._coming += self._recording.take(events, made)
            self._taken = 0
        if fresh := list(ahead[self._taken :]):
            self._coming += self._recording.take(fresh, made)
            self._taken = len(ahead)

    def _more(self, run: Run) -> bool:
        return run.log.row("SELECT 1 FROM events WHERE kind = 'choice'") is None

    def _stop(self, moment: Moment, where: str) -> None:
        for each, found in self._conditions:
            if found.holds(moment.values):
                values = {name: moment.values[name] for name in sorted(found.names)}
                self.hit = Hit(each, moment.step, moment.kind, moment.candidate, values)
                name = f"breakpoint {each.id}" if each.id != UNTIL else "until"
                raise Waiting(f"{name} ({each.when}): {where}")


def _last(run: Run) -> int:
    row = run.log.row("SELECT max(seq) FROM events")
    return -1 if row is None or row[0] is None else row[0]


async def go_on(
    path: Path,
    *,
    until: str | None = None,
    stop: bool = True,
    steps: int | None = None,
    accept: bool | Mapping[str, str] | None = None,
    budget: str | None = None,
    progress: Progress | None = None,
    api_key: str | None = None,
) -> Stop:
    """See `SearchDebugger.go_on`."""
    from ..asked import resume

    if steps is not None and steps < 1:
        raise DebugError(f"{steps} steps further is nowhere\n  give 1 or more, or none to go to the end")
    with Run.open(path) as run:
        check_search(run)
        standing = waits(run)
        if accept is not None and standing is None:
            raise DebugError(
                f"{path} stands before no acceptance, so there is nothing to accept, edit or reject\n"
                '  stop before one: a breakpoint  kind == "accept"  and go on'
            )
        if isinstance(accept, Mapping) and standing is not None:
            accept = await check_texts(run, standing.candidate, accept)
    breakpoints = list(Session.of(path).breakpoints) if stop else []
    if until is not None:
        breakpoints.insert(0, Breakpoint(UNTIL, until))
    watch = BreakpointWatch(path, breakpoints, steps, standing.candidate if standing else "", accept is not None)
    words = [] if accept is None else [accept]

    async def approver(wanted: Mapping[str, Any]) -> Any:
        return words.pop() if words and standing and wanted["candidate"] == standing.candidate else None

    await resume(path, budget=budget, approver=approver, progress=progress, api_key=api_key, watch=watch)
    with Run.open(path) as run:
        return Stop(path, run.status, run.manifest.reason, steps_of(run), watch.hit, waits(run))


def find(run: Run, when: str | None, *, after: int | None = None) -> Hit | None:
    """See `SearchDebugger.find`."""
    if when is None:
        asked = [each for each in Session.of(run.path).breakpoints if each.on]
        if not asked:
            raise DebugError("there is no breakpoint to look for\n  give a condition, or set one")
    else:
        asked = [Breakpoint(UNTIL, when)]
    conditions = [(each, condition(each.when)) for each in asked]
    for moment in read(run):
        if after is not None and moment.step <= after:
            continue
        for each, found in conditions:
            if found.holds(moment.values):
                values = {name: moment.values[name] for name in sorted(found.names)}
                return Hit(each, moment.step, moment.kind, moment.candidate, values)
    return None
