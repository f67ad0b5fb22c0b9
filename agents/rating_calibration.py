"""From a model's verdict score to a rating this user would give: the user's own distribution, in the model's order.

A small model's expected verdict clusters in one spot. So its level is thrown away and its order kept: the score's
quantile among held-in scores is looked up in the user's own rating distribution (train ratings, shrunk to everybody's).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from ..data import Dataset

FloatArray = npt.NDArray[np.floating[Any]]

PRIOR_RATINGS = 5.0
"""Ratings of everybody's distribution that are mixed into a user's own."""
PRIOR_SCORES = 4.0
"""Scores at the pooled mean that are mixed into a user's own mean score."""


class RatingCalibration(BaseModel):
    """Fitted by `fit_ratings`; JSON both ways, applied by `rate`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: tuple[float, ...]
    """The ratings there are, lowest first."""
    distributions: dict[str, tuple[float, ...]]
    """User -> probability of each level."""
    pooled: tuple[float, ...]
    """Everybody's distribution, for users not listed."""
    centres: dict[str, float]
    """User -> mean held-in score, shrunk to the pooled one."""
    pooled_centre: float
    reference: tuple[float, ...]
    """Held-in scores minus their user's centre, sorted: where a new score is looked up."""
    spearman: float | None
    """Rank correlation of score and rating on held-in items, each user's means taken out. None where it has no meaning."""
    n: int

    def quantile(self, user: str, score: float) -> float:
        """Where `score` lies among held-in scores, strictly between 0 and 1; ties count half, 0.5 where there are none."""
        reference = np.asarray(self.reference)
        centred = score - self.centres.get(user, self.pooled_centre)
        below = np.searchsorted(reference, centred - 1e-12)
        upto = np.searchsorted(reference, centred + 1e-12, side="right")
        return float((0.5 * (below + upto) + 0.5) / (len(reference) + 1))

    def rate(self, user: str, score: float) -> float:
        """The rating (a level of the scale) that this user gives to an item with this score. Raises `ValueError` for NaN."""
        if not np.isfinite(score):
            raise ValueError(f"the score of user '{user}' is not a finite number")
        distribution = self.distributions.get(user, self.pooled)
        return self.levels[int(rating_index(np.array([distribution]), np.array([self.quantile(user, score)]))[0])]


def rating_index(distributions: FloatArray, quantiles: FloatArray) -> npt.NDArray[np.int64]:
    """Level index at each quantile: the first level whose cumulative probability reaches it.

    `distributions` (..., levels), `quantiles` (...) or (..., s) with the same leading axes.
    """
    cumulative = np.cumsum(distributions, axis=-1)
    extra = quantiles.ndim - (distributions.ndim - 1)
    if extra:
        cumulative = cumulative[..., None, :]
    index = (cumulative < quantiles[..., None] - 1e-12).sum(axis=-1)
    return np.minimum(index, distributions.shape[-1] - 1)


def own_distributions(train: Dataset, prior: float = PRIOR_RATINGS) -> tuple[tuple[float, ...], FloatArray, FloatArray]:
    """Levels; each user's smoothed distribution (users, levels); everybody's (levels,). From train ratings.

    Own counts plus `prior` ratings of everybody's distribution; that in turn has half a rating on each level, so that
    no level is impossible. Raises `ValueError` for data without ratings.
    """
    if train.scale is None:
        raise ValueError(f"{train.feedback} data has no ratings to calibrate on")
    levels = np.asarray(train.scale.levels)
    nearest = np.rint(
        (train.log.value.astype(np.float64) - train.scale.low)
        / (train.scale.high - train.scale.low)
        * (len(levels) - 1)
    )
    level = np.clip(nearest, 0, len(levels) - 1).astype(np.int64)
    cells = np.bincount(train.log.user * len(levels) + level, minlength=len(train.users) * len(levels))
    counts = cells.reshape(len(train.users), len(levels)).astype(np.float64)
    pooled = counts.sum(axis=0) + 0.5
    pooled /= pooled.sum()
    mixed = counts + prior * pooled
    return train.scale.levels, mixed / mixed.sum(axis=1, keepdims=True), pooled


def fit_ratings(
    scores: Mapping[str, Sequence[float]], ratings: Mapping[str, Sequence[float]], train: Dataset
) -> RatingCalibration:
    """Fit on held-in items: `scores[user][i]` is the model's score of the item that the user rated `ratings[user][i]`.

    Raises `ValueError` where a user's scores and ratings differ in number or a score is not finite.
    """
    for user, own in scores.items():
        if len(own) != len(ratings.get(user, ())):
            raise ValueError(f"user '{user}' has {len(own)} scores and {len(ratings.get(user, ()))} ratings")
        if not np.isfinite(np.asarray(own, dtype=np.float64)).all():
            raise ValueError(f"a score of user '{user}' is not a finite number")
    levels, distributions, pooled = own_distributions(train)
    users = [u for u in scores if len(scores[u])]
    every = np.concatenate([np.asarray(scores[u], dtype=np.float64) for u in users]) if users else np.zeros(0)
    centre = float(every.mean()) if len(every) else 0.0
    centres = {u: (float(np.sum(scores[u])) + PRIOR_SCORES * centre) / (len(scores[u]) + PRIOR_SCORES) for u in users}
    reference = np.sort(np.concatenate([np.asarray(scores[u]) - centres[u] for u in users])) if users else np.zeros(0)
    rows = {u: train.users.index(u) for u in scores}
    return RatingCalibration(
        levels=levels,
        distributions={u: tuple(distributions[row].tolist()) for u, row in rows.items()},
        pooled=tuple(pooled.tolist()),
        centres=centres,
        pooled_centre=centre,
        reference=tuple(reference.tolist()),
        spearman=_within_spearman([np.asarray(scores[u]) for u in users], [np.asarray(ratings[u]) for u in users]),
        n=len(every),
    )


def _within_spearman(scores: Sequence[FloatArray], ratings: Sequence[FloatArray]) -> float | None:
    pairs = [(s - s.mean(), r - r.mean()) for s, r in zip(scores, ratings, strict=True) if len(s) >= 2]
    if not pairs:
        return None
    x, y = (_ranks(np.concatenate(part)) for part in zip(*pairs, strict=True))
    if x.std() < 1e-12 or y.std() < 1e-12:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _ranks(values: FloatArray) -> FloatArray:
    _, group, size = np.unique(np.round(values, 9), return_inverse=True, return_counts=True)
    return (np.cumsum(size) - (size - 1) / 2.0)[group]
