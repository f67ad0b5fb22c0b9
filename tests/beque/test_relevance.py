"""f: judgements with their gaps, models with a threshold."""

from __future__ import annotations

import numpy as np
import pytest
from listed_search import letters
from recloop.data.search import Documents
from recloop.methods.beque import Judged, Modelled, cosine, crossed, threshold
from recloop.methods.search import SearchError


def by_length(texts: list[str]) -> np.ndarray:
    """Vectors whose cosine with each other depends on whether the texts have the letter a."""
    return np.array([[1.0, 0.0] if "a" in text else [0.0, 1.0] for text in texts], dtype=np.float32)


def test_half_of_the_highest_grade_is_relevant_unless_said_otherwise() -> None:
    data = letters({"x": {"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.0}})
    assert Judged(data).verdicts(["X "], ["abcd"])[0].tolist() == [1, 1, -1, -1]
    assert Judged(data, 1.0).verdicts(["x"], ["abcd"])[0].tolist() == [1, 1, 1, -1]
    assert Judged(data, 3.0).everything(["x"]) == [{"a"}]


def test_what_nobody_judged_is_unknown_in_pools_and_irrelevant_in_a_collection() -> None:
    for whole, verdict in ((True, -1), (False, 0)):
        judge = Judged(letters({"x": {"a": 1.0}}, whole))
        assert judge.verdicts(["x", "never asked"], ["az", "a"])[0].tolist() == [1, verdict]
        assert judge.verdicts(["never asked"], ["a"])[0].tolist() == [0]
        assert judge.everything(["never asked"]) == [None]


def test_cosines_are_told_in_deviations_over_the_collection() -> None:
    documents = Documents(("1", "2", "3"), ("an apple", "cherry", "banana"), ("", "", ""))
    cosines = np.array([1.0, 0.0, 1.0])
    (scores,) = cosine(documents, 0.5, by_length)._scores(["a"], [[1, 0]])
    assert scores.tolist() == pytest.approx(((cosines - cosines.mean()) / cosines.std())[[1, 0]])
    # Where all are alike nothing stands out.
    alike = Documents(("1", "2"), ("an apple", "banana"), ("", ""))
    assert cosine(alike, 0.5, by_length).everything(["a"]) == [set()]


def test_a_cosine_above_the_threshold_is_relevant_also_over_the_whole_collection() -> None:
    documents = Documents(("1", "2", "3"), ("an apple", "cherry", "banana"), ("", "", ""))
    judge = cosine(documents, 0.5, by_length, name="toy")
    assert [v.tolist() for v in judge.verdicts(["a", "e"], [["2", "1"], ["2", "1"]])] == [[-1, 1], [1, -1]]
    assert judge.everything(["a"]) == [{"1", "3"}]


def test_a_cross_encoder_judges_pairs_and_does_not_know_the_whole() -> None:
    documents = Documents(("1", "2"), ("red shoe", "blue hat"), ("", ""))
    judge = crossed(documents, lambda query, texts: [float(query in text) for text in texts], 0.5, "contains")
    assert judge.verdicts(["red", "hat"], [["1", "2"], []])[0].tolist() == [1, -1]
    assert judge.everything(["red"]) == [None]


def test_a_threshold_tells_judged_pairs_apart_as_well_as_can_be() -> None:
    data = letters({"x": {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0, "e": 1.0}}, whole=False)
    scores = np.array([0.9, 0.8, 0.4, 0.3, 0.2], dtype=np.float32)  # of a b c d e: no cut is right for all
    model = Modelled("toy", data.documents, lambda queries, rows: [scores[list(row)] for row in rows], 0.0, True)
    assert threshold(model, data) == pytest.approx(0.6)
    # Equal scores are never cut between.
    scores[:] = [0.9, 0.5, 0.5, 0.1, 0.1]
    assert 0.1 < threshold(model, data) < 0.5 or 0.5 < threshold(model, data) < 0.9


def test_judgements_that_are_all_alike_set_no_threshold() -> None:
    data = letters({"x": {"a": 1.0, "b": 1.0}}, whole=False)
    model = Modelled(
        "toy", data.documents, lambda queries, rows: [np.ones(len(row), np.float32) for row in rows], 0, True
    )
    with pytest.raises(SearchError, match="all alike"):
        threshold(model, data)


def test_a_threshold_counts_what_nobody_judged_where_judgements_are_whole() -> None:
    judged = {"x": {"a": 1.0, "b": 0.0}}
    scores = np.linspace(0.9, 0.1, 26, dtype=np.float32)  # of a to z
    scores[1] = 0.0  # the one that was judged not relevant is far from it, as c to z are not

    def scored(queries: list[str], rows: list[list[int]]) -> list[np.ndarray]:
        return [scores[list(row)] for row in rows]

    pools, collection = letters(judged, whole=False), letters(judged)
    model = Modelled("toy", collection.documents, scored, 0.0, True)
    assert threshold(model, pools) == pytest.approx(0.45)
    assert threshold(model, collection) == pytest.approx((0.9 + scores[2]) / 2)
