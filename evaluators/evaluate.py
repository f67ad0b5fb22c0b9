"""Rankings + truths + metrics -> one value per case and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .estimate import Estimate, PairedEstimate, bootstrap_mean, paired_difference
from .metric import Metric
from .ranking import Ranking, Truth, UserId, grades
from .ranking_metrics import parse_metric


@dataclass(frozen=True, slots=True)
class PerCase:
    """Values of several metrics over the same cases.

    `cases`: user ids, in the order of every array. `values`: metric name -> float64 (cases,). `skipped`: how many cases
    had no relevant item and so cannot be judged.
    """

    cases: tuple[UserId, ...]
    values: dict[str, NDArray[np.float64]]
    skipped: int = 0

    def __getitem__(self, metric: str) -> NDArray[np.float64]:
        return self.values[metric]

    def estimate(self, metric: str, seed: int = 0) -> Estimate:
        """The metric's mean over the cases, with a bootstrap interval."""
        return bootstrap_mean(self.values[metric], seed)

    def against(self, rival: PerCase, metric: str, seed: int = 0) -> PairedEstimate:
        """Mean difference to `rival` on the same cases. Raises `ValueError` where the cases differ."""
        if self.cases != rival.cases:
            raise ValueError("the two evaluations are over different cases: evaluate both with the same truth")
        return paired_difference(self.values[metric], rival.values[metric], seed)


def evaluate(
    rankings: Mapping[UserId, Ranking], truth: Mapping[UserId, Truth], metrics: Sequence[Metric | str]
) -> PerCase:
    """Judge each user's ranking by that user's truth.

    Cases come in the truth's order. Users without a relevant item are skipped and counted. Raises `ValueError` where a
    user of the truth has no ranking: an absent answer would otherwise become a silent zero.
    """
    judges = [parse_metric(m) if isinstance(m, str) else m for m in metrics]
    cases = tuple(user for user, relevant in truth.items() if grades(relevant))
    absent = [user for user in cases if user not in rankings]
    if absent:
        raise ValueError(
            f"{len(absent)} of {len(cases)} users have no ranking, the first is {absent[0]!r}: "
            "rank all users of the truth, or leave them out of it"
        )
    values = {j.name: np.array([j.per_case(rankings[u], truth[u]) for u in cases], dtype=float) for j in judges}
    return PerCase(cases, values, skipped=len(truth) - len(cases))
