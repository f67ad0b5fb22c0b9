"""What a ranking of one case is worth, in every metric there is, and what a random order would be."""

from __future__ import annotations

from difflib import get_close_matches

from ...evaluators import AUC, MAP, MRR, NDCG, HitRate, Metric, Ranking, Truth, expected_by_chance
from ..errors import OptimizeError

METRICS: dict[str, Metric] = {
    **{f"hr@{k}": HitRate(k) for k in (1, 5, 10)},
    **{f"ndcg@{k}": NDCG(k) for k in (5, 10, 20)},
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
    """Every metric of one ranking of all candidates."""
    return _with_monitor({name: metric.per_case(ranking, truth) for name, metric in METRICS.items()})


def floor_of(metric: str, candidates: int, relevant: int) -> float:
    """The metric's mean over all orders of the candidates."""
    names = _MONITORED if metric == MONITOR else (metric,)
    return sum(expected_by_chance(METRICS[name], candidates, relevant) for name in names) / len(names)


def worst() -> dict[str, float]:
    """What an answer is worth that cannot be used."""
    return dict.fromkeys(NAMES, 0.0)


def _with_monitor(values: dict[str, float]) -> dict[str, float]:
    return {**values, MONITOR: sum(values[name] for name in _MONITORED) / len(_MONITORED)}
