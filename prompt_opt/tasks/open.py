"""From a task's name to a `Task`."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from ...llm.types import Abilities
from ..errors import OptimizeError, wrong_options
from ..task import Task
from .metrics import checked_metric

if TYPE_CHECKING:
    from ...data import Dataset
    from ...data.search import SearchSet

TASKS: dict[str, tuple[str, str, str]] = {
    "session": (".session", "open_session", "SessionOptions"),
    "news": (".news", "open_news", "NewsOptions"),
    "rerank": (".rerank", "open_rerank", "RerankOptions"),
    "simulator": (".simulator", "open_simulator", "SimulatorOptions"),
    "rewrite": (".rewrite", "open_rewrite", "RewriteOptions"),
}
"""Name -> module, opener, options. A new task is one more line; an opener takes (data, options, metric, seed, abilities)."""

METRIC = "ndcg@10"
OWN_METRICS = ("simulator", "rewrite")
"""Tasks that rank no candidates: their openers know their metrics."""


def open_task(
    name: str,
    data: str | Path | Dataset | SearchSet | None = None,
    *,
    abilities: Abilities | None = None,
    seed: int = 0,
    metric: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Task:
    """The task of that name over `data` (None: its own default, the embedded MovieTweetings where there is one).

    `abilities`: of the model that will be asked, which decide how (see `asking.choose`). `metric`: what is maximised, by
    default ndcg@10 (the simulator: auc; rewrites: union_ndcg@10). `options`: fields of the task's options (its `…Options` class), as values or as text. Raises
    `OptimizeError` for unknown names, options and metrics, `DataError` for data that cannot be used.
    """
    kind = name.strip().lower()
    if kind not in TASKS:
        near = get_close_matches(kind, TASKS, n=2)
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise OptimizeError(f"no task {name!r}{hint}\n  there are {', '.join(TASKS)}, dspy:MODULE:PROGRAM")
    where = import_module(TASKS[kind][0], __package__)
    _, opener, known = TASKS[kind]
    asked = _checked(kind, getattr(where, known), options or {})
    if kind not in OWN_METRICS:
        metric = checked_metric(metric or METRIC)
    return getattr(where, opener)(data, asked, metric, seed, abilities)


def _checked(name: str, known: type[BaseModel], options: Mapping[str, Any]) -> BaseModel:
    try:
        return known.model_validate(options)
    except ValidationError as error:
        raise wrong_options(f"task {name}", error, known.model_fields) from None
