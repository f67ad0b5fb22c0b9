"""Do two measures put the same arms in the same order? Rank correlations, drawn over users and over arms."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from ..outcome.facts import Floats

LEAST_ARMS = 3
"""Fewer different arms than this have no order worth a correlation."""
DEFINED = 0.9
"""Share of draws in which a correlation must be defined for its interval to mean anything."""


def spearman(a: Floats, b: Floats) -> Floats:
    """Spearman's rank correlation of each row: (draws, arms) twice -> (draws,). NaN where all of a row are equal."""
    return _pearson(rankdata(a, axis=-1), rankdata(b, axis=-1))


def kendall(a: Floats, b: Floats) -> Floats:
    """Kendall's tau-b of each row: (draws, arms) twice -> (draws,). NaN where all of a row are equal."""
    up, across = np.triu_indices(a.shape[-1], 1)
    x, y = (np.sign(each[..., up] - each[..., across]) for each in (a, b))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (x * y).sum(-1) / np.sqrt((x * x).sum(-1) * (y * y).sum(-1))


def _pearson(a: Floats, b: Floats) -> Floats:
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


class Interval(NamedTuple):
    low: float | None
    high: float | None


def interval(drawn: Floats) -> Interval:
    """95 % of the draws; none where too many of them are undefined."""
    there = drawn[np.isfinite(drawn)]
    if not len(drawn) or len(there) < DEFINED * len(drawn):
        return Interval(None, None)
    low, high = np.quantile(there, [0.025, 0.975])
    return Interval(float(low), float(high))


def with_arms_drawn(a: Floats, b: Floats, seed: int = 0) -> Floats:
    """Spearman of draws (draws, arms) whose arms are drawn again as well. Draws with too few different arms are left out."""
    n = a.shape[-1]
    picks = np.random.default_rng(seed).integers(0, n, a.shape)
    picks = np.sort(picks, axis=1)
    different = 1 + (np.diff(picks, axis=1) > 0).sum(axis=1)
    rows = np.flatnonzero(different >= LEAST_ARMS)
    return spearman(np.take_along_axis(a, picks, 1)[rows], np.take_along_axis(b, picks, 1)[rows])


def by_chance(n: int) -> tuple[float, float]:
    """95 % of the Spearman correlations of n arms whose orders are unrelated: (low, high)."""
    low, high = np.quantile(_unrelated(n), [0.025, 0.975])
    return float(low), float(high)


def chance_of(rho: float, n: int) -> float:
    """Share of unrelated orders of n arms that agree as well or better (one-sided, exact up to 8 arms)."""
    return float(np.mean(_unrelated(n) >= rho - 1e-12))


@lru_cache(maxsize=8)
def _unrelated(n: int) -> Floats:
    """Correlations of one order of n arms with every other one, or with many where there are too many."""
    if n <= 8:
        orders = np.array(list(permutations(range(n))), dtype=float)
    else:
        orders = np.random.default_rng(0).permuted(np.tile(np.arange(n, dtype=float), (20_000, 1)), axis=1)
    return spearman(orders, np.broadcast_to(np.arange(n, dtype=float), orders.shape))
