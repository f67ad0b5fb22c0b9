"""How much the place at which a candidate is shown decides where it is ranked.

The order shown is drawn anew for every case, so a ranking that looks at the items has no slope on it: any slope is the
prompt's, or the model's, own. Each result of a list task carries both numbers of its case beside the metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...evaluators import Estimate, bootstrap_mean, proportion
from ..task import Result

SLOPE, COPIED = "place slope", "order shown"
"""Entries of `Result.values` that describe an answer and are no metric."""


@dataclass(frozen=True, slots=True)
class PositionBias:
    """`slope`: places that an item falls in the ranking per place it is shown later, the mean over cases (1: the order
    shown is copied; 0: it does not matter; below 0: the last ones win). `copied`: share of answers that are the order shown.
    """

    slope: Estimate
    copied: Estimate

    def __str__(self) -> str:
        return f"slope of rank on place shown {self.slope}; the order shown itself in {self.copied.mean:.0%} of answers"


def places(shown: Sequence[str], answered: Sequence[str]) -> dict[str, float]:
    """The two numbers of one case. Ranks of a whole permutation are spread as places are, so that the slope of the one on
    the other is also their correlation: Spearman's (1904). Empty with fewer than two items."""
    n = len(shown)
    if n < 2:
        return {}
    rank = {item: place for place, item in enumerate(answered)}
    moved = sum((place - rank[item]) ** 2 for place, item in enumerate(shown))
    return {SLOPE: 1.0 - 6.0 * moved / (n * (n * n - 1)), COPIED: float(tuple(shown) == tuple(answered))}


def position_bias(results: Iterable[Result], seed: int = 0) -> PositionBias | None:
    """Over the results of one prompt that were answered; None without one. Bootstrap over cases, Wilson for the share."""
    told = [result.values for result in results if SLOPE in result.values]
    if not told:
        return None
    copied = sum(values[COPIED] == 1.0 for values in told)
    return PositionBias(bootstrap_mean([values[SLOPE] for values in told], seed), proportion(copied, len(told)))
