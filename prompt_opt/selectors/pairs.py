"""Running sums of paired differences between all arms, over cases that come in batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import sequences
from .contract import FloatArray, IntArray

BoolArray = NDArray[np.bool_]


class Pairs:
    """Of every two arms a, b: over cases known of both, `n[a, b]` of them, the sum of a - b and of its squares.

    State: `n`, `total`, `squares` float64 (arms, arms); per arm, over its own cases, `sums`, `known` and `asked` (arms,).
    """

    def __init__(self, arms: int) -> None:
        self.n = np.zeros((arms, arms))
        self.total = np.zeros((arms, arms))
        self.squares = np.zeros((arms, arms))
        self.sums = np.zeros(arms)
        self.known = np.zeros(arms)
        self.asked = np.zeros(arms)

    def add(self, rows: IntArray, values: FloatArray) -> None:
        """Take in the same batch of cases for the arms `rows`: float64 (rows, cases), NaN where a case is missing."""
        there = ~np.isnan(values)
        mask = there.astype(np.float64)
        value = np.where(there, values, 0.0)
        one = value @ mask.T
        square = (value * value) @ mask.T
        at = rows[:, None], rows[None, :]
        self.n[at] += mask @ mask.T
        self.total[at] += one - one.T
        self.squares[at] += square + square.T - 2.0 * (value @ value.T)
        self.sums[rows] += value.sum(axis=1)
        self.known[rows] += mask.sum(axis=1)
        self.asked[rows] += values.shape[1]

    def mean(self) -> FloatArray:
        """Mean of a - b, float64 (arms, arms); NaN without a shared case."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.total / self.n

    def sd(self, at: Any, prior: float = 0.0, weight: float = 0.0) -> FloatArray:
        """Standard deviation of a - b at these places, see `sequences.variance`; `prior` is an sd."""
        return np.sqrt(sequences.variance(self.n[at], self.total[at], self.squares[at], prior * prior, weight))

    def unknown(self, share: float) -> BoolArray:
        """Arms of which more than this share of the cases asked for is missing, or nothing was asked: bool (arms,)."""
        return (self.asked - self.known > share * self.asked) | (self.known == 0)

    def ranked(self, among: BoolArray) -> NDArray[np.intp]:
        """Those arms, best first, by their mean difference to each other over shared cases.

        Where nothing is missing that is the order of their means; with gaps nobody gains by having missed the hard cases.
        """
        at = np.flatnonzero(among)
        mean = self.mean()[at[:, None], at[None, :]]
        there = ~np.isnan(mean)
        ahead = np.where(there, mean, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        return at[np.argsort(-ahead, kind="stable")]

    def tied(self, first: int, second: int, z: float = 2.0) -> bool:
        """Whether `first` is not `z` standard errors ahead of `second`: for one look."""
        bound = sequences.z_bound(self.n[first, second], self.sd((first, second)), z)
        return not self.mean()[first, second] > max(float(bound), 0.0)

    def estimates(self, leader: int) -> FloatArray:
        """Each arm's value as the leader's mean plus the paired difference to it: comparable though some left early."""
        return self.sums[leader] / max(self.known[leader], 1.0) + self.mean()[:, leader]
