"""From a task's name to a `Task`."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from ...llm.prompts import Prompt
from ...llm.types import Abilities
from ..errors import OptimizeError
from ..task import Task, Texts
from .building import body
from .metrics import checked_metric

if TYPE_CHECKING:
    from ...data import Dataset

T = TypeVar("T", bound=Task)

TASKS: dict[str, tuple[str, str, str]] = {
    "session": (".session", "open_session", "SessionOptions"),
    "news": (".news", "open_news", "NewsOptions"),
    "rerank": (".rerank", "open_rerank", "RerankOptions"),
}
"""Name -> module, opener, options. A new task is one more line; an opener takes (data, options, metric, seed, abilities)."""

METRIC = "ndcg@10"


def open_task(
    name: str,
    data: str | Path | Dataset | None = None,
    *,
    abilities: Abilities | None = None,
    seed: int = 0,
    metric: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Task:
    """The task of that name over `data` (None: its own default, the embedded MovieTweetings where there is one).

    `abilities`: of the model that will be asked, which decide how (see `asking.choose`). `metric`: what is maximised, by
    default ndcg@10. `options`: fields of the task's options (its `…Options` class), as values or as text. Raises
    `OptimizeError` for unknown names, options and metrics, `DataError` for data that cannot be used.
    """
    kind = name.strip().lower()
    if kind not in TASKS:
        near = get_close_matches(kind, TASKS, n=2)
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise OptimizeError(f"no task {name!r}{hint}\n  there are {', '.join(TASKS)}")
    where = import_module(TASKS[kind][0], __package__)
    _, opener, known = TASKS[kind]
    asked = _checked(kind, getattr(where, known), options or {})
    return getattr(where, opener)(data, asked, checked_metric(metric or METRIC), seed, abilities)


def _checked(name: str, known: type[BaseModel], options: Mapping[str, Any]) -> BaseModel:
    try:
        return known.model_validate(options)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise OptimizeError(f"options of task {name}: {faults}\n  there are {', '.join(known.model_fields)}") from None


def with_seed(task: T, texts: Texts) -> T:
    """The task with other texts to begin from; each is checked against the fields that it may hold and must.

    A text may be a prompt file's, with its header. Raises `OptimizeError` for a text there is not and for a required field
    that is missing, `PromptError` for a field there is not.
    """
    components = dict(task.components)
    for name, text in texts.items():
        if name not in components:
            raise OptimizeError(f"{task.name} has no text {name!r}\n  there are {', '.join(components)}")
        known, plain = components[name], body(text)
        if known.fields:
            prompt = Prompt.parse(plain, f"seed prompt {name!r}", known=known.fields)
            lacking = [one for one in known.required if not prompt.used & set(one.split("|"))]
            if lacking:
                wanted = " and ".join(" or ".join("{{" + one + "}}" for one in each.split("|")) for each in lacking)
                raise OptimizeError(f"the seed prompt {name!r} needs {wanted}\n  put it where its text belongs")
        components[name] = replace(known, text=plain)
    other = copy(task)
    object.__setattr__(other, "components", components)  # tasks are frozen
    return other
