"""How well a rewrite's check agrees with people: 2,430 variations of 243 queries, labelled valid or not (RECLOOP_DATA).

    python benchmarks/rewrite_judge.py [--local] [--judge MODEL --votes 1] [--queries N]

Each check gives a number per variation: cosine of static word vectors, cosine of hashed words, overlap of letters in threes;
with `--local` the embedded model's log-odds of yes (corrected by the same question about nothing) and how much likelier the
query makes the variation (nats a word); with `--judge` the verdicts of a chat model, through the judge of `recloop rewrite`.
AUC, accuracy and kappa at thresholds; intervals by bootstrap over queries, since the variations of one query belong together.

Three slices: all rows; those where anything was changed (an unchanged query is labelled not valid, which says nothing of its
meaning); and of these the families whose labels differ at all (slips and orders were labelled valid throughout).
The baseline of an accuracy is the larger class. `chosen`: the threshold is chosen on the other half of the queries.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from recloop.agents.embedding import cached
from recloop.agents.rewriter.judge import Judge
from recloop.agents.rewriter.records import Searcher
from recloop.llm import Place, Question, open_model, static_vectors

THRESHOLDS = {"vectors": (0.5, 0.6, 0.7, 0.8, 0.9), "words": (0.3, 0.5, 0.7), "letters": (0.3, 0.5, 0.7)}
DRAWS = 1000
ANYBODY = Searcher("anybody", "Anybody at all; every manner of putting it will do.")


def rows() -> list[dict[str, Any]]:
    import csv

    folder = Path(os.environ.get("RECLOOP_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    with gzip.open(folder / "query-variations" / "variations_labeled.csv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def letters(a: str, b: str) -> float:
    """Jaccard of the sets of three letters in a row."""
    first, second = ({text[i : i + 3] for i in range(len(text) - 2)} for text in (f" {a.lower()} ", f" {b.lower()} "))
    return len(first & second) / max(1, len(first | second))


async def by_likelihood(pairs: Sequence[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds of yes less those about nothing, and nats a word that the query adds to the variation."""
    yes, gain = np.zeros(len(pairs)), np.zeros(len(pairs))
    asked = "Do both look for the same thing?\nAnswer:"
    nothing = f"First search: N/A\nSecond search: N/A\n{asked}"
    async with open_model("local/smollm2", concurrency=2) as model:

        async def one(i: int) -> None:
            query, variation = (" ".join(text.split()) for text in pairs[i])
            outcome = await model.score(
                "",
                [
                    Question(
                        f"First search: {query}\nSecond search: {variation}\n{asked}", (" Yes", " No"), alone=True
                    ),
                    Question(nothing, (" Yes", " No"), alone=True),
                    Question(f"A search: {query}\nThe same search in other words:", (f" {variation}",), alone=True),
                    Question("A search in other words:", (f" {variation}",), alone=True),
                ],
                at=Place(str(i)),
            )
            assert outcome.value is not None, outcome.error
            own, free, (given,), (alone,) = outcome.value
            yes[i] = own[0] - own[1] - (free[0] - free[1])
            gain[i] = (given - alone) / max(1, len(variation.split()))

        await asyncio.gather(*(one(i) for i in range(len(pairs))))
    return yes, gain


async def by_judge(pairs: Sequence[tuple[str, str]], name: str, votes: int) -> np.ndarray:
    """The judge's verdicts on meaning, -1, 0, 1; NaN where there was no usable answer."""
    async with open_model(name) as model:
        judge = Judge(model, votes)
        found = await asyncio.gather(
            *(judge.judge(query, text, ANYBODY, Place(str(i))) for i, (query, text) in enumerate(pairs))
        )
    return np.array([np.nan if each.meaning is None else each.meaning for each in found], dtype=float)


def auc(score: np.ndarray, label: np.ndarray) -> float:
    """Probability that a valid variation has the higher score, ties half (Mann and Whitney 1947)."""
    from scipy.stats import rankdata

    n, k = len(label), int(label.sum())
    return float("nan") if k in (0, n) else float((rankdata(score)[label].sum() - k * (k + 1) / 2) / (k * (n - k)))


def agreement(said: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """Accuracy and Cohen's kappa."""
    right = float((said == label).mean())
    chance = float(said.mean() * label.mean() + (1 - said.mean()) * (1 - label.mean()))
    return right, (right - chance) / (1 - chance) if chance < 1 else 0.0


def chosen(score: np.ndarray, label: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Verdicts at the threshold of highest kappa on the other half of the queries."""
    said = np.zeros(len(label), dtype=bool)
    for here in (half, ~half):
        grid = np.unique(np.quantile(score[~here], np.linspace(0, 1, 101)))
        best = max(grid, key=lambda t: agreement(score[~here] >= t, label[~here])[1])
        said[here] = score[here] >= best
    return said


def interval(values: Sequence[Any], groups: np.ndarray, measure: Any) -> list[float]:
    """Percentile interval over resampled queries."""
    rng = np.random.default_rng(0)
    names, place = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(place == g) for g in range(len(names))]
    drawn = []
    for _ in range(DRAWS):
        picked = np.concatenate([members[g] for g in rng.integers(0, len(names), len(names))])
        drawn.append(measure(*(value[picked] for value in values)))
    return [round(float(x), 3) for x in np.nanquantile(drawn, [0.025, 0.975])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="the embedded model too (some minutes)")
    parser.add_argument("--judge", help="a chat model, by name")
    parser.add_argument("--votes", type=int, default=1)
    parser.add_argument("--queries", type=int, help="so many queries only, drawn at random")
    given = parser.parse_args()
    data = rows()
    if given.queries:
        texts = sorted({row["original_query"] for row in data})
        kept = {texts[i] for i in np.random.default_rng(0).permutation(len(texts))[: given.queries]}
        data = [row for row in data if row["original_query"] in kept]
    pairs = [(row["original_query"], row["variation"]) for row in data]
    label = np.array([row["valid"] == "True" for row in data])
    groups = np.array([f"{row['dataset']}/{row['q_id']}" for row in data])
    changed = np.array([a.lower().split() != b.lower().split() for a, b in pairs])
    differ = changed & np.array([row["transformation_type"] not in ("mispelling", "ordering") for row in data])
    vectors, words = cached(static_vectors().embed), cached()
    scores = {
        "vectors": np.array([vectors.cosines(a, [b])[0] for a, b in pairs]),
        "words": np.array([words.cosines(a, [b])[0] for a, b in pairs]),
        "letters": np.array([letters(a, b) for a, b in pairs]),
    }
    if given.local:
        scores["local yes"], scores["local gain"] = asyncio.run(by_likelihood(pairs))
    if given.judge:
        scores[f"judge {given.judge}"] = asyncio.run(by_judge(pairs, given.judge, given.votes))
    names = np.unique(groups)
    half = np.isin(groups, np.random.default_rng(0).permutation(names)[: len(names) // 2])
    for slice_name, mask in (("all", np.ones(len(data), bool)), ("changed", changed), ("differ", differ)):
        y, g = label[mask], groups[mask]
        print(
            json.dumps(
                {"slice": slice_name, "variations": len(y), "queries": len(set(g)), "valid": round(float(y.mean()), 3)}
            )
        )
        for name, every in scores.items():
            here = ~np.isnan(every[mask])
            s, t, by = every[mask][here], y[here], g[here]
            row: dict[str, Any] = {"slice": slice_name, "check": name, "auc": round(auc(s, t), 3)}
            row["auc_95"] = interval([s, t], by, auc)
            cuts: dict[str, np.ndarray] = {f"{cut:g}": s >= cut for cut in THRESHOLDS.get(name, ())}
            if name.startswith("judge"):
                cuts["0"] = s >= 0
                row["no_answer"] = int((~here).sum())
            else:
                cuts["chosen"] = chosen(s, t, half[mask][here])
            for cut, said in cuts.items():
                right, kappa = agreement(said, t)
                row[f"at {cut}"] = {
                    "accuracy": round(right, 3),
                    "accuracy_95": interval([said, t], by, lambda a, b: agreement(a, b)[0]),
                    "kappa": round(kappa, 3),
                    "kappa_95": interval([said, t], by, lambda a, b: agreement(a, b)[1]),
                }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
