"""Random order: the floor under every comparison, and the policy with known propensities."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...evaluators.ranking import FloatArray, UserId
from .base import BlockRecommender, RecommenderConfig
from .past import Past


class Random(BlockRecommender[RecommenderConfig]):
    """Every user has an order of the catalogue drawn once from (seed, user id): the same user, the same order.

    Propensity: 1 / eligible items in every slot, as each was equally likely to stand there. Strangers get an order too,
    so there is no fallback.
    """

    name = "random"
    seeded = True

    def _train(self, past: Past) -> None:
        pass

    def _score_users(self, users: Sequence[UserId]) -> tuple[FloatArray, NDArray[np.bool_]]:
        scores = np.empty((len(users), len(self.past.items)), np.float32)
        for n, user in enumerate(users):
            key = int.from_bytes(hashlib.blake2b(user.encode(), digest_size=8).digest(), "little")
            scores[n] = np.random.default_rng([self.seed, key]).random(scores.shape[1], dtype=np.float32)
        return scores, np.zeros(len(users), dtype=bool)

    def _score_block(self, rows: NDArray[np.int64]) -> FloatArray:
        return self._score_users([self.past.users[row] for row in rows])[0]

    def _propensity(self, eligible: int) -> float:
        return 1.0 / max(1, eligible)
