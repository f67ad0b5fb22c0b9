"""iALS: matrix factorisation of implicit feedback by alternating least squares (Hu, Koren & Volinsky, ICDM 2008), with
the weighting of Rendle et al., "Revisiting the Performance of iALS" (RecSys 2022)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.sparse import csr_array

from .base import RecommenderConfig
from .factors import FactorRecommender
from .past import Past

BATCH_CELLS = 2**22
"""Numbers gathered at once (32 MB)."""


class IALSConfig(RecommenderConfig):
    dims: PositiveInt = 64
    """Length of the vectors."""
    sweeps: PositiveInt = 12
    """Times that users and items are solved for in turn."""
    unobserved: PositiveFloat = 0.1
    """Weight of pairs without an interaction (alpha_0), where observed pairs weigh 1 more."""
    l2: PositiveFloat = 0.03
    """Ridge weight (lambda). Small data wants more: 0.003 is usual for tens of millions of interactions."""
    frequency: NonNegativeFloat = 1.0
    """How the ridge grows with a row's number of interactions (nu): 0 not at all, 1 in proportion."""


class IALS(FactorRecommender[IALSConfig]):
    """Minimises, over all pairs, sum_observed (1 - s)**2 + unobserved * sum_all s**2 + ridge. Scales to large catalogues:
    time grows with the interactions times dims**2. Deterministic by seed."""

    name = "ials"
    config_type = IALSConfig
    seeded = True

    def _train(self, past: Past) -> None:
        rng = np.random.default_rng(self.seed)
        by_user, by_item = past.liked, csr_array(past.liked.T)
        self.item_factors = rng.normal(0, 0.1 / np.sqrt(self.config.dims), (len(past.items), self.config.dims))
        for _ in range(self.config.sweeps):
            self.user_factors = self._solve(by_user, self.item_factors)
            self.item_factors = self._solve(by_item, self.user_factors)

    def _solve(self, liked: csr_array, other: NDArray[np.float64]) -> NDArray[np.float64]:
        """The best vector of each row, given the vectors of the columns: (rows, dims).

        Row u solves (H'H + unobserved * other'other + ridge_u I) x = H'1, with H the vectors of what u liked. Rows of
        like length are solved together, filled up with zero vectors.
        """
        config, count = self.config, np.diff(liked.indptr)
        dims = other.shape[1]
        everyone = config.unobserved * (other.T @ other)
        ridge = config.l2 * (count + config.unobserved * len(other)) ** config.frequency
        padded = np.vstack([other, np.zeros(dims)])
        solved = np.zeros((len(count), dims))
        # Rows without an interaction have the zero vector for a solution.
        order = np.argsort(count, kind="stable")[np.count_nonzero(count == 0) :]
        done = 0
        while done < len(order):
            # The rest is sorted by length: the batch's last row is its longest.
            sizes = np.arange(1, len(order) - done + 1) * np.maximum(count[order[done:]], dims) * dims
            batch = order[done : done + max(1, int(np.searchsorted(sizes, BATCH_CELLS)))]
            place = liked.indptr[batch][:, None] + np.arange(int(count[batch[-1]]))
            inside = place < liked.indptr[batch + 1][:, None]
            column = np.where(inside, liked.indices[np.where(inside, place, 0)], len(other))
            liked_vectors = padded[column]
            left = liked_vectors.transpose(0, 2, 1) @ liked_vectors + everyone
            left[:, np.arange(dims), np.arange(dims)] += ridge[batch][:, None]
            solved[batch] = np.linalg.solve(left, liked_vectors.sum(axis=1)[:, :, None])[:, :, 0]
            done += len(batch)
        return solved
