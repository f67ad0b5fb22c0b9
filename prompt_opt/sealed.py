"""The end of a search: the sealed test split is opened, once, and the winner is held against the seed on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ..runs import Event
from . import journal as log
from .by_hand import opened_before
from .conductor import Conductor
from .errors import EndpointLost
from .journal import result_of
from .task import Result
from .verdict import judged, no_fresh_test


class BudgetSpent(Exception):
    """The sealed test cannot be paid for: the search pauses before its verdict."""


class Conducting(Protocol):
    """What the graph needs of a conductor."""

    async def decide(self) -> dict[str, Any]: ...
    async def evaluate(self, part: int) -> None: ...
    async def think(self, part: int) -> None: ...
    async def outside(self) -> None: ...
    def approval(self) -> dict[str, Any]: ...
    def approved(self, decision: Any) -> None: ...
    async def verdict(self) -> None: ...


class Judge(Conductor):
    """A conductor that also opens the sealed split.

    The opening is committed before the first test case is asked, and it names the candidates: a run can be gone on with
    after a kill, and never test another prompt.
    """

    async def verdict(self) -> None:
        """Open the test split (once), score seed and winner, commit the verdict."""
        self.begin()  # after a kill within the verdict
        run, choice = self.run, self.choice
        assert choice is not None
        seed = self.context.seed_candidate
        tested = list(dict.fromkeys([seed.id, choice.candidate.id]))
        if not any(run.events(kind=log.OPENED)):
            said: dict[str, Any] = {"cases": len(self.splits.test), "candidates": tested}
            if before := self._opened_before():
                said["opened_before"] = before
            run.commit(run.barrier + 1, [Event(log.OPENED, "", -1, "test", said)])
        known = {event.agent: _results(event) for event in run.events(kind=log.SCORES) if event.node == "test"}
        for name in tested:
            if name not in known:
                whose = "seed" if name == seed.id else "winner"
                self.progress.stage(f"sealed test, {whose}", len(self.splits.test))
                found = await self.results(self.candidates[name].texts, name, self.splits.test)
                _check(found)
                run.commit(run.barrier + 1, [log.scores_event(name, "test", found, -1)])
                known[name] = found
        if not any(run.events(kind=log.VERDICT)):
            opened = next(iter(run.events(kind=log.OPENED)))
            before = opened.data.get("opened_before", [])
            data = no_fresh_test(judged(self, known[seed.id], known[choice.candidate.id]), before)
            run.commit(run.barrier + 1, [Event(log.VERDICT, choice.candidate.id, -1, "", data)])

    def _opened_before(self) -> list[str]:
        if self.follows is None:
            return opened_before(self.run)
        opened = next(iter(self.follows.events(kind=log.OPENED)), None)
        return [] if opened is None else list(opened.data.get("opened_before", []))


def _results(event: Event) -> list[Result]:
    return [result_of(row) for row in event.data["rows"]]


def _check(results: Sequence[Result]) -> None:
    if any(result.status == "budget" for result in results):
        raise BudgetSpent("the budget was spent before the sealed test was through")
    missing = sum(result.missing for result in results)
    if missing * 2 > len(results):
        raise EndpointLost(f"{missing} of {len(results)} calls of the sealed test never reached the model")
