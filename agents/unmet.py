"""Items that a user never met, to stand beside held-out ones on a page that says whether an agent tells the two apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from .randomness import bits, keys, uniforms

if TYPE_CHECKING:
    from ..data import Dataset

Negatives = Literal["random", "popular", "matched"]
"""random: any item is as likely. popular: in proportion to its train rows. matched: next to a held-out item in the order of
popularity, so that popularity cannot tell the two apart."""

NEAREST = 4
"""A matched item is drawn from so many free ones, those whose rank in popularity is nearest."""


class Unmet:
    """Draws from the items of `train`. A user's draw depends on (seed, user), on what the user met and on popularity."""

    def __init__(self, train: Dataset, seed: int) -> None:
        self.seed = seed
        self.popularity = train.popularity().astype(float)
        self._keys = keys(train.items.ids)
        # Equally popular items stand in an order by chance, not by id.
        order = np.lexsort((bits(seed, "rank", self._keys), self.popularity))
        self._rank = np.empty(len(order), dtype=np.int64)
        self._rank[order] = np.arange(len(order))

    def draw(
        self, user: str, met: Collection[int], n: int, how: Negatives = "popular", near: Sequence[int] = ()
    ) -> list[int]:
        """Positions of at most n items outside of `met`, which names all rows of the user, held-out ones included.

        "matched" goes through the positions in `near` in turn. Draws of "random" and of "popular" nest: those of a smaller
        n are the first ones.
        """
        if how == "matched":
            return self._matched(user, met, n, near)
        weight = self.popularity.copy() if how == "popular" else np.ones(len(self.popularity))
        weight[list(met)] = 0.0
        # Exponential clocks: the first n to ring are a weighted draw without replacement (Efraimidis and Spirakis 2006).
        clock = -np.log1p(-uniforms(self.seed, "unmet", user, self._keys))
        clock = np.divide(clock, weight, out=np.full(len(weight), np.inf), where=weight > 0)
        return [i for i in np.argsort(clock, kind="stable")[:n].tolist() if np.isfinite(clock[i])]

    def _matched(self, user: str, met: Collection[int], n: int, near: Sequence[int]) -> list[int]:
        free = np.ones(len(self._rank), dtype=bool)
        free[list(met)] = False
        lots = bits(self.seed, "matched", user, self._keys)
        drawn: list[int] = []
        while near and len(drawn) < n and free.any():
            distance = np.abs(self._rank - self._rank[near[len(drawn) % len(near)]]).astype(float)
            distance[~free] = np.inf
            nearest = np.argsort(distance, kind="stable")[: min(NEAREST, int(free.sum()))]
            chosen = int(nearest[np.argmin(lots[nearest])])
            free[chosen] = False
            drawn.append(chosen)
        return drawn
