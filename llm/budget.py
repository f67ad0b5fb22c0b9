"""A budget of calls, tokens, dollars and seconds: reserved before a call is made, settled after it."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .budget_note import Note, noted
from .errors import BudgetError

LIMITS = ("calls", "tokens", "usd", "seconds")


@dataclass(frozen=True, slots=True)
class Spending:
    """What calls cost, or may cost: attempts, tokens (prompt and completion), US dollars."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: Spending) -> Spending:
        return Spending(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)

    def __sub__(self, other: Spending) -> Spending:
        return Spending(self.calls - other.calls, self.tokens - other.tokens, self.usd - other.usd)


class Budget:
    """What a run may spend. None is no limit. Every attempt counts, retries and repairs too.

    A call reserves the most it can cost before it is made. It waits while calls in flight may give something back and is
    refused when even that would not be enough, so no limit is overshot (`tokens` and `usd` where the endpoint keeps to
    `max_tokens`). `seconds` is wall time from the first call on; calls in flight then may finish. The figures outlive the
    process: `Budget(...).resume(old.state())`; with `keep` they outlive a kill too.
    """

    def __init__(
        self,
        calls: int | None = None,
        tokens: int | None = None,
        usd: float | None = None,
        seconds: float | None = None,
    ) -> None:
        for name, value in zip(LIMITS, (calls, tokens, usd, seconds), strict=True):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise BudgetError(f"budget {name}={value}: give a number of at least 0, or leave it out")
        self.calls, self.tokens, self.usd, self.seconds = calls, tokens, usd, seconds
        self._spent = Spending()
        self._reserved = Spending()
        self._seconds_before = 0.0
        self._started: float | None = None
        self._note: Note | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._lock = threading.Lock()

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `usd=1,calls=500,tokens=1e6,seconds=60`. Raises `BudgetError` naming the part that does not fit."""
        limits: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, number = (word.strip() for word in part.partition("="))
            if name not in LIMITS or not equals or name in limits:
                raise BudgetError(
                    f"budget part {part!r}: write each of {', '.join(LIMITS)} once, as in usd=1,calls=500"
                )
            try:
                limits[name] = float(number.replace("_", ""))
            except ValueError:
                raise BudgetError(f"budget part {part!r}: {number!r} is not a number, as in calls=500") from None
        for name in ("calls", "tokens"):
            if name in limits and not (math.isfinite(limits[name]) and limits[name] == int(limits[name])):
                raise BudgetError(f"budget {name}={limits[name]:g}: give a whole number")
        whole = {name: int(limits[name]) for name in ("calls", "tokens") if name in limits}
        return cls(**whole, usd=limits.get("usd"), seconds=limits.get("seconds"))

    def __repr__(self) -> str:
        limits = ((name, getattr(self, name)) for name in LIMITS)
        return f"Budget({', '.join(f'{name}={value:g}' for name, value in limits if value is not None)})"

    @property
    def spent(self) -> Spending:
        return self._spent

    @property
    def elapsed(self) -> float:
        """Wall seconds since the first call, with those of the runs before this one."""
        return self._seconds_before + (time.monotonic() - self._started if self._started is not None else 0.0)

    @property
    def exhausted(self) -> str:
        """The name of the first limit that no further call fits under; empty while there is room."""
        return self._short(self._spent, Spending(calls=1))

    def state(self) -> dict[str, Any]:
        """The limits and what was spent, as JSON."""
        return {
            "limits": {name: getattr(self, name) for name in LIMITS},
            "spent": {
                "calls": self._spent.calls,
                "tokens": self._spent.tokens,
                "usd": self._spent.usd,
                "seconds": self.elapsed,
            },
        }

    def resume(self, state: Mapping[str, Any]) -> Budget:
        """Count what an earlier process spent (its `state()`) against this budget; returns itself."""
        spent = state["spent"]
        self._spent += Spending(int(spent["calls"]), int(spent["tokens"]), float(spent["usd"]))
        self._seconds_before += float(spent["seconds"])
        return self

    def keep(self, path: Path) -> None:
        """From now on note at `path` what is spent and what calls in flight may cost at most, until `let_go`.

        A killed process leaves its note behind: where it says more than this budget knows of, that counts as spent.
        """
        with self._lock:
            calls, tokens, usd = noted(path)
            known = self._spent
            self._spent = Spending(max(known.calls, calls), max(known.tokens, tokens), max(known.usd, usd))
            self._note = Note(path)
            self._write()

    def let_go(self, recorded: int) -> None:
        """Write no more notes. The file stays where more calls were spent than are `recorded` somewhere."""
        with self._lock:
            if self._note is not None:
                self._note.close(keep=self._spent.calls > recorded)
                self._note = None

    async def reserve(self, most: Spending) -> str:
        """Set `most` aside. Returns "" when granted, else why not. Each grant must be followed by one `settle`."""
        while True:
            with self._lock:
                if self._started is None:
                    self._started = time.monotonic()
                limit = self._short(self._spent, most)
                if limit:
                    return f"budget of {limit} {getattr(self, limit):g} is spent"
                if not self._short(self._spent + self._reserved, most):
                    self._reserved += most
                    self._write()
                    return ""
                turn = asyncio.get_running_loop().create_future()
                self._waiting.append(turn)
            await turn

    def settle(self, most: Spending, actual: Spending) -> None:
        """Give a reservation back and count what was really spent."""
        with self._lock:
            self._reserved -= most
            self._spent += actual
            self._write()
            waiting, self._waiting = self._waiting, []
        for turn in waiting:
            loop = turn.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake, turn)

    def _write(self) -> None:
        if self._note is not None:
            most = self._spent + self._reserved
            self._note.write(most.calls, most.tokens, most.usd)

    def _short(self, base: Spending, more: Spending) -> str:
        """The first limit under which `base + more` does not fit."""
        if self.calls is not None and base.calls + more.calls > self.calls:
            return "calls"
        if self.tokens is not None and base.tokens + max(more.tokens, 1) > self.tokens:
            return "tokens"
        if self.usd is not None and base.usd + more.usd > self.usd + 1e-12:
            return "usd"
        if self.seconds is not None and self.elapsed >= self.seconds:
            return "seconds"
        return ""


def _wake(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
