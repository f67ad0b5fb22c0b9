"""Okapi BM25 (Robertson et al. 1994) in Lucene's form, over words of any script. The index is made by `bm25s`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat

from ...data.search import Documents
from ...evaluators.ranking import FloatArray, Ranking
from ..recommenders.policy import policy_id
from .best import NOTHING, best, in_pool, places
from .errors import NotIndexed
from .tokens import Stem, tokens


class BM25Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    k1: NonNegativeFloat = 1.2
    """How soon a word that is repeated in a document counts no more."""
    b: float = Field(default=0.75, ge=0, le=1)
    """How much long documents are held back: 0 not at all, 1 in full proportion."""
    stem: Stem = "none"
    """"s" takes English plurals off; "none" leaves words as they are, in every language."""


class BM25:
    """The default retriever: no model, no training, exact words only.

    State after `fit`, a matrix of weights by columns (words): `_starts` int64 (words + 1,), `_rows` int32 and `_weights`
    float32 (entries,). A query's score is the sum of its words' columns, each as often as the query has the word; words
    are added in one order, so that the order of words in a query changes nothing, not even a last bit.
    """

    name = "bm25"
    config_type = BM25Config

    def __init__(self, config: BM25Config = BM25Config()) -> None:
        self.config = config
        self.policy_id = policy_id(self.name, config)
        self._documents: Documents | None = None

    def fit(self, documents: Documents) -> Self:
        import bm25s

        vocabulary: dict[str, int] = {}
        rows = []
        for place in range(len(documents)):
            words = tokens(documents.full(place), self.config.stem)
            rows.append([vocabulary.setdefault(word, len(vocabulary)) for word in words])
        self._place, self._vocabulary = places(documents), vocabulary
        if vocabulary:
            index = bm25s.BM25(k1=self.config.k1, b=self.config.b, method="lucene")
            index.index((rows, vocabulary), create_empty_token=False, show_progress=False)
            columns = index.scores
            self._starts = np.asarray(columns["indptr"], dtype=np.int64)
            self._rows = np.asarray(columns["indices"], dtype=np.int32)
            self._weights = np.asarray(columns["data"], dtype=np.float32)
        self._documents = documents
        return self

    def search(self, queries: Sequence[str], k: int = 100) -> list[Ranking]:
        documents = self._indexed()
        found = []
        for query in queries:
            words = self._words(query)
            found.append(best(self._scores(*words), documents, k, above=0.0) if len(words[0]) else NOTHING)
        return found

    def rank(self, queries: Sequence[str], pools: Sequence[Sequence[str]]) -> list[Ranking]:
        documents = self._indexed()
        return [
            in_pool(self._scores(*self._words(query)), pool, documents, self._place)
            for query, pool in zip(queries, pools, strict=True)
        ]

    def _indexed(self) -> Documents:
        if self._documents is None:
            raise NotIndexed(self.name)
        return self._documents

    def _words(self, query: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The query's known words, in one order, and how often it has each."""
        known = [self._vocabulary[word] for word in tokens(query, self.config.stem) if word in self._vocabulary]
        return np.unique(np.array(known, dtype=np.int64), return_counts=True)

    def _scores(self, words: NDArray[np.int64], counts: NDArray[np.int64]) -> FloatArray:
        scores = np.zeros(len(self._place), dtype=np.float32)
        for word, count in zip(words.tolist(), counts.tolist(), strict=True):
            column = slice(self._starts[word], self._starts[word + 1])
            scores[self._rows[column]] += np.float32(count) * self._weights[column]
        return scores
