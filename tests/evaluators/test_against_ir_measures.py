"""Ranking metrics against trec_eval's own figures, through ir-measures, on random rankings of every awkward kind."""

from __future__ import annotations

import numpy as np
import pytest
from recloop.evaluators import MAP, MRR, NDCG, Precision, Ranking, Recall

ir_measures = pytest.importorskip("ir_measures", reason="needs ir-measures (the dev extra)")


def cases(n: int = 120) -> tuple[dict[str, Ranking], dict[str, dict[str, float]]]:
    """Graded judgements, 0 and below among them; rankings with tied scores, unjudged and missing documents, short ones."""
    rng = np.random.default_rng(11)
    rankings, truth = {}, {}
    for case in range(n):
        documents = [f"d{i}" for i in range(60)]
        judged = rng.choice(documents, size=rng.integers(1, 40), replace=False)
        truth[f"q{case}"] = {str(d): float(rng.choice([-1, 0, 0, 1, 2, 3])) for d in judged}
        truth[f"q{case}"][str(judged[0])] = 2.0
        shown = rng.choice(documents, size=rng.integers(1, 60), replace=False)
        scores = np.sort(rng.integers(0, 5, len(shown)))[::-1]  # many ties
        rankings[f"q{case}"] = Ranking(tuple(map(str, shown)), scores.astype(np.float32))
    return rankings, truth


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (NDCG(10), "nDCG@10"),
        (NDCG(None), "nDCG"),
        (NDCG(3), "nDCG@3"),
        (MAP(None), "AP"),
        (MAP(20), "AP@20"),
        (MRR(None), "RR"),
        (MRR(10), "RR@10"),
        (Recall(10), "R@10"),
        (Precision(10), "P@10"),
    ],
    ids=str,
)
def test_a_metric_gives_what_trec_eval_gives(ours: NDCG, theirs: str) -> None:
    rankings, truth = cases()
    # What is shown is what counts: places as scores keep trec_eval from sorting tied documents by its own rule.
    run = {q: {d: float(-place) for place, d in enumerate(r.items)} for q, r in rankings.items()}
    qrels = {q: {d: int(grade) for d, grade in pool.items()} for q, pool in truth.items()}
    measure = ir_measures.parse_measure(theirs)
    expected = {each.query_id: each.value for each in ir_measures.iter_calc([measure], qrels, run)}
    assert len(expected) == len(truth)
    found = {q: ours.per_case(rankings[q], truth[q]) for q in truth}
    assert found == pytest.approx(expected, abs=1e-4 if theirs.startswith("RR@") else 1e-6)
    assert len({round(value, 6) for value in found.values()}) > 3, (
        "a metric that says the same of everything tests nothing"
    )
