"""All metrics of a case at once are the metrics one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.evaluators import Ranking
from recloop.prompt_opt.tasks.metrics import METRICS, MONITOR, NAMES, values_of


@settings(max_examples=300, deadline=None)
@given(st.integers(2, 25), st.data())
def test_values_from_places_are_those_of_the_metrics(n: int, data: st.DataObject) -> None:
    items = tuple(f"C{i}" for i in data.draw(st.permutations(range(n))))
    scores = sorted(data.draw(st.lists(st.integers(0, n), min_size=n, max_size=n)), reverse=True)
    ranking = Ranking(items, np.asarray(scores, np.float32))
    truth = data.draw(st.lists(st.sampled_from([*items, "elsewhere"]), min_size=1, max_size=n, unique=True))
    found = values_of(ranking, truth)
    for name, metric in METRICS.items():
        assert found[name] == pytest.approx(metric.per_case(ranking, truth), rel=1e-12, nan_ok=True), name
    assert set(found) == set(NAMES)
    assert found[MONITOR] == pytest.approx(
        np.mean([found["auc"], found["mrr"], found["ndcg@5"], found["ndcg@10"]]), nan_ok=True
    )
