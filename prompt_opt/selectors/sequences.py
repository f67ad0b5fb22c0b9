"""Bounds for a mean of paired differences that may be looked at again and again: confidence sequences and planned looks.

Pure functions of sums, vectorised over their arguments, numpy only. A fixed-size interval that is looked at after every
batch fails far more often than it says; these do not (but `z_bound` with a constant z, which is such an interval).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

BETS = np.array([0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
"""Shares of the capital that `log_capital` stakes, side by side: the best one for a mean m and an sd s is near m / s**2,
which for prompts (s about 0.17, m of a point or more) is 0.3 and above."""

PATHS = 200_000
"""Simulated paths behind `planned_z`: its values are exact to some 0.02."""


def variance(n: ArrayLike, total: ArrayLike, squares: ArrayLike, prior: float = 0.0, weight: float = 0.0) -> FloatArray:
    """Variance of n values with these sums, mixed with `prior` as if it had been seen `weight` times.

    A few equal differences have variance 0 and would make any bound on their mean a point; the mixture forgets the prior as
    cases come, so that what it enters (consistent estimates suffice) keeps its guarantee. NaN where n is 0.
    """
    count, sums = np.asarray(n, dtype=np.float64), np.asarray(total, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        around = np.maximum(np.asarray(squares, dtype=np.float64) - sums * sums / count, 0.0)
        return (around + prior * weight) / np.where(count > 0, np.maximum(count - 1.0 + weight, 1.0), np.nan)


def asymptotic_bound(n: ArrayLike, sd: ArrayLike, alpha: float, best_at: float = 64.0) -> FloatArray:
    """Half-width of the one-sided asymptotic confidence sequence: mean - bound is below the true mean at all n at once,
    with probability 1 - alpha (two-sided with both sides at alpha / 2).

    The Gaussian-mixture boundary of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (Annals of Statistics 2024), one-sided
    form. It is tightest near n = `best_at`. Infinite where n is 0.
    """
    count = np.asarray(n, dtype=np.float64)
    squared = _mixing(alpha, best_at)
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = count * squared + 1.0
        width = np.sqrt(2.0 * grown / (count * count * squared) * np.log1p(np.sqrt(grown) / (2.0 * alpha)))
        return np.where(count > 0, np.asarray(sd, dtype=np.float64) * width, np.inf)


@lru_cache(maxsize=256)
def _mixing(alpha: float, best_at: float) -> float:
    """The mixture's variance that makes the boundary tightest near `best_at`; at 2 * alpha, the side being one."""
    two = -2.0 * math.log(min(2.0 * alpha, 0.999))
    return (two + math.log(two + 1.0)) / best_at


@lru_cache(maxsize=256)
def planned_z(looks: tuple[int, ...], alpha: float, shape: float = 0.25) -> FloatArray:
    """How many standard errors make a one-sided bound at each of the planned looks (numbers of cases, increasing), so that
    the chance to fail at any of them is alpha: float (looks,).

    The group-sequential boundaries of Wang and Tsiatis (Biometrics 1987), z proportional to n**(shape - 1/2): shape 1/2 is
    Pocock's constant, 0 O'Brien and Fleming's. For normal means; narrower than a confidence sequence because it promises
    nothing beyond the last look. The constant is a quantile over simulated paths, of a fixed seed.
    """
    rng = np.random.default_rng(1987)
    path, highest, before = np.zeros(PATHS), np.full(PATHS, -np.inf), 0
    slope = (np.asarray(looks, dtype=np.float64) / looks[-1]) ** (shape - 0.5)
    for look, factor in zip(looks, slope, strict=True):
        path += math.sqrt(look - before) * rng.standard_normal(PATHS)
        highest = np.maximum(highest, path / (math.sqrt(look) * factor))
        before = look
    return np.quantile(highest, 1.0 - alpha) * slope


def z_bound(n: ArrayLike, sd: ArrayLike, z: float = 2.0) -> FloatArray:
    """z standard errors. With a constant z a bound for one look only. Infinite where n is 0."""
    count = np.asarray(n, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 0, z * np.asarray(sd, dtype=np.float64) / np.sqrt(count), np.inf)


def log_capital(differences: ArrayLike, mean: float = 0.0, bets: FloatArray = BETS) -> FloatArray:
    """What each bet adds, in log capital, by wagering against "the true mean is `mean` or less": float (bets, ...),
    summed over the last axis. Differences lie in [-1, 1]; NaN is no wager. `mean` may not be above 0.

    Capital that starts at 1 multiplies by 1 + bet * (difference - mean) a case. If the claim is true it is a supermartingale,
    so that it ever passes 1 / alpha has probability alpha at most (Ville), and so has the mean over bets that is kept side by
    side: the diversified Kelly betting of Waudby-Smith and Ramdas (JRSS B 2024).
    """
    if mean > 0.0:
        raise ValueError("a stake below its claim's mean could lose more than everything: mean must be 0 or less")
    given = np.asarray(differences, dtype=np.float64)
    above = np.where(np.isnan(given), 0.0, given - mean)
    if above.size and (above.min() < -1.0 or above.max() > 1.0 - mean):
        raise ValueError(
            "betting needs differences in [-1, 1], so values in [0, 1]: take another mode, or scale the values"
        )
    shape = (-1,) + (1,) * above.ndim
    return np.log1p(bets.reshape(shape) * above).sum(axis=-1)


def log_mean_capital(capital: FloatArray) -> FloatArray:
    """Log of the mean of capitals kept side by side: float (bets, ...) -> (...)."""
    top = capital.max(axis=0)
    return top + np.log(np.exp(capital - top).mean(axis=0))


def betting_sequence(differences: ArrayLike, alpha: float, steps: int = 201) -> tuple[FloatArray, FloatArray]:
    """The betting confidence sequence of the mean of values in [-1, 1], after each of them: (low, high), float (n,) each.

    Means on a grid of `steps` that both sides' bets at alpha / 2 have not ruled out yet; once ruled out is ruled out, so
    intervals shrink. Bets are scaled so that no stake can lose everything.
    """
    value = np.asarray(differences, dtype=np.float64)
    grid = np.linspace(-1.0, 1.0, steps)
    limit = math.log(2.0 / alpha)
    low, high = np.empty(len(value)), np.empty(len(value))
    alive = np.ones(steps, dtype=bool)
    up, down = np.zeros((len(BETS), steps)), np.zeros((len(BETS), steps))
    for at, each in enumerate(value):
        if not np.isnan(each):
            up += np.log1p(BETS[:, None] / (1.0 + np.abs(grid)) * (each - grid))
            down += np.log1p(BETS[:, None] / (1.0 + np.abs(grid)) * (grid - each))
        still = alive & (log_mean_capital(up) < limit) & (log_mean_capital(down) < limit)
        alive = (
            still if still.any() else alive
        )  # everything ruled out: the improbable alpha, or a mean between two points
        kept = grid[alive]
        low[at], high[at] = kept[0], kept[-1]
    return low, high
