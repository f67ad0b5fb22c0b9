"""Popularity: the rival that a personal recommender has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...evaluators.ranking import FloatArray, UserId
from .base import BlockRecommender, RecommenderConfig
from .past import Past


class Pop(BlockRecommender[RecommenderConfig]):
    """The same order for everyone: an item's score is the share of users who liked it. Needs no fallback."""

    name = "pop"

    def _train(self, past: Past) -> None:
        pass

    def _score_users(self, users: Sequence[UserId]) -> tuple[FloatArray, NDArray[np.bool_]]:
        scores = np.tile(self.past.popularity, (len(users), 1))
        return scores, np.zeros(len(users), dtype=bool)

    def _score_block(self, rows: NDArray[np.int64]) -> FloatArray:
        return np.tile(self.past.popularity, (len(rows), 1))
