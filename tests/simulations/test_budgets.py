"""Limits hold to the call, by the server's own count, over retries, repairs, pauses, cancellations and kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLLM
from recloop.llm import BudgetError
from recloop.llm.budget_note import noted
from recloop.runs import Run
from recloop.runs.calls import CallTotals
from recloop.simulations import SimulateConfig, resume, simulate
from rehearsing import STAY, events, rehearse, settings, status, write_ratings

FAULTS = "429=0.1,500=0.1,reset=0.05,malformed=0.15"


def crowd(folder: Path, server: FakeLLM, **changes: Any) -> SimulateConfig:
    """64 users who stay for 3 pages, with 64 calls in flight: some 400 tries with these faults."""
    write_ratings(folder / "ratings.csv", users=80)
    given = {"model": "openai/fake", "base_url": server.base_url, "users": 64, "concurrency": 64, "timeout": 4.0}
    return settings(folder, **given | changes)


def at_server(server: FakeLLM) -> int:
    """Tries that reached the server, once it has noticed which clients have gone."""
    for _ in range(200):
        stats = server.stats()
        if not stats["in_flight"]:
            break
        time.sleep(0.01)
    return stats["requests"] + stats["cancelled"]


def account(path: Path) -> CallTotals:
    """What the run's own recording says was spent."""
    with Run.open(path) as run:
        return run.calls.totals()


def go_on(path: Path, budget: str) -> Path:
    return asyncio.run(resume(path, api_key="x", budget=budget))


def stops_at_a_page(path: Path, limit: str) -> None:
    stands, reason, barrier = status(path)
    assert stands == "paused"
    assert f"budget of {limit}" in reason
    assert {event.barrier for event in events(path)} == set(range(1, barrier + 1))


@pytest.mark.parametrize("plan", ["fused", "faithful"])
def test_calls_are_never_overshot_and_more_of_them_goes_on_from_the_same_account(
    fake_llm: Callable[..., FakeLLM], tmp_path: Path, plan: str
) -> None:
    server = fake_llm(errors=FAULTS, retry_after=0.01, latency="uniform:1:10", script=STAY if plan == "fused" else "")
    path = tmp_path / "run"
    for limit in (30, 90, 150, 220):
        if path.exists():
            go_on(path, f"calls={limit}")
        else:
            rehearse(crowd(tmp_path, server, plan=plan, budget=f"calls={limit}"), path)
        stops_at_a_page(path, "calls")
        assert at_server(server) == account(path).attempts == limit
    go_on(path, "calls=5000")
    assert status(path)[0] == "finished"
    assert at_server(server) == account(path).attempts


@pytest.mark.parametrize("limits", ["tokens=60000", "usd=0.02"])
def test_tokens_and_dollars_are_never_overshot(fake_llm: Callable[..., FakeLLM], tmp_path: Path, limits: str) -> None:
    server = fake_llm(errors=FAULTS, retry_after=0.01, latency="uniform:1:10", script=STAY)
    config = crowd(tmp_path, server, model="openai/gpt-4o-mini", budget=limits)
    path = rehearse(config, tmp_path / "run")
    name, most = limits.split("=")[0], float(limits.split("=")[1])

    def spent(prompt: float, completion: float) -> float:
        return prompt + completion if name == "tokens" else (prompt * 0.15 + completion * 0.6) / 1e6

    def holds(most: float) -> None:
        stats, recorded = server.stats(), account(path)
        seen = spent(stats["prompt_tokens"], stats["completion_tokens"])
        noted = recorded.cost if name == "usd" else recorded.prompt_tokens + recorded.completion_tokens
        assert seen <= noted <= most
        assert noted - seen < spent(20, 1), "only the check is charged by estimate"

    stops_at_a_page(path, name)
    holds(most)
    assert account(path).by_status["ok"] > 20
    go_on(path, f"{name}={2 * most}")
    holds(2 * most)
    go_on(path, f"{name}={100 * most}")
    assert status(path)[0] == "finished"


def test_dollars_for_a_model_without_a_price_are_refused_before_anything_is_called(
    fake_llm: Callable[..., FakeLLM], tmp_path: Path
) -> None:
    server = fake_llm()
    with pytest.raises(BudgetError, match="no price is known for openai/fake"):
        rehearse(crowd(tmp_path, server, budget="usd=1"), tmp_path / "run")
    assert server.stats()["requests"] == 0
    assert not (tmp_path / "run").exists()


def test_a_stated_price_makes_dollars_hold_also_when_the_run_goes_on(
    fake_llm: Callable[..., FakeLLM], tmp_path: Path
) -> None:
    server = fake_llm(script=STAY)
    config = crowd(tmp_path, server, budget="usd=0.05", price="in=1,out=2")
    path = rehearse(config, tmp_path / "run")
    for limit in (0.05, 0.08):
        stops_at_a_page(path, "usd")
        stats = server.stats()
        seen = (stats["prompt_tokens"] + 2 * stats["completion_tokens"]) / 1e6
        assert 0.5 * limit < seen <= account(path).cost <= limit
        go_on(path, "usd=0.08" if limit == 0.05 else "usd=99")
    asyncio.run(resume(path, api_key="x", pages=4, price="in=0,out=0"))
    assert status(path)[0] == "finished"
    with Run.open(path) as run:
        assert (run.manifest.config["price"], run.calls.totals().unpriced) == ("in=0,out=0", 0)
    with Run.open(rehearse(config.model_copy(update={"price": "", "budget": ""}), tmp_path / "other")) as other:
        assert "price" in other.manifest.volatile.config, "no part of a digest"


@pytest.mark.parametrize(
    "price", ["1", "in=1", "in=1,out=x", "in=1,out=-1", "in=1,in=2", "in=1,out=2,cached=0", "in=nan,out=1"]
)
def test_a_price_that_cannot_be_read_is_refused(price: str) -> None:
    with pytest.raises(ValueError, match="dollars per million tokens, as in in="):
        SimulateConfig(price=price)


def test_seconds_go_on_counting_after_a_pause(fake_llm: Callable[..., FakeLLM], tmp_path: Path) -> None:
    server = fake_llm(latency="fixed:250", script=STAY)
    config = crowd(tmp_path, server, users=8, pages=20, concurrency=8, budget="seconds=1.5")
    path = rehearse(config, tmp_path / "run")
    stops_at_a_page(path, "seconds")
    spent, asked = account(path).seconds, at_server(server)
    assert spent > 0.9, "little is left out: what came after the last call"
    go_on(path, f"seconds={spent / 2}")
    assert at_server(server) == asked, "they are spent"
    go_on(path, f"seconds={spent + 1.0}")
    stops_at_a_page(path, "seconds")
    assert asked < at_server(server) <= asked + 8 * 5, "a second has room for four waves, and one may be under way"
    assert account(path).seconds > spent + 0.2


async def test_calls_cut_off_by_a_cancellation_stay_on_the_account(
    fake_llm: Callable[..., FakeLLM], tmp_path: Path
) -> None:
    server = fake_llm(errors="500=0.2", latency="uniform:1:200", script=STAY)
    path = tmp_path / "run"
    task = asyncio.ensure_future(simulate(crowd(tmp_path, server), out=path, api_key="x"))
    while server.stats()["requests"] < 100:  # noqa: ASYNC110  the server lives in another thread
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert status(path)[:2] == ("paused", "interrupted")
    recorded, seen = account(path).attempts, at_server(server)
    assert server.stats()["cancelled"] > 10
    assert recorded == seen
    await resume(path, api_key="x", budget=f"calls={seen + 50}")
    stops_at_a_page(path, "calls")
    assert at_server(server) == seen + 50


REHEARSE = """
import asyncio, sys
from pathlib import Path
from recloop.simulations import SimulateConfig, simulate
asyncio.run(simulate(SimulateConfig.model_validate_json(sys.argv[1]), out=Path(sys.argv[2]), api_key="x"))
"""


@pytest.mark.parametrize("first", ["", "calls=1000"])
def test_after_kill_9_no_call_is_missing_from_the_account(tmp_path: Path, first: str) -> None:
    """The recording lacks what was in flight; the note beside it does not."""
    path = tmp_path / "run"
    with FakeLLM(errors="500=0.2", latency="uniform:20:120", script=STAY, process=True) as server:
        config = crowd(tmp_path, server, concurrency=16, budget=first)
        child = subprocess.Popen([sys.executable, "-c", REHEARSE, config.model_dump_json(), str(path)])
        while server.stats()["requests"] < 120:
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(30)
        recorded, seen = account(path).attempts, at_server(server)
        # A call in flight may have had up to three tries before the one that was cut.
        assert recorded < seen <= recorded + 16 * 4
        for limit in (seen + 60, seen + 100):
            go_on(path, f"calls={limit}")
            stops_at_a_page(path, "calls")
            assert limit - 16 <= at_server(server) <= limit, "a call may have been killed on its way out"
        go_on(path, "calls=9999")
        assert status(path)[0] == "finished"


def test_after_kill_9_tokens_and_dollars_in_flight_count_as_the_most_they_may_be(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with FakeLLM(latency="uniform:20:120", script=STAY, process=True) as server:
        config = crowd(tmp_path, server, concurrency=16, model="openai/gpt-4o-mini", budget="tokens=1e6,usd=1")
        child = subprocess.Popen([sys.executable, "-c", REHEARSE, config.model_dump_json(), str(path)])
        while server.stats()["requests"] < 60:
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(30)
        at_server(server)
        stats, (calls, tokens, usd) = server.stats(), noted(path / "spending")
        assert calls - 16 <= stats["requests"] + stats["cancelled"] <= calls
        recorded = account(path)
        assert tokens > recorded.prompt_tokens + recorded.completion_tokens
        assert usd > recorded.cost
        seen = stats["prompt_tokens"] + stats["completion_tokens"]
        assert seen <= tokens
        go_on(path, f"tokens={tokens}")
        stats = server.stats()
        assert stats["prompt_tokens"] + stats["completion_tokens"] == seen, "not one more: all of it may be spent"


def test_an_orderly_end_leaves_no_note(fake_llm: Callable[..., FakeLLM], tmp_path: Path) -> None:
    server = fake_llm(errors=FAULTS, retry_after=0.01, script=STAY)
    path = rehearse(crowd(tmp_path, server, budget="calls=100"), tmp_path / "run")
    assert status(path)[0] == "paused"
    assert not (path / "spending").exists()
