"""Ranking metrics. Definitions follow trec_eval, so that figures can be compared with other tools."""

from __future__ import annotations

import difflib
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .calibration import auc
from .metric import Metric
from .ranking import Ranking, Truth, grades

NAN = float("nan")


def _gains(ranking: Ranking, relevant: dict[str, float], k: int | None) -> NDArray[np.float64]:
    """Grade of each of the first k items, 0 for the irrelevant."""
    return np.array([relevant.get(item, 0.0) for item in ranking.items[:k]], dtype=float)


class NDCG(Metric):
    """Normalised discounted cumulative gain at k, binary or graded (Järvelin & Kekäläinen 2002; log2 discount).

    `gain`: "linear" (the grade itself, as trec_eval) or "exponential" (2**grade - 1, Burges et al. 2005).
    `ties`: "order" judges the list as it is shown; "average" gives items of equal score the mean of their gains
    (McSherry & Najork 2008), which wants the ranking of all candidates, not a cut one. NaN without a relevant item.
    """

    label = "ndcg"

    def __init__(
        self,
        k: int | None = 10,
        gain: Literal["linear", "exponential"] = "linear",
        ties: Literal["order", "average"] = "order",
    ) -> None:
        super().__init__(k)
        self.gain, self.ties = gain, ties

    def per_case(self, ranking: Ranking, truth: Truth) -> float:
        relevant = grades(truth)
        if not relevant:
            return NAN
        gains = self._worth(_gains(ranking, relevant, None))
        if self.ties == "average" and len(gains):
            _, group = np.unique(ranking.scores, return_inverse=True)
            gains = (np.bincount(group, gains) / np.bincount(group))[group]
        ideal = np.sort(self._worth(np.array(list(relevant.values()))))[::-1]
        return self._discounted(gains[: self.k]) / self._discounted(ideal[: self.k])

    def _worth(self, grade: NDArray[np.float64]) -> NDArray[np.float64]:
        return grade if self.gain == "linear" else np.exp2(grade) - 1.0

    @staticmethod
    def _discounted(gains: NDArray[np.float64]) -> float:
        return float(np.sum(gains / np.log2(np.arange(2, len(gains) + 2))))


class Recall(Metric):
    """Share of the relevant items among the first k. NaN without a relevant item."""

    label = "recall"

    def per_case(self, ranking: Ranking, truth: Truth) -> float:
        relevant = grades(truth)
        return float(np.count_nonzero(_gains(ranking, relevant, self.k))) / len(relevant) if relevant else NAN


class Precision(Metric):
    """Relevant items among the first k, divided by k (a short list is not rewarded). NaN without a relevant item."""

    label = "precision"

    def per_case(self, ranking: Ranking, truth: Truth) -> float:
        relevant = grades(truth)
        places = self.k or len(ranking)
        if not relevant or not places:
            return NAN
        return float(np.count_nonzero(_gains(ranking, relevant, self.k))) / places


class HitRate(Metric):
    """1 where at least one of the first k is relevant, else 0. NaN without a relevant item."""

    label = "hit"

    def per_case(self, ranking: Ranking, truth: Truth) -> float:
        relevant = grades(truth)
        return float(np.any(_gains(ranking, relevant, self.k) > 0)) if relevant else NAN


class MRR(Metric):
    """Reciprocal rank of the first relevant item among the first k, 0 where there is none. NaN without a relevant item."""

    label = "mrr"

    def per_case(self, ranking: Ranking, truth: Truth) -> float:
        relevant = grades(truth)
        if not relevant:
            return NAN
        hits = np.flatnonzero(_gains(ranking, relevant, self.k))
        return 1.0 / (float(hits[0]) + 1.0) if len(hits) else 0.0


class MAP(Metric):
    """Average precision at k: precision at each relevant item of the first k, summed, over ALL relevant items.

    The denominator is trec_eval's. Some recommender papers divide by min(k, relevant) and report larger figures.
    """

    label = "map"

    def per_case(self, ranking: Ranking, truth: Truth) -> float:
        relevant = grades(truth)
        if not relevant:
            return NAN
        hits = np.flatnonzero(_gains(ranking, relevant, self.k))
        return float(np.sum(np.arange(1, len(hits) + 1) / (hits + 1.0))) / len(relevant)


class AUC(Metric):
    """Probability that a relevant item of the ranking has a higher score than another one of it; ties count a half.

    Wants the ranking of all candidates: items left out are not judged. NaN where all or none of them are relevant.
    """

    label = "auc"

    def __init__(self, k: int | None = None) -> None:
        super().__init__(k)

    def per_case(self, ranking: Ranking, truth: Truth) -> float:
        relevant = grades(truth)
        return auc(_gains(ranking, relevant, self.k) > 0, ranking.scores[: self.k])


METRICS: dict[str, type[Metric]] = {m.label: m for m in (NDCG, Recall, Precision, HitRate, MRR, MAP, AUC)}


def parse_metric(text: str) -> Metric:
    """The metric of a name such as "ndcg@10", "recall@20" or "auc"; without "@" the metric's own default k.

    Raises `ValueError` for a name that is not in the table, with near matches.
    """
    label, at, depth = text.strip().lower().partition("@")
    if label not in METRICS or (at and not depth.isdigit()):
        near = difflib.get_close_matches(label, METRICS, n=2)
        hint = f" (did you mean {' or '.join(near)}?)" if near and label not in METRICS else ""
        raise ValueError(f"no metric {text!r}{hint}\n  known: {', '.join(METRICS)}; write ndcg@10 for a depth of 10")
    return METRICS[label](int(depth)) if at else METRICS[label]()
