"""f of BEQUE: which documents are relevant to a query. It is fixed, judges against the original query, and is not the
retriever: a retriever that judges itself finds everything it finds relevant."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...data.search import Documents, SearchSet
from ..search.best import places
from ..search.dense import Embed
from ..search.errors import SearchError
from ..search.protocol import Retriever
from ..search.rerank import Score
from .keys import query_key

Verdicts = NDArray[np.int8]
"""One per document: 1 relevant, -1 not, 0 nobody can tell."""

Scores = Callable[[Sequence[str], Sequence[Sequence[int]]], list[NDArray[np.float32]]]
"""(queries, places of documents for each) -> a score of each of them, higher is more relevant."""

PAIRS = 4_000_000
"""Pairs of query and document that a threshold is set by at the most; of a larger collection fewer queries are taken."""


class Relevance(Protocol):
    """Judges documents for queries. `name` tells it from retrievers: a model judges nothing that it retrieved."""

    name: str

    def verdicts(self, queries: Sequence[str], documents: Sequence[Sequence[str]]) -> list[Verdicts]:
        """For each query its documents' verdicts, in their order."""
        ...

    def everything(self, queries: Sequence[str]) -> list[Collection[str] | None]:
        """For each query all that is relevant in the whole collection, None where that is not known."""
        ...


class Judged:
    """People's grades. `least`: the grade from which a document is relevant, by default half of the highest one.

    Documents that nobody judged are not relevant where the set says that its judgements are `whole`, else unknown; all are
    unknown for a query without judgements. Queries are known by their text; several with the same key share judgements.
    """

    name = "judgements"

    def __init__(self, data: SearchSet, least: float | None = None) -> None:
        self.least = data.highest / 2 if least is None else least
        self._unjudged = -1 if data.whole else 0
        self._grades: dict[str, dict[str, float]] = {}
        for query, text in data.queries.items():
            if pool := data.judgements.get(query):
                grades = self._grades.setdefault(query_key(text), {})
                for document, grade in pool.items():
                    grades[document] = max(grade, grades.get(document, grade))

    def verdicts(self, queries: Sequence[str], documents: Sequence[Sequence[str]]) -> list[Verdicts]:
        found = []
        for query, asked in zip(queries, documents, strict=True):
            grades = self._grades.get(query_key(query))
            if grades is None:
                found.append(np.zeros(len(asked), dtype=np.int8))
                continue
            verdict = (self._verdict(grades.get(document)) for document in asked)
            found.append(np.fromiter(verdict, dtype=np.int8, count=len(asked)))
        return found

    def everything(self, queries: Sequence[str]) -> list[Collection[str] | None]:
        found: list[Collection[str] | None] = []
        for query in queries:
            grades = self._grades.get(query_key(query))
            found.append(None if grades is None else {d for d, grade in grades.items() if grade >= self.least})
        return found

    def _verdict(self, grade: float | None) -> int:
        return self._unjudged if grade is None else 1 if grade >= self.least else -1


class Modelled:
    """A model's scores with a threshold (tau'): above it a document is relevant. `cosine` and `crossed` make one.

    `whole`: whether the model is fast enough to look at the whole collection for `everything`.
    """

    def __init__(self, name: str, documents: Documents, scores: Scores, above: float, whole: bool) -> None:
        self.name, self.above, self.whole = name, above, whole
        self._documents, self._scores = documents, scores
        self._place = places(documents)

    def verdicts(self, queries: Sequence[str], documents: Sequence[Sequence[str]]) -> list[Verdicts]:
        rows = [[self._place[document] for document in asked] for asked in documents]
        return [np.where(scores > self.above, 1, -1).astype(np.int8) for scores in self._scores(queries, rows)]

    def everything(self, queries: Sequence[str]) -> list[Collection[str] | None]:
        if not self.whole:
            return [None] * len(queries)
        every = range(len(self._documents))
        ids = np.array(self._documents.ids, dtype=object)
        found: list[Collection[str] | None] = []
        for query in queries:  # one by one: scores of all pairs at once may be more than fits into memory
            (scores,) = self._scores([query], [every])
            found.append(set(ids[scores > self.above].tolist()))
        return found


def cosine(documents: Documents, above: float, embed: Embed | None = None, name: str = "dense") -> Modelled:
    """Cosine of text vectors, in standard deviations above the query's mean over all documents; without `embed` the static
    vectors of WordLlama. Vectors of documents are made once.

    Cosines of long and of short queries lie apart, so that no one threshold fits both; standardised they tell relevant pairs
    better (AUC on shop-search 0.951 for 0.935, on Cranfield 0.875 for 0.840, on CrowdFlower's pools 0.701 for 0.700).
    """
    if embed is None:
        from ...llm.local.vectors import static_vectors

        embed = static_vectors().embed
    of_documents = embed([documents.full(place) for place in range(len(documents))])

    def scores(queries: Sequence[str], rows: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        found = []
        for vector, row in zip(embed(queries), rows, strict=True):
            every = of_documents @ vector
            spread = float(every.std()) or 1.0
            found.append((every[list(row)] - every.mean()) / spread)
        return found

    return Modelled(name, documents, scores, above, whole=True)


def crossed(documents: Documents, score: Score, above: float, name: str) -> Modelled:
    """A cross-encoder: any function (query, texts) -> scores. It cannot look at a whole collection."""

    def scores(queries: Sequence[str], rows: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        found = []
        for query, row in zip(queries, rows, strict=True):
            texts = [documents.full(place) for place in row]
            found.append(np.asarray(score(query, texts) if texts else [], dtype=np.float32).reshape(len(texts)))
        return found

    return Modelled(name, documents, scores, above, whole=False)


def threshold(model: Modelled, data: SearchSet, least: float | None = None) -> float:
    """Where `model` best tells relevant pairs of `data` from the others: the largest sum of the two rates.

    The others are what was judged not relevant and, where judgements are whole, all the rest. Take queries that are not scored afterwards. Raises `SearchError` where the judgements are all alike.
    """
    judged = Judged(data, least)
    queries = [query for query in data.queries if data.judgements.get(query)]
    queries = queries[: max(1, PAIRS // len(data.documents))] if data.whole else queries
    pools = [data.pool(query) for query in queries]
    texts = [data.queries[query] for query in queries]
    rows = [[data.place[document] for document in pool] for pool in pools]
    scores = np.concatenate([np.zeros(0, np.float32), *model._scores(texts, rows)])
    relevant = np.concatenate([np.zeros(0, np.int8), *judged.verdicts(texts, pools)]) > 0
    if not 0 < relevant.sum() < len(relevant):
        raise SearchError(f"{data.name} cannot set a threshold: its judgements are all alike\n  give `above` yourself")
    order = np.argsort(-scores, kind="stable")
    scores, relevant = scores[order], relevant[order]
    gain = np.cumsum(relevant) / relevant.sum() - np.cumsum(~relevant) / (~relevant).sum()
    last = np.append(scores[:-1] != scores[1:], True)  # a cut between equal scores cannot be made
    at = int(np.argmax(np.where(last, gain, -np.inf)))
    below = scores[at + 1] if at + 1 < len(scores) else scores[at] - 1.0
    return float((scores[at] + below) / 2)


def check_apart(relevance: Relevance, retriever: Retriever) -> None:
    """Raises `SearchError` where the retriever would judge what it retrieved."""
    if relevance.name in re.split(r"[+@]", retriever.name):
        raise SearchError(
            f"{relevance.name} cannot judge what {retriever.name} finds: it would agree with itself\n"
            "  judge by judgements, or by another model"
        )
