"""From the door to the provider: wait for a turn, reserve, try, settle; wait and try again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from .budget import Budget, Spending
from .gate import Gate
from .keys import jitter
from .patience import Patience
from .prices import Price
from .providers import base
from .types import Status, Usage

A = TypeVar("A", base.RawAnswer, base.RawScores, None)

LONGEST_WAIT = 120.0
"""Seconds. An endpoint that asks for a longer pause has, for a run, failed."""

LONGEST_FIRST_WAIT = 1 / 20
"""Of the timeout. Where an answer may take a second, waiting half of one before the next try makes no sense."""

_LESSONS = 8
"""How many parameters an endpoint may turn down, one after the other, before its 400 is taken at its word."""


@dataclass(frozen=True, slots=True)
class Sent(Generic[A]):
    """How sending went: an answer, or a status and why. Sums are over all attempts."""

    answer: A | None
    status: Status = "ok"
    error: str = ""
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    latency: float = 0.0
    attempts: int = 0


class Line:
    """The way to one provider: budget, adaptive concurrency, bounded retries with repeatable waits, patience per try."""

    def __init__(
        self,
        provider: base.Provider,
        *,
        budget: Budget | None = None,
        price: Callable[[], Price | None],
        concurrency: int,
        timeout: float,
        attempts: int = 4,
        backoff: float = 0.5,
    ) -> None:
        self.provider, self.budget, self.price = provider, budget, price
        self.concurrency = min(concurrency, provider.concurrency or concurrency)
        self.timeout, self.attempts = timeout, attempts
        self.backoff = min(backoff, timeout * LONGEST_FIRST_WAIT)
        self.worked = False
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Gate, Patience]] = WeakKeyDictionary()

    @property
    def gate(self) -> Gate:
        """The gate of the running event loop."""
        return self._here()[0]

    def _here(self) -> tuple[Gate, Patience]:
        """Gate and patience of the running event loop: a loop's turns and clocks work in that loop only."""
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            # What runs in this process takes as long as it takes, the second time too.
            patience = Patience(self.timeout, learn=self.provider.remote)
            here = self._loops[loop] = (Gate(self.concurrency), patience)
        return here

    async def send(self, key: str, estimate: Usage, call: Callable[[], Awaitable[A]]) -> Sent[A]:
        """Make the call, with retries. Raises `Unsupported` for a schema the endpoint does not take, `NoAbility`, and
        `ConfigProblem` while nothing has worked yet; every other failure is in the result."""
        most = self._spending(estimate)
        total, cost, attempt, lessons = Usage(), 0.0 if self._priced() else None, 0, 0
        status, error = "transport", ""
        while True:
            actual, overloaded, reserved = Spending(), None, False
            gate, patience = self._here()
            # The turn comes first: a call that only queues must not hold back money, nor outlive a limit in seconds.
            window = await gate.enter()
            began = time.monotonic()
            try:
                refusal = await self.budget.reserve(most) if self.budget else ""
                if refusal:
                    error = f"{refusal}; before it: {error}" if error else refusal
                    return Sent(None, "budget", error, total, cost, 0.0, attempt)
                reserved = True
                attempt += 1
                actual = Spending(calls=1)
                began = time.monotonic()
                tries = attempt - lessons
                answer = await patience.wait(call, estimate.completion, tries, last=tries >= self.attempts)
                used = answer.usage if answer is not None else estimate
                paid = self._paid(used, answer.cost if answer is not None else None)
                actual = Spending(1, used.total, paid or 0.0)
                total, cost = _add(total, used), None if cost is None or paid is None else cost + paid
                overloaded, self.worked = False, True
                return Sent(answer, "ok", "", total, cost, time.monotonic() - began, attempt)
            except base.RetryableError as problem:
                status = "timeout" if isinstance(problem, base.TimedOut) else "transport"
                error, overloaded = str(problem), problem.slow_down or None
                if problem.billed:
                    used = Usage(prompt=estimate.prompt, estimated=True)
                    paid = self._paid(used, None)
                    actual = Spending(1, used.total, paid or 0.0)
                    total, cost = _add(total, used), None if cost is None or paid is None else cost + paid
                # A try given up early has been waited for already, and nobody asked for patience.
                early = isinstance(problem, base.GivenUp)
                pause = 0.0 if early else self._pause(key, tries, problem.retry_after)
            except base.Unsupported as problem:
                if problem.feature.startswith("json_"):
                    raise
                lessons += 1
                if lessons > _LESSONS:
                    return Sent(None, "transport", str(problem), total, cost, 0.0, attempt)
                continue
            except base.NoAbility:
                raise
            except base.ConfigProblem as problem:
                if not self.worked:
                    raise
                return Sent(None, "transport", str(problem), total, cost, time.monotonic() - began, attempt)
            except (base.Refused, base.Rejected) as problem:
                status = "refusal" if isinstance(problem, base.Refused) else "transport"
                return Sent(None, status, str(problem), total, cost, time.monotonic() - began, attempt)
            except asyncio.CancelledError:
                if reserved:  # it was on its way: the endpoint may bill it
                    actual = Spending(1, estimate.prompt, self._paid(Usage(prompt=estimate.prompt), None) or 0.0)
                raise
            finally:
                if self.budget and reserved:
                    self.budget.settle(most, actual)
                gate.leave(window, overloaded)
            if attempt - lessons >= self.attempts or pause > LONGEST_WAIT:
                error += f" ({attempt} attempts)" if attempt > 1 else ""
                return Sent(None, status, error, total, cost, time.monotonic() - began, attempt)
            await asyncio.sleep(pause)

    def _pause(self, key: str, attempt: int, retry_after: float | None) -> float:
        """Seconds before the next try: what the endpoint asked for, else doubling; never twice the same for two calls."""
        share = jitter(key, attempt)
        if retry_after is not None:
            return retry_after * (1 + share / 4) + self.backoff * share / 10
        return min(30.0, self.backoff * 2 ** (attempt - 1)) * (0.5 + share / 2)

    def _priced(self) -> bool:
        return not self.provider.remote or self.price() is not None

    def _paid(self, usage: Usage, stated: float | None) -> float | None:
        if stated is not None:
            return stated
        if not self.provider.remote:
            return 0.0
        price = self.price()
        return price.of(usage) if price else None

    def _spending(self, estimate: Usage) -> Spending:
        return Spending(1, estimate.total, self._paid(estimate, None) or 0.0)


def _add(left: Usage, right: Usage) -> Usage:
    return Usage(left.prompt + right.prompt, left.completion + right.completion, left.estimated or right.estimated)
