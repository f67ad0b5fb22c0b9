"""A retriever that finds what a table says, so that sets can be counted by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from recloop.data.search import Documents, SearchSet
from recloop.evaluators.ranking import Ranking


class Listed:
    name = "listed"
    policy_id = "listed-1"

    def __init__(self, lists: Mapping[str, str]) -> None:
        self.lists = lists
        self.asked: list[str] = []

    def fit(self, documents: Documents) -> Self:
        return self

    def search(self, queries: Sequence[str], k: int = 100) -> list[Ranking]:
        self.asked += queries
        found = [tuple(self.lists.get(query, ""))[:k] for query in queries]
        return [Ranking(items, np.arange(len(items), 0, -1, dtype=np.float32)) for items in found]

    def rank(self, queries: Sequence[str], pools: Sequence[Sequence[str]]) -> list[Ranking]:
        raise NotImplementedError


def letters(judged: Mapping[str, Mapping[str, float]], whole: bool = True) -> SearchSet:
    """A set whose documents are the letters, and whose queries' ids are their texts."""
    ids = tuple("abcdefghijklmnopqrstuvwxyz")
    documents = Documents(ids, ids, ("",) * len(ids))
    return SearchSet("letters", "", {query: query for query in judged}, documents, judged, whole)
