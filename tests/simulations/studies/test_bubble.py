"""The bubble study: its numbers by hand, its rounds, its controls, and a verdict that a planted bubble earns."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recloop.data import load_dataset
from recloop.runs import Run
from recloop.simulations.studies.bubble import BubbleConfig, Rounds, _claims, _verdict, genre_matrix, gini
from recloop.simulations.studies.carry import result_of, study
from recloop.simulations.studies.study import StudyError

sys.path.insert(0, str(Path(__file__).parents[1]))
from rehearsing import settings


def test_gini_and_genres_by_hand() -> None:
    assert gini(np.array([3.0, 3.0, 3.0])) == pytest.approx(0.0)
    assert gini(np.array([0.0, 0.0, 0.0, 8.0])) == pytest.approx(0.75)
    assert gini(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 9)
    assert gini(np.zeros(4)) == 0.0
    data = load_dataset()
    matrix = genre_matrix(data)
    with_genres = [bool(data.catalogue.genres(item)) for item in data.items.ids]
    assert matrix.sum(axis=1) == pytest.approx(np.array(with_genres, dtype=float))


def small(folder: Path, **changes: Any) -> dict[str, Any]:
    return {"rehearsal": {"data": settings(folder).data, "users": 20, "pages": 2}, "seeds": 2, "rounds": 3} | changes


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bubble")
    return asyncio.run(study("bubble", small(folder), out=folder / "study"))


def lists(path: Path, name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with (path / "lists" / f"{name}.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["user"], []).append(row["item"])
    return found


def watched(path: Path, name: str) -> set[tuple[str, str]]:
    with Run.open(path / "runs" / name) as run:
        return {(a["agent"], a["item"]) for a in run.table("actions").to_pylist() if a["positive"]}


def test_arms_begin_alike_and_only_retraining_answers_what_was_watched(carried: Path) -> None:
    assert lists(carried, "retrained-seed0-round1") == lists(carried, "frozen-seed0-round1")
    assert watched(carried, "retrained-seed0-round1") == watched(carried, "frozen-seed0-round1")
    first, second = (lists(carried, f"frozen-seed0-round{n}") for n in (1, 2))
    seen = watched(carried, "frozen-seed0-round1")
    for user, items in second.items():
        left = [item for item in first[user] if (user, item) not in seen]
        assert items[: len(left)] == left, "a frozen list goes on where it was"
    assert lists(carried, "retrained-seed0-round2") != second
    assert lists(carried, "random-seed0-round1") != lists(carried, "random-seed0-round2")


@pytest.mark.parametrize("arm", ["retrained", "frozen", "random"])
def test_what_was_watched_is_never_shown_again(carried: Path, arm: str) -> None:
    met: set[tuple[str, str]] = set()
    for turn in (1, 2, 3):
        shown = {(u, i) for u, items in lists(carried, f"{arm}-seed1-round{turn}").items() for i in items}
        assert shown
        assert not shown & met
        met |= watched(carried, f"{arm}-seed1-round{turn}")


def test_the_numbers_are_those_of_the_lists(carried: Path) -> None:
    with Run.open(carried) as run:
        result, cases = result_of(run), [json.loads(row["row"]) for row in run.table("cases").to_pylist()]
    assert result is not None
    of = {case["user"]: case for case in cases if (case["arm"], case["seed"], case["round"]) == ("retrained", 0, 3)}
    data = load_dataset(settings(carried.parent).data)
    shown = lists(carried, "retrained-seed0-round3")
    assert set(of) == set(shown)
    for user, items in shown.items():
        weight: dict[str, float] = {}
        for item in items:
            own = set(data.catalogue.genres(item))
            for genre in own:
                weight[genre] = weight.get(genre, 0.0) + 1 / len(own)
        assert of[user]["genres"] == len(weight)
        assert of[user]["top_genre"] == pytest.approx(max(weight.values()) / sum(weight.values()))
    everything = {item for items in shown.values() for item in items}
    assert result["data"]["retrained"]["coverage"][2][0] == pytest.approx(len(everything) / len(data.items))


def test_a_study_that_was_killed_between_rounds_ends_as_an_unbroken_one(
    carried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recloop.simulations.studies import bubble as module

    measured, calls = module._measured, []

    def dies(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return measured(*given)

    monkeypatch.setattr(module, "_measured", dies)
    values = small(carried.parent)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(study("bubble", values, out=tmp_path / "broken"))
    asyncio.run(study("bubble", values, out=tmp_path / "broken"))
    with Run.open(carried) as a, Run.open(tmp_path / "broken") as b:
        assert result_of(a) == result_of(b)


def planted(narrowing: float, *, users: int = 60, rounds: int = 3) -> Rounds:
    """Rounds in which the retrained arm's lists narrow by so much a round, and the frozen arm's do not."""
    config, rng = BubbleConfig(rounds=rounds, arms=("retrained", "frozen"), seeds=2), np.random.default_rng(0)
    measured: dict[str, list[dict[str, Any]]] = {"retrained": [], "frozen": []}
    for arm, entries in measured.items():
        for seed in range(2):
            for turn in range(rounds):
                by = narrowing * turn * (arm == "retrained")
                noise = rng.normal(0, 0.02, users)
                top = {f"u{n}": float(0.3 + by + noise[n]) for n in range(users)}
                genres = {f"u{n}": float(10 - 20 * by + 50 * noise[n]) for n in range(users)}
                numbers = {"top_genre": top, "genres": genres, "miscalibration": top}
                entries.append({"seed": seed, "round": turn, "users": numbers, "gini": 0.5, "coverage": 0.5})
    return Rounds(config, measured)


@pytest.mark.parametrize(
    ("narrowing", "said"), [(0.02, "a bubble"), (0.0, "no bubble found"), (-0.02, "no bubble found")]
)
def test_the_verdict_is_the_planted_one(narrowing: float, said: str) -> None:
    rounds = planted(narrowing)
    verdict = _verdict(rounds, _claims(rounds))
    assert verdict.startswith(said)
    assert ("no change found" in verdict) == (narrowing == 0.0)


def test_settings_that_would_mislead_are_refused(tmp_path: Path) -> None:
    inner = small(tmp_path)["rehearsal"] | {"refit_every": 1}
    with pytest.raises(StudyError, match="retrains between visits"):
        asyncio.run(study("bubble", small(tmp_path, rehearsal=inner), out=tmp_path / "refit"))
    with pytest.raises(StudyError, match="at least one control"):
        asyncio.run(study("bubble", small(tmp_path, arms=["retrained"]), out=tmp_path / "alone"))
