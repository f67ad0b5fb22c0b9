"""The same queries measured several times, by rankers of other seeds and folds: a case is a query, its value the mean over times."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...evaluators.estimate import Estimate, PairedEstimate, bootstrap_mean, paired_difference
from ...evaluators.stability import RAW, Figure, Stability

Values = NDArray[np.float64]


class Repeated:
    """Several `Stability` of one arm as one. Raises `ValueError` where they are of other queries or forms.

    Averaging over seeds takes out the chance of a start and of a fold; the chance of which queries there are stays in the
    intervals, which are drawn over queries.
    """

    def __init__(self, times: Sequence[Stability]) -> None:
        first = times[0]
        if any(sorted(each.queries) != sorted(first.queries) or each.forms != first.forms for each in times):
            raise ValueError("measured on different queries or forms: give the same data and held-out families")
        self.times, self.queries, self.forms = tuple(times), first.queries, first.forms

    def values(self, figure: Figure) -> Values:
        """One figure for every query, mean over times; NaN where it is undefined."""
        return self._mean([each.values(figure) for each in self.times])

    def estimate(self, figure: Figure) -> Estimate | None:
        """The figure's mean over queries with a bootstrap interval; None where no query has it."""
        return _estimate(self.values(figure))

    def against(self, rival: Repeated, figure: Figure) -> PairedEstimate:
        """Mean difference to `rival`, paired by query."""
        order = {query: place for place, query in enumerate(rival.queries)}
        theirs = rival.values(figure)[[order[query] for query in self.queries]]
        return paired_difference(self.values(figure), theirs)

    def rewritten(self) -> Values:
        """NDCG of every query, mean over its forms that are not raw, and over times."""
        columns = [place for place, form in enumerate(self.forms) if form != RAW]
        return self._mean([_row_means(each.ndcg[:, columns]) for each in self.times])

    def average_precision(self) -> Estimate | None:
        """MAP of raw queries."""
        raw = self.forms.index(RAW)
        return _estimate(self._mean([each.ap[:, raw] for each in self.times]))

    def form_means(self) -> dict[str, float]:
        """Mean NDCG of each form over all queries that have it."""
        table = np.stack([self._mean([each.ndcg[:, place] for each in self.times]) for place in range(len(self.forms))])
        return dict(zip(self.forms, _row_means(table).tolist(), strict=True))

    @property
    def v_ndcg(self) -> float:
        """V-NDCG, mean over times."""
        return float(np.mean([each.v_ndcg for each in self.times]))

    @property
    def tells_apart(self) -> bool:
        """Whether every time at least half of the rankings gave two documents different scores."""
        return all(each.tells_apart for each in self.times)

    def spread_ratio(self, rival: Repeated) -> float:
        """Mean spread of scores over the rival's."""
        mine, other = (float(np.nanmean(each.values("spread"))) for each in (self, rival))
        return mine / other if other > 0 else float("inf" if mine > 0 else "nan")

    def _mean(self, of_times: Sequence[Values]) -> Values:
        """Mean over times of a value per query, in the order of the first's queries."""
        aligned = []
        for each, values in zip(self.times, of_times, strict=True):
            order = {query: place for place, query in enumerate(each.queries)}
            aligned.append(values[[order[query] for query in self.queries]])
        return _row_means(np.stack(aligned, axis=1))


def _row_means(table: Values) -> Values:
    """Means of rows without their NaNs; NaN for a row of nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Mean of empty slice")
        return np.nanmean(table, axis=1) if table.shape[1] else np.full(len(table), np.nan)


def _estimate(values: Values) -> Estimate | None:
    return bootstrap_mean(values) if not np.isnan(values).all() else None
