"""Scripted users: seeded formulas instead of a model. Baseline, control and scale; a whole population per call.

For user u and item i shown at place j of page p (counted from 0), with standardised taste t, quality q, popularity g:

    v        = taste * t + quality * q + popularity * crowd[conformity] * g
    P(watch) = sigmoid(b_u + slope * focus[diversity] * v - tired * fatigue(p pages seen, activity)) / (1 + position * j)
    b_u      puts the mean of the sigmoid, rested, over a reference sample of the catalogue at target_rate(activity)
    rating   the user's own smoothed rating distribution, read at the quantile of
             own[conformity] * t + (1 - own[conformity]) * q + noise, centred on what this user would watch

Satisfaction, fatigue and leaving are those of `satisfaction` and `fatigue`. Chance comes from (seed, user, page, item)
alone (`randomness`), so a reaction does not depend on who else is in the batch or on what was asked before.
Nothing here keeps state: what changes from page to page (satisfaction) is handed in and out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from .actions import liked_from
from .affinity import TasteModel, fit_tastes, reference_items
from .calibration import sigmoid, solve_intercepts
from .fatigue import FatigueConfig, fatigue
from .personas import Persona
from .randomness import keys, normals, uniforms
from .rating_calibration import own_distributions, rating_index
from .satisfaction import (
    START,
    TARGET_HIGH,
    TARGET_LOW,
    ExitConfig,
    SatisfactionConfig,
    exit_probabilities,
    page_value,
    running,
    target_rate,
)

if TYPE_CHECKING:
    from ..data import Dataset

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]

Triple = tuple[float, float, float]
MIDDLE = 2
"""Level of a trait that the data cannot tell."""


class ScriptedConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    taste: NonNegativeFloat = 1.0
    quality: NonNegativeFloat = 0.4
    popularity: NonNegativeFloat = 0.3
    """Weights of the three parts of what an item is worth to a user; all 0: chance alone."""
    slope: NonNegativeFloat = 1.2
    """Log-odds of watching per unit of worth."""
    focus: Triple = (1.25, 1.0, 0.8)
    """Factor on the slope by diversity 1, 2, 3: a focused user is choosier."""
    crowd: Triple = (1.5, 1.0, 0.5)
    """Factor on popularity by conformity 1, 2, 3."""
    own: Triple = (0.3, 0.5, 0.8)
    """Share of the own taste, against the item's quality, in a rating, by conformity 1, 2, 3."""
    rating_noise: NonNegativeFloat = 0.7
    """Spread of chance in ratings, in units of the spread of the rest."""
    position: NonNegativeFloat = 0.1
    """How fast attention falls along the page (0: no position bias): the j-th item shown gets 1 / (1 + position * j)."""
    tired: NonNegativeFloat = 1.0
    """Log-odds of watching that full fatigue takes away."""
    rate_low: float = Field(default=TARGET_LOW, gt=0.0, lt=1.0)
    rate_high: float = Field(default=TARGET_HIGH, gt=0.0, lt=1.0)
    """Watch rates of activity 1 and 3 on the reference sample."""
    rank: NonNegativeInt = 16
    """Directions of the train matrix in a taste, beside genres; 0: genres only."""
    reference: PositiveInt = 128
    """Items of the reference sample."""
    fatigue: FatigueConfig = FatigueConfig()
    satisfaction: SatisfactionConfig = SatisfactionConfig()
    exit: ExitConfig = ExitConfig()


class ReactionArrays(NamedTuple):
    """What n users did with a page of s items each; all arrays are (n, s). An empty place (item -1) is never watched."""

    watch: BoolArray
    probability: FloatArray
    """P(watch), float64, rounded to 6 decimals; 0 at an empty place."""
    margin: FloatArray
    """Log-odds of watching before attention, float64, rounded to 6 decimals."""
    rating: FloatArray
    """On the data's scale where watched, else NaN; all NaN without ratings."""
    liked: BoolArray
    """Watched and rated in the top fifth of the levels; without ratings, watched."""
    shown: BoolArray
    """Whether there was an item."""


class DecisionArrays(NamedTuple):
    """What n users did after a page; all arrays are (n,)."""

    next: BoolArray
    satisfaction: FloatArray
    fatigue: FloatArray
    exit_probability: FloatArray


class ScriptedPopulation:
    """Scripted users over the items of `train`; everything is learnt from `train` and the personas.

    Users are addressed by their place in `personas`, items by their place in `train.items`. `truth` replaces the fitted
    tastes by planted ones (rows as in `personas`); `luck` is another seed for what the same people do. Equal arguments
    give equal populations, on every call and machine.
    """

    def __init__(
        self,
        train: Dataset,
        personas: Sequence[Persona],
        config: ScriptedConfig = ScriptedConfig(),
        seed: int = 0,
        truth: TasteModel | None = None,
        luck: int | None = None,
    ) -> None:
        self.config, self.seed, self.scale = config, seed if luck is None else luck, train.scale
        self.users = tuple(p.user for p in personas)
        self._user_keys, self._item_keys = keys(self.users), keys(train.items.ids)
        self.activity = np.array([p.activity for p in personas], dtype=np.int64)
        self._conformity = np.array([p.conformity or MIDDLE for p in personas], dtype=np.int64)
        self._diversity = np.array([p.diversity or MIDDLE for p in personas], dtype=np.int64)
        reference = reference_items(train.popularity(), config.reference, seed)
        if truth is not None and (len(truth.users), len(truth.items)) != (len(personas), len(train.items)):
            raise ValueError(
                f"the planted truth is for {len(truth.users)} users and {len(truth.items)} items, "
                f"not for {len(personas)} personas and {len(train.items)} items"
            )
        self.tastes = truth or fit_tastes(train, self.users, rank=config.rank, reference=reference, seed=seed)
        by_level = [target_rate(level, config.rate_low, config.rate_high) for level in (1, 2, 3)]
        self.expected_rate = np.array(by_level)[self.activity - 1]
        self._calibrate(reference)
        self._distributions: FloatArray | None = None
        if train.scale is not None:
            levels, distributions, _ = own_distributions(train)
            self._levels, self._like_from = np.asarray(levels), liked_from(train.scale)
            self._distributions = distributions[train.users.indices(self.users)]

    def _calibrate(self, reference: IntArray) -> None:
        """Intercepts, and the centre and spread of what is behind a rating, over the items each user would watch."""
        n, s = len(self.users), len(reference)
        self.intercepts = self._rating_centre = np.zeros(n)
        self._rating_spread = np.ones(n)
        everybody = np.arange(n)
        items = np.broadcast_to(reference, (n, s))
        logits = self._worth(everybody, items)
        self.intercepts = solve_intercepts(logits.ravel(), np.repeat(everybody, s), self.expected_rate)
        weight = sigmoid(logits + self.intercepts[:, None])
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        behind = self._behind_rating(everybody, items)
        self._rating_centre = (weight * behind).sum(axis=1)
        spread = np.sqrt((weight * (behind - self._rating_centre[:, None]) ** 2).sum(axis=1))
        self._rating_spread = np.where(spread > 1e-9, spread, 1.0)

    def _worth(self, users: IntArray, items: IntArray) -> FloatArray:
        config = self.config
        crowd = np.asarray(config.crowd)[self._conformity[users] - 1][:, None]
        focus = np.asarray(config.focus)[self._diversity[users] - 1][:, None]
        value = config.taste * self.tastes.taste(users, items) + config.quality * self.tastes.quality[items]
        return config.slope * focus * (value + config.popularity * crowd * self.tastes.popularity[items])

    def _behind_rating(self, users: IntArray, items: IntArray) -> FloatArray:
        own = np.asarray(self.config.own)[self._conformity[users] - 1][:, None]
        return own * self.tastes.taste(users, items) + (1.0 - own) * self.tastes.quality[items]

    def react(
        self, users: npt.ArrayLike, page: npt.ArrayLike, items: npt.ArrayLike, shown_at: npt.ArrayLike
    ) -> ReactionArrays:
        """What users (n,) do with items (n, s) met at places `shown_at` (n, s) on `page` (one number, or (n,)).

        -1 in `items` is an empty place. Raises `ValueError` for arrays that do not fit together or positions outside.
        """
        who, when, what, place = self._checked(users, page, items, shown_at)
        shown = what >= 0
        items_ = np.where(shown, what, 0)
        config = self.config
        tired = config.tired * fatigue(when, self.activity[who], config.fatigue)
        margin = np.round(self.intercepts[who][:, None] + self._worth(who, items_) - tired[:, None], 6)
        attention = 1.0 / (1.0 + config.position * place)
        probability = np.where(shown, np.round(sigmoid(margin) * attention, 6), 0.0)
        address = (self._user_keys[who][:, None], when[:, None], self._item_keys[items_])
        watch = uniforms(self.seed, "watch", *address) < probability
        rating = self._ratings(who, items_, address) if self._distributions is not None else np.full(what.shape, np.nan)
        rating = np.where(watch, rating, np.nan)
        liked = watch if self._distributions is None else watch & (rating >= self._like_from)
        return ReactionArrays(watch, probability, np.where(shown, margin, np.nan), rating, liked, shown)

    def _ratings(self, who: IntArray, items: IntArray, address: tuple[Any, ...]) -> FloatArray:
        assert self._distributions is not None
        behind = (self._behind_rating(who, items) - self._rating_centre[who][:, None]) / self._rating_spread[who][
            :, None
        ]
        noise = self.config.rating_noise
        z = np.round((behind + noise * normals(self.seed, "rating", *address)) / np.sqrt(1.0 + noise**2), 9)
        # 1.702 is the factor at which the logistic curve is nearest to the normal one (Camilli 1994).
        return self._levels[rating_index(self._distributions[who], sigmoid(1.702 * z))]

    def decide(
        self,
        users: npt.ArrayLike,
        page: npt.ArrayLike,
        reaction: ReactionArrays,
        satisfaction: npt.ArrayLike | None = None,
    ) -> DecisionArrays:
        """Whether users (n,) turn to the next page after `reaction` to `page`.

        `satisfaction` (n,) is what `decide` gave after the page before; None on the first. A page on which nothing was
        shown changes nothing.
        """
        who = np.asarray(users, dtype=np.int64)
        when = np.broadcast_to(np.asarray(page, dtype=np.int64), who.shape)
        before = np.full(len(who), START) if satisfaction is None else np.asarray(satisfaction, dtype=np.float64)
        shown, watched = reaction.shown.sum(axis=1), reaction.watch.sum(axis=1)
        lift = np.zeros(len(who))
        if self._distributions is not None and self.scale is not None:
            given = np.where(reaction.watch, reaction.rating, 0.0).sum(axis=1) / np.maximum(watched, 1)
            usual = self._distributions[who] @ self._levels
            lift = np.where(watched > 0, (given - usual) / (self.scale.high - self.scale.low), 0.0)
        config = self.config
        value = page_value(watched / np.maximum(shown, 1), self.expected_rate[who], lift, config.satisfaction)
        after = np.where(shown > 0, np.round(running(before, value, config.satisfaction), 6), before)
        tired = np.round(fatigue(when + 1, self.activity[who], config.fatigue), 6)
        leave = np.round(exit_probabilities(after, tired, self.activity[who], config.exit), 6)
        stays = uniforms(self.seed, "exit", self._user_keys[who], when) >= leave
        return DecisionArrays(stays, after, tired, leave)

    def _checked(
        self, users: npt.ArrayLike, page: npt.ArrayLike, items: npt.ArrayLike, shown_at: npt.ArrayLike
    ) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        who, what = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        place = np.asarray(shown_at, dtype=np.int64)
        if what.ndim != 2 or place.shape != what.shape or who.shape != what.shape[:1]:
            raise ValueError(
                f"shapes do not fit: users {who.shape}, items {what.shape}, shown_at {place.shape}; "
                "give (n,), (n, s) and (n, s)"
            )
        if who.size and not (who.min() >= 0 and who.max() < len(self.users)):
            raise ValueError(f"a user position lies outside the {len(self.users)} personas")
        if what.size and not (what.min() >= -1 and what.max() < len(self._item_keys)):
            raise ValueError(f"an item position lies outside the {len(self._item_keys)} items (-1 is an empty place)")
        return who, np.broadcast_to(np.asarray(page, dtype=np.int64), who.shape), what, place
