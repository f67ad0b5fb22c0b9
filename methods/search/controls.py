"""Two rankers that know nothing, as the ends between which any other lies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from ...data.search import Documents
from ...evaluators.ranking import FloatArray, Ranking
from ..recommenders.policy import policy_id
from .best import best, in_pool, places
from .errors import NotIndexed


class ControlConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    """Which random order; the constant ranker does not look at it."""


class _Control:
    """Scores (documents,) of a query from nothing but its text."""

    name = ""
    config_type = ControlConfig

    def __init__(self, config: ControlConfig = ControlConfig()) -> None:
        self.config = config
        self.policy_id = policy_id(self.name, config)
        self._documents: Documents | None = None

    def fit(self, documents: Documents) -> Self:
        self._documents, self._place = documents, places(documents)
        return self

    def search(self, queries: Sequence[str], k: int = 100) -> list[Ranking]:
        documents = self._indexed()
        return [best(self._scores(query), documents, k if query.strip() else 0) for query in queries]

    def rank(self, queries: Sequence[str], pools: Sequence[Sequence[str]]) -> list[Ranking]:
        documents = self._indexed()
        return [
            in_pool(self._scores(query), pool, documents, self._place)
            for query, pool in zip(queries, pools, strict=True)
        ]

    def _indexed(self) -> Documents:
        if self._documents is None:
            raise NotIndexed(self.name)
        return self._documents

    def _scores(self, query: str) -> FloatArray:
        raise NotImplementedError


class RandomOrder(_Control):
    """Another order for every wording: the least steady ranker there is."""

    name = "random"

    def _scores(self, query: str) -> FloatArray:
        digest = hashlib.sha256(f"{self.config.seed}\n{query}".encode("utf-8", errors="replace")).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little")).random(len(self._place), dtype=np.float32)


class Constant(_Control):
    """One score for everything: perfectly steady, and tells nothing apart."""

    name = "constant"

    def _scores(self, query: str) -> FloatArray:
        return np.zeros(len(self._place), dtype=np.float32)
