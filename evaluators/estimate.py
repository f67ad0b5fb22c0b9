"""Numbers with their doubt: means, paired differences and proportions with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 10_000
CHUNK_CELLS = 2_000_000
"""Numbers drawn at once: bounds the memory of a resampling to some 16 MB, whatever the number of cases."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with an interval. `n`: cases it stands on; `method`: how the interval was made. NaN bounds: too few cases."""

    mean: float
    low: float
    high: float
    n: int
    method: str

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class PairedEstimate(Estimate):
    """A mean of paired differences. `p_value`: two-sided, that a difference so large arises where sign is chance."""

    p_value: float

    @property
    def found(self) -> bool:
        """Whether a difference was found: the interval leaves out 0."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        verdict = "" if self.found else ", no difference found"
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}], p = {self.p_value:.3g}{verdict}"


def bootstrap_mean(values: ArrayLike, seed: int = 0, level: float = 0.95, draws: int = DRAWS) -> Estimate:
    """Mean of the cases with a percentile bootstrap interval (Efron 1979). NaN cases are left out; `n` counts the rest.

    Deterministic by `seed`. Raises `ValueError` without a case; with one case the bounds are NaN.
    """
    value = _cases(values)
    low, high = _interval(value, np.random.default_rng(seed), level, draws)
    return Estimate(float(value.mean()), low, high, len(value), f"bootstrap {level:.0%}")


def paired_difference(
    a: ArrayLike, b: ArrayLike, seed: int = 0, level: float = 0.95, draws: int = DRAWS
) -> PairedEstimate:
    """Mean of a - b over the same cases: percentile bootstrap interval, and a sign-flip permutation test.

    The test is exact (all 2**n signs) where that takes no more than `draws` flips, else sampled, with the observed
    sample counted in (Phipson & Smyth 2010), so that p is never 0. Pairs with a NaN are left out.
    """
    first, second = np.asarray(a, dtype=float).ravel(), np.asarray(b, dtype=float).ravel()
    if first.shape != second.shape:
        raise ValueError(f"pairs need equal lengths, got {len(first)} and {len(second)}")
    difference = _cases(first - second)
    rng = np.random.default_rng(seed)
    low, high = _interval(difference, rng, level, draws)
    p_value = _sign_flip(difference, rng, draws)
    return PairedEstimate(
        float(difference.mean()), low, high, len(difference), f"paired bootstrap {level:.0%}, sign-flip test", p_value
    )


def proportion(k: int, n: int, level: float = 0.95) -> Estimate:
    """Share k / n with Wilson's score interval (1927), which holds near 0 and 1. Bounds 0 and 1, mean NaN for n = 0."""
    if not 0 <= k <= n:
        raise ValueError(f"a proportion needs 0 <= k <= n, got k={k}, n={n}")
    method = f"Wilson {level:.0%}"
    if n == 0:
        return Estimate(math.nan, 0.0, 1.0, 0, method)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = k / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if k == 0 else max(0.0, middle - half)
    high = 1.0 if k == n else min(1.0, middle + half)
    return Estimate(share, low, high, n, method)


def _cases(values: ArrayLike) -> NDArray[np.float64]:
    value = np.asarray(values, dtype=float).ravel()
    value = value[~np.isnan(value)]
    if not len(value):
        raise ValueError("no case to estimate from (all values are NaN, or there are none)")
    return value


def _chunks(draws: int, n: int) -> list[int]:
    size = max(1, CHUNK_CELLS // n)
    return [min(size, draws - done) for done in range(0, draws, size)]


def _interval(value: NDArray[np.float64], rng: np.random.Generator, level: float, draws: int) -> tuple[float, float]:
    n = len(value)
    if n == 1:
        return math.nan, math.nan
    means = np.concatenate([value[rng.integers(0, n, (size, n))].mean(axis=1) for size in _chunks(draws, n)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _sign_flip(difference: NDArray[np.float64], rng: np.random.Generator, draws: int) -> float:
    n = len(difference)
    size = np.abs(difference)
    # Sums that are equal on paper differ in their last bits: without slack an exact test would miss its own sample.
    observed = abs(float(difference.sum())) - 1e-12 * max(1.0, float(size.sum()))
    if 2**n <= draws:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float(np.mean(np.abs(signs @ difference) >= observed))
    extreme = sum(
        int(np.sum(np.abs((1.0 - 2.0 * rng.integers(0, 2, (chunk, n))) @ difference) >= observed))
        for chunk in _chunks(draws, n)
    )
    return (1 + extreme) / (1 + draws)
