"""Populations of agents before a recommender: the run loop, summaries, reports.

    config.py      what a rehearsal is asked to do          policy.py      the recommender in the loop
    preparation.py data, split, personas, recommender       population.py  the Mesa model
    players.py     who the users are, who answers           minds.py       LangGraph agents or scripted users
    calibrate.py   score mode learns its margins            forecasting.py what it would cost
    rehearsal.py   start, resume, replay                    recorded.py    the recommender of a replay
    course.py      page by page to the end                  stopping.py    why it stops before
    sameness.py    what must not change meanwhile           debugging/     look at any moment, fork, go on
    tables.py      the run's documented tables              outcome/       what came of it: numbers, report, charts
    shared.py      what several rehearsals have in common   sweep/         a grid of rehearsals and its table
    interviews.py  questions to agents from outside         studies/       questions asked of rehearsals

A study (a question asked of rehearsals) is a new file here. The names below are the public face; they load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..runs import RunKind, register_kind
from . import sweep as _sweep  # noqa: F401  (registers its kind and tables)
from . import tables as _tables  # noqa: F401  (registers the tables)
from .config import VOLATILE, SimulateConfig, SimulateError, load_config

if TYPE_CHECKING:
    from .forecasting import Forecast, forecast
    from .interviews import interview
    from .outcome.report import write_picture, write_report
    from .outcome.summary import Summary, degenerate, print_summary, summarise
    from .policy import Policy
    from .population import Mind, Population, SimUser
    from .preparation import Prepared, prepare
    from .rehearsal import replay, resume, simulate

_LAZY = {
    "Forecast": "forecasting",
    "forecast": "forecasting",
    "interview": "interviews",
    "Mind": "population",
    "Policy": "policy",
    "Population": "population",
    "Prepared": "preparation",
    "SimUser": "population",
    "degenerate": "outcome.summary",
    "prepare": "preparation",
    "print_summary": "outcome.summary",
    "replay": "rehearsal",
    "resume": "rehearsal",
    "simulate": "rehearsal",
    "summarise": "outcome.summary",
    "Summary": "outcome.summary",
    "write_picture": "outcome.report",
    "write_report": "outcome.report",
}

__all__ = [
    "Forecast",
    "Mind",
    "Policy",
    "Population",
    "Prepared",
    "SimUser",
    "SimulateConfig",
    "SimulateError",
    "Summary",
    "degenerate",
    "forecast",
    "interview",
    "load_config",
    "prepare",
    "print_summary",
    "replay",
    "resume",
    "simulate",
    "summarise",
    "write_picture",
    "write_report",
]

register_kind(
    RunKind(
        "simulate",
        resume="recloop.simulations.rehearsal:resume",
        replay="recloop.simulations.rehearsal:replay",
        summary="recloop.simulations.outcome.summary:numbers",
        volatile_config=VOLATILE,
    )
)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
