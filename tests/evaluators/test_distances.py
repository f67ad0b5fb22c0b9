"""Distribution distances, calibration and slot bias."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.evaluators import (
    auc,
    expected_calibration_error,
    histogram,
    jensen_shannon,
    slot_bias_ratio,
    wasserstein,
    watch_by_slot,
)

LEVELS = [1, 2, 3, 4, 5]
counts = st.lists(st.integers(0, 50), min_size=5, max_size=5).filter(any)


@settings(deadline=None)
@given(counts, counts)
def test_distances_are_symmetric_bounded_and_zero_for_equals(p, q):
    for distance, most in ((jensen_shannon, 1.0), (lambda a, b: wasserstein(a, b, LEVELS), 4.0)):
        assert distance(p, q) == pytest.approx(distance(q, p), abs=1e-12)
        assert 0 <= distance(p, q) <= most + 1e-12
        assert distance(p, p) == pytest.approx(0, abs=1e-12)
        assert distance(p, [3 * n for n in p]) == pytest.approx(0, abs=1e-12)


@settings(deadline=None)
@given(counts, counts)
def test_distances_agree_with_scipy(p, q):
    spatial, stats = pytest.importorskip("scipy.spatial.distance"), pytest.importorskip("scipy.stats")
    assert math.sqrt(jensen_shannon(p, q)) == pytest.approx(spatial.jensenshannon(p, q, base=2), abs=1e-6)
    assert wasserstein(p, q, LEVELS) == pytest.approx(stats.wasserstein_distance(LEVELS, LEVELS, p, q), abs=1e-9)


def test_disjoint_ratings_are_one_bit_and_the_stars_between_them_apart():
    assert jensen_shannon([1, 0, 0, 0, 0], [0, 0, 0, 0, 1]) == pytest.approx(1.0)
    assert wasserstein([1, 0, 0, 0, 0], [0, 0, 0, 0, 1], LEVELS) == pytest.approx(4.0)


def test_a_histogram_counts_levels_and_refuses_what_is_off_the_scale():
    assert histogram([1, 5, 5, 3.0], LEVELS).tolist() == [1, 0, 1, 0, 2]
    assert histogram([], LEVELS).tolist() == [0] * 5
    with pytest.raises(ValueError, match=r"first is 3\.5"):
        histogram([1, 3.5], LEVELS)


def test_nothing_cannot_be_compared():
    with pytest.raises(ValueError, match="at least one above 0"):
        jensen_shannon([0, 0], [1, 0])
    with pytest.raises(ValueError, match="cannot be compared"):
        jensen_shannon([1, 0], [1, 0, 0])


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=40))
def test_calibration_error_is_bounded_and_auc_turns_over_with_its_labels(cases):
    labels, probabilities = [a for a, _ in cases], [b for _, b in cases]
    assert 0 <= expected_calibration_error(labels, probabilities) <= 1
    area = auc(labels, probabilities)
    if not math.isnan(area):
        assert area == pytest.approx(1 - auc([not a for a in labels], probabilities))


def test_calibration_error_of_a_case_worked_by_hand():
    # 0.2 is stated three times and happens once; 0.9 is stated once and happens: 3/4 * 2/15 + 1/4 * 1/10.
    error = expected_calibration_error([True, False, False, True], [0.2, 0.2, 0.2, 0.9])
    assert error == pytest.approx(0.75 * (1 / 3 - 0.2) + 0.25 * 0.1)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        expected_calibration_error([True], [1.5])


def test_drawing_labels_from_the_stated_probabilities_is_well_calibrated():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    assert expected_calibration_error(rng.random(20_000) < p, p) < 0.02
    assert expected_calibration_error(rng.random(20_000) < p, 1 - p) > 0.3


def test_auc_refuses_scores_that_are_no_numbers():
    with pytest.raises(ValueError, match="NaN"):
        auc([True, False], [math.nan, 1.0])


def test_slot_bias_is_the_best_slot_over_the_worst():
    rates = watch_by_slot([0, 0, 1, 1, 1, 1], [True, True, True, False, False, False])
    assert rates[0].mean == 1.0
    assert rates[1].n == 4
    assert slot_bias_ratio(rates) == pytest.approx(4.0)
    assert slot_bias_ratio({0: 0.91, 1: 0.54, 2: 0.38, 3: 0.19}) == pytest.approx(0.91 / 0.19)
    assert slot_bias_ratio({0: 0.5, 1: 0.0}) == math.inf
    assert math.isnan(slot_bias_ratio({0: 0.0, 1: 0.0}))
