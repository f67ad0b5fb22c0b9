"""What rewrites are worth that need no model: relevance, increment and hit rate per family of rules, RM3 and chance.

    python benchmarks/rewrite_worth.py crowdflower-relevance [--queries 1000] [--judged-only] [--json]

"best by cosine" is what a shop without judgements could do: of all rules' rewrites the best one by a model's relevance. Its
threshold comes from the half of the queries (by hash) that it does not choose for. All figures are by people's judgements.
Intervals: bootstrap over queries, 95 %. `beyond reading on`: relevant documents added, less those that as many further
documents of the query's own list would have added, in the unit of increment.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import numpy as np
from recloop.agents.rewriter.rules import FAMILIES, rule_rewrites
from recloop.data.search_load import load_search
from recloop.data.search_split import split_queries
from recloop.evaluators import bootstrap_mean
from recloop.methods.beque import (
    Judged,
    RewriteScore,
    ScoreConfig,
    best_of,
    cosine,
    others_queries,
    rm3,
    score_rewrites,
    threshold,
)
from recloop.methods.search import open_retriever


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="shop-search")
    parser.add_argument("--queries", type=int, default=1000, help="most queries that are scored")
    parser.add_argument("--judged-only", action="store_true", help="leave out what nobody judged (condensed lists)")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    start = time.perf_counter()
    data = load_search(asked.name)
    judged = data.subset(query for query in data.queries if any(g > 0 for g in data.judgements[query].values()))
    halves = split_queries(judged, test=0.5)
    bm25 = open_retriever("bm25").fit(data.documents)
    config = ScoreConfig(k=asked.k, judged_only=asked.judged_only)
    people, model = Judged(data), cosine(data.documents, 0.0)
    queries: list[str] = []
    best: list[list[str]] = []
    above: list[float] = []
    for half, other in ((halves.test, halves.train), (halves.train, halves.test)):
        texts = list(half.queries.values())[: asked.queries // 2]
        model.above = threshold(model, other, people.least)
        proposed = [[text for family in FAMILIES for text in rule_rewrites(query, family)] for query in texts]
        chosen = [best_of(each) for each in score_rewrites(texts, proposed, bm25, model)]
        queries, above = [*queries, *texts], [*above, round(model.above, 3)]
        best += [[each.text] if each is not None else [] for each in chosen]
    arms = {family: [rule_rewrites(query, family) for query in queries] for family in FAMILIES}
    arms["best by cosine"] = best
    arms["RM3"] = [[text] for text in rm3(queries, bm25, data.documents)]
    arms["another query"] = others_queries(queries)
    found = {arm: score_rewrites(queries, texts, bm25, people, config=config) for arm, texts in arms.items()}
    rows = [_row("the query alone", [each.alone for each in next(iter(found.values()))])]
    rows += [_row(arm, [each.scores[0] for each in scored if each.scores]) for arm, scored in found.items()]
    about = {
        "set": data.name, "queries": len(queries), "documents": len(data.documents), "k": asked.k,
        "least grade": people.least, "deviations above": above, "judged only": asked.judged_only,
        "found nothing": sum(not each.alone.counts.found for each in next(iter(found.values()))),
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    if asked.json:
        print(json.dumps({"about": about, "rows": rows}, indent=1))
        return
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    names = [name for name in rows[0] if name != "arm"]
    print("| arm | " + " | ".join(names) + " |\n| --- |" + " ---: |" * len(names))
    for row in rows:
        print(f"| {row['arm']} | " + " | ".join(str(row[name]) for name in names) + " |")


def _row(arm: str, scores: Sequence[RewriteScore]) -> dict[str, object]:
    figures = {
        "relevance": "relevance",
        "increment": "increment",
        "hit rate": "hit_rate",
        "beyond reading on": "beyond",
    }
    row: dict[str, object] = {"arm": arm, "queries": len(scores)}
    for shown, name in figures.items():
        row[shown] = _interval([getattr(each, name) for each in scores])
    listed = sum(each.counts.found for each in scores)
    row["unjudged"] = f"{sum(each.counts.unjudged for each in scores) / max(1, listed):.0%}"
    row["added"] = f"{np.mean([each.counts.added for each in scores] or [0]):.2f}"
    return row


def _interval(values: list[float]) -> str:
    if np.isnan(values).all():
        return "-"
    found = bootstrap_mean(values)
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


if __name__ == "__main__":
    main()
