"""Intervals cover, tests keep their level, and both are the same for the same seed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.evaluators import bootstrap_mean, paired_difference, proportion

numbers = st.lists(st.floats(-100, 100), min_size=2, max_size=30)


@settings(max_examples=30, deadline=None)
@given(numbers, st.integers(0, 5))
def test_an_interval_holds_its_mean_and_is_the_same_for_the_same_seed(values, seed):
    once = bootstrap_mean(values, seed, draws=200)
    assert once == bootstrap_mean(values, seed, draws=200)
    assert min(values) - 1e-9 <= once.low <= once.high <= max(values) + 1e-9
    assert once.mean == pytest.approx(np.mean(values))


def test_the_bootstrap_interval_covers_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    estimates = [bootstrap_mean(rng.normal(size=40), seed, draws=400) for seed in range(300)]
    assert 0.89 <= np.mean([e.low <= 0 <= e.high for e in estimates]) <= 0.98


def test_one_case_has_a_mean_and_no_interval_and_none_is_an_error():
    lonely = bootstrap_mean([3.0, math.nan])
    assert (lonely.mean, lonely.n) == (3.0, 1)
    assert math.isnan(lonely.low)
    assert math.isnan(lonely.high)
    with pytest.raises(ValueError, match="no case"):
        bootstrap_mean([math.nan])


@settings(max_examples=30, deadline=None)
@given(numbers)
def test_swapping_the_two_sides_flips_the_difference_and_keeps_the_p_value(values):
    a, b = np.array(values), np.array(values[::-1]) + 1.0
    there, back = paired_difference(a, b, 3, draws=300), paired_difference(b, a, 3, draws=300)
    assert there.mean == pytest.approx(-back.mean)
    assert there.p_value == back.p_value
    assert 0 < there.p_value <= 1


def test_a_constant_gain_is_found_and_no_gain_is_called_no_difference():
    rng = np.random.default_rng(0)
    base = rng.normal(size=200)
    better = paired_difference(base + rng.normal(0.5, 0.1, 200), base)
    assert better.found
    assert better.p_value < 0.001
    same = paired_difference(base, base)
    assert not same.found
    assert same.p_value == 1.0
    assert "no difference found" in str(same)


def test_few_pairs_get_the_exact_permutation_test():
    # Three equal signs out of three: 2 of the 8 sign patterns are as extreme.
    assert paired_difference([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]).p_value == 2 / 8


def test_the_sign_flip_test_keeps_its_level_where_there_is_nothing():
    rng = np.random.default_rng(2)
    p = [paired_difference(rng.normal(size=30), rng.normal(size=30), seed, draws=300).p_value for seed in range(300)]
    assert np.mean(np.array(p) <= 0.05) <= 0.09
    assert 0.4 <= np.mean(p) <= 0.6


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 200))
def test_a_proportion_lies_in_its_wilson_interval(k, n):
    if k > n:
        return
    share = proportion(k, n)
    assert 0 <= share.low <= share.mean <= share.high <= 1
    other = proportion(n - k, n)
    assert other.low == pytest.approx(1 - share.high, abs=1e-12)


def test_wilson_bounds_solve_their_equation():
    share, z = proportion(7, 40), 1.959963984540054
    for bound in (share.low, share.high):
        assert abs(7 / 40 - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / 40))
    assert proportion(0, 0).high == 1.0
    with pytest.raises(ValueError, match="k=3"):
        proportion(3, 2)


def test_pairs_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="equal lengths"):
        paired_difference([1.0], [1.0, 2.0])
