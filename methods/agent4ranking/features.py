"""Features of a pair of query and document: a few numbers on words and vectors and, if wanted, the product of the vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...data.search import Documents
from .encode import Encoder, Tell
from .signals import SIGNALS, WordSignals

FloatTable = NDArray[np.float32]


class PairFeatures:
    """float32 (pairs, width): shares of words and pieces, two cosines (document, title), with `products` also u * v of query
    and document, place by place. Each is what a document has more than the mean of its list: what a wording does to all
    documents alike changes no order, and is not to be learnt.

    `loudness` (width,): by what each feature is multiplied once all have been scaled alike. The product's places together
    are as loud as one of the others: without that, 384 weak features drown six strong ones.
    """

    def __init__(
        self, documents: Documents, encoder: Encoder, products: bool = False, tell: Tell | None = None
    ) -> None:
        self._encoder = encoder
        self._words = WordSignals(documents)
        count = range(len(documents))
        self._documents = encoder([documents.full(place) for place in count], tell)
        self._titles = encoder([documents.titles[place] or documents.texts[place] for place in count], tell)
        self._queries: dict[str, FloatTable] = {}
        few = len(SIGNALS) + 2
        self._products = products
        quiet = np.full(encoder.width, encoder.width**-0.5) if products else np.empty(0)
        self.loudness = np.concatenate([np.ones(few), quiet]).astype(np.float32)
        self.width = len(self.loudness)

    def know(self, queries: Sequence[str], tell: Tell | None = None) -> None:
        """Encode many queries at once."""
        new = [query for query in dict.fromkeys(queries) if query not in self._queries]
        self._queries.update(zip(new, self._encoder(new, tell), strict=True))

    def __call__(self, query: str, places: NDArray[np.int64]) -> FloatTable:
        """One query with the documents at these places."""
        self.know([query])
        u, v = self._queries[query], self._documents[places]
        cosines = np.stack([v @ u, self._titles[places] @ u], axis=1)
        parts = [self._words(query, places), cosines, *([v * u] if self._products else [])]
        features = np.concatenate(parts, axis=1)
        return features - features.mean(axis=0) if len(features) else features

    def cosine(self, query: str, places: NDArray[np.int64]) -> FloatTable:
        """Without anything learnt: the cosine of the two texts, (places,)."""
        self.know([query])
        return self._documents[places] @ self._queries[query]
