"""Ranking metrics: properties that hold for every case, and agreement with trec_eval."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.evaluators import AUC, MAP, MRR, NDCG, HitRate, Precision, Ranking, Recall, evaluate, parse_metric
from recloop.evaluators.ranking_metrics import METRICS

ITEMS = [f"i{n}" for n in range(12)]
TOP_METRICS = [NDCG, Recall, Precision, HitRate, MRR, MAP]


def ranked(items) -> Ranking:
    return Ranking(tuple(items), np.arange(len(items), 0, -1, dtype=np.float32))


orders = st.permutations(ITEMS)
truths = st.dictionaries(st.sampled_from(ITEMS), st.integers(1, 4), min_size=1)
depths = st.integers(1, 14)


@settings(deadline=None)
@given(orders, truths, depths)
def test_every_metric_stays_between_zero_and_one(order, truth, k):
    for metric in TOP_METRICS:
        assert 0.0 <= metric(k).per_case(ranked(order), truth) <= 1.0 + 1e-12


@settings(deadline=None)
@given(orders, truths, depths)
def test_the_best_order_has_ndcg_one_and_no_order_beats_it(order, truth, k):
    best = sorted(order, key=lambda item: -truth.get(item, 0))
    assert NDCG(k).per_case(ranked(best), truth) == pytest.approx(1.0)
    assert NDCG(k, gain="exponential").per_case(ranked(best), truth) == pytest.approx(1.0)


@settings(deadline=None)
@given(orders, truths, depths, st.data())
def test_moving_a_relevant_item_up_past_an_irrelevant_one_never_hurts(order, truth, k, data):
    pairs = [n for n in range(len(order) - 1) if order[n] not in truth and order[n + 1] in truth]
    if not pairs:
        return
    n = data.draw(st.sampled_from(pairs))
    better = [*order[:n], order[n + 1], order[n], *order[n + 2 :]]
    for metric in [*(m(k) for m in TOP_METRICS), AUC()]:
        before, after = metric.per_case(ranked(order), truth), metric.per_case(ranked(better), truth)
        assert (math.isnan(before) and math.isnan(after)) or after >= before - 1e-12


@settings(deadline=None)
@given(orders, truths, depths, st.randoms(use_true_random=False))
def test_the_order_of_irrelevant_items_does_not_matter(order, truth, k, random):
    irrelevant = [item for item in order if item not in truth]
    random.shuffle(irrelevant)
    swapped = [item if item in truth else irrelevant.pop() for item in order]
    for metric in TOP_METRICS:
        assert metric(k).per_case(ranked(order), truth) == metric(k).per_case(ranked(swapped), truth)


@settings(deadline=None)
@given(orders, truths, st.integers(1, 11))
def test_what_stands_below_k_does_not_matter(order, truth, k):
    for metric in TOP_METRICS:
        assert metric(k).per_case(ranked(order), truth) == metric(k).per_case(ranked(order[:k]), truth)


@settings(deadline=None)
@given(truths, st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_auc_and_ndcg_with_averaged_ties_do_not_depend_on_the_order_of_equal_scores(truth, scores):
    def judged(metric, items):
        return metric.per_case(Ranking(tuple(i for i, _ in items), np.array([s for _, s in items])), truth)

    scored = sorted(zip(ITEMS, scores, strict=True), key=lambda pair: -pair[1])
    backwards = sorted(scored, key=lambda pair: (-pair[1], -ITEMS.index(pair[0])))
    for metric in (AUC(), NDCG(5, ties="average")):
        a, b = judged(metric, scored), judged(metric, backwards)
        assert (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(truths, st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_auc_is_the_share_of_pairs_in_the_right_order(truth, scores):
    good = [s for i, s in zip(ITEMS, scores, strict=True) if i in truth]
    bad = [s for i, s in zip(ITEMS, scores, strict=True) if i not in truth]
    measured = AUC().per_case(Ranking(tuple(ITEMS), np.array(scores)), truth)
    if not bad:
        assert math.isnan(measured)
    else:
        wins = [(g > b) + 0.5 * (g == b) for g, b in itertools.product(good, bad)]
        assert measured == pytest.approx(float(np.mean(wins)))


@pytest.mark.parametrize(
    ("metric", "by_hand"),
    [
        (NDCG(3), (1 / math.log2(3)) / (1 + 1 / math.log2(3))),
        (Recall(3), 1 / 2),
        (Precision(3), 1 / 3),
        (HitRate(3), 1.0),
        (HitRate(1), 0.0),
        (MRR(3), 1 / 2),
        (MAP(4), (1 / 2 + 2 / 4) / 2),
    ],
)
def test_a_case_worked_by_hand(metric, by_hand):
    assert metric.per_case(ranked(["x", "a", "y", "b"]), {"a", "b"}) == pytest.approx(by_hand)


def test_a_case_without_a_relevant_item_is_undefined_and_not_zero():
    for metric in METRICS.values():
        assert math.isnan(metric(5).per_case(ranked(["a", "b"]), {}))
        assert math.isnan(metric(5).per_case(ranked(["a", "b"]), {"a": 0.0}))


def test_an_empty_ranking_is_worth_nothing():
    for metric in TOP_METRICS:
        assert metric(5).per_case(ranked([]), {"a"}) == 0.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(orders, truths), min_size=1, max_size=6), depths)
def test_values_agree_with_trec_eval(cases, k):
    ir = pytest.importorskip("ir_measures")
    theirs = {
        "ndcg": ir.nDCG @ k, "recall": ir.R @ k, "precision": ir.P @ k, "hit": ir.Success @ k, "mrr": ir.RR @ k, "map": ir.AP @ k,
    }  # fmt: skip
    qrels = [ir.Qrel(str(n), item, grade) for n, (_, truth) in enumerate(cases) for item, grade in truth.items()]
    run = [
        ir.ScoredDoc(str(n), item, -float(place))
        for n, (order, _) in enumerate(cases)
        for place, item in enumerate(order)
    ]
    for label, measure in theirs.items():
        expected = {row.query_id: row.value for row in ir.iter_calc([measure], qrels, run)}
        for n, (order, truth) in enumerate(cases):
            assert METRICS[label](k).per_case(ranked(order), truth) == pytest.approx(expected[str(n)], abs=1e-12)


def test_names_become_metrics_and_a_typo_gets_a_near_match():
    assert parse_metric("NDCG@5").name == "ndcg@5"
    assert parse_metric("auc").name == "auc"
    with pytest.raises(ValueError, match="did you mean recall"):
        parse_metric("recal@5")
    with pytest.raises(ValueError, match="ndcg@10"):
        parse_metric("ndcg@ten")


def test_evaluation_keeps_one_value_per_case_and_counts_what_it_skips():
    rankings = {"u": ranked(["a", "b"]), "v": ranked(["b", "a"]), "w": ranked(["a"])}
    result = evaluate(rankings, {"u": ["a"], "v": ["a"], "w": []}, ["mrr@2", Recall(1)])
    assert result.cases == ("u", "v")
    assert result.skipped == 1
    assert result["mrr@2"].tolist() == [1.0, 0.5]
    assert result["recall@1"].tolist() == [1.0, 0.0]
    assert result.estimate("mrr@2").mean == 0.75


def test_a_user_without_a_ranking_is_an_error_and_not_a_zero():
    with pytest.raises(ValueError, match="'v'"):
        evaluate({"u": ranked(["a"])}, {"u": ["a"], "v": ["a"]}, ["mrr"])


def test_a_ranking_refuses_arrays_of_another_length():
    with pytest.raises(ValueError, match="2 items"):
        Ranking(("a", "b"), np.ones(3, np.float32))
    assert Ranking(("a",), np.ones(1, np.float32)).propensities.tolist() == [1.0]
