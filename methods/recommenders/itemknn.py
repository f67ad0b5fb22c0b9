"""ItemKNN: shrunk cosine between items, the nearest neighbours only (Sarwar et al. 2001; shrinkage: Bell & Koren 2007)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveInt
from scipy.sparse import csr_array

from ...evaluators.ranking import FloatArray
from .base import BlockRecommender, RecommenderConfig
from .past import Past
from .top_k import top_k

BLOCK_CELLS = 2**23


class ItemKNNConfig(RecommenderConfig):
    neighbours: PositiveInt = 100
    """Similar items kept for each item."""
    shrink: NonNegativeFloat = 10.0
    """Added to the cosine's denominator: pairs seen together by few users count less."""


class ItemKNN(BlockRecommender[ItemKNNConfig]):
    """An item's score is the sum of its similarities to what the user liked. Scales to large, sparse catalogues.

    State: `weights` float32 CSR (items, items): row = liked item, column = item to score; at most `neighbours` a column,
    zero diagonal.
    """

    name = "itemknn"
    config_type = ItemKNNConfig
    weights: csr_array

    def _train(self, past: Past) -> None:
        liked = past.liked
        by_item = csr_array(liked.T)
        norm = np.sqrt(np.diff(by_item.indptr)).astype(np.float32)
        n = len(past.items)
        rows, columns, values = [], [], []
        step = max(1, BLOCK_CELLS // n)
        for start in range(0, n, step):
            together = (by_item[start : start + step] @ liked).toarray()
            bottom = norm[start : start + step, None] * norm[None, :] + np.float32(self.config.shrink)
            # Items that nobody liked share nobody: 0 / 0 is 0 here.
            similar = np.divide(together, bottom, out=np.zeros_like(together), where=together > 0)
            local = np.arange(len(similar))
            similar[local, local + start] = 0
            similar[similar <= 0] = -np.inf
            best = top_k(similar, self.config.neighbours)
            rows.append(best.row + start)
            columns.append(best.column)
            values.append(best.score)
        target, neighbour, value = np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
        self.weights = csr_array((value.astype(np.float32), (neighbour, target)), shape=(n, n))

    def _score_block(self, rows: NDArray[np.int64]) -> FloatArray:
        return (self.past.liked[rows] @ self.weights).toarray()
