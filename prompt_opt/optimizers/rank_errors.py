"""Which cases count as errors of a prompt (PO4ISR, section 3.2: a target missing or ranked low)."""

from __future__ import annotations

import math

from ..task import Result

RECIPROCAL = ("mrr", "rr", "map")
"""Values that are 1 / rank where a case has one target."""


def rank_of(result: Result) -> float | None:
    """The target's rank, from the reciprocal rank among the values, infinite for an unranked target; None without one."""
    values = {name.lower(): value for name, value in result.values.items()}
    for name in RECIPROCAL:
        deepest = max((key for key in values if key.partition("@")[0] == name), key=_depth, default=None)
        if deepest is not None and not math.isnan(values[deepest]):
            return 1 / values[deepest] if values[deepest] > 0 else math.inf
    return None


def is_error(result: Result, metric: str, rank: int, value: float) -> bool:
    """Whether the case went wrong: an unusable answer, a target ranked at `rank` or lower, or, where the task knows no
    ranks, a `metric` below `value`. A missing case says nothing, so it is no error."""
    if result.missing:
        return False
    if result.status != "ok":
        return True
    found = rank_of(result)
    if found is not None:
        return found >= rank - 1e-9
    return result.values.get(metric, 0.0) < value


def _depth(name: str) -> float:
    at = name.partition("@")[2]
    return float(at) if at.isdigit() else math.inf
