"""The log of a search as moments, in one pass; fed on with what comes while it goes on. The sealed test is in none of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from ...runs import Event, Run
from .. import journal as log
from ..candidate import Candidate
from ..fallback import LEAST
from ..scores import Scores
from .views import Moment


class Made(NamedTuple):
    """Calls, tokens and US dollars (None: no price is known) so far."""

    calls: int
    tokens: int
    cost: float | None


class Recording:
    """A search's state while its log is read, barrier by barrier."""

    def __init__(self) -> None:
        self.candidates: dict[str, Candidate] = {}
        self.step = 0
        self._means: dict[str, float] = {}
        self._scores = Scores("")
        self._ended = False

    def take(self, events: Sequence[Event], made: Made) -> list[Moment]:
        """The moments of one barrier's events, or of such as are still to be committed."""
        number = next((event.page for event in events if event.kind == log.STEP), self.step)
        self.step = number + 1 if any(event.kind == log.STEP for event in events) else number
        if self._ended:
            return []
        for event in events:
            self._learn(event)
        return [moment for event in events if (moment := self._moment(event, number, made)) is not None]

    def values(self, step: int, kind: str, candidate: str, made: Made, **more: Any) -> dict[str, Any]:
        """The fields of a moment that is now."""
        made_by = self.candidates.get(candidate)
        known = [mean for name, mean in self._means.items() if len(self._scores.of(name)) >= LEAST]
        return {
            "step": step,
            "kind": kind,
            "candidate": candidate,
            "operator": "" if made_by is None else made_by.operator,
            "score": self._means.get(candidate),
            "best": max(known, default=None),
            "cases": len(self._scores.of(candidate)),
            "calls": made.calls,
            "tokens": made.tokens,
            "cost": made.cost,
            "accepted": False,
            "stopped": "",
            "refused": [],
            **more,
        }

    def _learn(self, event: Event) -> None:
        data = event.data
        if event.kind == log.TASK:
            self._scores.metric = data["metric"]
        elif event.kind in (log.CANDIDATE, log.REFUSED):
            made = Candidate.of({name: value for name, value in data.items() if name != "problems"})
            self.candidates.setdefault(made.id, made)
        elif event.kind == log.SCORES and event.node != "test":
            self._scores.add(event.agent, map(log.result_of, data["rows"]))
            mean = self._scores.mean(event.agent, list(self._scores.of(event.agent)))
            if not np.isnan(mean):
                self._means[event.agent] = mean
        elif event.kind == log.OPENED:
            self._ended = True

    def _moment(self, event: Event, number: int, made: Made) -> Moment | None:
        kind, candidate, more, data = "", event.agent, dict[str, Any](), event.data
        if event.kind == log.CANDIDATE:
            kind = "enter"
        elif event.kind == log.REFUSED:
            kind, more = "refused", {"refused": list(data["problems"])}
        elif event.kind == log.SCORES and event.node != "test":
            kind = "evaluate"
        elif event.kind == log.ACCEPTED:
            kind, more = "accept", {"accepted": bool(data["accepted"])}
        elif event.kind == log.CHOICE:
            kind = "choice"
        elif event.kind == log.STEP and (data.get("stopped") or data["kind"] in ("think", "outside")):
            kind, candidate, more = data["kind"], "", {"stopped": data.get("stopped", "")}
        if not kind:
            return None
        return Moment(number, kind, candidate, self.values(number, kind, candidate, made, **more))


def made_by_barrier(run: Run) -> dict[int, Made]:
    """Barrier -> what was made before it was committed, all in all. A call of a step is made while the barrier before it is
    the last."""
    rows = run.log.rows(
        "SELECT barrier, count(*), sum(prompt_tokens + completion_tokens), sum(cost) FROM calls GROUP BY barrier"
    )
    made = {barrier: (calls, int(tokens or 0), cost) for barrier, calls, tokens, cost in rows}
    found: dict[int, Made] = {}
    calls, tokens, cost = 0, 0, None
    for (barrier,) in run.log.rows("SELECT barrier FROM barriers ORDER BY barrier"):
        for each in sorted(b for b in made if b < barrier):
            more = made.pop(each)
            calls, tokens = calls + more[0], tokens + more[1]
            cost = cost if more[2] is None else (cost or 0.0) + more[2]
        found[barrier] = Made(calls, tokens, cost)
    return found


def made_so_far(run: Run) -> Made:
    """What was made until now."""
    row = run.log.row("SELECT count(*), total(prompt_tokens + completion_tokens), sum(cost) FROM calls")
    return Made(0, 0, None) if row is None else Made(row[0], int(row[1]), row[2])


def by_barrier(events: Iterator[Event]) -> Iterator[list[Event]]:
    """Events of one barrier after the other."""
    for _, each in groupby(events, key=lambda event: event.barrier):
        yield list(each)


def read(run: Run, recording: Recording | None = None) -> Iterator[Moment]:
    """All moments of a search, in order; `recording` holds then what is known at the end."""
    recording = recording or Recording()
    made = made_by_barrier(run)
    for events in by_barrier(run.events()):
        yield from recording.take(events, made.get(events[0].barrier, Made(0, 0, None)))
