"""A try that hangs is given up once it is known how long answers take; one that is only slow is not lost."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

import pytest
from recloop.llm import open_model
from recloop.llm.patience import ENOUGH, LEAST, Patience
from recloop.llm.providers.base import GivenUp, TimedOut


def ask(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def door(server: Any, **options: Any) -> Any:
    return open_model("openai/fake", **{"base_url": server.base_url, "api_key": "k", "backoff": 0.005, **options})


def knowing(seconds: float, timeout: float = 60.0, room: int = 100) -> Patience:
    """A patience that has seen many answers of `seconds` each."""
    patience = Patience(timeout)
    patience._took[room] = deque([seconds] * ENOUGH)
    return patience


async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "answer"


async def test_a_hang_costs_a_moment_not_the_whole_timeout(fake_llm: Any) -> None:
    server = fake_llm(latency="fixed:5")
    async with door(server) as model:
        await asyncio.gather(*(model.complete(ask(str(i))) for i in range(2 * ENOUGH)))
        server.configure(errors="hang=0.3")
        began = time.monotonic()
        outcomes = await asyncio.gather(*(model.complete(ask(f"again {i}")) for i in range(40)))
        took = time.monotonic() - began
    assert all(outcome.ok for outcome in outcomes)
    assert max(outcome.attempts for outcome in outcomes) > 1
    assert took < 20
    stats = server.stats()
    assert stats["requests"] + stats["cancelled"] == 2 * ENOUGH + sum(outcome.attempts for outcome in outcomes)


async def test_a_hang_among_the_first_calls_is_given_up_as_soon_as_the_others_have_answered(fake_llm: Any) -> None:
    server = fake_llm(script=[{"match": "stuck", "times": 1, "latency_ms": 50_000, "reply": "late"}], latency="fixed:5")
    async with door(server) as model:
        began = time.monotonic()
        stuck, *others = await asyncio.gather(
            model.complete(ask("stuck")), *(model.complete(ask(str(i))) for i in range(2 * ENOUGH))
        )
    assert all(outcome.ok for outcome in (stuck, *others))
    assert stuck.attempts == 2
    assert time.monotonic() - began < 20


async def test_the_last_try_of_a_call_may_take_the_whole_timeout() -> None:
    patience = knowing(0.001)
    with pytest.raises(GivenUp, match="far longer than usual"):
        await patience.wait(lambda: slow(2), 100, attempt=1, last=False)
    assert await patience.wait(lambda: slow(1.5), 100, attempt=2, last=True) == "answer"
    with pytest.raises(TimedOut, match=r"no answer within 0\.2 s") as caught:
        await Patience(0.2).wait(lambda: slow(2), 100, attempt=1, last=False)
    assert not isinstance(caught.value, GivenUp)


def test_each_further_try_may_take_twice_as_long() -> None:
    patience = knowing(1.0, timeout=10)
    assert [patience.limit(100, attempt) for attempt in (1, 2, 3, 0)] == [3.0, 6.0, 10.0, 10.0]
    assert knowing(0.001).limit(100, 1) == LEAST


def test_calls_with_other_room_are_not_judged_by_these() -> None:
    assert knowing(0.1, room=100).limit(2000, 1) == 60.0


async def test_what_runs_in_this_process_is_never_given_up() -> None:
    patience = Patience(60.0, learn=False)
    for _ in range(2 * ENOUGH):
        await patience.wait(lambda: slow(0), 100, attempt=1, last=False)
    assert patience.limit(100, 1) == 60.0


async def test_time_in_which_nobody_could_look_does_not_count() -> None:
    patience = knowing(0.001)

    async def held_up() -> str:
        await asyncio.sleep(0.05)
        time.sleep(2 * LEAST)  # noqa: ASYNC251  the point: the event loop itself stands still
        await asyncio.sleep(0.05)
        return "answer"

    assert await patience.wait(held_up, 100, attempt=1, last=False) == "answer"


async def test_a_cancelled_call_is_cancelled_and_leaves_nothing_behind() -> None:
    patience = Patience(60.0)
    task = asyncio.ensure_future(patience.wait(lambda: slow(30), 100, attempt=1, last=False))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not patience._under_way
