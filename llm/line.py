"""From the door to the provider: wait for a turn, reserve, try, settle; wait and try again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
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

BYTES_PER_TOKEN = 3
"""Of a prompt, in estimates: fewer than in most English text, so that a charge by estimate is rather too high."""

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


@dataclass(slots=True)
class Tally:
    """What the tries of one call have taken so far, and how the last one failed. `lessons` counts those that the
    endpoint turned down for a part of the request that is left out from then on."""

    cost: float | None
    usage: Usage = field(default_factory=Usage)
    attempts: int = 0
    lessons: int = 0
    status: Status = "transport"
    error: str = ""
    began: float = 0.0

    def sent(self, answer: Any = None, status: Status = "ok", error: str = "") -> Sent[Any]:
        latency = time.monotonic() - self.began if self.attempts else 0.0
        return Sent(answer, status, error, self.usage, self.cost, latency, self.attempts)


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
        self._wrong: tuple[float, str] | None = None
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

    def tally(self) -> Tally:
        """A clean sheet for one call."""
        return Tally(0.0 if self._priced() else None)

    async def send(self, key: str, estimate: Usage, call: Callable[[], Awaitable[A]], tally: Tally) -> Sent[A]:
        """Make the call, with retries; `tally` says what it took, also when it is cancelled. Raises `Unsupported` for a
        schema the endpoint does not take, `NoAbility`, and `ConfigProblem` while nothing has worked yet; every other
        failure is in the result."""
        most = self._most(estimate)
        while True:
            gate, patience = self._here()
            actual, overloaded, reserved, tries = Spending(), None, False, 0
            queued = time.monotonic()
            # The turn comes first: a call that only queues must not hold back money, nor outlive a limit in seconds.
            window = await gate.enter()
            try:
                if self._wrong is not None and self._wrong[0] >= queued:  # found while this call was waiting
                    raise base.ConfigProblem(self._wrong[1])
                refusal = await self.budget.reserve(most) if self.budget else ""
                if refusal:
                    return tally.sent(
                        None, "budget", f"{refusal}; before it: {tally.error}" if tally.error else refusal
                    )
                reserved = True
                tally.began = tally.began or time.monotonic()
                tally.attempts += 1
                actual = Spending(calls=1)
                tries = tally.attempts - tally.lessons
                answer = await patience.wait(call, estimate.completion, tries, last=tries >= self.attempts)
                actual = self._charge(tally, *((answer.usage, answer.cost) if answer is not None else (estimate, None)))
                overloaded, self.worked = False, True
                return tally.sent(answer)
            except base.RetryableError as problem:
                tally.status = "timeout" if isinstance(problem, base.TimedOut) else "transport"
                tally.error, overloaded = str(problem), problem.slow_down or None
                if problem.billed:
                    actual = self._charge(tally, Usage(prompt=estimate.prompt, estimated=True))
                # A try given up early has been waited for already, and nobody asked for patience.
                early = isinstance(problem, base.GivenUp)
                pause = 0.0 if early else self._pause(key, tries, problem.retry_after)
            except base.Unsupported as problem:
                tally.lessons += 1
                if problem.feature.startswith("json_"):
                    raise
                if tally.lessons > _LESSONS:
                    return tally.sent(None, "transport", str(problem))
                continue
            except base.NoAbility:
                raise
            except base.ConfigProblem as problem:
                if not self.worked:
                    self._wrong = (time.monotonic(), str(problem))
                    raise
                return tally.sent(None, "transport", str(problem))
            except (base.Refused, base.Rejected) as problem:
                status = "refusal" if isinstance(problem, base.Refused) else "transport"
                return tally.sent(None, status, str(problem))
            except asyncio.CancelledError:
                if reserved:  # it was on its way: the endpoint may bill it
                    actual = self._charge(tally, Usage(prompt=estimate.prompt, estimated=True))
                raise
            finally:
                if self.budget and reserved:
                    self.budget.settle(most, actual)
                gate.leave(window, overloaded)
            if tries >= self.attempts or pause > LONGEST_WAIT:
                more = f" ({tally.attempts} attempts)" if tally.attempts > 1 else ""
                return tally.sent(None, tally.status, tally.error + more)
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

    def _most(self, estimate: Usage) -> Spending:
        """The most that one try can cost: no tokenizer makes more tokens of a prompt than it has bytes."""
        most = Usage(BYTES_PER_TOKEN * estimate.prompt, estimate.completion)
        return Spending(1, most.total, self._paid(most, None) or 0.0)

    def _charge(self, tally: Tally, used: Usage, stated: float | None = None) -> Spending:
        """Note what one try took; returns it as the budget counts it."""
        paid = self._paid(used, stated)
        tally.usage = _add(tally.usage, used)
        tally.cost = None if tally.cost is None or paid is None else tally.cost + paid
        return Spending(1, used.total, paid or 0.0)


def _add(left: Usage, right: Usage) -> Usage:
    return Usage(left.prompt + right.prompt, left.completion + right.completion, left.estimated or right.estimated)
