"""Turns: first come, first served; halved once per window, grown slowly; never lost."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.llm.gate import Gate


async def test_a_storm_of_old_news_halves_the_limit_once() -> None:
    gate = Gate(64)
    windows = [await gate.enter() for _ in range(64)]
    for window in windows:
        gate.leave(window, True)
    assert gate.limit == 32
    for _ in range(16):
        gate.leave(await gate.enter(), True)
    assert gate.limit == 1
    assert gate.lowest == 1


async def test_a_few_throttled_calls_are_left_to_the_retries() -> None:
    gate = Gate(64)
    for number in range(1000):
        gate.leave(await gate.enter(), number % 20 == 19)
    assert gate.limit == 64


async def test_the_limit_grows_by_about_one_per_window_and_stops_at_the_most() -> None:
    gate = Gate(8)
    gate.leave(await gate.enter(), True)
    assert gate.limit == 4
    for _ in range(5):
        gate.leave(await gate.enter(), False)
    assert 5 <= gate.limit < 5.5
    for _ in range(100):
        gate.leave(await gate.enter(), False)
    assert gate.limit == 8


@settings(deadline=None, max_examples=60)
@given(
    most=st.integers(1, 6),
    calls=st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.booleans()), max_size=40),
)
def test_turns_are_bounded_and_none_is_lost_even_when_calls_are_cancelled(
    most: int, calls: list[tuple[int, bool, bool]]
) -> None:
    async def every() -> None:
        gate, inside = Gate(most), 0

        async def call(turns: int, bad: bool) -> None:
            nonlocal inside
            window = await gate.enter()
            inside += 1
            assert inside <= most
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                inside -= 1
                gate.leave(window, bad)

        tasks = [asyncio.ensure_future(call(turns, bad)) for turns, bad, _ in calls]
        await asyncio.sleep(0)
        for task, (_, _, cancel) in zip(tasks, calls, strict=True):
            if cancel:
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert not [task for task in tasks if not task.cancelled() and task.exception()]
        assert (gate.active, len(gate._waiting)) == (0, 0)

    asyncio.run(every())
