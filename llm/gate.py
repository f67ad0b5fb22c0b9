"""How many calls may be in flight: additive increase, multiplicative decrease, as TCP does with packets."""

from __future__ import annotations

import asyncio
from collections import deque

TOLERATED_SHARE = 1 / 8
"""Endpoints that meter by the minute turn a few calls away at full speed; retries absorb those. More is congestion."""


class Gate:
    """Lets at most `limit` calls through; `limit` halves when the endpoint is overloaded and grows back slowly.

    It halves at most once per window: signs of overload from calls that began before the last halving are old news.
    It grows by one per window of good answers, never above `most`. Calls wait in order of arrival.
    """

    def __init__(self, most: int) -> None:
        self.most = max(1, most)
        self.limit = float(self.most)
        self.active = 0
        self.window = 0
        self.lowest = self.most
        self._good = 0
        self._bad = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> int:
        """Wait for a turn. Returns the window, to be handed back to `leave`."""
        if self._waiting or self.active >= int(self.limit):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # the turn was given and then not wanted
                    self.active -= 1
                    self._let_in()
                elif turn in self._waiting:
                    self._waiting.remove(turn)
                raise
        else:
            self.active += 1
        return self.window

    def leave(self, window: int, overloaded: bool | None) -> None:
        """Give the turn back. `overloaded` True: throttled or timed out; False: a good answer; None: says nothing."""
        self.active -= 1
        if overloaded and window == self.window:
            self._bad += 1
            if self._bad > TOLERATED_SHARE * (self._bad + self._good):
                self.limit = max(1.0, self.limit / 2)
                self.lowest = min(self.lowest, int(self.limit))
                self.window += 1
                self._good = self._bad = 0
        elif overloaded is False:
            self._good += 1
            self.limit = min(float(self.most), self.limit + 1 / self.limit)
            if self._good > 4 * self.limit:  # forget slowly, so that an old calm does not hide a new storm
                self._good //= 2
                self._bad //= 2
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self.active < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self.active += 1
                turn.set_result(None)
