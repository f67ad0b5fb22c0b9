"""How long one try may take: as long as was asked, and much less once it is known how long such answers take."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .providers import base

T = TypeVar("T")

ENOUGH = 20
"""Answers that must have come before their times say anything."""

REMEMBERED = 128
"""Answers whose times are kept, per kind of call: an endpoint's pace changes."""

USUAL, TIMES = 0.95, 3.0
"""A try is lost when it takes this many times what this share of the answers took. With log-normal times of sigma 0.7
that gives up 1 call in 1,400 that would have been answered."""

LEAST = 0.5
"""Seconds. No try is given up sooner, however quick the others are."""

TICK = 0.1
"""Seconds between two looks at the tries under way."""


class Patience:
    """Gives up tries that hang, of all calls in one event loop.

    Calls are of one kind if their answers have the same room (`max_tokens`). The first try of a call may take `TIMES` the
    usual time of its kind, each further one twice as long, and the last one the whole `timeout` (seconds): an answer
    that is really that slow still comes. Time in which the event loop itself stood still does not count.
    With `learn` off every try may take the whole `timeout`.
    """

    def __init__(self, timeout: float, *, learn: bool = True) -> None:
        self.timeout, self.learn = timeout, learn
        self._tick = min(TICK, timeout / 10)
        self._took: dict[int, deque[float]] = {}
        self._under_way: set[_Try] = set()
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, call: Callable[[], Awaitable[T]], room: int, attempt: int, last: bool) -> T:
        """Make one try, the `attempt`th from 1. Raises `TimedOut` after the whole timeout, `GivenUp` before it."""
        loop = asyncio.get_running_loop()
        one = _Try(room, 0 if last else attempt, loop.time())
        self._under_way.add(one)
        if self._timer is None:
            self._look_again(loop)
        try:
            async with one.clock:
                answer = await call()
        except TimeoutError:
            if 0.0 < one.limit < self.timeout:
                raise base.GivenUp(f"no answer within {one.limit:.2g} s, far longer than usual") from None
            raise base.TimedOut(f"no answer within {self.timeout:g} s") from None
        finally:
            self._under_way.discard(one)
        if self.learn:
            self._took.setdefault(room, deque(maxlen=REMEMBERED)).append(loop.time() - one.began)
        return answer

    def limit(self, room: int, attempt: int) -> float:
        """Seconds that the `attempt`th try of such a call may take now; 0 stands for the last one."""
        took = self._took.get(room, ())
        if attempt == 0 or len(took) < ENOUGH:
            return self.timeout
        usual = sorted(took)[int(USUAL * len(took))]
        return min(self.timeout, max(LEAST, TIMES * usual) * 2 ** (attempt - 1))

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next = loop.time() + self._tick
        self._timer = loop.call_at(self._next, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        late = now - self._next
        limits: dict[tuple[int, int], float] = {}
        for one in list(self._under_way):
            if late > self._tick:  # answers may lie unread: nobody could look
                one.began += late
            kind = (one.room, one.attempt)
            if kind not in limits:
                limits[kind] = self.limit(*kind)
            if now - one.began >= limits[kind]:
                one.limit = limits[kind]
                one.clock.reschedule(now)
                self._under_way.discard(one)
        self._timer = None
        if self._under_way:
            self._look_again(loop)


class _Try:
    __slots__ = ("attempt", "began", "clock", "limit", "room")

    def __init__(self, room: int, attempt: int, began: float) -> None:
        self.room, self.attempt, self.began = room, attempt, began
        self.limit = 0.0
        self.clock = asyncio.timeout(None)
