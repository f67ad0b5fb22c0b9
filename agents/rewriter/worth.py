"""What a run's rewrites are worth to a search: scores of each, means per persona, and a table for look-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ...data.search import Documents
from ...data.search_load import load_search
from ...evaluators import Estimate, bootstrap_mean
from ...methods.beque import (
    Judged,
    Modelled,
    Relevance,
    RewriteScore,
    RewriteTable,
    ScoreConfig,
    Scored,
    cosine,
    index_version,
    query_key,
    score_rewrites,
    table_of,
    threshold,
)
from ...methods.search import open_retriever

Figure = Literal["relevance", "increment", "hit_rate", "beyond", "reward"]
FIGURES: dict[Figure, str] = {
    "relevance": "share of what the rewrite finds that is relevant to the original query",
    "increment": "relevant documents that only the rewrite finds, over the query's own and one, at most 3",
    "hit_rate": "share of all that is relevant that query and rewrite find together",
    "beyond": "the increment less that of reading on in the query's own list",
    "reward": "0.4 relevance + 0.4 increment / 3 + 0.2 hit rate",
}
ALONE = "the query alone"


@dataclass(frozen=True, eq=False)
class Worth:
    """`scored`: of each query its rewrites, each text once. `by_persona`: persona -> scores of what it wrote. `dropped`: texts
    that were no rewrite, by reason. `judge`: who said what is relevant. `index`: what was searched."""

    scored: Sequence[Scored]
    by_persona: dict[str, list[RewriteScore]]
    dropped: dict[str, int]
    judge: str
    index: str

    def table(self, model: str) -> RewriteTable:
        """The best rewrite of each query that beats the query alone."""
        return table_of(self.scored, model=model, index=self.index)

    def estimates(self) -> dict[str, dict[Figure, Estimate | None]]:
        """Means over queries with intervals, the query alone first."""
        arms = {ALONE: [each.alone for each in self.scored], **self.by_persona}
        return {arm: {name: _mean(scores, name) for name in FIGURES} for arm, scores in arms.items() if scores}

    def json(self) -> dict[str, Any]:
        """As plain values."""
        told = {
            arm: {name: None if e is None else {"value": e.mean, "low": e.low, "high": e.high, "n": e.n} for name, e in row.items()}
            for arm, row in self.estimates().items()
        }  # fmt: skip
        return {"judge": self.judge, "index": self.index, "dropped": self.dropped, "means": told}


def worth(rows: Sequence[dict[str, Any]], data_name: str, retriever: str = "bm25", k: int = 10) -> Worth:
    """Score the rewrites in `rows` (`rows_of` a run) by what `retriever` finds among the documents of a search set.

    Relevance is people's where every query is judged in the set; else a cosine of text vectors, with the threshold that
    tells the set's judged pairs apart best. Raises `SearchError` and `DataError`.
    """
    data = load_search(data_name)
    engine = open_retriever(retriever).fit(data.documents)
    texts: dict[str, list[str]] = {}
    for row in rows:
        texts.setdefault(row["query"], []).append(row["text"])
    queries = list(texts)
    judged = {query_key(text) for query, text in data.queries.items() if data.judgements.get(query)}
    relevance: Relevance = Judged(data)
    config = ScoreConfig(k=k, judged_only=not data.whole)
    judge = "people's judgements" + (", unjudged documents left out" if config.judged_only else "")
    if not all(query_key(query) in judged for query in queries):
        model = _cosine(data.documents, engine.name)
        model.above = threshold(model, data)
        relevance, config = model, ScoreConfig(k=k)
        judge = f"a cosine {model.above:.2f} deviations above the mean, since not every query is judged in {data.name}"
    # A text of several personas is scored once.
    scored = score_rewrites(
        queries, [list(dict.fromkeys(texts[query])) for query in queries], engine, relevance, config=config
    )
    of: dict[tuple[str, str], RewriteScore] = {
        (each.query, query_key(score.text)): score for each in scored for score in each.scores
    }
    by_persona: dict[str, list[RewriteScore]] = {}
    # A query that two ids ask for is one case, as it is for the query alone.
    for query, persona, text in dict.fromkeys((row["query"], row["persona"], row["text"]) for row in rows):
        if (score := of.get((query, query_key(text)))) is not None:
            by_persona.setdefault(persona, []).append(score)
    dropped: dict[str, int] = {}
    for each in scored:
        for reason, count in each.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return Worth(scored, by_persona, dropped, judge, index_version(engine, data.documents))


def _cosine(documents: Documents, engine: str) -> Modelled:
    """Static vectors; where those retrieve, MiniLM's, which are slower."""
    if "dense" not in engine.split("+"):
        return cosine(documents, 0.0)
    from ...llm.local.minilm import minilm

    return cosine(documents, 0.0, minilm().embed, "minilm")


def _mean(scores: Sequence[RewriteScore], name: Figure) -> Estimate | None:
    values = np.array([getattr(each, name) for each in scores], dtype=float)
    return None if np.isnan(values).all() else bootstrap_mean(values)
