"""One search engine over every wording of every query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...data.search import SearchSet
from ...evaluators.ranking import Ranking
from ...evaluators.stability import RAW, Stability, stability
from .protocol import Retriever

DEPTH = 100
"""Documents looked at of a search through a whole collection."""


@dataclass(frozen=True, eq=False)
class Measured:
    """`rankings`: query id -> form -> ranking. `empty`: wordings for which nothing at all was found."""

    stability: Stability
    rankings: Mapping[str, Mapping[str, Ranking]]

    @property
    def empty(self) -> int:
        return sum(not len(ranking) for forms in self.rankings.values() for ranking in forms.values())


def measure(retriever: Retriever, data: SearchSet, forms: Mapping[str, Mapping[str, str]], k: int = 10) -> Measured:
    """Search (or, in pools, rank) with the raw query and each of its other `forms` (query id -> form -> text).

    The retriever is fitted to the set's documents here. Queries without another form are left out.
    """
    retriever.fit(data.documents)
    asked = [
        (query, form, text)
        for query, others in forms.items()
        if others
        for form, text in {RAW: data.queries[query], **others}.items()
    ]
    texts = [text for _, _, text in asked]
    if data.whole:
        found = retriever.search(texts, max(DEPTH, k))
    else:
        found = retriever.rank(texts, [data.pool(query) for query, _, _ in asked])
    rankings: dict[str, dict[str, Ranking]] = {}
    for (query, form, _), ranking in zip(asked, found, strict=True):
        rankings.setdefault(query, {})[form] = ranking
    return Measured(stability(rankings, data.judgements, k), rankings)
