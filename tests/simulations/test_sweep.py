"""One grid, many rehearsals: what is compared holds, what was done stays done, what is wrong is said first."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_llm import FakeLLM
from recloop.evaluators import paired_difference
from recloop.runs import Run
from recloop.simulations import SimulateError
from recloop.simulations import resume as resume_run
from recloop.simulations import summarise as summarise_run
from recloop.simulations.sweep import Grid, SweepSummary, load_grid, resume, summarise, sweep, write_picture
from recloop.simulations.sweep import forecasting as sweep_forecasting
from recloop.simulations.sweep.carry import at_work
from recloop.simulations.sweep.contrast import Difference, holm, interval, paired, unpaired
from recloop.simulations.sweep.grid import grid_of
from rehearsing import digest, rehearse, settings, status, write_ratings


def grid(folder: Path, axes: dict[str, list[Any]], **common: Any) -> Grid:
    """A grid of scripted users over `ratings.csv` in `folder`, unless told otherwise."""
    data = folder / "ratings.csv"
    if not data.exists():
        write_ratings(data)
    given = {"data": str(data), "model": "scripted", "users": 12, "pages": 2} | common
    return grid_of({key: value for key, value in given.items() if key not in axes}, axes)


def swept(grid: Grid, out: Path, **options: Any) -> Path:
    return asyncio.run(sweep(grid, out=out, api_key="x", **options))


def resumed(path: Path, **options: Any) -> Path:
    return asyncio.run(resume(path, api_key="x", **options))


def summed(path: Path, against: str | None = None) -> SweepSummary:
    with Run.open(path) as run:
        return summarise(run, against)


# -- what is compared


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scripted users before a good recommender, the same under another name, and a bad one."""
    folder = tmp_path_factory.mktemp("planted")
    axes = {"seed": [0, 1], "recommender": ["ease", "random"], "timeout": [60, 61]}
    asked = grid(folder, axes, data="movietweetings", users=30, pages=3)
    return swept(asked, folder / "sweep")


def test_a_planted_difference_is_found_and_holds(planted: Path) -> None:
    against = summed(planted)["random, timeout=60"].against["watch_rate"]
    assert against.holds
    assert against.difference.high < 0
    assert set(against.by_seed) == {0, 1}
    assert max(against.by_seed.values()) < 0, "seed by seed"


def test_the_same_arm_under_another_name_differs_by_exactly_nothing(planted: Path) -> None:
    same = summed(planted)["ease, timeout=61"]
    assert same.same
    assert same.paired
    assert len(same.against) >= 6
    for key, against in same.against.items():
        found = against.difference
        assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0), key
        assert not against.found
        assert set(against.by_seed.values()) == {0.0}
    assert not summed(planted)["random, timeout=60"].same
    notes = summed(planted).json()["notes"]
    assert any("ease, timeout=61: digests equal ease, timeout=60's" in line for line in notes)


def test_no_difference_found_is_said(tmp_path: Path) -> None:
    path = swept(grid(tmp_path, {"seed": [0, 1], "concurrency": [1, 2]}), tmp_path / "s")
    assert any(line.endswith("no difference found") for line in summed(path).json()["notes"])


def test_any_arm_can_be_the_one_that_others_are_held_against(planted: Path) -> None:
    there, back = summed(planted), summed(planted, "random, timeout=60")
    assert back.baseline == "random, timeout=60"
    first = there["random, timeout=60"].against["watch_rate"].difference
    second = back["ease, timeout=60"].against["watch_rate"].difference
    assert second.value == pytest.approx(-first.value)
    assert (second.low, second.high) == pytest.approx((-first.high, -first.low))
    assert second.p == first.p
    assert summed(planted, "RANDOM-timeout=60").baseline == "random, timeout=60", "a folder's name will do"
    with pytest.raises(SimulateError, match=r"no arm 'randon, timeout=60'.*did you mean 'random, timeout=60'"):
        summed(planted, "randon, timeout=60")


ROWS = {
    "watch_rate": "watch_rate",
    "likes": "likes",
    "lift": "lift",
    "rating": "rating",
    "pages": "pages",
    "satisfaction": "satisfaction_said",
    "invalid": "invalid",
}
"""Measure of a sweep -> row of a run's summary."""


@pytest.mark.parametrize("model", ["scripted", "openai/fake"])
def test_an_arm_of_one_cell_says_what_the_cells_own_summary_says(
    tmp_path: Path, fake_llm: Callable[..., FakeLLM], model: str
) -> None:
    server = fake_llm(errors="malformed=0.3")
    path = swept(grid(tmp_path, {"recommender": ["ease"]}, model=model, base_url=server.base_url), tmp_path / "s")
    (arm,) = summed(path).arms
    with Run.open(path / "runs" / "ease-seed0") as run:
        whole = summarise_run(run)
    compared = {key for key in ROWS if key in arm.numbers}
    assert compared == set(ROWS) - ({"invalid"} if model == "scripted" else set())
    for key in compared:
        assert arm.numbers[key].value == pytest.approx(whole[ROWS[key]].value), key


def test_what_calls_cost_is_compared_too_and_is_no_part_of_the_digest(
    tmp_path: Path, fake_llm: Callable[..., FakeLLM]
) -> None:
    models = {"model": ["scripted", "openai/gpt-4o-mini"]}
    path = swept(grid(tmp_path, models, base_url=fake_llm().base_url), tmp_path / "s")
    arm = summed(path)["gpt-4o-mini"]
    with Run.open(path / "runs" / "gpt-4o-mini-seed0") as run:
        assert arm.numbers["cost"].value == pytest.approx(run.calls.totals().cost / 12)
    assert arm.against["cost"].difference.low > 0
    with Run.open(path) as run:
        assert "cost" not in next(iter(run.events(kind="cell"))).data["sums"]


def test_arms_with_users_of_their_own_are_not_paired_and_it_is_said(tmp_path: Path) -> None:
    path = swept(grid(tmp_path, {"seed": [0, 1], "users": [12, 20]}), tmp_path / "s")
    summary = summed(path)
    arm = summary["users=20"]
    assert not arm.paired
    assert arm.against["watch_rate"].difference.low is not None
    assert any("not paired" in line and "users=20" in line for line in summary.json()["notes"])
    other = write_ratings(tmp_path / "other.csv", seed=9)
    path = swept(grid(tmp_path, {"data": [str(tmp_path / "ratings.csv"), str(other)]}), tmp_path / "t")
    assert not summed(path)["other.csv"].paired, "the same ids, other people"


def test_every_cell_is_the_run_that_would_have_been_made_alone(tmp_path: Path) -> None:
    axes = {"seed": [0, 1], "recommender": ["ease", "random"], "refit_every": [0, 1], "split": ["user_time", "random"]}
    path = swept(grid(tmp_path, axes), tmp_path / "s")
    for at in (path / "runs").iterdir():
        with Run.open(at) as run:
            config = run.manifest.config
            together = run.digest()
        changes = {key: config[key] for key in (*axes, "users", "pages", "model")}
        alone = rehearse(settings(tmp_path, **changes), tmp_path / "alone" / at.name)
        assert digest(alone) == together, at.name


def test_a_difference_of_means_is_over_the_pairs_that_both_have_a_value(planted: Path) -> None:
    with Run.open(planted) as run:
        values = run.table("user_measures").to_pandas().pivot_table("value", ["metric", "seed", "agent"], "arm")
    for metric in ("rating", "watch_rate"):
        pairs = values.loc[metric, ["random, timeout=60", "ease, timeout=60"]]
        assert (len(pairs.dropna()) < len(pairs)) == (metric == "rating"), "some rate nothing"
        difference = pairs.iloc[:, 0] - pairs.iloc[:, 1]
        assert summed(planted)["random, timeout=60"].against[metric].difference.value == pytest.approx(
            difference.mean()
        )


def test_the_tables_hold_every_number_of_every_cell_and_user(planted: Path) -> None:
    with Run.open(planted) as run:
        cells, measures, users = (run.table(name).to_pandas() for name in ("cells", "measures", "user_measures"))
    assert len(cells) == 8
    assert {digest(planted / path) for path in cells.path} == set(cells.digest)
    assert len(measures) == 8 * 7
    for cell, metric in (("ease-timeout=60-seed1", "pages"), ("random-timeout=60-seed0", "watch_rate")):
        mine = users[(users.cell == cell) & (users.metric == metric)]
        (row,) = measures[(measures.cell == cell) & (measures.metric == metric)].to_dict("records")
        assert len(mine) == row["n"] == 30
        assert mine.value.mean() == pytest.approx(row["value"])
        assert row["low"] < row["value"] < row["high"]


def test_likes_are_counted_where_things_are_rated(tmp_path: Path) -> None:
    path = swept(grid(tmp_path, {"actions": ["films", "shop"]}), tmp_path / "s")
    films, shop = summed(path).arms
    assert films.numbers["likes"].value > 0
    assert "likes" not in shop.numbers, "nothing is rated in a shop: everything would count as liked"
    assert "likes" not in shop.against


def test_a_lift_of_few_hits_has_no_interval_and_is_in_no_test(tmp_path: Path) -> None:
    path = swept(grid(tmp_path, {"recommender": ["ease", "random"]}, users=8), tmp_path / "few")
    ease, random = summed(path).arms
    assert 0 < ease.numbers["hits"].value * 8 < 10
    assert ease.numbers["lift"].value > 0
    assert (ease.numbers["lift"].low, ease.numbers["lift"].high) == (None, None)
    found = random.against["lift"]
    assert found.difference.value is not None
    assert (found.difference.low, found.difference.p, found.p_holm) == (None, None, None)
    with Run.open(path) as run:
        (row,) = [r for r in run.table("measures").to_pylist() if r["cell"] == "ease-seed0" and r["metric"] == "lift"]
    assert row["low"] is None
    many = swept(grid(tmp_path, {"recommender": ["ease"]}, users=40, pages=6), tmp_path / "many")
    assert summed(many).arms[0].numbers["lift"].low is not None


def test_a_done_cell_that_is_gone_or_another_run_by_now_is_named(tmp_path: Path) -> None:
    path = swept(grid(tmp_path, {"seed": [0, 1, 2], "recommender": ["ease", "pop"]}), tmp_path / "s")
    assert summed(path).lost == ()
    cells = path / "runs"
    shutil.rmtree(cells / "ease-seed0")
    asyncio.run(resume_run(cells / "pop-seed1", pages=5))
    (cells / "pop-seed2" / "log.sqlite").touch()
    words = "its numbers here are those of then, what it cost is not known"
    summary = summed(path)
    assert summary.lost == (f"runs/ease-seed0 is missing: {words}", f"runs/pop-seed1 was changed since: {words}")
    assert summary.json()["notes"][-2:] == list(summary.lost)
    assert summary["ease"].seeds == (0, 1, 2), "what was read off it stays"


# -- the statistics


def rows(values: Any) -> Any:
    """Rows of a mean: value and 1 per user."""
    value = np.asarray(values, dtype=float)
    return np.column_stack([value, np.ones(len(value))])


def test_the_paired_difference_is_that_of_the_evaluators() -> None:
    rng = np.random.default_rng(5)
    for n in (8, 60):
        a, b = rng.normal(0.5, 1, n), rng.normal(0, 1, n)
        mine, theirs = paired(rows(a), rows(b)), paired_difference(a, b)
        assert mine.value == pytest.approx(theirs.mean)
        assert mine.p == pytest.approx(theirs.p_value, abs=0.0 if n == 8 else 0.01)
        assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.08)


def test_a_user_under_several_seeds_is_one_case() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.2, 1, 20), rng.normal(0, 1, 20)
    once, thrice = paired(rows(a), rows(b)), paired(3 * rows(a), 3 * rows(b))
    assert thrice == pytest.approx(once), "seeing the same users again is no new evidence"


def test_intervals_and_tests_keep_their_promise_where_there_is_nothing() -> None:
    """Users of unequal weight, each with several rows: in 19 of 20 worlds without a difference, none is found."""
    rng = np.random.default_rng(3)
    wrong, covered, p_values = 0, 0, []
    worlds = 300
    for _ in range(worlds):
        weight = rng.integers(1, 6, 40)
        own = rng.normal(0, 1, 40)  # what a user brings to all of their rows
        a, b = (np.column_stack([weight * own + rng.normal(0, 1, 40) * np.sqrt(weight), weight]) for _ in range(2))
        found = paired(a, b)
        wrong += found.found
        p_values.append(found.p)
        low, high = interval(a)
        covered += low <= 0 <= high
    assert wrong / worlds < 0.10
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.085
    assert 0.90 < covered / worlds < 0.98


def test_unpaired_intervals_are_those_of_two_samples() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(1.0, 1, 200), rng.normal(0.6, 1, 100)
    found = unpaired(rows(a), rows(b))
    error = np.sqrt(a.var() / 200 + b.var() / 100)
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.1)
    assert found.n == 300


def test_a_large_difference_holds_among_a_thousand_others() -> None:
    rng = np.random.default_rng(2)
    found = paired(rows(rng.normal(2, 1, 60)), rows(rng.normal(0, 1, 60)))
    assert 0 < found.p < 1e-6
    assert holm([found.p] + [0.5] * 1000)[0] < 0.01
    few = paired(rows(np.arange(1.0, 17.0)), rows(np.zeros(16)))
    assert 2 / 2**16 <= few.p < 1e-4, "the smallest that sixteen users allow"


def test_holm_corrects_for_looking_often() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_nothing_is_certain_because_nothing_happened() -> None:
    none = np.column_stack([np.zeros(10), np.full(10, 4.0)])
    low, high = interval(none, share=True)
    assert low == 0
    assert high == pytest.approx(0.088, abs=0.001), "Wilson's, of 0 in 40"
    assert interval(none) == (None, None)
    assert paired(none, none) == Difference(0.0, 0.0, 0.0, 1.0, 10)


# -- going on

CHILD = """
import asyncio, sys
from pathlib import Path
from recloop.simulations.sweep import load_grid, sweep
asyncio.run(sweep(load_grid(Path(sys.argv[1])), out=Path(sys.argv[2]), jobs=int(sys.argv[3])))
"""
TOML = """
data = "{data}"
model = "scripted"
users = 40
pages = 40
page_size = 1
fatigue = 0
[grid]
seed = [0, 1]
recommender = ["ease", "pop", "random"]
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_that_was_killed_goes_on_to_the_same_digest_and_does_nothing_twice(tmp_path: Path, jobs: int) -> None:
    data = write_ratings(tmp_path / "ratings.csv", items=90)
    asked = tmp_path / "grid.toml"
    asked.write_text(TOML.format(data=data), encoding="utf-8")
    whole = swept(load_grid(asked), tmp_path / "whole")
    path = tmp_path / "killed"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(asked), str(path), str(jobs)])
    try:
        _wait_for(lambda: _finished(path) and len(list((path / "runs").iterdir())) > 1)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    done = {run: (path / "runs" / run / "manifest.json").read_bytes() for run in _finished(path)}
    assert 1 <= len(done) < 6
    resumed(path)
    assert status(path)[0] == "finished"
    assert digest(path) == digest(whole)
    for run, manifest in done.items():
        assert (path / "runs" / run / "manifest.json").read_bytes() == manifest, f"{run} was done again"


def _finished(path: Path) -> list[str]:
    return [m.parent.name for m in (path / "runs").glob("*/manifest.json") if '"status": "finished"' in m.read_text()]


def _wait_for(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


ASK = CHILD.replace("jobs=int", "api_key='x', jobs=int")


def test_a_killed_sweep_counts_the_calls_that_were_in_flight(tmp_path: Path) -> None:
    with FakeLLM(latency="uniform:200:400", process=True) as server:
        data = write_ratings(tmp_path / "ratings.csv")
        asked = tmp_path / "grid.toml"
        text = TOML.format(data=data).replace('"scripted"', f'"openai/fake"\nbase_url = "{server.base_url}"')
        asked.write_text(text.replace("pages = 40", "pages = 2"), encoding="utf-8")
        path = tmp_path / "killed"
        child = subprocess.Popen([sys.executable, "-c", ASK, str(asked), str(path), "2"])
        _wait_for(lambda: (now := server.stats())["requests"] > 60 and now["in_flight"] > 3)
        child.kill()
        child.wait()
        _wait_for(lambda: not server.stats()["in_flight"])
        stats = server.stats()
        seen = stats["requests"] + stats["cancelled"]
        assert stats["cancelled"], "some were in flight"
        resumed(path, budget=f"calls={seen + 30}")
        stats = server.stats()
        assert seen < stats["requests"] + stats["cancelled"] <= seen + 30
        assert status(path)[1].startswith("budget of calls")


def test_cells_side_by_side_give_the_same_sweep(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    server = fake_llm(latency="uniform:1:30")
    asked = grid(
        tmp_path,
        {"seed": [0, 1], "model": ["scripted", "openai/fake"], "recommender": ["ease", "pop"]},
        base_url=server.base_url,
        users=6,
    )
    alone, together = swept(asked, tmp_path / "1"), swept(asked, tmp_path / "n", jobs=3)
    assert status(together)[0] == "finished"
    assert digest(alone) == digest(together)


@pytest.mark.parametrize("jobs", [1, 3])
def test_one_budget_holds_for_all_cells_and_nothing_is_paid_twice(
    tmp_path: Path, fake_llm: Callable[..., FakeLLM], jobs: int
) -> None:
    server = fake_llm(latency="uniform:1:10")
    axes = {"seed": [0, 1], "recommender": ["ease", "pop"]}
    common = {"model": "openai/fake", "base_url": server.base_url, "users": 5}
    whole = swept(grid(tmp_path, axes, **common), tmp_path / "whole", jobs=jobs)
    needed = server.stats()["requests"]
    path = tmp_path / "limited"
    before = needed
    for share in (4, 2):  # a quarter of it, then half: each stops at its limit
        limit = needed // share
        swept(grid(tmp_path, axes, budget=f"calls={limit}", **common), path, jobs=jobs)
        state, reason, _ = status(path)
        assert state == "paused"
        assert reason.startswith(f"budget of calls {limit} is spent")
        assert server.stats()["requests"] - before <= limit
    resumed(path, budget=f"calls={needed}", price="in=1,out=1")
    assert status(path)[0] == "finished"
    assert server.stats()["requests"] - before == needed, "as many as without a pause"
    assert digest(path) == digest(whole)


def test_seconds_are_counted_over_all_cells_and_across_a_pause(
    tmp_path: Path, fake_llm: Callable[..., FakeLLM]
) -> None:
    server = fake_llm(latency="fixed:150")
    axes = {"seed": [0, 1], "recommender": ["ease", "pop"]}
    asked = grid(tmp_path, axes, model="openai/fake", base_url=server.base_url, users=3, pages=6, budget="seconds=1.2")
    path = swept(asked, tmp_path / "s", jobs=2)
    state, reason, _ = status(path)
    assert state == "paused"
    assert reason.startswith("budget of seconds 1.2 is spent")
    before = server.stats()["requests"]
    resumed(path, budget="seconds=0.6")
    assert server.stats()["requests"] == before, "they are spent"
    resumed(path, budget="seconds=2.2")
    assert before < server.stats()["requests"] <= before + 2 * 3 * 8, "a second is left for both"


def test_time_at_work_counts_what_goes_on_at_once_once_and_no_pause() -> None:
    assert at_work([]) == 0
    assert at_work([(0, 4), (1, 3), (2, 6), (8, 9), (1000, 1001), (1001, 1002)]) == 9 + 2


def test_where_the_budget_ends_cells_without_a_model_go_on(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    axes = {"seed": [0, 1], "model": ["openai/fake", "scripted"]}
    path = swept(grid(tmp_path, axes, base_url=fake_llm().base_url, budget="calls=5"), tmp_path / "s")
    summary = summed(path)
    assert summary["scripted"].seeds == (0, 1)
    assert summary["fake"].seeds == ()
    assert any("fake: 0 of 2 seeds are done" in line for line in summary.json()["notes"])


def test_another_grid_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    axes = {"seed": [0], "recommender": ["ease", "pop"]}
    path = swept(grid(tmp_path, axes), tmp_path / "s")
    before = digest(path)
    with pytest.raises(SimulateError, match=r"another sweep: grid.seed was \[0\], now it is \[0, 1\]"):
        swept(grid(tmp_path, {**axes, "seed": [0, 1]}), path)
    with pytest.raises(SimulateError, match="another sweep: pages was 2, now it is 3"):
        swept(grid(tmp_path, axes, pages=3), path)
    swept(grid(tmp_path, axes, concurrency=3, budget="calls=1", price="in=1,out=1"), path, jobs=2)
    assert digest(path) == before, "how it is carried out may change"
    alone = rehearse(settings(tmp_path, model="scripted"), tmp_path / "run")
    with pytest.raises(SimulateError, match="a run of kind 'simulate', no sweep"):
        swept(grid(tmp_path, axes), alone)


def test_data_that_has_changed_meanwhile_is_refused(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    axes = {"seed": [0, 1], "model": ["openai/fake"]}
    path = swept(grid(tmp_path, axes, base_url=fake_llm().base_url, budget="calls=5"), tmp_path / "s")
    write_ratings(tmp_path / "ratings.csv", seed=4)
    with pytest.raises(SimulateError, match=r"data .*ratings.csv is not what this sweep began with"):
        resumed(path, budget="calls=1000")
    assert status(path)[0] == "paused"


OWN = """
from pathlib import Path

def best(user, history, k, exclude):
    if not Path("{sign}").exists():
        raise RuntimeError("the shop is closed")
    return [item for item in (f"m{{i}}" for i in range(60)) if item not in exclude][:k]
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failed_cell_is_reported_and_the_others_go_on(tmp_path: Path, jobs: int) -> None:
    sign = tmp_path / "open"
    (tmp_path / "shop.py").write_text(OWN.format(sign=sign), encoding="utf-8")
    mine = f"{tmp_path / 'shop.py'}:best"
    path = swept(grid(tmp_path, {"seed": [0, 1], "recommender": ["ease", mine, "pop"]}), tmp_path / "s", jobs=jobs)
    state, reason, _ = status(path)
    assert state == "failed"
    assert reason.startswith("2 of 6 cells failed: shop.py-best-seed0 (")
    assert "the shop is closed" in reason
    summary = summed(path)
    assert summary["pop"].seeds == (0, 1)
    assert summary["pop"].against["watch_rate"].difference.value is not None
    sign.touch()
    resumed(path)
    assert status(path)[0] == "finished"
    assert summed(path)["shop.py:best"].seeds == (0, 1)


def test_a_cancelled_sweep_pauses_cell_and_all(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    server = fake_llm(latency="fixed:100")
    axes = {"seed": [0, 1], "recommender": ["ease", "pop"]}
    asked = grid(tmp_path, axes, model="openai/fake", base_url=server.base_url, users=4)

    async def cancelled() -> None:
        task = asyncio.create_task(sweep(asked, out=tmp_path / "s", api_key="x", jobs=2))
        while len(list((tmp_path / "s" / "runs").glob("*/manifest.json"))) < 2:  # noqa: ASYNC110 (files tell nobody)
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert status(tmp_path / "s")[:2] == ("paused", "interrupted")
    assert {status(run)[0] for run in (tmp_path / "s" / "runs").iterdir()} == {"paused"}
    resumed(tmp_path / "s")
    assert digest(tmp_path / "s") == digest(swept(asked, tmp_path / "whole"))


# -- what is wrong is said first

BAD = {
    "no grid": ("users = 3", r"has no table \[grid\]"),
    "an unknown setting": ("recomender = 'pop'\n[grid]\nseed = [0]", r"recomender: no such setting \(did you mean recommender"),
    "an unknown axis": ("[grid]\nrecomender = ['pop']", r"grid.recomender: no such setting \(did you mean recommender"),
    "a wrong value": ("[grid]\nseed = [0, 1]\npages = [3, 'x']", r"cell pages=x-seed0 and 1 more|cell x-seed0 and 1 more: pages: "),
    "no list": ("[grid]\nseed = 3", r"grid.seed: takes a list of values\n  for example  seed = \[3\]"),
    "the same value twice": ("[grid]\nrecommender = ['pop', 'ease', 'pop']", 'grid.recommender: "pop" is there twice'),
    "a seed that is no number": ("[grid]\nseed = [true, 2]", "grid.seed: takes whole numbers, got true"),
    "a seed with a point": ("[grid]\nseed = [1.0, 2]", "grid.seed: takes whole numbers, got 1.0"),
    "a number that is none": ("pages = true\n[grid]\nseed = [0]", "pages: takes no true"),
    "a setting twice": ("pages = 2\n[grid]\npages = [2, 3]", r"pages stands above \[grid\] and in it"),
    "a budget that varies": ("[grid]\nbudget = ['calls=1', 'calls=2']", "a sweep has one budget for all its cells"),
    "a broken budget": ("budget = 'calls=many'\n[grid]\nseed = [0]", "budget: budget part 'calls=many'"),
    "no TOML": ("[grid", "is not valid TOML"),
    "an unknown recommender": ("[grid]\nrecommender = ['pop', 'eese']", r"cell eese-seed0: recommender: no recommender 'eese'"),
    "a missing list": ("[grid]\nrecommender = ['pop', 'none.csv']", "cell none.csv-seed0: recommender: no file none.csv"),
    "missing data": ("[grid]\ndata = ['movietweetings', 'none.csv']", "cell none.csv-seed0: data: no dataset called 'none.csv'"),
    "too many users": ("[grid]\nusers = [5, 99999]", "cell users=99999-seed0: users: .*99999 users were asked for"),
    "an unknown action set": ("[grid]\nactions = ['films', 'pets']", "cell pets-seed0: actions: no action set 'pets'"),
    "an unknown model": ("[grid]\nmodel = ['scripted', 'nobody/none']", "cell none-seed0: model: no model 'nobody/none'"),
    "a model that is not there": ("[grid]\nmodel = ['scripted', 'http://127.0.0.1:9/v1#m']", "cell m-seed0: model: .*does not answer"),
    "a prompt of scripted users": ("[grid]\nprompts = [{}, {page = 'x.md'}]", "cell page=x.md-seed0: prompts: scripted users read no"),
    "a missing prompt": (
        "mode = 'generate'\nmodel = 'local/smollm2'\n[grid]\nprompts = [{page = 'x.md'}]",
        "prompts: .*x.md",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_by_cell_and_setting_before_the_first_run(
    tmp_path: Path, case: str, request: pytest.FixtureRequest
) -> None:
    text, words = BAD[case]
    if "smollm2" in text:
        request.getfixturevalue("model_file")
    asked = tmp_path / "grid.toml"
    asked.write_text(text if "model" in text else f"model = 'scripted'\n{text}", encoding="utf-8")
    with pytest.raises(SimulateError, match=f"(?s){words}"):
        swept(load_grid(asked), tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SimulateError) as error:
        swept(grid(tmp_path, {"recommender": ["eese"], "actions": ["films", "pets"]}, users=9999), tmp_path / "s")
    assert [word for word in ("recommender:", "actions:", "users:") if word in str(error.value)] == [
        "recommender:",
        "actions:",
        "users:",
    ]


# -- names, forecast, picture


def test_arms_and_folders_have_readable_names_that_tell_them_apart(tmp_path: Path) -> None:
    asked = grid_of(
        {"model": "scripted"},
        {
            "recommender": ["a/shop.py:best", "b/shop.py:best"],
            "pages": [3, 5],
            "say": [True, False],
            "prompts": [{}, {"page": "texts/mine.md"}],
            "fatigue": [1.0],
        },
    )
    assert asked.arms[:2] == (
        "a/shop.py:best, pages=3, say=yes, prompts=default",
        "a/shop.py:best, pages=3, say=yes, page=mine.md",
    )
    names = [cell.name for cell in asked.cells]
    assert len({name.lower() for name in names}) == len(names) == 16
    assert all(re.fullmatch(r"[\w.+=-]+-seed0", name) and len(name) < 75 for name in names)
    assert grid_of({}, {"seed": [3, 4], "model": ["http://host/v1#one", "http://host/v1#two"]}).arms == ("one", "two")
    assert [cell.name for cell in grid_of({}, {"seed": [3, 4]}).cells] == ["ease-seed3", "ease-seed4"]


def test_cells_come_seed_by_seed_so_that_what_stops_early_is_paired(tmp_path: Path) -> None:
    asked = grid(tmp_path, {"recommender": ["ease", "pop"], "seed": [5, 7]})
    assert [cell.name for cell in asked.cells] == ["ease-seed5", "pop-seed5", "ease-seed7", "pop-seed7"]


async def test_a_forecast_adds_up_its_cells_and_calls_nothing(tmp_path: Path) -> None:
    axes = {"seed": [0, 1], "model": ["scripted", "openai/gpt-4o-mini"], "pages": [1, 2]}
    found = await sweep_forecasting.forecast(grid(tmp_path, axes, users=5))
    by_arm = {cost.arm: cost for cost in found.arms}
    assert by_arm["gpt-4o-mini, pages=1"].calls == 2 * 5 * 2, "two seeds, five users: a page and an interview"
    assert by_arm["scripted, pages=2"].usd == 0
    assert found.total.calls == sum(cost.calls for cost in found.arms) == 20 + 30
    assert found.total.usd == pytest.approx(sum(cost.usd for cost in found.arms))
    assert found.total.cells == 8


def test_the_picture_stands_alone_and_names_are_data(tmp_path: Path, planted: Path) -> None:
    shops = [tmp_path / name for name in ("<b>&amp;.py", "plain & \u202eeasy.py")]
    for shop in shops:
        shop.write_text(OWN.format(sign=tmp_path), encoding="utf-8")
    hostile = {"recommender": [f"{shop}:best" for shop in shops]}
    path = swept(grid(tmp_path, hostile), tmp_path / "s")
    for each in (path, planted):
        with Run.open(each) as run:
            summary = summarise(run)
            text = write_picture(run, summary).read_text(encoding="utf-8")
        tree = ET.fromstring(text)
        words = " ".join(tree.itertext())
        assert all(arm.name.replace("\u202e", "⟨U+202E⟩")[:18] in words for arm in summary.arms)
        assert not [e for e in tree.iter() if e.tag.endswith(("script", "image", "foreignObject", "a"))]
        assert set(re.findall(r"https?://[^\"' <)]+", text)) == {"http://www.w3.org/2000/svg"}
        assert "\u202e" not in text
