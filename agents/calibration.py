"""From a small model's margins to a user's probabilities: a pooled slope, an intercept per user.

    P(watch | user u, margin m) = sigmoid(slope * m + intercept_u)

A small model's raw log-odds are mostly on one side (all "no"), so taken at their word they watch everything or nothing.
What they can carry is an order. The slope says how much of it: fitted on held-in items, positives against
popularity-matched negatives, with each user's mean margin taken out, by ridge logistic regression (Newton), never
below 0. The intercept then puts the user's mean probability over those items at `target_rate(activity)`. That level is a
choice (logs of ratings hold no exposures, so no watch rate can be measured); the order is what was learnt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from .rating_calibration import RatingCalibration, fit_ratings
from .satisfaction import target_rate

__all__ = [
    "Calibration",
    "HeldIn",
    "RatingCalibration",
    "describe",
    "fit_calibration",
    "fit_ratings",
    "pooled_slope",
    "sigmoid",
    "solve_intercepts",
    "target_rate",
]

FloatArray = npt.NDArray[np.floating[Any]]

RIDGE = 1.0
"""Prior precision of the slope, in units of one over the squared spread of margins."""
LEAST_Z = 1.64
"""Standard errors above 0 from which on a slope is believed: without a signal one in twenty fits passes."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class HeldIn(BaseModel):
    """Corrected margins (log-odds, nats) of one user's held-in items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    positives: tuple[float, ...]
    negatives: tuple[float, ...]

    @property
    def margins(self) -> FloatArray:
        return np.array([*self.positives, *self.negatives], dtype=np.float64)


class Calibration(BaseModel):
    """A fitted calibration; JSON both ways, applied by `probability`. All margins are in nats."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float = Field(ge=0.0)
    intercepts: dict[str, float]
    pooled_intercept: float
    """For users without held-in items."""
    targets: dict[str, float]
    """The mean probability each user was put at."""
    signal: bool
    """False: the margins told positives from negatives no better than chance, and the slope is 0."""
    z: float
    """The slope over its standard error, before it was cut off."""
    auc: float | None
    """Share of (positive, negative) pairs within a user that the margin orders rightly; a tie is half. None without pairs."""
    n: int
    n_users: int
    raw_watch_rate: float | None
    """Share of held-in margins above 0: what would be watched uncalibrated."""
    quantiles: dict[str, float]
    """Of all held-in margins, by level ("0.05" ... "0.95")."""

    def probability(self, user: str, margin: float) -> float:
        """P(watch) of one item. Raises `ValueError` for a margin that is not finite."""
        return float(self.probabilities(user, [margin])[0])

    def probabilities(self, user: str, margins: npt.ArrayLike) -> FloatArray:
        """P(watch) of several items of one user, (n,)."""
        x = np.asarray(margins, dtype=np.float64)
        if not np.isfinite(x).all():
            raise ValueError(f"a margin of user '{user}' is not a finite number")
        return sigmoid(self.slope * x + self.intercepts.get(user, self.pooled_intercept))


def sigmoid(x: npt.ArrayLike) -> FloatArray:
    """1 / (1 + e^-x), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))


def fit_calibration(
    held_in: Mapping[str, HeldIn], activities: Mapping[str, int], *, targets: Mapping[str, float] | None = None
) -> Calibration:
    """Fit slope and intercepts on held-in margins (user -> margins).

    `activities` gives every user's level (1..3), from which `target_rate` follows; `targets` overrides it per user. A user
    in `activities` without held-in items gets the pooled intercept, shifted to the own target. Raises `ValueError` for
    margins that are not finite, targets outside 0..1, and users without an activity.
    """
    if unknown := sorted(set(held_in) - set(activities)):
        raise ValueError(f"no activity given for {', '.join(unknown[:5])}")
    wanted = {u: (targets or {}).get(u, target_rate(level)) for u, level in activities.items()}
    if wrong := [u for u, rate in wanted.items() if not 0.0 < rate < 1.0]:
        raise ValueError(f"the target rate of '{wrong[0]}' is {wanted[wrong[0]]}: it lies strictly between 0 and 1")
    users = [u for u in held_in if len(held_in[u].margins)]
    every = np.concatenate([held_in[u].margins for u in users]) if users else np.zeros(0)
    if not np.isfinite(every).all():
        raise ValueError("a held-in margin is not a finite number")
    slope, z = pooled_slope([held_in[u] for u in users])
    signal = slope > 0 and z >= LEAST_Z
    slope = slope if signal else 0.0
    owner = np.repeat(np.arange(len(users)), [len(held_in[u].margins) for u in users]).astype(np.int64)
    own = solve_intercepts(slope * every, owner, np.array([wanted[u] for u in users]))
    intercepts = dict(zip(users, own.tolist(), strict=True))
    middle = target_rate(2)
    pooled = float(solve_intercepts(slope * every, np.zeros(len(every), dtype=np.int64), np.array([middle]))[0])
    for user, rate in wanted.items():
        intercepts.setdefault(user, pooled + _logit(rate) - _logit(middle))
    pairs = [_pairs_right(held_in[u]) for u in users]
    n_pairs = sum(count for _, count in pairs)
    return Calibration(
        slope=slope,
        intercepts=intercepts,
        pooled_intercept=pooled,
        targets=wanted,
        signal=signal,
        z=z,
        auc=sum(right for right, _ in pairs) / n_pairs if n_pairs else None,
        n=len(every),
        n_users=len(users),
        raw_watch_rate=float(np.mean(every > 0)) if len(every) else None,
        quantiles={f"{q:g}": float(np.quantile(every, q)) for q in QUANTILES} if len(every) else {},
    )


def pooled_slope(held_in: Sequence[HeldIn], ridge: float = RIDGE) -> tuple[float, float]:
    """Slope of a ridge logistic regression of positive on margin, and the slope over its standard error.

    Each user's mean margin is taken out first (users differ in level, and the intercept is fitted for each anyway), and
    so is the user's share of positives by an offset. (0, 0) where nothing can be learnt: no user has both kinds of items, or margins
    do not vary.
    """
    both = [h for h in held_in if h.positives and h.negatives]
    if not both:
        return 0.0, 0.0
    x = np.concatenate([h.margins - h.margins.mean() for h in both])
    y = np.concatenate([np.repeat([1.0, 0.0], [len(h.positives), len(h.negatives)]) for h in both])
    offset = np.concatenate([np.full(len(h.margins), np.log(len(h.positives) / len(h.negatives))) for h in both])
    spread = float(x.std())
    if spread < 1e-9:
        return 0.0, 0.0
    x = x / spread
    design = np.column_stack([x, np.ones_like(x)])
    weights, penalty = np.zeros(2), np.array([ridge, 1e-6])

    def loss(w: FloatArray) -> float:
        eta = design @ w + offset
        return float(np.logaddexp(0.0, eta).sum() - y @ eta + 0.5 * penalty @ w**2)

    hessian = np.eye(2)
    for _ in range(50):
        p = sigmoid(design @ weights + offset)
        gradient = design.T @ (p - y) + penalty * weights
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        scale = 1.0
        while scale > 1e-6 and loss(weights - scale * step) > loss(weights):
            scale /= 2
        weights = weights - scale * step
        if np.abs(step).max() < 1e-10:
            break
    error = float(np.sqrt(np.linalg.inv(hessian)[0, 0]))
    return float(weights[0] / spread), float(weights[0] / error)


def solve_intercepts(logits: FloatArray, owner: npt.NDArray[np.int64], targets: FloatArray) -> FloatArray:
    """For each user the intercept b with mean of sigmoid(logit + b) over the user's rows = target (bisection).

    `logits` (rows,), `owner` (rows,) the user of each row, `targets` (users,). A user without rows gets logit(target).
    """
    counts = np.bincount(owner, minlength=len(targets))
    highest = np.full(len(targets), -np.inf)
    lowest = np.full(len(targets), np.inf)
    np.maximum.at(highest, owner, logits)
    np.minimum.at(lowest, owner, logits)
    goal = np.log(targets / (1 - targets))
    some = counts > 0
    # With b = goal - max no row's probability exceeds the target, with goal - min none falls below it.
    low = np.where(some, goal - np.where(some, highest, 0.0), goal)
    high = np.where(some, goal - np.where(some, lowest, 0.0), goal)
    for _ in range(60):
        middle = 0.5 * (low + high)
        mean = np.bincount(owner, weights=sigmoid(logits + middle[owner]), minlength=len(targets)) / np.maximum(
            counts, 1
        )
        low, high = np.where(mean < targets, middle, low), np.where(mean < targets, high, middle)
    return np.where(some, 0.5 * (low + high), goal)


def _pairs_right(held_in: HeldIn) -> tuple[float, int]:
    positives, negatives = np.array(held_in.positives), np.array(held_in.negatives)
    difference = positives[:, None] - negatives[None, :]
    return float((difference > 0).sum() + 0.5 * (difference == 0).sum()), difference.size


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def describe(calibration: Calibration) -> list[str]:
    """The calibration in a report's words, one line each."""
    c = calibration
    lines = [f"Calibrated on {c.n} held-in items of {c.n_users} users, from train rows only."]
    if c.auc is not None:
        lines.append(f"The margin orders {100 * c.auc:.0f} % of (positive, negative) pairs rightly; chance is 50 %.")
    if c.raw_watch_rate is not None:
        lines.append(f"Taken at its word, the model would watch {100 * c.raw_watch_rate:.0f} % of them.")
    if not c.signal:
        lines.append("No signal was found: items are watched at each user's rate, whatever the model says.")
    return lines
