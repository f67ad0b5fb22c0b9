"""Scores of documents to rankings: the best k, or a pool in order; equal scores in the order of the documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...data.search import Documents
from ...evaluators.ranking import FloatArray, Ranking

NOTHING = Ranking((), np.empty(0, np.float32))


def places(documents: Documents) -> dict[str, int]:
    """Document id -> its place."""
    return {document: place for place, document in enumerate(documents.ids)}


def best(scores: FloatArray, documents: Documents, k: int, above: float = -np.inf) -> Ranking:
    """The k documents with the highest of `scores` (documents,), those not above `above` left out."""
    n = len(scores)
    if k < 1 or not n:
        return NOTHING
    chosen = np.flatnonzero(scores > above)
    if len(chosen) > k:
        found = scores[chosen]
        least = np.partition(found, len(found) - k)[len(found) - k]
        sure, level = chosen[found > least], chosen[found == least]
        chosen = np.concatenate([sure, level[: k - len(sure)]])
    return _in_order(scores, chosen, documents)


def in_pool(scores: FloatArray, pool: Sequence[str], documents: Documents, place: Mapping[str, int]) -> Ranking:
    """The documents of `pool`, in order of their `scores` (documents,). Raises `KeyError` for an unknown id."""
    return _in_order(scores, np.array([place[document] for document in pool], dtype=np.int64), documents)


def _in_order(scores: FloatArray, chosen: NDArray[np.int64], documents: Documents) -> Ranking:
    order = chosen[np.lexsort((chosen, -scores[chosen]))]
    return Ranking(tuple(documents.ids[place] for place in order.tolist()), scores[order])
