"""Lexical search beside the ideal: seconds to index, queries a second, and how much of both is not the index itself.

    python benchmarks/search.py [--documents 100000] [--queries 1000]

Two collections: the Cranfield abstracts (with RECLOOP_DATA) and synthetic documents whose words follow Zipf's law. `index` is
`fit` over the time that `bm25s` alone takes for the same token ids (the rest is finding words in texts); `search` is the time
per query over that of the sums alone, without finding words, choosing the best and making rankings. CPU seconds, least of the rounds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from recloop.data import DataError, Documents, load_search
from recloop.evaluators import evaluate
from recloop.methods.search.bm25 import BM25
from recloop.methods.search.tokens import tokens

ROUNDS = 3
WORDS, LENGTH = 50_000, 60
"""Size of the synthetic vocabulary, and words in a document."""


def synthetic(documents: int, queries: int) -> tuple[Documents, list[str]]:
    rng = np.random.default_rng(7)
    chance = 1 / np.arange(1, WORDS + 1)
    drawn = rng.choice(WORDS, size=(documents, LENGTH), p=chance / chance.sum())
    texts = [" ".join(f"w{word}" for word in row) for row in drawn.tolist()]
    # Queries in words of middling frequency, as people use them.
    asked = [" ".join(f"w{word}" for word in row) for row in rng.integers(50, 5_000, (queries, 4)).tolist()]
    return Documents(tuple(f"d{i}" for i in range(documents)), ("",) * documents, tuple(texts)), asked


def least(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def measured(documents: Documents, queries: list[str], rounds: int = ROUNDS) -> dict[str, Any]:
    engine = BM25()
    fit = least(lambda: engine.fit(documents), rounds)
    vocabulary: dict[str, int] = {}
    rows = [
        [vocabulary.setdefault(word, len(vocabulary)) for word in tokens(documents.full(place))]
        for place in range(len(documents))
    ]

    def index_alone() -> None:
        import bm25s

        bm25s.BM25(k1=1.2, b=0.75, method="lucene").index(
            (rows, vocabulary), create_empty_token=False, show_progress=False
        )

    words = [engine._words(query) for query in queries]
    search = least(lambda: engine.search(queries, 100), rounds)

    def sums_alone() -> None:
        for each in words:
            engine._scores(*each)

    sums = least(sums_alone, rounds)
    alone = least(index_alone, rounds)
    return {
        "documents": len(documents),
        "queries": len(queries),
        "fit_seconds": round(fit, 2),
        "documents_per_second": round(len(documents) / fit),
        "fit_over_index_alone": round(fit / alone, 2),
        "queries_per_second": round(len(queries) / search),
        "search_over_sums_alone": round(search / sums, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1_000)
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    try:
        cranfield = load_search("cranfield")
    except DataError as error:
        found["cranfield"] = error.what
    else:
        found["cranfield"] = measured(cranfield.documents, list(cranfield.queries.values()))
        rankings = BM25().fit(cranfield.documents).search(list(cranfield.queries.values()), 100)
        judged = evaluate(dict(zip(cranfield.queries, rankings, strict=True)), cranfield.judgements, ["ndcg@10"])
        found["cranfield"]["ndcg@10"] = str(judged.estimate("ndcg@10"))
    found["synthetic"] = measured(*synthetic(asked.documents, asked.queries), rounds=2)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
