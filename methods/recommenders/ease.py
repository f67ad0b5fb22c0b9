"""EASE (Steck, WWW 2019, eq. 8): item-item ridge regression with a zero diagonal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt
from scipy.linalg import get_lapack_funcs
from scipy.sparse import csr_array

from ...evaluators.ranking import FloatArray
from .base import BlockRecommender, RecommenderConfig
from .errors import CatalogueTooLarge, RecommenderError
from .past import Past

GRAM_ROWS = 1024


class EASEConfig(RecommenderConfig):
    l2: PositiveFloat = 250.0
    """Ridge weight. Larger is smoother, towards popularity."""
    max_items: PositiveInt = 20_000
    """Refuse larger catalogues: the weights take 4 * items**2 bytes (1.6 GB at the default)."""


class EASE(BlockRecommender[EASEConfig]):
    """The default recommender: no training loop, hard to beat on small catalogues.

    State: `weights` float32 (items, items), zero diagonal. Raises `CatalogueTooLarge` from `fit`, naming the limit and
    recommenders that scale.
    """

    name = "ease"
    config_type = EASEConfig
    weights: FloatArray

    def _train(self, past: Past) -> None:
        n = len(past.items)
        if n > self.config.max_items:
            raise CatalogueTooLarge(
                f"EASE would need {4 * n * n / 1e9:.1f} GB for {n:,} items (limit: {self.config.max_items:,} items)\n"
                "  use --recommender ials or itemknn, which scale; or drop rare items with data.core(5); "
                f"or, with the memory to spare, set max_items={n}"
            )
        gram = self._gram(past.liked)
        gram[np.diag_indices(n)] += np.float32(self.config.l2)
        self.weights = self._weights(gram)

    @staticmethod
    def _gram(liked: csr_array) -> FloatArray:
        """Users in common of each pair of items: float32 (items, items), some rows at a time."""
        by_item = csr_array(liked.T)
        items = len(by_item.indptr) - 1
        gram = np.empty((items, items), np.float32)
        for start in range(0, len(gram), GRAM_ROWS):
            gram[start : start + GRAM_ROWS] = (by_item[start : start + GRAM_ROWS] @ liked).toarray()
        return gram

    @staticmethod
    def _weights(gram: FloatArray) -> FloatArray:
        """B = I - P / diag(P) with P the inverse of `gram`, in gram's own memory."""
        # LAPACK wants columns first: the transposed view of a symmetric matrix is that, without a copy.
        potrf, potri = get_lapack_funcs(("potrf", "potri"), dtype=np.float32)
        factor, fault = potrf(gram.T, lower=1, overwrite_a=1, clean=0)
        if not fault:
            factor, fault = potri(factor, lower=1, overwrite_c=1)
        if fault:
            raise RecommenderError("EASE: the item matrix is not positive definite in single precision; raise l2")
        inverse = factor.T
        for start in range(0, len(inverse), GRAM_ROWS):
            stop = start + GRAM_ROWS
            block = inverse[start:stop, start:stop]
            block[:] = np.triu(block) + np.triu(block, 1).T
            inverse[stop:, start:stop] = inverse[start:stop, stop:].T
        inverse /= -np.diag(inverse).copy()
        np.fill_diagonal(inverse, 0.0)
        return np.ascontiguousarray(inverse)

    def _score_block(self, rows: NDArray[np.int64]) -> FloatArray:
        return self.past.liked[rows] @ self.weights
