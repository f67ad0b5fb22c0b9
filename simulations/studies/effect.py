"""One difference over the same users, with all that a decision wants to know of it."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...evaluators import paired_difference
from ..outcome.numbers import known, resamples

LEVEL = 0.05


class Effect(NamedTuple):
    """Mean difference over users with a 95 % paired bootstrap interval. None: it cannot be had from so few users.

    `p`: two-sided sign-flip test. `d`: mean over standard deviation of the differences (Cohen's d for pairs). `least`: the
    difference that so many users would show with the asked power at the 5 % level (before a correction for many).
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    d: float | None
    least: float | None
    n: int
    spread: float | None
    """Standard deviation of the differences."""


def effect(differences: npt.ArrayLike, *, power: float = 0.8, seed: int = 0, draws: int | None = None) -> Effect:
    """The effect behind one difference per user, (users,); NaN where a user has none."""
    each = np.asarray(differences, dtype=float).ravel()
    each = each[~np.isnan(each)]
    n = len(each)
    if n < 2:
        return Effect(float(each.mean()) if n else None, None, None, None, None, None, n, None)
    found = paired_difference(each, np.zeros(n), seed=seed, draws=draws or resamples(n))
    spread = float(each.std(ddof=1))
    d = found.mean / spread if spread > 0 else None
    least = detectable(spread, n, power) if spread > 0 else None
    return Effect(found.mean, known(found.low), known(found.high), found.p_value, d, least, n, spread)


def detectable(spread: float, n: int, power: float = 0.8) -> float:
    """The smallest true mean difference that n pairs find with this power at the 5 % level: (z_0.975 + z_power) sd / sqrt(n)."""
    normal = NormalDist()
    return (normal.inv_cdf(1 - LEVEL / 2) + normal.inv_cdf(power)) * spread / math.sqrt(n)
