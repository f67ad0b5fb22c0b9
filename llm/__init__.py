"""One door to every model.

    opening.py      names of models -> a Door            door.py      the Door: key, record, ask, validate, repair
    line.py         budget, turn, retries, patience      budget.py, gate.py, patience.py, keys.py, cassette.py, records.py
    answers.py      reading what came back               schemas.py, asking.py, joining.py     structured answers
    prompts.py      prompt files                         fence.py     user and item text as data
    providers/      what stands behind the door: one file per way of reaching a model
    local/          models in this process
    langchain_face.py, dspy_face.py, sync.py             the same door for other libraries

A new way of reaching models is a file in `providers/` that matches `providers.base.Provider`, and a line in `opening.py`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .budget import Budget, Spending
from .cassette import Cassette, MemoryCassette
from .door import Door
from .errors import BudgetError, ModelConfigError, ModelFailed, PromptError, ReplayDiverged
from .fence import fence, plain
from .opening import open_model
from .prices import Price
from .prompts import Prompt
from .schemas import Form, UnfitAnswer
from .types import Abilities, Message, Model, Outcome, Place, Question, Status, Usage

if TYPE_CHECKING:
    from .dspy_face import dspy_lm
    from .langchain_face import DoorChatModel
    from .local import static_vectors

__all__ = [
    "Abilities",
    "Budget",
    "BudgetError",
    "Cassette",
    "Door",
    "DoorChatModel",
    "Form",
    "MemoryCassette",
    "Message",
    "Model",
    "ModelConfigError",
    "ModelFailed",
    "Outcome",
    "Place",
    "Price",
    "Prompt",
    "PromptError",
    "Question",
    "ReplayDiverged",
    "Spending",
    "Status",
    "UnfitAnswer",
    "Usage",
    "dspy_lm",
    "fence",
    "open_model",
    "plain",
    "static_vectors",
]

_LAZY = {"DoorChatModel": "langchain_face", "dspy_lm": "dspy_face", "static_vectors": "local"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
