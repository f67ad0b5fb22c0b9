"""What selectors share that judge each arm by cases of its own: sums per arm, nothing paired."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .contract import FloatArray, Selection


class Alone:
    """Sums per arm, float64 (arms,): `asked` and `known` cases, `sums` and `squares` of values."""

    def __init__(self, arms: int) -> None:
        self.asked, self.known = np.zeros(arms), np.zeros(arms)
        self.sums, self.squares = np.zeros(arms), np.zeros(arms)

    def add(self, arm: int, values: FloatArray) -> None:
        """Take in a pull; NaN: missing."""
        known = values[~np.isnan(values)]
        self.asked[arm] += len(values)
        self.known[arm] += len(known)
        self.sums[arm] += known.sum()
        self.squares[arm] += (known * known).sum()

    def mean(self) -> FloatArray:
        """NaN where nothing is known."""
        return self.sums / np.where(self.known > 0, self.known, np.nan)

    def unknown(self, share: float) -> NDArray[np.bool_]:
        """Arms of which more than this share of the cases asked for is missing: bool (arms,)."""
        return (self.asked - self.known > share * self.asked) | ((self.asked > 0) & (self.known == 0))

    def result(self, judged: FloatArray, keep: int, max_missing: float, z: float) -> Selection:
        """The best `keep` by `judged`, best first, of those of which enough is known."""
        out = self.unknown(max_missing)
        gone = {
            int(arm): f"too many missing: {int(self.asked[arm] - self.known[arm])} of {int(self.asked[arm])} cases"
            for arm in np.flatnonzero(out)
        }
        left = np.flatnonzero(~out & ~np.isnan(judged))
        order = left[np.argsort(-judged[left], kind="stable")]
        kept = tuple(int(arm) for arm in order[:keep])
        tie = len(order) > 1 and not self._apart(int(order[0]), int(order[1]), z)
        return Selection(kept, tie, judged, int(self.asked.sum()), gone)

    def _apart(self, first: int, second: int, z: float) -> bool:
        mean, n = self.mean(), np.maximum(self.known, 1.0)
        spread = np.maximum(self.squares / n - mean * mean, 0.0) / n
        lead = mean[first] - mean[second]
        return bool(lead > 0 and lead > z * math.sqrt(spread[first] + spread[second]))
