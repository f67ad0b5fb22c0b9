"""Bounds that may be looked at again and again keep their promise at all looks at once."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.prompt_opt.selectors import sequences

N, RUNS, ALPHA = 300, 1500, 0.05


def tied(rng: np.random.Generator) -> Any:
    """Differences as prompts make them: half of them exactly 0, the rest of both signs, mean 0: (runs, n)."""
    size = rng.choice([0.0, 0.07, 0.13, 0.37, 0.63], p=[0.5, 0.2, 0.15, 0.1, 0.05], size=(RUNS, N))
    return size * rng.choice([-1.0, 1.0], size=size.shape)


def skewed(rng: np.random.Generator) -> Any:
    """Mean 0, but a rare large loss pays for frequent small gains."""
    return np.where(rng.random((RUNS, N)) < 0.1, -0.45, 0.05)


def running(values: Any) -> tuple[Any, Any, Any]:
    """n, mean and sd after every case."""
    n = np.arange(1, N + 1)
    total, squares = values.cumsum(axis=1), (values**2).cumsum(axis=1)
    return n, total / n, np.sqrt(sequences.variance(n, total, squares, 0.17**2, 8.0))


def test_the_asymptotic_sequence_holds_at_all_numbers_of_cases_at_once() -> None:
    n, mean, sd = running(tied(np.random.default_rng(4)))
    outside = np.abs(mean) > sequences.asymptotic_bound(n, sd, ALPHA / 2)
    assert outside[:, 7:].any(axis=1).mean() <= ALPHA


def test_before_a_rare_loss_has_been_seen_an_asymptotic_sequence_may_fail_where_betting_does_not() -> None:
    values = skewed(np.random.default_rng(4))
    n, mean, sd = running(values)
    assert (mean > sequences.asymptotic_bound(n, sd, ALPHA))[:, 7:40].any(axis=1).mean() > ALPHA
    capital = np.log1p(sequences.BETS[:, None, None] * values).cumsum(axis=2)
    assert (sequences.log_mean_capital(capital) > math.log(1 / ALPHA)).any(axis=1).mean() < ALPHA


def test_two_standard_errors_looked_at_each_time_do_not() -> None:
    n, mean, sd = running(tied(np.random.default_rng(4)))
    assert (np.abs(mean) > sequences.z_bound(n, sd, 2.0))[:, 7:].any(axis=1).mean() > 3 * ALPHA


@pytest.mark.parametrize("made", [tied, skewed])
def test_betting_against_a_true_claim_rarely_wins(made: Any) -> None:
    values = made(np.random.default_rng(5))
    for side in (values, -values):
        capital = np.log1p(sequences.BETS[:, None, None] * side).cumsum(axis=2)
        assert (sequences.log_mean_capital(capital) > math.log(1 / ALPHA)).any(axis=1).mean() <= ALPHA


def test_betting_against_a_false_claim_wins() -> None:
    values = tied(np.random.default_rng(6)) + 0.08
    capital = sequences.log_capital(values)
    assert (sequences.log_mean_capital(capital) > math.log(1 / ALPHA)).mean() > 0.9


@pytest.mark.parametrize("shape", [0.0, 0.35, 0.5])
def test_planned_looks_spend_their_risk_and_no_more(shape: float) -> None:
    looks = (8, 10, 13, 17, 22, 28, 35, 44, 55, 69, 87, 109, 137, 172, 215, 269, 300)
    bounds = sequences.planned_z(looks, ALPHA, shape)
    rng = np.random.default_rng(8)
    means = rng.standard_normal((8000, N)).cumsum(axis=1)[:, np.array(looks) - 1] / np.array(looks)
    crossed = (means > sequences.z_bound(np.array(looks), np.ones(len(looks)), 1.0) * bounds).any(axis=1).mean()
    assert crossed == pytest.approx(ALPHA, abs=4 * math.sqrt(ALPHA / 8000))


def test_one_planned_look_is_the_usual_quantile() -> None:
    assert sequences.planned_z((100,), 0.025)[0] == pytest.approx(1.96, abs=0.02)


def test_planned_looks_are_narrower_than_a_sequence_that_promises_more() -> None:
    looks = (8, 16, 32, 64, 128, 256)
    planned = sequences.z_bound(np.array(looks), 1.0, 1.0) * sequences.planned_z(looks, 0.01, 0.35)
    assert (planned[2:] < sequences.asymptotic_bound(np.array(looks), 1.0, 0.01)[2:]).all()


@given(st.floats(0.001, 0.1), st.floats(0.01, 0.5), st.floats(8, 500))
@settings(max_examples=40, deadline=None)
def test_asymptotic_bounds_shrink_with_cases_and_grow_with_doubt(alpha: float, sd: float, best_at: float) -> None:
    n = np.arange(1, 2000)
    width = sequences.asymptotic_bound(n, sd, alpha, best_at)
    assert (np.diff(width) < 0).all()
    assert np.isinf(sequences.asymptotic_bound(0, sd, alpha, best_at))
    assert sequences.asymptotic_bound(best_at, sd, alpha / 2, best_at) > sequences.asymptotic_bound(
        best_at, sd, alpha, best_at
    )
    assert sequences.asymptotic_bound(n, 2 * sd, alpha, best_at) == pytest.approx(2 * width)
    one_look = NormalDist().inv_cdf(1 - alpha)
    assert (width > sequences.z_bound(n, sd, one_look)).all()


def test_the_asymptotic_bound_is_tightest_for_its_cases_where_it_is_told_to_be() -> None:
    relative = [sequences.asymptotic_bound(64, 1.0, 0.05, at) for at in (8.0, 64.0, 512.0)]
    assert min(relative) == relative[1]


@given(
    st.lists(st.sampled_from([-0.63, -0.37, 0.0, 0.0, 0.0, 0.13, 0.37, 1.0, -1.0, math.nan]), min_size=1, max_size=60)
)
@settings(max_examples=40, deadline=None)
def test_the_betting_sequence_shrinks_and_is_symmetric(values: list[float]) -> None:
    low, high = sequences.betting_sequence(values, 0.1)
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) <= 0).all()
    assert (low <= high).all()
    mirrored_low, mirrored_high = sequences.betting_sequence(-np.asarray(values), 0.1)
    assert mirrored_low == pytest.approx(-high)
    assert mirrored_high == pytest.approx(-low)


@pytest.mark.parametrize("mean", [0.0, 0.2])
def test_the_betting_sequence_covers_its_mean_at_all_times(mean: float) -> None:
    rng = np.random.default_rng(11)
    missed = 0
    for _ in range(150):
        low, high = sequences.betting_sequence(np.where(rng.random(80) < (1 + mean) / 2, 1.0, -1.0), 0.1, steps=101)
        missed += bool((low > mean + 1e-9).any() or (high < mean - 1e-9).any())
    assert missed / 150 <= 0.1


def test_the_betting_sequence_closes_in_on_a_constant() -> None:
    low, high = sequences.betting_sequence(np.full(400, 0.3), 0.05)
    assert low[0] < 0.0
    assert low[-1] <= 0.3 <= high[-1]
    assert high[-1] - low[-1] < 0.2


@given(st.floats(-1, 1), st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_equal_differences_have_a_finite_bound_that_is_no_point(value: float, n: int) -> None:
    sd = np.sqrt(sequences.variance(n, n * value, n * value * value, 0.17**2, 8.0))
    for bound in (sequences.asymptotic_bound(n, sd, 0.01), sequences.z_bound(n, sd, 2.0)):
        assert 0 < bound < np.inf
    assert sequences.variance(n, n * value, n * value * value) == pytest.approx(0.0, abs=1e-6)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=50))
@settings(max_examples=60, deadline=None)
def test_the_variance_is_that_of_the_values(values: list[float]) -> None:
    data = np.array(values)
    found = sequences.variance(len(data), data.sum(), (data**2).sum())
    assert found == pytest.approx(data.var(ddof=1), abs=1e-9)


def test_no_stake_can_lose_everything() -> None:
    with pytest.raises(ValueError, match="mean must be 0 or less"):
        sequences.log_capital([0.5], mean=0.1)
    with pytest.raises(ValueError, match=r"in \[-1, 1\]"):
        sequences.log_capital([-1.5])
    assert np.isfinite(sequences.log_capital([-1.0] * 50)).all()
    assert (sequences.log_capital([math.nan, 0.0]) == 0.0).all()
