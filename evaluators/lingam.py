"""DirectLiNGAM (Shimizu et al., JMLR 2011): a causal order and linear effects from observations, by non-Gaussianity.

The model: x_i = sum over j before i of effect[i, j] * x_j + e_i, without hidden common causes, with independent disturbances
e of which at most one is Gaussian. The order is found root by root with the pairwise likelihood ratio of Hyvärinen & Smith
(JMLR 2013, eq. 10); each variable is then regressed on those before it. What is known beforehand may be told as tiers:
nothing in a later tier causes anything in an earlier one.

With Gaussian disturbances directions cannot be told at all: `near_gaussian` says which of them look so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

K1, K2, GAMMA = 79.047, 7.4129, 0.37457
"""Constants of the maximum entropy approximation of differential entropy (Hyvärinen, NIPS 1998)."""
SIGNIFICANT = 2.576
"""|t| of a coefficient (1 % two-sided) below which an edge is left out."""


@dataclass(frozen=True)
class Graph:
    """What was found. `order`: variables, causes first. `effects` (d, d): [i, j] is the effect of j on i, 0 where its
    coefficient is not significant. `disturbances` (n, d): what is left of each variable. `squares` (d,): share explained."""

    order: tuple[int, ...]
    effects: Floats
    disturbances: Floats
    squares: Floats


def direct_lingam(x: ArrayLike, tiers: Sequence[int] | None = None) -> Graph:
    """The graph behind observations x (n, d). `tiers`: one number per variable, causes lie in equal or earlier tiers.

    Deterministic. Raises `ValueError` where there are too few rows, or a variable is constant or a sum of others.
    """
    data = np.asarray(x, dtype=float)
    if data.ndim != 2 or data.shape[0] < 5 * data.shape[1] or not np.isfinite(data).all():
        raise ValueError(f"LiNGAM needs finite observations (n, d) with n at least 5 d, got shape {data.shape}")
    d = data.shape[1]
    spread = data.std(axis=0)
    if (spread < 1e-12).any() or np.linalg.matrix_rank((data - data.mean(axis=0)) / np.maximum(spread, 1e-12)) < d:
        raise ValueError("a variable is constant or follows from others exactly: leave it out")
    order = _order((data - data.mean(axis=0)) / spread, list(tiers) if tiers is not None else [0] * d)
    return _regress(data - data.mean(axis=0), order)


def _order(left: Floats, tiers: Sequence[int]) -> tuple[int, ...]:
    """Root after root: the one that looks most like a cause of all that are left, which is then regressed out of them."""
    names, found = list(range(left.shape[1])), []
    while names:
        tier = min(tiers[name] for name in names)
        allowed = [place for place, name in enumerate(names) if tiers[name] == tier]
        root = allowed[int(np.argmax(rootness(left)[allowed]))] if len(allowed) > 1 else allowed[0]
        found.append(names.pop(root))
        cause = left[:, root]
        others = np.delete(left, root, axis=1)
        others = others - np.outer(cause, cause @ others / (cause @ cause))
        left = others / others.std(axis=0) if others.shape[1] else others
    return tuple(found)


def rootness(z: Floats) -> Floats:
    """How well each standardised variable (columns of z) passes for a cause of all others: (d,), 0 at best.

    The likelihood of "i causes j" falls with H(i) + H(what i leaves of j); its ratio to the other way round says which of
    the two is the cause. Ratios that speak against i are squared and summed (Hyvärinen & Smith 2013, section 4).
    """
    d = z.shape[1]
    r = np.clip(z.T @ z / len(z), -1 + 1e-12, 1 - 1e-12)
    alone = entropy(z)
    rest = np.zeros((d, d))
    for j in range(d):  # column i: what j leaves of i, standardised
        rest[:, j] = entropy((z - np.outer(z[:, j], r[:, j])) / np.sqrt(1 - r[:, j] ** 2))
    # [i, j]: likelihood of i -> j (H of i alone, of j given i) against j -> i; positive speaks for i -> j.
    ratio = (alone[None, :] + rest) - (alone[:, None] + rest.T)
    np.fill_diagonal(ratio, 0.0)
    return -(np.minimum(ratio, 0.0) ** 2).sum(axis=1)


def entropy(z: Floats) -> Floats:
    """Approximate differential entropy (nats) of standardised columns."""
    bend = np.abs(z) + np.log1p(np.exp(-2.0 * np.abs(z))) - math.log(2.0)  # ln cosh, without overflow
    skew = (z * np.exp(-(z**2) / 2.0)).mean(axis=0)
    return (1.0 + math.log(2.0 * math.pi)) / 2.0 - K1 * (bend.mean(axis=0) - GAMMA) ** 2 - K2 * skew**2


def _regress(data: Floats, order: tuple[int, ...]) -> Graph:
    """Least squares of each variable on those before it, coefficients that are not significant taken out one by one."""
    n, d = data.shape
    effects, rest = np.zeros((d, d)), data.copy()
    for place, target in enumerate(order):
        causes = list(order[:place])
        while causes:
            past = data[:, causes]
            inverse = np.linalg.inv(past.T @ past)
            weights = inverse @ past.T @ data[:, target]
            residual = data[:, target] - past @ weights
            error = np.sqrt(np.diag(inverse) * (residual @ residual) / max(1, n - len(causes) - 1))
            t = np.abs(weights) / np.maximum(error, 1e-300)
            weakest = int(np.argmin(t))
            if t[weakest] >= SIGNIFICANT:
                effects[target, causes], rest[:, target] = weights, residual
                break
            causes.pop(weakest)
    squares = 1.0 - (rest**2).sum(axis=0) / (data**2).sum(axis=0)
    return Graph(order, effects, rest, squares)


@dataclass(frozen=True)
class Edge:
    """One edge over bootstrap resamples. `confidence`: share of them in which it is there with its usual sign; `effect`:
    in the data as they are (0: not there); `low`, `high`: 95 % of the effects in the resamples, absent ones as 0;
    `turned`: share of resamples in which the opposite edge is there."""

    cause: int
    target: int
    confidence: float
    effect: float
    low: float
    high: float
    turned: float


def bootstrap_edges(
    x: ArrayLike, tiers: Sequence[int] | None = None, *, resamples: int = 200, seed: int = 0
) -> list[Edge]:
    """Every edge that the data or a resample of its rows holds, the surest first. Deterministic by `seed`.

    A resample that cannot be fitted (a variable constant in it) counts as one without edges.
    """
    data, rng = np.asarray(x, dtype=float), np.random.default_rng(seed)
    whole = direct_lingam(data, tiers).effects
    d = data.shape[1]
    drawn = np.zeros((resamples, d, d))
    for k in range(resamples):
        sample = data[rng.integers(0, len(data), len(data))]
        try:
            drawn[k] = direct_lingam(sample, tiers).effects
        except ValueError:
            continue
    there = drawn != 0
    edges = []
    for target, cause in np.argwhere(there.any(axis=0) | (whole != 0)).tolist():
        values = drawn[:, target, cause]
        usual = np.sign(whole[target, cause]) or np.sign(values.sum())
        low, high = np.quantile(values, [0.025, 0.975])
        sure = float((np.sign(values) == usual).mean())
        turned = float(there[:, cause, target].mean())
        edges.append(Edge(cause, target, sure, float(whole[target, cause]), float(low), float(high), turned))
    return sorted(edges, key=lambda edge: (-edge.confidence, edge.cause, edge.target))


def near_gaussian(disturbances: ArrayLike, level: float = 0.05) -> list[int]:
    """Columns that a Jarque-Bera test (1987) cannot tell from Gaussian ones. With more than one, directions mean little."""
    z = np.asarray(disturbances, dtype=float)
    z = (z - z.mean(axis=0)) / np.maximum(z.std(axis=0), 1e-300)
    statistic = len(z) / 6.0 * ((z**3).mean(axis=0) ** 2 + ((z**4).mean(axis=0) - 3.0) ** 2 / 4.0)
    return [int(i) for i in np.flatnonzero(np.exp(-statistic / 2.0) > level)]  # chi-squared with 2 degrees of freedom


def planted_graph(
    n: int, d: int = 5, *, seed: int = 0, density: float = 0.5, gaussian: bool = False
) -> tuple[Floats, Floats]:
    """Observations (n, d) of a graph that is known, and its effects (d, d): for checks that must come out a known way.

    Effects lie between 0.4 and 1 with either sign, disturbances are Laplace, uniform or exponential in turn (or all
    Gaussian); variables stand in a random order.
    """
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.4, 1.0, (d, d)) * rng.choice([-1.0, 1.0], (d, d))
    lower = np.tril(size * (rng.random((d, d)) < density), -1)
    draw: list[Callable[[], Floats]] = [
        lambda: rng.laplace(0, 1 / math.sqrt(2), n),
        lambda: rng.uniform(-math.sqrt(3), math.sqrt(3), n),
        lambda: rng.exponential(1.0, n) - 1.0,
    ]
    noise = rng.normal(size=(n, d)) if gaussian else np.stack([draw[i % 3]() for i in range(d)], axis=1)
    x = noise @ np.linalg.inv(np.eye(d) - lower).T
    shuffled = rng.permutation(d)
    return x[:, shuffled], lower[np.ix_(shuffled, shuffled)]
