"""How far two orders of recommenders agree, with the doubt that comes from users and from recommenders."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..outcome.facts import Floats
from ..outcome.numbers import known, user_weights
from ..sweep.contrast import ratio
from .ranks import interval, kendall, spearman, with_arms_drawn

HALVES = 200
"""Random halves of the real users, for how well real data agrees with itself."""


class Draws(NamedTuple):
    """Values of every arm: on all users (arms,), and in each draw of users (draws, arms)."""

    all: Floats
    drawn: Floats


def weights_of(n: int, seed: int = 0, draws: int = 1_000) -> Floats:
    """How often each user is drawn: (draws, users)."""
    return user_weights(n, seed)[:draws].astype(float)


def values_of(sums: Floats, weights: Floats) -> Draws:
    """From sums (arms, users, k)."""
    drawn = np.einsum("du,auk->kda", weights, sums, optimize=True)
    return Draws(np.asarray(ratio(*sums.sum(axis=1).T)), np.asarray(ratio(*drawn)))


class Agreement(NamedTuple):
    """How far a simulated metric orders the arms as the real one does."""

    rho: float | None
    drawn: Floats
    tau: float | None
    tau_drawn: Floats
    both: Floats
    """Spearman with the arms drawn again too."""


def agreement(simulated: Draws, real: Draws) -> Agreement:
    n = min(len(simulated.drawn), len(real.drawn))
    a, b = simulated.drawn[:n], real.drawn[:n]
    return Agreement(
        known(float(spearman(simulated.all, real.all))),
        spearman(a, b),
        known(float(kendall(simulated.all, real.all))),
        kendall(a, b),
        with_arms_drawn(a, b),
    )


class Drop(NamedTuple):
    """Rank correlation that is lost when users meet another's lists."""

    value: float | None
    low: float | None
    high: float | None
    control: float | None


def drop_of(own: Agreement, control: Agreement) -> Drop:
    n = min(len(own.drawn), len(control.drawn))
    # A control in which all arms are alike has no order at all: what it shares with the real one is nothing.
    gap = own.drawn[:n] - np.nan_to_num(control.drawn[:n])
    value = None if own.rho is None else own.rho - (control.rho or 0.0)
    return Drop(value, *interval(gap), control.rho)


def agreement_of_halves(truth: Floats) -> float | None:
    """Mean rank correlation of the real values of two random halves of the users: truth (arms, users)."""
    rng = np.random.default_rng(2)
    size = truth.shape[1] // 2
    if size < 1:
        return None
    orders = [rng.permutation(truth.shape[1]) for _ in range(HALVES)]
    first = np.array([truth[:, order[:size]].mean(axis=1) for order in orders])
    second = np.array([truth[:, order[size:]].mean(axis=1) for order in orders])
    return known(float(np.nanmean(spearman(first, second))))
