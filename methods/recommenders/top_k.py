"""The best k of each row of a block of scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...evaluators.ranking import FloatArray

COLUMNS = 4096
"""Items looked at in one step: a 64-user step then stays in the processor's cache."""


class TopK(NamedTuple):
    """Flat triplets, sorted by row, then best first."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    score: FloatArray

    def of(self, row: int) -> tuple[NDArray[np.int64], FloatArray]:
        """Columns and scores of one row."""
        start, stop = np.searchsorted(self.row, [row, row + 1])
        return self.column[start:stop], self.score[start:stop]


def top_k(scores: FloatArray, k: int) -> TopK:
    """The k largest entries of each row of `scores` (rows, items), equal scores in the order of their columns.

    Entries of -inf are never returned, so a row may give fewer than k. `scores` must hold no NaN. Columns are taken a
    block at a time; only what beats the row's kth best so far is sorted.
    """
    rows, items = scores.shape
    if k < 1:
        return TopK(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    step = max(COLUMNS, 4 * k)
    threshold = np.full(rows, -np.inf, dtype=scores.dtype)
    row, column = np.empty(0, np.int64), np.empty(0, np.int64)
    score = np.empty(0, scores.dtype)
    for start in range(0, items, step):
        part = scores[:, start : start + step]
        better = part > threshold[:, None]
        if start == 0 and part.shape[1] > k:
            kth = np.partition(part, part.shape[1] - k, axis=1)[:, part.shape[1] - k]
            better &= part >= kth[:, None]
        new_row, new_column = np.nonzero(better)
        if not len(new_row):
            continue
        row, column = np.concatenate([row, new_row]), np.concatenate([column, new_column + start])
        score = np.concatenate([score, part[new_row, new_column]])
        order = np.lexsort((column, -score, row))
        row, column, score = row[order], column[order], score[order]
        begin = np.searchsorted(row, np.arange(rows))
        keep = np.arange(len(row)) - begin[row] < k
        row, column, score = row[keep], column[keep], score[keep]
        # A row that holds k is beaten only by more than its last: a later equal score has the larger column.
        held = np.bincount(row, minlength=rows)
        last = np.cumsum(held) - 1
        full = held == k
        threshold[full] = score[last[full]]
    return TopK(row, column, score)
