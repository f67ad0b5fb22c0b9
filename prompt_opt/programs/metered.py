"""`Metered`: a door as seen by another library: watched, limited, and usable from any of its threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ...llm.types import Outcome, Place

if TYPE_CHECKING:
    from ...llm.budget import Budget
    from ...llm.door import Door


TELLING = 10
"""Calls from which on their mean cost says what more of them will cost."""


class Stopped(BaseException):
    """The budget is spent. No `Exception`, so that no library takes it for a bad answer and goes on."""


class Fatal(BaseException):
    """A mistake that a person has to mend; its cause says which. No `Exception`, for the same reason."""


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


class Spent(NamedTuple):
    """Tries and tokens."""

    calls: int = 0
    tokens: int = 0

    def __add__(self, other: Spent) -> Spent:  # type: ignore[override]
        return Spent(self.calls + other.calls, self.tokens + other.tokens)


@dataclass
class Meter:
    """What calls took, shared by several doors. A call is counted once by its key, whether it was made now or recorded
    before, so the account of a resumed search is that of an unbroken one.

    `calls`, `tokens`: limits, None for none. `kept_cases`: of the tokens, those of so many task calls are kept back.
    `budget`: the doors' own, whose money and time must last for `kept_all` more calls.
    """

    calls: int | None = None
    tokens: int | None = None
    kept_cases: int = 0
    budget: Budget | None = None
    kept_all: int = 0
    stopped: str = ""
    """Why no further call is made; empty while there is room."""
    _seen: set[str] = field(default_factory=set)
    _sums: dict[str, Spent] = field(default_factory=dict)
    _open: int = 0
    _idle: asyncio.Event = field(default_factory=_set_event)

    @property
    def spent(self) -> Spent:
        """Calls and tokens so far."""
        return sum(self._sums.values(), Spent())

    def of(self, role: str) -> Spent:
        """What one role took."""
        return self._sums.get(role, Spent())

    def stop(self, why: str) -> None:
        """No further call."""
        self.stopped = self.stopped or why

    async def quiet(self) -> None:
        """Wait until no call is under way."""
        await self._idle.wait()

    def enter(self) -> None:
        """Before a call. Raises `Stopped` where none is left."""
        spent, task = self.spent, self.of("task")
        if self.calls is not None and spent.calls + self._open >= self.calls:
            self.stop(f"the search's {self.calls} calls are spent")
        kept = self.kept_cases * task.tokens / max(1, task.calls)
        if self.tokens is not None and spent.tokens + kept >= self.tokens:
            self.stop(f"the search's {self.tokens} tokens are spent")
        if self.budget is not None and spent.calls >= TELLING:
            for name, limit, used in (
                ("usd", self.budget.usd, self.budget.spent.usd),
                ("seconds", self.budget.seconds, self.budget.elapsed),
            ):
                if limit is not None and used * (1 + self.kept_all / spent.calls) >= limit:
                    self.stop(f"the budget of {name} {limit:g} is spent but for what comes after")
        if self.stopped:
            raise Stopped(self.stopped)
        self._open += 1
        self._idle.clear()

    def leave(self, role: str, outcome: Outcome[Any] | None) -> None:
        """After a call. Raises `Stopped` where the budget held it back."""
        self._open -= 1
        if not self._open:
            self._idle.set()
        if outcome is None:
            return
        if outcome.status == "budget":
            self.stop(outcome.error or "the budget is spent")
            raise Stopped(self.stopped)
        key = outcome.keys[-1] if outcome.keys else ""  # of a repaired answer: the last one stands for both
        if key not in self._seen:
            spent = Spent(max(outcome.attempts, len(outcome.keys), 1), outcome.usage.total)
            self._seen.add(key)
            self._sums[role] = self.of(role) + spent


class Metered:
    """Stands where a `Door` is expected. `seen(outcome)` is told of every outcome.

    Calls are made in the event loop that the metered door was made in, wherever they come from: DSPy's threads run sync
    programs while the loop's own work waits for them, and one loop means one line, one budget and one cassette.
    """

    def __init__(
        self,
        door: Door,
        meter: Meter | None = None,
        role: str = "task",
        seen: Callable[[Outcome[Any]], object] | None = None,
    ) -> None:
        self.door, self.meter, self.role, self.seen = door, meter, role, seen
        self.loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.door, name)

    async def exchange(self, *arguments: Any, **options: Any) -> Outcome[Any]:
        return await self._here("exchange", arguments, options)

    async def complete(self, *arguments: Any, **options: Any) -> Outcome[Any]:
        return await self._here("complete", arguments, options)

    async def score(self, *arguments: Any, **options: Any) -> Outcome[Any]:
        return await self._here("score", arguments, options)

    async def choices(self, *arguments: Any, **options: Any) -> Outcome[Any]:
        return await self._here("choices", arguments, options)

    async def loglik(self, *arguments: Any, **options: Any) -> Outcome[Any]:
        return await self._here("loglik", arguments, options)

    async def _here(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Outcome[Any]:
        self.check_open()
        call = self._call(name, arguments, options)
        if asyncio.get_running_loop() is self.loop:
            return await call
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self.loop))

    def check_open(self) -> None:
        """Raises `Stopped` where the meter has stopped: then the loop may be gone, and nobody must wait for it."""
        if self.meter is not None and self.meter.stopped:
            raise Stopped(self.meter.stopped)

    async def _call(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Outcome[Any]:
        if self.meter is not None:
            self.meter.enter()
        outcome: Outcome[Any] | None = None
        try:
            outcome = await getattr(self.door, name)(*arguments, **options)
        finally:
            if self.meter is not None:
                self.meter.leave(self.role, outcome)
        assert outcome is not None
        if self.seen is not None:
            self.seen(outcome)
        return outcome


def as_door(metered: Metered) -> Door:
    """The same object under the type that it stands for."""
    return cast("Door", metered)


def dspy_face(metered: Metered, place: Place, **options: Any) -> Any:
    """A metered door as a `dspy.LM`."""
    from ...llm import dspy_lm

    return dspy_lm(as_door(metered), place, **options)
