"""What a query and its rewrites find together: the union of their lists, and who found what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from ...evaluators.ranking import Ranking
from ..search.protocol import Retriever
from .table import RewriteTable

CONSTANT = 60.0
"""Added to every rank in the fusion (Cormack, Clarke & Büttcher 2009)."""


def union(rankings: Sequence[Ranking], k: int | None = None) -> Ranking:
    """All documents of one query's several lists, by the sum of 1 / (60 + rank), the first k of them; equal sums in the order
    of the lists."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, document in enumerate(ranking.items, 1):
            scores[document] = scores.get(document, 0.0) + 1.0 / (CONSTANT + rank)
    # Sums of the same terms in another order differ in their last bits: ties are to be ties.
    order = sorted(scores, key=lambda document: -round(scores[document], 12))[:k]
    return Ranking(tuple(order), np.array([scores[document] for document in order], dtype=np.float32))


class Found(NamedTuple):
    """A document of the union. `source`: `orig` where the query itself finds it, `rewrite` where only a rewrite does; `by`: the
    texts that find it, the query first."""

    document: str
    score: float
    source: Literal["orig", "rewrite"]
    by: tuple[str, ...]


class UnionSearch:
    """Search with a query and what the table has for it. A query that is not in the table is searched as it is."""

    def __init__(self, retriever: Retriever, table: RewriteTable) -> None:
        self.retriever, self.table = retriever, table

    def search(self, query: str, k: int = 10) -> list[Found]:
        """The union of the first k of the query and of each of its rewrites, best first: up to k for each text."""
        entry = self.table.look(query)
        texts = [query, *(entry.texts if entry is not None else ())]
        lists = self.retriever.search(texts, k)
        by: dict[str, list[str]] = {}
        for text, ranking in zip(texts, lists, strict=True):
            for document in ranking.items:
                by.setdefault(document, []).append(text)
        both = union(lists)
        return [
            Found(document, score, "orig" if by[document][0] == query else "rewrite", tuple(by[document]))
            for document, score in zip(both.items, both.scores.tolist(), strict=True)
        ]
