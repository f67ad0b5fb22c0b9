"""A policy that explores: one recommender's slate, or for some users a random one of several recommenders' items."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Self

import numpy as np

from ...evaluators.ranking import ItemId, UserId
from .errors import RecommenderError
from .open import open_recommender

if TYPE_CHECKING:
    from ...data import Dataset


class Explore:
    """Slates for one page whose propensities are known exactly, so that its log can judge each of the arms.

    With probability 1 - epsilon a user is shown the first arm's `size` items; with epsilon, `size` items drawn without
    replacement from the pool, which is what any arm puts among its first `size`. So item i is on the page with

        P(i) = (1 - epsilon) [i is among the first arm's] + epsilon * size / |pool|

    Every arm's items are in the pool: there is overlap with all of them as soon as epsilon > 0. Drawn once per (seed,
    user). `arms`: as `open_recommender` takes them. Named as `recloop.methods.recommenders.explore:Explore`.
    """

    def __init__(self, arms: Sequence[str], epsilon: float = 0.5, size: int = 4, seed: int = 0) -> None:
        if not arms or not 0.0 <= epsilon <= 1.0 or size < 1:
            raise RecommenderError(
                f"exploring takes one recommender or more, an epsilon from 0 to 1 and a size of 1 or more, "
                f"got {list(arms)}, {epsilon} and {size}"
            )
        self.epsilon, self.size, self.seed = epsilon, size, seed
        self.arms = [open_recommender(arm, seed=seed) for arm in arms]
        self._known: dict[UserId, tuple[frozenset[ItemId], frozenset[ItemId]]] = {}
        """User -> the first arm's items, the pool."""

    def fit(self, data: Dataset) -> Self:
        for arm in self.arms:
            arm.fit(data)
        self._known.clear()
        return self

    def top(self, user: UserId, k: int, exclude: Collection[ItemId]) -> list[ItemId]:
        """The user's slate, shorter than k where k is more than a page."""
        first, *others = [arm.top(user, self.size, exclude).items for arm in self.arms]
        pool = tuple(dict.fromkeys([*first, *(item for other in others for item in other)]))
        self._known[user] = frozenset(first), frozenset(pool)
        key = int.from_bytes(blake2b(user.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        chance = np.random.default_rng([self.seed, key])
        if chance.random() >= self.epsilon:
            return list(first[:k])
        return [pool[i] for i in chance.permutation(len(pool))[: min(k, self.size)]]

    def propensity(self, user: UserId, page: int, item: ItemId) -> float:
        """P(item is on the user's page). Nothing is shown on a later page."""
        first, pool = self._known[user]
        drawn = min(1.0, self.size / len(pool)) if item in pool and page == 0 else 0.0
        return (1.0 - self.epsilon) * (item in first and page == 0) + self.epsilon * drawn
