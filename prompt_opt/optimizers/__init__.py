"""Ways to search, one file each: a generator of steps (`steps.py`) and its Pydantic config.

A new one: a class with `name`, `config_type`, `search` and `forecast`, made from its config alone, and a line in `OPTIMIZERS`.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from ..context import Optimizer
from ..errors import OptimizeError, wrong_options

OPTIMIZERS = {
    "racing": ".racing:Racing",
    "recprompt": ".recprompt:RecPrompt",
    "po4isr": ".po4isr:PO4ISR",
    "mipro": "..programs.rivals:MIPROv2",
    "gepa": "..programs.rivals:GEPA",
    "copro": "..programs.rivals:COPRO",
    "simba": "..programs.rivals:SIMBA",
}
"""Name -> where its class lives. Imported when asked for: some bring heavy libraries."""


def open_optimizer(name: str, **options: Any) -> Optimizer:
    """The optimizer of this name; `options` are fields of its config.

    Raises `OptimizeError` for an unknown name, and for options that its config does not take.
    """
    if name not in OPTIMIZERS:
        near = difflib.get_close_matches(name.lower(), OPTIMIZERS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise OptimizeError(f"no optimizer {name!r}{hint}\n  known: {', '.join(OPTIMIZERS)}")
    module, _, kind = OPTIMIZERS[name].partition(":")
    optimizer = getattr(import_module(module, __package__), kind)
    try:
        return optimizer(optimizer.config_type(**options))
    except ValidationError as error:
        raise wrong_options(name, error, optimizer.config_type.model_fields) from None


__all__ = ["OPTIMIZERS", "Optimizer", "open_optimizer"]
