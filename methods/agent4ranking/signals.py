"""How well a document's words answer a query's, as a few numbers between 0 and 1: what vectors of whole texts blur."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.search import Documents
from ..search.tokens import tokens

FloatTable = NDArray[np.float32]

GRAM = 3
"""Letters of a piece of a word: a slip of the finger leaves most pieces of a word as they were."""
SIGNALS = ("words in title", "words in text", "pieces in title", "pieces in text")


class WordSignals:
    """Share of a query's words, and of their pieces, that a document has, rare ones counting more (by idf).

    State, from the documents alone: per signal a CSR matrix float32 (documents, vocabulary) of 0 and 1, the vocabulary, and
    idf float32 (vocabulary,). What no document has counts as the rarest, so that a word nobody knows makes all shares small
    alike and changes no order.
    """

    def __init__(self, documents: Documents) -> None:
        n = len(documents)
        titles = [documents.titles[place] or documents.texts[place] for place in range(n)]
        full = [documents.full(place) for place in range(n)]
        self._parts = [_Part(texts, of) for of in (words, pieces) for texts in (titles, full)]

    def __call__(self, query: str, places: NDArray[np.int64]) -> FloatTable:
        """float32 (places, 4): the signals of one query and these documents."""
        found = {of: dict.fromkeys(of(query)) for of in (words, pieces)}
        return np.stack([part.share(found[part.of], places) for part in self._parts], axis=1)


def words(text: str) -> list[str]:
    """Words of any script, plurals of English as singulars."""
    return tokens(text, "s")


def pieces(text: str) -> list[str]:
    """Every three letters in a row of every word, its borders marked."""
    return [
        marked[i : i + GRAM]
        for word in tokens(text, "none")
        for marked in (f"^{word}$",)
        for i in range(max(1, len(marked) - GRAM + 1))
    ]


class _Part:
    """One signal: documents taken apart in one way."""

    def __init__(self, texts: Sequence[str], of: Any) -> None:
        from scipy.sparse import csr_array

        self.of = of
        self.vocabulary: dict[str, int] = {}
        starts, columns = [0], []
        for text in texts:
            columns += [self.vocabulary.setdefault(unit, len(self.vocabulary)) for unit in dict.fromkeys(of(text))]
            starts.append(len(columns))
        n, width = len(texts), len(self.vocabulary)
        column = np.asarray(columns, dtype=np.int32)
        ones = np.ones(len(columns), dtype=np.float32)
        self.has = csr_array((ones, column, np.asarray(starts, dtype=np.int32)), shape=(n, width))
        counts = np.bincount(column, minlength=width)
        self.idf = np.log1p(n / (counts + 1.0)).astype(np.float32)
        self.rarest = float(np.log1p(n))

    def share(self, units: Iterable[str], places: NDArray[np.int64]) -> NDArray[np.float32]:
        known = [self.vocabulary[unit] for unit in units if unit in self.vocabulary]
        unknown = sum(unit not in self.vocabulary for unit in units)
        weight = np.zeros(len(self.vocabulary), dtype=np.float32)
        weight[known] = self.idf[known]
        whole = float(weight.sum()) + unknown * self.rarest
        if not whole:
            return np.zeros(len(places), dtype=np.float32)
        return (self.has[places] @ weight / whole).astype(np.float32)
