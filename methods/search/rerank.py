"""A cross-encoder over the best of another retriever: any function that scores texts for a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt

from ...data.search import Documents
from ...evaluators.ranking import FloatArray, Ranking
from ..recommenders.policy import policy_id
from .best import in_pool, places
from .errors import NotIndexed, SearchError
from .protocol import Retriever

Score = Callable[[str, list[str]], Any]
"""(query, texts) -> one number per text, higher is better: a sequence, an array or a tensor on the CPU."""


class RerankConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: PositiveInt = 100
    """How many of the first retriever's documents are scored anew; the others stay behind them, as they were."""


class Rerank:
    """What `first` finds, put in order by `score`. In a pool, every document is scored."""

    config_type = RerankConfig

    def __init__(self, first: Retriever, score: Score, name: str, config: RerankConfig = RerankConfig()) -> None:
        self.first, self.config = first, config
        self.name = f"{name}@{first.name}"
        self.policy_id = policy_id(self.name, {"config": config.model_dump(), "first": first.policy_id})
        self._score = score
        self._documents: Documents | None = None

    def fit(self, documents: Documents) -> Self:
        self.first.fit(documents)
        self._documents, self._place = documents, places(documents)
        return self

    def search(self, queries: Sequence[str], k: int = 100) -> list[Ranking]:
        found = self.first.search(queries, max(k, self.config.depth))
        return [self._again(query, ranking, k) for query, ranking in zip(queries, found, strict=True)]

    def rank(self, queries: Sequence[str], pools: Sequence[Sequence[str]]) -> list[Ranking]:
        return [self._ordered(query, pool) for query, pool in zip(queries, pools, strict=True)]

    def _again(self, query: str, ranking: Ranking, k: int) -> Ranking:
        head = self._ordered(query, ranking.items[: self.config.depth])
        rest = ranking.items[self.config.depth :]
        # The first retriever's scores are in another unit: what follows goes down by one a place.
        below = (float(head.scores[-1]) if len(head) else 0.0) - np.arange(1, len(rest) + 1)
        scores = np.concatenate([head.scores, below.astype(np.float32)])
        return Ranking((*head.items, *rest)[:k], scores[:k])

    def _ordered(self, query: str, chosen: Sequence[str]) -> Ranking:
        if self._documents is None:
            raise NotIndexed(self.name)
        scores = np.zeros(len(self._place), dtype=np.float32)
        rows = [self._place[document] for document in chosen]
        if rows:
            scores[rows] = self._scored(query, [self._documents.full(row) for row in rows])
        return in_pool(scores, chosen, self._documents, self._place)

    def _scored(self, query: str, texts: list[str]) -> FloatArray:
        try:
            scores = np.asarray(self._score(query, texts), dtype=np.float32)
        except Exception as error:  # the user's code
            raise SearchError(f"{self.name} failed: {type(error).__name__}: {error}") from error
        scores = scores.reshape(-1) if scores.size == len(texts) else scores
        if scores.shape != (len(texts),) or not np.isfinite(scores).all():
            raise SearchError(
                f"{self.name} answered scores of shape {scores.shape} for {len(texts)} texts, or numbers that are not finite\n"
                "  it must give one finite number per text: (query, texts) -> scores"
            )
        return scores
