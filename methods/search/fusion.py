"""Several rankings into one by reciprocal ranks (Cormack, Clarke & Büttcher, SIGIR 2009): no scores need be comparable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveInt

from ...data.search import Documents
from ...evaluators.ranking import FloatArray, Ranking
from ..recommenders.policy import policy_id
from .best import best, in_pool, places
from .errors import NotIndexed, SearchError
from .protocol import Retriever


class FusionConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    constant: NonNegativeFloat = 60.0
    """Added to every rank: how little the first places are preferred to the next ones (60 in the paper)."""
    depth: PositiveInt = 100
    """How many of each retriever's documents are looked at, if not more are asked for."""


class Fusion:
    """The sum of 1 / (constant + rank) over the retrievers that list a document."""

    config_type = FusionConfig

    def __init__(self, retrievers: Sequence[Retriever], config: FusionConfig = FusionConfig()) -> None:
        if len(retrievers) < 2:
            raise SearchError("a fusion needs two retrievers or more")
        self.retrievers, self.config = tuple(retrievers), config
        self.name = "+".join(each.name for each in retrievers)
        parts = {"config": config.model_dump(), "of": [each.policy_id for each in retrievers]}
        self.policy_id = policy_id(self.name, parts)
        self._documents: Documents | None = None

    def fit(self, documents: Documents) -> Self:
        for retriever in self.retrievers:
            retriever.fit(documents)
        self._documents, self._place = documents, places(documents)
        return self

    def search(self, queries: Sequence[str], k: int = 100) -> list[Ranking]:
        documents = self._indexed()
        lists = [retriever.search(queries, max(k, self.config.depth)) for retriever in self.retrievers]
        return [best(self._sum(of_query), documents, k, above=0.0) for of_query in zip(*lists, strict=True)]

    def rank(self, queries: Sequence[str], pools: Sequence[Sequence[str]]) -> list[Ranking]:
        documents = self._indexed()
        lists = [retriever.rank(queries, pools) for retriever in self.retrievers]
        return [
            in_pool(self._sum(of_query), pool, documents, self._place)
            for of_query, pool in zip(zip(*lists, strict=True), pools, strict=True)
        ]

    def _indexed(self) -> Documents:
        if self._documents is None:
            raise NotIndexed(self.name)
        return self._documents

    def _sum(self, rankings: Iterable[Ranking]) -> FloatArray:
        scores = np.zeros(len(self._place), dtype=np.float64)
        for ranking in rankings:
            rows = [self._place[document] for document in ranking.items]
            scores[rows] += 1.0 / (self.config.constant + np.arange(1, len(rows) + 1))
        return scores.astype(np.float32)
