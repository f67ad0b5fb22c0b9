"""Validity: planted orders are recovered, exchanged tastes lose them, and little is claimed from few recommenders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import asked, cases
from recloop.agents.planted import planted_world
from recloop.methods.recommenders import open_recommender
from recloop.methods.recommenders.held_out import held_out_quality
from recloop.simulations.studies import ranks
from recloop.simulations.studies.stand_ins import HERE, Degraded, Strangers, taken_for
from recloop.simulations.studies.study import StudyError
from recloop.simulations.studies.validity_pairs import smallest
from scipy.stats import kendalltau, spearmanr

WORLD = planted_world(150, 80, per_user=20, seed=2).data
SPLIT = WORLD.split("user_time", test=0.2)
SMALL: dict[str, Any] = {
    "recommenders": ["ease", "pop", "random"],
    "shares": [0.3, 0.6],
    "seeds": 2,
    "rehearsal": {"users": 30, "pages": 2},
}


def test_rank_correlations_are_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, (20, 7)).astype(float), rng.normal(size=(20, 7))  # ties in a
    for x, y, rho, tau in zip(a, b, ranks.spearman(a, b), ranks.kendall(a, b), strict=True):
        assert rho == pytest.approx(spearmanr(x, y)[0])
        assert tau == pytest.approx(kendalltau(x, y)[0])


def test_few_recommenders_carry_little() -> None:
    """Of the 720 orders of six, 21 agree with a given one at 0.829 or more (tables of Spearman's rho: p = 0.029)."""
    assert ranks.chance_of(0.8285714, 6) == pytest.approx(21 / 720)
    assert ranks.by_chance(6)[1] > 0.8 > ranks.by_chance(12)[1]
    exact = np.tile(np.arange(6.0), (500, 1))
    drawn = ranks.with_arms_drawn(exact, exact + np.random.default_rng(1).normal(0, 2, exact.shape))
    once = ranks.spearman(exact, exact + np.random.default_rng(1).normal(0, 2, exact.shape))
    assert np.std(drawn) > np.std(once)


def test_a_degraded_recommender_is_worse_by_its_share() -> None:
    quality = []
    for share in (0.0, 0.3, 0.6, 1.0):
        recommender = open_recommender(f"{HERE}:Degraded", config={"base": "ease", "share": share}).fit(SPLIT.train)
        quality.append(held_out_quality(recommender, SPLIT.test, ["ndcg@10"])["ndcg@10"].mean())
    assert quality == sorted(quality, reverse=True)
    assert quality[0] > 2 * quality[-1]
    whole = Degraded("ease", 0.0).fit(SPLIT.train)
    ease = open_recommender("ease").fit(SPLIT.train)
    seen = SPLIT.train.history("u0").items
    assert whole.top("u0", 10, seen) == list(ease.top("u0", 10, seen).items)


def test_strangers_meet_anothers_list_and_nothing_either_has_seen() -> None:
    strange = Strangers("ease", users=20).fit(SPLIT.train)
    ease = open_recommender("ease").fit(SPLIT.train)
    for user, other in strange._taken_for.items():
        assert user != other
        both = {*SPLIT.train.history(user).items, *SPLIT.train.history(other).items}
        shown = strange.top(user, 10, SPLIT.train.history(user).items)
        assert shown == list(ease.top(other, 10, both).items)
    assert sorted(taken_for(list("abcd")).values()) == list("abcd")


@pytest.mark.parametrize(
    ("right", "share", "place"),
    [
        ([True, True, True, False], 1.0, 2),
        ([True, True, False, True], 1.0, 1),
        ([True, True, False, True], 0.75, 3),
        ([False, True, True, True], 1.0, None),
        ([False] * 4, 0.8, None),
    ],
)
def test_the_smallest_difference_has_all_larger_ones_told_apart(
    right: list[bool], share: float, place: int | None
) -> None:
    assert smallest([0.4, 0.3, 0.2, 0.1], right, share) == place


def test_equal_differences_stand_or_fall_together() -> None:
    assert smallest([0.2, 0.1, 0.1], [True, True, False], 1.0) == 0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("validity")
    again = {"other rates": {"watch_rate": [0.1, 0.3]}}
    return asked("validity", folder, variants=again, **SMALL), folder / "study"


def test_planted_taste_ranks_a_known_ladder_and_exchanged_taste_does_not(small: tuple[dict[str, Any], Path]) -> None:
    rows = small[0]["rows"]
    for key in ("watch_rate", "likes", "satisfaction"):
        assert rows[f"planted_{key}"]["value"] == pytest.approx(1.0)
        assert rows[f"planted_{key}"]["low"] > 0.8
        assert rows[f"exchanged_{key}"]["low"] < 0.3


def test_every_number_has_interval_rival_and_control(small: tuple[dict[str, Any], Path]) -> None:
    result, path = small
    rows = result["rows"]
    for key in ("watch_rate", "likes", "satisfaction"):
        row = rows[f"rank_{key}"]
        assert row["low"] <= row["value"] <= row["high"]
        assert any("negative control" in each["words"] for each in row["baselines"])
        assert rows[f"rank_{key}_drawn"]["low"] <= row["low"]
        assert {f"taste_{key}", f"retest_{key}", f"smallest_{key}_80", f"smallest_{key}_100"} <= set(rows)
    assert "Spearman" in result["verdict"]
    assert any("carry little" in note for note in result["notes"])
    assert {"rank_watch_rate@other rates", "agree_watch_rate@other rates"} <= set(rows)
    named = [case["recommender"] for case in cases(path, "recommenders")]
    assert named == ["ease", "pop", "random", "ease, 30% random", "ease, 60% random"]
    assert len({(c["a"], c["b"]) for c in cases(path, "pairs")}) == 10
    told = [c for c in cases(path, "pairs") if c["metric"] == "likes" and c["real_low"] * c["real_high"] > 0]
    assert rows["smallest_likes_80"]["n"] == len(told) > 0  # the others have no direction to be right about


def test_the_rows_are_those_of_the_cases(small: tuple[dict[str, Any], Path]) -> None:
    result, path = small
    both = [(case["ndcg@10"], case["watch_rate"]) for case in cases(path, "recommenders")]
    real, simulated = zip(*both, strict=True)
    rho = spearmanr(real, simulated)[0]
    assert result["rows"]["rank_watch_rate"]["value"] == pytest.approx(rho)
    users = [
        c["watch_rate"] for c in cases(path, "users") if c["recommender"] == "ease" and c["watch_rate"] is not None
    ]
    assert np.mean(users) == pytest.approx(cases(path, "recommenders")[0]["watch_rate"])


def test_fewer_than_five_recommenders_are_not_ranked(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="give 5 or more"):
        asked("validity", tmp_path, recommenders=["ease", "pop"])
