"""A DSPy metric, plain or GEPA's, read as a value and a text."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import OptimizeError


class Judged(NamedTuple):
    """What a metric said: the value, and its feedback where it gave any."""

    value: float
    feedback: str = ""


def arity(metric: Callable[..., Any]) -> int:
    """How many arguments a metric is to be given: 5 (gold, pred, trace, pred_name, pred_trace), 3 or 2."""
    try:
        signature = inspect.signature(metric)
    except (TypeError, ValueError):
        return 3
    for many in (5, 3, 2):
        try:
            signature.bind(*[None] * many)
        except TypeError:
            continue
        return many
    raise OptimizeError(
        f"the metric {getattr(metric, '__name__', metric)!r} takes neither (example, pred, trace) nor GEPA's five arguments\n"
        "  write def metric(example, pred, trace=None)"
    )


def judge(metric: Callable[..., Any], arguments: int, example: Any, prediction: Any) -> Judged:
    """Call a metric on one prediction. Raises `OptimizeError` for what is no finite number."""
    said = metric(example, prediction, *[None] * (arguments - 2))
    score = said if isinstance(said, bool | int | float) else getattr(said, "score", said)
    try:
        value = float(score)  # numpy's numbers and dspy's predictions of one score, too
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise OptimizeError(
            f"the metric answered {said!r}, which is no finite number\n"
            "  return a bool, a number, or dspy.Prediction(score=…, feedback=…)"
        )
    return Judged(value, str(getattr(said, "feedback", "") or ""))
