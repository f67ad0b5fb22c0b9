"""DSPy: programs as tasks, our optimizers as teleprompters, DSPy's own optimizers under our budgets and log.

program_task.py, judging.py        a DSPy program with its metric as a task
teleprompters.py, lm_provider.py   our searches as DSPy's optimizers are used, over any `dspy.LM`
rivals.py, stage.py, metered.py    MIPROv2, GEPA, COPRO, SIMBA as optimizers of ours; any task as a DSPy program
gepa_plugins.py                    for gepa itself: acceptance and choice of cases, decided in pairs
exchange.py                        prompts in the forms of other tools

dspy is imported when one of these is used, not before.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .gepa_plugins import PairedAcceptance, SharedCases
    from .program_task import ProgramTask, open_program
    from .teleprompters import RecLoopPO4ISR, RecLoopRacing, RecLoopRecPrompt

_LAZY = {
    "PairedAcceptance": "gepa_plugins",
    "ProgramTask": "program_task",
    "RecLoopPO4ISR": "teleprompters",
    "RecLoopRacing": "teleprompters",
    "RecLoopRecPrompt": "teleprompters",
    "SharedCases": "gepa_plugins",
    "open_program": "program_task",
}

__all__ = [
    "PairedAcceptance",
    "ProgramTask",
    "RecLoopPO4ISR",
    "RecLoopRacing",
    "RecLoopRecPrompt",
    "SharedCases",
    "open_program",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
