"""Many rehearsals from one grid of settings, and one table that holds them against each other.

    grid.py      the TOML grid: axes, arms, cells, their names      checks.py   what can be wrong, before the first run
    carry.py     start, go on, cell by cell                         crew.py     processes for cells without a model
    measures.py  what is read off a finished cell, user by user     tables.py   the sweep's documented tables
    contrast.py  intervals, paired differences, Holm                summary.py  arms beside each other
    printed.py   the table in the terminal                          picture.py  the dot plot
    forecasting.py what it would cost

A new number: one `Measure` in measures.py. The sweep is a run of its own kind; its cells are ordinary runs below it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ...runs import RunKind, register_kind
from . import tables as _tables  # noqa: F401  (registers the tables)
from .grid import VOLATILE, Cell, Grid, SweepError, load_grid

if TYPE_CHECKING:
    from .carry import resume, sweep
    from .forecasting import forecast
    from .picture import write_picture
    from .printed import print_sweep
    from .summary import SweepSummary, numbers, summarise

_LAZY = {
    "SweepSummary": "summary",
    "forecast": "forecasting",
    "numbers": "summary",
    "print_sweep": "printed",
    "resume": "carry",
    "summarise": "summary",
    "sweep": "carry",
    "write_picture": "picture",
}

__all__ = [
    "Cell",
    "Grid",
    "SweepError",
    "SweepSummary",
    "forecast",
    "load_grid",
    "numbers",
    "print_sweep",
    "resume",
    "summarise",
    "sweep",
    "write_picture",
]

register_kind(
    RunKind(
        "sweep",
        resume="recloop.simulations.sweep.carry:resume",
        summary="recloop.simulations.sweep.summary:numbers",
        volatile_config=VOLATILE,
    )
)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
