"""What a ranking in random order is worth: the floor that every ranker has to beat, exact and without a draw."""

from __future__ import annotations

from math import comb, log2

from .metric import Metric
from .ranking_metrics import AUC, MAP, MRR, NDCG, HitRate, Precision, Recall

NAN = float("nan")


def expected_by_chance(metric: Metric, candidates: int, relevant: int) -> float:
    """The metric's mean over all orders of `candidates` items, `relevant` of which count, each worth 1.

    NaN where the metric is undefined (nothing relevant; for AUC also nothing else). Raises `ValueError` for a metric
    that has no such formula here, and for more relevant items than candidates.
    """
    n, wanted = candidates, relevant
    if not 0 <= wanted <= n:
        raise ValueError(f"{wanted} relevant items among {n} candidates")
    if not wanted:
        return NAN
    k = n if metric.k is None else min(metric.k, n)
    if isinstance(metric, HitRate):
        return 1.0 - comb(n - wanted, k) / comb(n, k)
    if isinstance(metric, Recall):
        return k / n
    if isinstance(metric, Precision):
        return (k * wanted / n) / (metric.k or n)
    if isinstance(metric, NDCG):
        return (wanted / n) * _discounts(k) / _discounts(min(k, wanted))
    if isinstance(metric, MRR):
        # The first relevant item stands at rank r where the other ones are all among the n - r places after it.
        return sum(comb(n - r, wanted - 1) / comb(n, wanted) / r for r in range(1, k + 1))
    if isinstance(metric, MAP):
        others = (wanted - 1) / (n - 1) if n > 1 else 0.0
        return sum((1.0 + (r - 1) * others) / r for r in range(1, k + 1)) / n
    if isinstance(metric, AUC):
        return 0.5 if wanted < n and metric.k is None else NAN
    raise ValueError(f"no formula for {metric.name} of a random order")


def _discounts(places: int) -> float:
    """The discounts of the first places, summed: the gain of a list on which all of them are relevant."""
    return sum(1.0 / log2(rank + 1) for rank in range(1, places + 1))
