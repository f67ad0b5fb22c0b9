"""The analytic floor is the mean over all orders."""

from __future__ import annotations

from itertools import combinations
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.evaluators import MAP, MRR, NDCG, Metric, Ranking, expected_by_chance, parse_metric

METRICS = [
    parse_metric(f"{name}@{k}") for name in ("hit", "ndcg", "recall", "precision", "mrr", "map") for k in (1, 3, 9)
]
METRICS += [MRR(None), MAP(None), NDCG(None), parse_metric("auc")]


@pytest.mark.parametrize("metric", METRICS, ids=repr)
@settings(max_examples=12, deadline=None)
@given(n=st.integers(2, 7), data=st.data())
def test_the_floor_is_the_mean_over_every_order(metric: Metric, n: int, data: st.DataObject) -> None:
    wanted = data.draw(st.integers(1, n - 1))
    ranking = Ranking(tuple(map(str, range(n))), np.arange(n, 0, -1))
    # Only where the relevant ones stand matters, so the sets of their places stand for all orders.
    values = [metric.per_case(ranking, set(map(str, places))) for places in combinations(range(n), wanted)]
    assert expected_by_chance(metric, n, wanted) == pytest.approx(np.mean(values), abs=1e-9)


def test_the_floor_of_twenty_candidates_and_one_target_is_the_published_one() -> None:
    assert expected_by_chance(parse_metric("hit@1"), 20, 1) == pytest.approx(0.05)
    assert expected_by_chance(parse_metric("hit@5"), 20, 1) == pytest.approx(0.25)
    assert expected_by_chance(parse_metric("ndcg@5"), 20, 1) == pytest.approx(0.147, abs=5e-4)
    assert expected_by_chance(MRR(None), 20, 1) == pytest.approx(sum(1 / r for r in range(1, 21)) / 20)


def test_a_drawn_order_is_worth_the_floor_on_average() -> None:
    rng, metric = np.random.default_rng(0), parse_metric("ndcg@10")
    values = []
    for _ in range(4000):
        items = tuple(map(str, rng.permutation(20)))
        values.append(metric.per_case(Ranking(items, np.arange(20, 0, -1)), {"3", "7", "11"}))
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected_by_chance(metric, 20, 3)) < 4 * error


def test_undefined_stays_undefined() -> None:
    assert isnan(expected_by_chance(parse_metric("ndcg@5"), 5, 0))
    assert isnan(expected_by_chance(parse_metric("auc"), 3, 3))
    with pytest.raises(ValueError, match="4 relevant items among 3"):
        expected_by_chance(parse_metric("hit@1"), 3, 4)
