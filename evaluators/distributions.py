"""Histograms on stated levels and the distances between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def histogram(values: ArrayLike, levels: Sequence[float], *, nearest: bool = False) -> NDArray[np.int64]:
    """How many values sit on each level: int (levels,).

    Raises `ValueError` for a value that is none of the levels: a rating off its scale is a fault to see, not to round.
    With `nearest` every value counts at the level nearest to it (ratings finer than the levels shown).
    """
    grid = np.asarray(levels, dtype=float)
    value = np.asarray(values, dtype=float).ravel()
    if not len(grid) or (np.diff(grid) <= 0).any():
        raise ValueError(f"levels must be increasing and not empty, got {list(levels)}")
    place = np.abs(value[:, None] - grid[None, :]).argmin(axis=1)
    off = ~np.isclose(value, grid[place], rtol=0, atol=1e-6)
    if off.any() and not nearest:
        raise ValueError(f"{int(off.sum())} values are none of the levels {list(levels)}, the first is {value[off][0]}")
    return np.bincount(place, minlength=len(grid)).astype(np.int64)


def _distribution(weights: ArrayLike) -> NDArray[np.float64]:
    mass = np.asarray(weights, dtype=float).ravel()
    if not np.isfinite(mass).all() or (mass < 0).any() or mass.sum() <= 0:
        raise ValueError("a distribution needs finite weights of 0 or more and at least one above 0")
    return mass / mass.sum()


def _pair(p: ArrayLike, q: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = _distribution(p), _distribution(q)
    if first.shape != second.shape:
        raise ValueError(f"distributions over {len(first)} and {len(second)} levels cannot be compared")
    return first, second


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> float:
    """Jensen-Shannon divergence in bits (Lin 1991): 0 for equal, 1 for disjoint. The divergence, not its square root.

    `p`, `q`: counts or shares over the same levels; both are normalised here.
    """
    first, second = _pair(p, q)
    middle = (first + second) / 2.0

    def relative_entropy(mass: NDArray[np.float64]) -> float:
        there = mass > 0
        return float(np.sum(mass[there] * np.log2(mass[there] / middle[there])))

    return min(1.0, max(0.0, (relative_entropy(first) + relative_entropy(second)) / 2.0))


def wasserstein(p: ArrayLike, q: ArrayLike, positions: ArrayLike) -> float:
    """Earth mover's distance on a line, in the unit of `positions` (for ratings: mean stars to move).

    `p`, `q`: counts or shares at `positions` (increasing). Computed as the area between the two distribution functions.
    """
    first, second = _pair(p, q)
    place = np.asarray(positions, dtype=float).ravel()
    if place.shape != first.shape or (np.diff(place) <= 0).any():
        raise ValueError(f"positions must be increasing, one for each of the {len(first)} levels")
    return float(np.sum(np.abs(np.cumsum(first - second))[:-1] * np.diff(place)))
