"""What a calibration asks about: some of a user's own train items, and popularity-matched items the user has no row on.

What leaks, and what does not:
- Only train rows are read. A held-out positive may be drawn as a "negative", since in train it looks like any other
  item without a row; it is not known as a positive to anything, and it makes the fit more careful, not less.
- The drawn positives have to be kept out of the prompt (`build_personas(withheld=...)`): a model that is shown an item as
  liked and then asked about it answers from the prompt, and the fitted slope would be far too steep.
- Positives are drawn at random from the whole train history, so that what is left in the persona has the same make-up.
  At most half of a history is drawn: a persona needs the rest.
- Negatives have about the positive's popularity; otherwise the fit would learn that people choose popular items.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .randomness import bits, keys, shuffled

if TYPE_CHECKING:
    from ..data import Dataset

NEAR_SHARE, NEAR_LEAST, NEAR_MOST = 0.05, 3, 20
"""A negative is drawn from this share of the free items, those whose popularity is nearest, within these bounds."""


@dataclass(frozen=True, slots=True)
class CalibrationItems:
    """Held-in items of one user. `negatives[i]` matches `positives[i]` in popularity (there may be fewer of them);
    `ratings` are those of the positives, empty where there are none."""

    user: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...]
    ratings: tuple[float, ...]

    @property
    def items(self) -> tuple[str, ...]:
        """Positives, then negatives: the order in which to ask and to read the answers."""
        return (*self.positives, *self.negatives)


def calibration_sets(train: Dataset, users: Iterable[str], n: int = 6, seed: int = 0) -> dict[str, CalibrationItems]:
    """`CalibrationItems` of many users, with at most n positives each. A user's draw depends on (seed, user) and on
    that user's rows and the items' popularity only."""
    popularity = train.popularity()
    item_keys = keys(train.items.ids)
    return {user: _draw(train, user, n, seed, popularity, item_keys) for user in users}


def calibration_items(train: Dataset, user: str, n: int = 6, seed: int = 0) -> CalibrationItems:
    """`CalibrationItems` of one user; for many use `calibration_sets`."""
    return calibration_sets(train, [user], n, seed)[user]


def withheld_items(sets: dict[str, CalibrationItems]) -> dict[str, tuple[str, ...]]:
    """What `build_personas(withheld=...)` takes: each user's drawn positives."""
    return {user: drawn.positives for user, drawn in sets.items()}


def _draw(
    train: Dataset, user: str, n: int, seed: int, popularity: np.ndarray, item_keys: np.ndarray
) -> CalibrationItems:
    history = train.history(user)
    own = history.positions
    drawn = np.sort(shuffled(len(own), seed, "calibration", user)[: max(0, min(n, len(own) // 2))])
    # A free item needs someone's row: an item without any is in the catalogue, but nobody could have met it in train.
    free = popularity > 0
    free[own] = False
    candidates = np.flatnonzero(free)
    order = bits(seed, "calibration negatives", user, item_keys[candidates])
    candidates = candidates[np.argsort(order, kind="stable")]
    n_near = max(NEAR_LEAST, min(NEAR_MOST, int(NEAR_SHARE * len(candidates))))
    level = np.log1p(popularity[candidates].astype(np.float64))
    taken = np.zeros(len(candidates), dtype=bool)
    negatives: list[str] = []
    for position in own[drawn].tolist():
        # The positive's own row is left out of its count: a negative has no row of this user either.
        distance = np.abs(level - np.log1p(popularity[position] - 1.0))
        distance[taken] = np.inf
        near = np.argsort(distance, kind="stable")[:n_near]
        near = near[np.isfinite(distance[near])]
        if not len(near):
            break
        choice = int(near[int(bits(seed, "calibration choice", user, train.items.ids[position])) % len(near)])
        taken[choice] = True
        negatives.append(train.items.ids[int(candidates[choice])])
    ratings = tuple(float(str(history.values[i])) for i in drawn) if train.scale is not None else ()
    return CalibrationItems(user, tuple(history.items[i] for i in drawn), tuple(negatives), ratings)
