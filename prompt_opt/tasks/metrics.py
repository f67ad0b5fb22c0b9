"""What a ranking of one case is worth, in every metric there is, and what a random order would be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches

from ...evaluators import AUC, MAP, MRR, NDCG, HitRate, Metric, Ranking, Truth, expected_by_chance
from ..errors import OptimizeError

_HITS, _GAINS = (1, 5, 10), (5, 10, 20)

METRICS: dict[str, Metric] = {
    **{f"hr@{k}": HitRate(k) for k in _HITS},
    **{f"ndcg@{k}": NDCG(k) for k in _GAINS},
    "map": MAP(None),
    "mrr": MRR(None),
    "auc": AUC(),
}
"""All candidates are ranked, so MAP, MRR and AUC look at the whole list. With several relevant items MRR takes the first."""

MONITOR = "monitor"
_MONITORED = ("auc", "mrr", "ndcg@5", "ndcg@10")
"""RecPrompt's monitor: the mean of these four."""

NAMES = (*METRICS, MONITOR)


def checked_metric(name: str) -> str:
    """The name of a metric. Raises `OptimizeError` for one that is not there, with near matches."""
    plain = name.strip().lower()
    plain = plain.replace("hit@", "hr@")
    if plain in NAMES:
        return plain
    near = get_close_matches(plain, NAMES, n=2)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise OptimizeError(f"no metric {name!r}{hint}\n  there are {', '.join(NAMES)}")


def values_of(ranking: Ranking, truth: Truth) -> dict[str, float]:
    """Every metric of one ranking of all candidates, best score first.

    Where all relevant items are worth the same, from their places alone: on lists of twenty that takes a fifth of what
    `METRICS` take one by one, and a search judges thousands. A test holds the two equal.
    """
    relevant = frozenset(truth)
    places = [place for place, item in enumerate(ranking.items, 1) if item in relevant]
    if isinstance(truth, Mapping) or len(places) < len(relevant) or not 0 < len(places) < len(ranking):
        return _with_monitor({name: metric.per_case(ranking, truth) for name, metric in METRICS.items()})
    values: dict[str, float] = {f"hr@{k}": float(places[0] <= k) for k in _HITS}
    for k in _GAINS:
        found = sum(1.0 / math.log2(place + 1) for place in places if place <= k)
        values[f"ndcg@{k}"] = found / sum(1.0 / math.log2(place + 1) for place in range(1, min(k, len(places)) + 1))
    values["map"] = sum(n / place for n, place in enumerate(places, 1)) / len(places)
    values["mrr"] = 1.0 / places[0]
    values["auc"] = _auc(ranking, relevant)
    return _with_monitor(values)


def _auc(ranking: Ranking, relevant: frozenset[str]) -> float:
    """Share of (relevant, other) pairs in the right order, ties a half, in one pass from the lowest score up."""
    won, below, hits, others = 0.0, 0, 0, 0
    last = math.nan
    for item, score in zip(reversed(ranking.items), reversed(ranking.scores.tolist()), strict=True):
        if score != last:
            won, below, hits, others, last = won + hits * (below + others / 2), below + others, 0, 0, score
        if item in relevant:
            hits += 1
        else:
            others += 1
    won, below = won + hits * (below + others / 2), below + others
    return won / (below * (len(ranking) - below))


def floor_of(metric: str, candidates: int, relevant: int) -> float:
    """The metric's mean over all orders of the candidates."""
    names = _MONITORED if metric == MONITOR else (metric,)
    return sum(expected_by_chance(METRICS[name], candidates, relevant) for name in names) / len(names)


def worst() -> dict[str, float]:
    """What an answer is worth that cannot be used."""
    return dict.fromkeys(NAMES, 0.0)


def _with_monitor(values: dict[str, float]) -> dict[str, float]:
    return {**values, MONITOR: sum(values[name] for name in _MONITORED) / len(_MONITORED)}
