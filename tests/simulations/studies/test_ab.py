"""`ab` finds planted differences as often as it says, and nothing between a recommender and itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import asked, cases
from fake_llm import FakeLLM
from recloop.agents.personas import build_personas
from recloop.agents.planted import planted_world
from recloop.agents.scripted import ScriptedPopulation
from recloop.runs import Manifest, Run
from recloop.simulations.studies.carry import result_of, resume, study
from recloop.simulations.studies.effect import detectable, effect
from recloop.simulations.studies.sessions import ReturnModel
from recloop.simulations.studies.study import StudyError
from rehearsing import write_ratings
from scipy.stats import beta

SMALL = {"recommenders": ["ease", "random"], "seeds": 2}


def exact(k: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval."""
    low = 0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k))
    return low, high


class Crowd:
    """Scripted users of a planted world who meet three pages of eight items; any trial is one seed of chance."""

    def __init__(self, users: int) -> None:
        data, truth = planted_world(users, 80, seed=1)
        self.people = ScriptedPopulation(data, build_personas(data, data.users.ids), truth=truth)
        worth = truth.taste(np.arange(users), np.broadcast_to(np.arange(80), (users, 80)))
        self.best = np.argsort(-worth, axis=1)
        self.some = np.argsort(np.random.default_rng(0).random((users, 80)), axis=1)

    def watched(self, who: np.ndarray, lists: np.ndarray, luck: int) -> np.ndarray:
        """Share watched by each of these users."""
        self.people.seed = luck
        slots = np.broadcast_to(np.arange(8), (len(who), 8))
        pages = [self.people.react(who, p, lists[who, 8 * p : 8 * p + 8], slots).watch for p in range(3)]
        return np.hstack(pages).mean(axis=1)


def false_alarms(trials: int) -> int:
    crowd, rng = Crowd(200), np.random.default_rng(0)
    found = 0
    for trial in range(trials):
        who = rng.choice(200, 60, replace=False)
        a, b = (crowd.watched(who, crowd.best, 2 * trial + arm) for arm in (0, 1))
        found += (effect(a - b, draws=999).p or 1.0) < 0.05
    return found


def test_a_recommender_against_itself_is_found_to_differ_one_time_in_twenty() -> None:
    low, high = exact(false_alarms(1000), 1000)
    assert low <= 0.05 <= high


def test_a_planted_difference_is_found_with_the_stated_power() -> None:
    crowd, rng = Crowd(1000), np.random.default_rng(1)
    mixed = crowd.best.copy()
    mixed[:, 22:24] = crowd.some[:, 40:42]  # two places of twenty-four are as good as chance
    everybody = np.arange(1000)
    difference = np.concatenate(
        [crowd.watched(everybody, crowd.best, s) - crowd.watched(everybody, mixed, s) for s in range(20)]
    )
    n = next(n for n in range(10, 1000) if detectable(float(difference.std()), n) <= difference.mean())
    found = 0
    for trial in range(200):
        who = rng.choice(1000, n, replace=False)
        gap = crowd.watched(who, crowd.best, 100 + trial) - crowd.watched(who, mixed, 100 + trial)
        found += (effect(gap, draws=999).p or 1.0) < 0.05
    low, high = exact(found, 200)
    assert low <= 0.8 <= high, (n, found)


def test_the_study_finds_what_is_there_and_nothing_in_the_control_again(tmp_path: Path) -> None:
    found = asked("ab", tmp_path, **SMALL | {"seeds": 1}, rehearsal={"data": "movietweetings", "users": 80, "pages": 2})
    rows = found["rows"]
    assert found["verdict"].startswith("random against ease: watch rate -")
    assert rows["watch_rate/random"]["high"] < 0
    again = [row for key, row in rows.items() if key.endswith("/ease again")]
    assert len(again) == 6
    assert all("no difference found" in row["note"] or "equal for every" in row["note"] for row in again)
    sessions = cases(tmp_path / "study", "sessions")
    mine = {
        arm: [(r["seed"], r["user"]) for r in sessions if r["arm"] == arm] for arm in ("ease", "random", "ease again")
    }
    assert mine["ease"] == mine["random"] == mine["ease again"], "the same users in every arm"
    assert len(mine["ease"]) == 80
    first = next(row for row in rows.values() if row["label"].startswith("Watched per item, random"))
    assert first["low"] < first["baselines"][0]["value"] < first["high"], "the log told what the arm earned"


def test_a_measure_that_the_data_does_not_have_says_so(tmp_path: Path) -> None:
    write_ratings(tmp_path / "ratings.csv")
    lines = (tmp_path / "ratings.csv").read_text().splitlines()
    clicks = [",".join(part for i, part in enumerate(line.split(",")) if i != 2) for line in lines]
    (tmp_path / "clicks.csv").write_text("\n".join(clicks) + "\n")
    row = asked("ab", tmp_path, **SMALL | {"seeds": 1}, rehearsal={"data": str(tmp_path / "clicks.csv")})["rows"][
        "likes/random"
    ]
    assert (row["value"], row["note"]) == (None, "nothing is known of it in these rehearsals")


def test_without_exploration_no_number_is_given_off_the_log(tmp_path: Path) -> None:
    found = asked("ab", tmp_path, **SMALL | {"seeds": 1}, explore=0.0)
    row = found["rows"]["off_log/random"]
    assert row["value"] is None
    assert "no overlap" in row["note"]
    assert not (tmp_path / "study" / "runs" / "log-seed0").exists()


def test_returning_rises_with_satisfaction_and_with_what_was_watched() -> None:
    model = ReturnModel(rate=0.3)
    middle, content, busy = model.probability(np.array([5.5, 8.0, 5.5]), np.array([0.4, 0.4, 0.9]))
    assert middle == pytest.approx(0.3)
    assert min(content, busy) > middle
    assert np.isnan(model.probability(np.array([np.nan]), np.array([0.5])))


class Killed(BaseException): ...


class KillAt:
    """A progress that kills the study at the nth rehearsal."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def stage(self, name: str, total: int) -> None:
        self.left -= 1
        if not self.left:
            raise Killed

    def advance(self, steps: int = 1) -> None: ...

    def note(self, text: str) -> None: ...


def digest(path: Path) -> str:
    with Run.open(path) as run:
        return run.digest()


def test_a_study_killed_in_the_middle_goes_on_to_the_same_result(tmp_path: Path) -> None:
    whole = asked("ab", tmp_path, "whole", **SMALL)
    values = {"rehearsal": {"data": str(tmp_path / "ratings.csv"), "users": 20, "pages": 3}, **SMALL}
    with pytest.raises(Killed):
        asyncio.run(study("ab", values, out=tmp_path / "cut", progress=KillAt(4)))
    assert len(list((tmp_path / "cut" / "runs").iterdir())) < 10
    asyncio.run(resume(tmp_path / "cut"))
    with Run.open(tmp_path / "cut") as run:
        assert result_of(run) == whole
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")
    before = (tmp_path / "cut" / "manifest.json").read_bytes()
    asyncio.run(resume(tmp_path / "cut"))
    assert (tmp_path / "cut" / "manifest.json").read_bytes() == before, "a finished study is left as it is"


def test_another_study_in_the_folder_is_refused(tmp_path: Path) -> None:
    asked("ab", tmp_path, **SMALL | {"seeds": 1})
    with pytest.raises(StudyError, match=r"power was 0\.8, now 0\.9"):
        asked("ab", tmp_path, **SMALL | {"seeds": 1}, power=0.9)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"recommenders": ["ease"]}, "two or more different"),
        ({"recommenders": ["ease", "ease"]}, "two or more different"),
        ({"explore": 2}, "less than or equal to 1"),
        ({"rehearsal": {"recommender": "pop"}}, "name the arms in recommenders"),
        ({"rehearsal": {"user": 3}}, "did you mean users"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(Exception, match=words):
        asked("ab", tmp_path, **SMALL | wrong)
    assert not (tmp_path / "study").exists()


def test_a_spent_budget_pauses_the_study_and_a_larger_one_goes_on(tmp_path: Path, fake_llm: Any) -> None:
    server: FakeLLM = fake_llm()
    write_ratings(tmp_path / "ratings.csv")
    model = {"model": "openai/test", "base_url": server.base_url, "users": 3, "pages": 1}
    rehearsal = {"data": str(tmp_path / "ratings.csv"), **model}
    values = {"rehearsal": rehearsal, "recommenders": ["pop", "random"], "seeds": 1, "explore": 0, "budget": "calls=8"}
    asyncio.run(study("ab", values, out=tmp_path / "study", api_key="x"))
    manifest = Manifest.read(tmp_path / "study")
    assert (manifest.status, "budget of calls" in manifest.reason) == ("paused", True), manifest.reason
    asyncio.run(resume(tmp_path / "study", budget="calls=200", api_key="x"))
    assert Manifest.read(tmp_path / "study").status == "finished"
    with Run.open(tmp_path / "study") as run:
        assert (result_of(run) or {})["rows"]["watch_rate/random"]["n"] == 3


def test_what_nobody_was_shown_is_unknown_and_not_equal(tmp_path: Path) -> None:
    (tmp_path / "nothing.py").write_text(
        "class Nothing:\n    def fit(self, data):\n        return self\n\n"
        "    def top(self, user, k, exclude=()):\n        return []\n"
    )
    arms = ["pop", f"{tmp_path}/nothing.py:Nothing"]
    found = asked("ab", tmp_path, recommenders=arms, seeds=1, explore=0, rehearsal={"users": 8, "pages": 1})
    assert found["verdict"].endswith("against pop: nothing is known of it in these rehearsals")
