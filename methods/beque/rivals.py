"""What a rewriter must beat: the query's own best documents as feedback, and queries that other people asked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from ...data.search import Documents
from ..search.best import places
from ..search.protocol import Retriever
from ..search.tokens import tokens
from .keys import query_key


class RM3Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    documents: PositiveInt = 10
    """How many of the query's best documents are taken to be relevant."""
    terms: PositiveInt = 10
    """How many of their words the query is widened by."""
    original: float = Field(default=0.5, ge=0, le=1)
    """Weight of the query's own words against the new ones."""
    common: float = Field(default=0.1, gt=0, le=1)
    """Words in a larger share of the documents say nothing and are left out."""
    words: PositiveInt = 40
    """How many words the text is long at the most, roughly: weights are told by repeating words."""


def rm3(
    queries: Sequence[str], retriever: Retriever, documents: Documents, config: RM3Config = RM3Config()
) -> list[str]:
    """Each query widened by its best documents' words: RM1 (Lavrenko & Croft 2001) mixed with the query (Abdul-Jaleel et al.
    2004). For lexical retrievers that count how often a query has a word, as ours does; a weight is a number of
    repetitions, rounded, so it is RM3 up to the rounding. A query that finds nothing stays as it is.
    """
    most = config.common * len(documents)
    words_of = [tokens(documents.full(place)) for place in range(len(documents))]
    common = {w for w, n in Counter(w for words in words_of for w in set(words)).items() if n > most}
    place = places(documents)
    widened = []
    for query, ranking in zip(queries, retriever.search(queries, config.documents), strict=True):
        own = tokens(query)
        feedback: Counter[str] = Counter()
        # Query likelihood is exp of a log-likelihood; BM25 is none, and its scores are taken as they are, as is usual.
        total = float(np.maximum(ranking.scores, 0).sum())
        for document, score in zip(ranking.items, ranking.scores.tolist(), strict=True):
            words = words_of[place[document]]
            for word in words:
                if word not in common and total > 0:
                    feedback[word] += score / total / len(words)
        best = feedback.most_common(config.terms)
        mass = sum(weight for _, weight in best)
        if not own or not mass:
            widened.append(query)
            continue
        weights = {word: config.original * n / len(own) for word, n in Counter(own).items()}
        for word, weight in best:
            weights[word] = weights.get(word, 0.0) + (1 - config.original) * weight / mass
        ordered = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
        widened.append(" ".join(" ".join([word] * max(1, round(weight * config.words))) for word, weight in ordered))
    return widened


def others_queries(queries: Sequence[str], n: int = 1, seed: int = 0) -> list[list[str]]:
    """For each query up to `n` of the others, drawn by (seed, query, other): rewrites that know nothing of the query."""
    texts = list({query_key(query): query for query in queries}.values())
    keys = [query_key(text) for text in texts]
    found = []
    for query in queries:
        own = query_key(query)
        drawn = sorted((_digest(seed, own, key), text) for key, text in zip(keys, texts, strict=True) if key != own)
        found.append([text for _, text in drawn[:n]])
    return found


def _digest(seed: int, *parts: str) -> bytes:
    return hashlib.blake2b("\n".join([str(seed), *parts]).encode("utf-8", "surrogatepass"), digest_size=8).digest()
