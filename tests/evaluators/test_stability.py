"""How much a ranking depends on the wording: formulas by hand, and the ways in which steadiness can be worthless."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.evaluators import Ranking, kendall_tau, stability, top_overlap
from recloop.evaluators.stability import FIGURES, LEAST_SPREAD, RAW
from scipy.stats import kendalltau


def shown(*items: str, scores: list[float] | None = None) -> Ranking:
    return Ranking(items, np.array(scores if scores is not None else range(len(items), 0, -1), np.float32))


TRUTH = {"q": {"a": 1.0}, "r": {"c": 1.0}}
AT_TWO = 1 / np.log2(3)
"""NDCG of the one relevant document at place 2."""


def test_every_figure_is_what_its_formula_says() -> None:
    found = stability(
        {
            "q": {RAW: shown("a", "b", "c"), "typo": shown("b", "a", "c"), "terse": shown("b", "c", "d")},
            "r": {RAW: shown("c", "a", "b"), "typo": shown("c", "a", "b"), "terse": shown("c", "a", "b")},
        },
        TRUTH,
    )
    assert found.values("raw").tolist() == [1, 1]
    assert found.values("worst").tolist() == [0, 1]
    assert found.values("variance") == pytest.approx([np.var([1, AT_TWO, 0]), 0])
    assert found.values("vnap") == pytest.approx([np.var([1 / 0.5, 0.5 / 0.5, 0]), 0])
    assert found.form_means() == pytest.approx({RAW: 1, "typo": (1 + AT_TWO) / 2, "terse": 0.5})
    assert found.v_ndcg == pytest.approx(np.var([1, (1 + AT_TWO) / 2, 0.5]))
    assert found.values("overlap") == pytest.approx([(1 + 2 / 3 + 2 / 3) / 3, 1])
    assert found.values("spread") == pytest.approx([np.std([1, 2, 3])] * 2)
    # Of a, b, c, d: raw and terse agree on b-c, a-d, b-d, c-d... as far as both say: terse has a last, raw has d last.
    signs = {"ab": -1, "ac": -1, "ad": -1, "bc": 1, "bd": 1, "cd": 1}
    assert found.values("tau_min")[0] == pytest.approx(sum(signs.values()) / 6)
    assert found.fragile(5) == ["q", "r"]
    assert str(found.estimate("variance"))


def test_a_mean_over_forms_hides_what_single_queries_do() -> None:
    """V-NDCG is 0 where half the queries gain what the other half loses; the per-query variance is not."""
    good, bad = shown("a", "x"), shown("x", "y")
    found = stability({"q": {RAW: good, "typo": bad}, "r": {RAW: bad, "typo": good}}, {"q": ["a"], "r": ["a"]})
    assert found.v_ndcg == 0
    assert found.values("variance").tolist() == [0.25, 0.25]


@given(st.permutations(list("abcdefgh")), st.permutations(list("abcdefgh")))
@settings(max_examples=60, deadline=None)
def test_tau_of_whole_rankings_is_scipys(first: list[str], second: list[str]) -> None:
    expected = kendalltau([first.index(d) for d in "abcdefgh"], [second.index(d) for d in "abcdefgh"]).statistic
    assert kendall_tau(shown(*first), shown(*second)) == pytest.approx(expected)


def test_tau_and_overlap_of_lists_that_share_little_or_nothing() -> None:
    a, b, none = shown("a", "b", "c"), shown("x", "y", "z"), shown()
    assert kendall_tau(a, a) == 1
    assert kendall_tau(shown("a", "b"), shown("b", "a")) == -1
    assert kendall_tau(a, b) == pytest.approx(-9 / 15)  # nine pairs across, six that one list leaves open
    assert kendall_tau(a, none) == 0
    assert (kendall_tau(none, none), kendall_tau(shown("a"), shown("a")), kendall_tau(shown("a"), none)) == (1, 1, 0)
    assert (top_overlap(a, b), top_overlap(a, none), top_overlap(none, none)) == (0, 0, 1)
    assert top_overlap(shown("a", "b", "c"), shown("a"), k=10) == pytest.approx(1 / 3)


def test_one_score_for_everything_is_steady_and_is_told_to_be_worthless() -> None:
    flat, real = shown("a", "b", "c", scores=[1, 1, 1]), shown("a", "b", "c")
    constant = stability({"q": {RAW: flat, "typo": flat}}, TRUTH)
    ranker = stability({"q": {RAW: real, "typo": real}}, TRUTH)
    assert constant.values("variance").tolist() == [0]
    assert (constant.tells_apart, ranker.tells_apart) == (False, True)
    assert constant.spread_ratio(ranker) == 0 < LEAST_SPREAD <= ranker.spread_ratio(ranker) == 1


def test_equal_values_have_a_variance_of_exactly_nought() -> None:
    of_query = {
        form: shown("b", "c", "a") for form in (RAW, "typo", "order", "terse", "question", "verbose", "synonym")
    }
    found = stability({"q": of_query}, TRUTH)
    assert (found.values("variance")[0], found.values("vnap")[0], found.v_ndcg) == (0, 0, 0)


def test_without_judgements_there_are_order_and_overlap_only() -> None:
    found = stability(
        {"q": {RAW: shown("a", "b"), "typo": shown("b", "a")}, "r": {RAW: shown("a"), "typo": shown("a")}}
    )
    assert [figure for figure in FIGURES if found.estimate(figure) is None] == [
        "ndcg",
        "raw",
        "worst",
        "variance",
        "vnap",
    ]
    assert found.fragile(1) == ["q"]


def test_a_query_without_anything_relevant_or_a_second_form_is_no_case() -> None:
    found = stability(
        {"q": {RAW: shown("a")}, "s": {RAW: shown("a"), "typo": shown("b")}}, {"q": ["a"], "s": {"a": 0.0}}
    )
    assert np.isnan(found.values("variance")).all()
    assert np.isnan(found.values("tau_min")).tolist() == [True, False]


def test_two_rankers_are_compared_query_by_query() -> None:
    queries = [f"q{i}" for i in range(12)]
    truth = {q: ["a"] for q in queries}
    steady = stability({q: {RAW: shown("a", "b"), "typo": shown("a", "b")} for q in queries}, truth)
    shaky = stability({q: {RAW: shown("a", "b"), "typo": shown("b", "a")} for q in queries}, truth)
    difference = steady.against(shaky, "variance")
    assert difference.high < 0
    assert difference.n == 12
    with pytest.raises(ValueError, match="different queries"):
        steady.against(stability({"q0": {RAW: shown("a")}}, truth), "variance")
