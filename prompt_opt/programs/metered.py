"""`Metered`: a door as seen by another library: watched, limited, and usable from any of its threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ...llm.types import Outcome, Place

if TYPE_CHECKING:
    from ...llm.door import Door


class Stopped(BaseException):
    """The budget is spent. No `Exception`, so that no library takes it for a bad answer and goes on."""


@dataclass
class Meter:
    """What calls took, shared by several doors. A call is counted once by its key, whether it was made now or recorded
    before, so the account of a resumed search is that of an unbroken one. `calls`, `tokens`: limits, None for none."""

    calls: int | None = None
    tokens: int | None = None
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Tries and tokens of each call, by its key."""
    stopped: str = ""
    """Why no further call is made; empty while there is room."""
    _open: int = 0

    @property
    def spent(self) -> tuple[int, int]:
        """Calls and tokens so far."""
        return sum(tries for tries, _ in self.seen.values()), sum(tokens for _, tokens in self.seen.values())

    def enter(self) -> None:
        """Before a call. Raises `Stopped` where none is left."""
        calls, tokens = self.spent
        if not self.stopped and self.calls is not None and calls + self._open >= self.calls:
            self.stopped = f"the search's {self.calls} calls are spent"
        if not self.stopped and self.tokens is not None and tokens >= self.tokens:
            self.stopped = f"the search's {self.tokens} tokens are spent"
        if self.stopped:
            raise Stopped(self.stopped)
        self._open += 1

    def leave(self, outcome: Outcome[Any] | None) -> None:
        """After a call. Raises `Stopped` where the budget held it back."""
        self._open -= 1
        if outcome is None:
            return
        if outcome.status == "budget":
            self.stopped = self.stopped or outcome.error or "the budget is spent"
            raise Stopped(self.stopped)
        for key in outcome.keys:
            self.seen.setdefault(key, (0, 0))
        if outcome.keys:  # the last key stands for the call and its repair
            self.seen[outcome.keys[-1]] = (max(outcome.attempts, 1), outcome.usage.total)


class Metered:
    """Stands where a `Door` is expected. `seen(outcome)` is told of every outcome.

    Calls are made in the event loop that the metered door was made in, wherever they come from: DSPy's threads run sync
    programs while the loop's own work waits for them, and one loop means one line, one budget and one cassette.
    """

    def __init__(
        self, door: Door, meter: Meter | None = None, seen: Callable[[Outcome[Any]], object] | None = None
    ) -> None:
        self.door, self.meter, self.seen = door, meter, seen
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
        call = self._call(name, arguments, options)
        if asyncio.get_running_loop() is self.loop:
            return await call
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self.loop))

    async def _call(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Outcome[Any]:
        if self.meter is not None:
            self.meter.enter()
        outcome: Outcome[Any] | None = None
        try:
            outcome = await getattr(self.door, name)(*arguments, **options)
        finally:
            if self.meter is not None:
                self.meter.leave(outcome)
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
