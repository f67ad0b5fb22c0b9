"""Scoring with user and item vectors, shared by BPR-MF and iALS."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...evaluators.ranking import FloatArray
from .base import BlockRecommender, C


class FactorRecommender(BlockRecommender[C]):
    """An item's score is the dot product of two learned vectors.

    State: `user_factors` float64 (users, dims), `item_factors` float64 (items, dims).
    """

    user_factors: NDArray[np.float64]
    item_factors: NDArray[np.float64]

    def _score_block(self, rows: NDArray[np.int64]) -> FloatArray:
        # BLAS sums in another order for another number of rows. Summing in float64 and rounding to float32 hides that,
        # so that a user's scores do not depend on who else is in the block.
        return (self.user_factors[rows] @ self.item_factors.T).astype(np.float32)
