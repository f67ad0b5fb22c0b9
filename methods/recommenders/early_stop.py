"""When to stop learning: a few liked items are held out of training, and how high they rank says how well it goes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


def hold_out(
    pairs: NDArray[np.int64], users: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Take one liked item from each of up to 1,000 users with five or more: (pairs to learn, pairs to check)."""
    order = rng.permutation(pairs.shape[1])
    _, first = np.unique(pairs[0, order], return_index=True)
    taken = order[first]
    taken = taken[np.bincount(pairs[0], minlength=users)[pairs[0, taken]] >= 5]
    taken = np.sort(rng.permutation(taken)[:1000])
    return np.delete(pairs, taken, axis=1), pairs[:, taken]


def held_out_gain(
    pairs: NDArray[np.int64], score: Callable[[NDArray[np.int64]], NDArray[np.floating]], liked: csr_array
) -> float:
    """Mean 1 / log2(1 + rank) of held-out items among what their users have not liked: NDCG without a cut, less noisy.

    `score`: rows of users -> a fresh array (rows, items).
    """
    if not pairs.shape[1]:
        return 0.0
    total = 0.0
    for start in range(0, pairs.shape[1], 64):
        u, i = pairs[:, start : start + 64]
        scores = score(u)
        mine = scores[np.arange(len(u)), i].copy()
        rows = liked[u]
        scores[np.repeat(np.arange(len(u)), np.diff(rows.indptr)), rows.indices] = -np.inf
        total += float(np.sum(1.0 / np.log2(2 + np.count_nonzero(scores > mine[:, None], axis=1))))
    return total / pairs.shape[1]
