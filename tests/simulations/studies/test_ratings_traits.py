"""Ratings and traits: equal ones are told from others, and the controls lose what they must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from asking import asked, cases
from recloop.simulations.studies import ratings, traits
from recloop.simulations.studies.ratings import Given
from recloop.simulations.studies.study import StudyError
from recloop.simulations.studies.traits import Aspect

LEVELS = np.arange(1.0, 6.0)


def given(simulated_like: str, users: int = 150, seed: int = 0) -> Given:
    """Users of two kinds, low and high raters; simulated ratings like their own, like anybody's, or never low."""
    rng = np.random.default_rng(seed)
    kinds = np.array([[4, 3, 2, 1, 0.5], [0.5, 1, 2, 3, 4]]) / 10.5
    kind = rng.integers(0, 2, users)
    mix = {
        "own": kinds[kind],
        "anybody": kinds[rng.permutation(kind)],
        "high": np.tile([0, 0, 0.1, 0.7, 0.2], (users, 1)),
    }

    def draw(p: np.ndarray) -> np.ndarray:
        return np.array([rng.multinomial(12, each) for each in p], dtype=float)

    names = tuple(f"u{u}" for u in range(users))
    return Given(names, LEVELS, draw(mix[simulated_like]), draw(kinds[kind]), draw(kinds[rng.integers(0, 2, 200)]), 3.0)


@pytest.mark.parametrize(
    ("like", "distribution", "whose"),
    [
        ("own", "no difference in distribution found", "each user rates more like itself"),
        ("anybody", "no difference in distribution found", "they could be anybody"),
        ("high", "simulated ratings are distributed otherwise", "they could be anybody"),
    ],
)
def test_the_verdict_tells_the_distribution_from_whose_it_is(like: str, distribution: str, whose: str) -> None:
    result = ratings._result(given(like), [])
    assert distribution in result.verdict
    assert whose in result.verdict


def test_users_who_never_rate_low_are_seen() -> None:
    rows = {row.key: row for row in ratings._result(given("high"), []).rows}
    assert rows["low"].value == 0
    assert rows["low"].label == "Ratings of 2 or less"
    assert (rows["low_gap"].high or 0) < -0.3


def test_a_study_of_ratings_holds_them_against_held_out_rows(tmp_path: Path) -> None:
    result = asked("ratings", tmp_path, seeds=2)
    own = cases(tmp_path / "study", "users")
    assert sum(sum(c["simulated"]) for c in own) == result["rows"]["jsd"]["n"]
    # Each user has 24 rows, of which a fifth is held out.
    assert {sum(c["real"]) % 5 for c in own} == {0}
    assert all(row["baselines"] for row in result["rows"].values())


def test_what_has_no_ratings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text(
        "user,item,timestamp\n" + "".join(f"u{u},i{(u + i) % 30},{i}\n" for u in range(30) for i in range(12))
    )
    with pytest.raises(StudyError, match="has no ratings"):
        asked("ratings", tmp_path, rehearsal={"data": str(tmp_path / "clicks.csv")})


def test_where_nothing_is_rated_it_says_so(tmp_path: Path) -> None:
    actions = tmp_path / "looking.py"
    actions.write_text(
        "from recloop.agents import ActionSet, ActionSpec\n"
        "looking = ActionSet('looking', (ActionSpec('skip', 'pass by'), ActionSpec('look', 'look at it', positive=True)))\n"
    )
    result = asked("ratings", tmp_path, rehearsal={"actions": f"{actions}:looking"})
    assert result["verdict"] == "nothing to compare: these users rated nothing"
    assert result["rows"]["jsd"]["value"] is None


def aspect(slope: float, n: int = 300) -> tuple[Aspect, np.ndarray]:
    rng = np.random.default_rng(3)
    level = rng.integers(1, 4, n)
    return Aspect(
        "watched", "activity", "Items watched", "", slope * level + rng.normal(0, 1, n), level.astype(np.float64)
    ), level


def test_a_planted_trend_is_found_and_exchanged_levels_lose_it() -> None:
    planted, level = aspect(1.0)
    trend = traits._trend(planted, level)
    assert (trend.low or 0) > 0.5
    assert trend.baselines[0].value == pytest.approx(1.0)
    exchanged = traits._trend(planted, np.random.default_rng(0).permutation(level))
    assert (exchanged.low or 0) < 0 < (exchanged.high or 0)
    assert "no trend found" in exchanged.note


def test_a_trend_against_the_real_one_is_called_so() -> None:
    turned, level = aspect(-1.0)
    assert traits._verdict([(turned, traits._trend(turned, level))]).startswith("against real users: items watched")


def test_traits_are_held_against_the_same_users_held_out_rows(tmp_path: Path) -> None:
    result = asked("traits", tmp_path, seeds=1, rehearsal={"users": 40})
    own = cases(tmp_path / "study", "users")
    assert {c["real_watched"] for c in own} == {5.0}  # a fifth of 24 rows, in whole rows
    level = [c["watched"] for c in own if c["conformity"] == 3]
    assert level
    mean = np.mean([c["deviation"] for c in own if c["conformity"] == 1 and c["deviation"] is not None])
    assert result["rows"]["deviation_1"]["value"] == pytest.approx(mean)
