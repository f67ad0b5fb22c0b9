"""The `Retriever` contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

from ...data.search import Documents
from ...evaluators.ranking import Ranking


@runtime_checkable
class Retriever(Protocol):
    """Finds documents for queries. Text in queries and documents is data; an empty query finds nothing, and never raises.

    `policy_id` names the retriever with its settings, so that results of two are not mistaken for one another.
    """

    name: str
    policy_id: str

    def fit(self, documents: Documents) -> Self:
        """Index the documents; whatever was indexed before is forgotten."""
        ...

    def search(self, queries: Sequence[str], k: int = 100) -> list[Ranking]:
        """The best k documents of the collection for each query, best first, ties in the order of the documents."""
        ...

    def rank(self, queries: Sequence[str], pools: Sequence[Sequence[str]]) -> list[Ranking]:
        """Each query's pool of document ids, in order, with scores; nothing is dropped. Raises `KeyError` for an unknown id."""
        ...
