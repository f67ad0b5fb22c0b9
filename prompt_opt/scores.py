"""`Scores`: everything that is known of candidates on cases, paired by case."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .task import Result

FloatArray = NDArray[np.float64]
NAN = math.nan


class Scores:
    """Results by candidate id and case id. Grows as a search goes on; never forgets.

    `metric` is the value that `value`, `values`, `mean` and `difference` speak of.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self._results: dict[str, dict[str, Result]] = {}

    def add(self, candidate: str, results: Iterable[Result]) -> None:
        """Take results in. A missing result never replaces a known one."""
        known = self._results.setdefault(candidate, {})
        for result in results:
            if result.case not in known or not result.missing:
                known[result.case] = result

    def __contains__(self, candidate: str) -> bool:
        return candidate in self._results

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def of(self, candidate: str) -> Mapping[str, Result]:
        """Results of a candidate by case id; empty where there are none."""
        return self._results.get(candidate, {})

    def unknown(self, candidate: str, cases: Sequence[str]) -> list[str]:
        """Those of the cases on which the candidate has no result yet."""
        known = self.of(candidate)
        return [case for case in cases if case not in known]

    def value(self, candidate: str, case: str) -> float:
        """The metric on one case; NaN where it is missing or was not asked."""
        result = self.of(candidate).get(case)
        return NAN if result is None or result.missing else float(result.values.get(self.metric, NAN))

    def values(self, candidate: str, cases: Sequence[str]) -> FloatArray:
        """The metric on each of the cases, float64 (n,), NaN where nothing is known."""
        return np.fromiter((self.value(candidate, case) for case in cases), dtype=np.float64, count=len(cases))

    def mean(self, candidate: str, cases: Sequence[str]) -> float:
        """Mean over those of the cases where something is known; NaN without any."""
        values = self.values(candidate, cases)
        return float(np.nanmean(values)) if np.any(~np.isnan(values)) else NAN

    def difference(self, a: str, b: str, cases: Sequence[str]) -> FloatArray:
        """a - b on each of the cases, NaN where either is unknown."""
        return self.values(a, cases) - self.values(b, cases)
