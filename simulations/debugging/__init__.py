"""The debugger of a rehearsal: look at any moment of any agent, change it, fork, go on, compare. Web page and command use this.

views.py        what is shown: plain values, the same for Python, the command and the page
debugger.py     `Debugger`: the one face of all that follows
reading.py      a rehearsal's log in few queries: pages in order, titles, edits
population.py   who is where, as columns; one agent's pages
moments.py      a page lived again from its recording in its finer nodes; memory
callviews.py    recorded calls as people read them
fields.py       the names that a breakpoint's condition may use, and what they are at a moment
breakpoints.py  breakpoints, found in a recording or met by a run that goes on
edits.py        what may be changed, and how it is written
checking.py     whether an edit can be, held against the run that is forked
in_force.py     what a run's edits make of a person, a state, a slate, a prompt, on a page
staging.py      a rehearsal's parts as a fork has them; who only does what they did
answering.py    answers put in by hand
forking.py      a fork with its edits, and going on from it
diffing.py      what a fork did otherwise than its parent
asking.py       one recorded call put again, old and new side by side
session.py      breakpoints and the place one looks at, kept beside the run
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .debugger import Debugger
    from .views import Breakpoint, CallView, Difference, Fork, Hit, Moment, Overview, PageView, Place, Reasked, Stop

_HOME = {"Debugger": "debugger"} | dict.fromkeys(
    (
        "Breakpoint",
        "CallView",
        "Difference",
        "Fork",
        "Hit",
        "Moment",
        "Overview",
        "PageView",
        "Place",
        "Reasked",
        "Stop",
    ),
    "views",
)

__all__ = [
    "Breakpoint",
    "CallView",
    "Debugger",
    "Difference",
    "Fork",
    "Hit",
    "Moment",
    "Overview",
    "PageView",
    "Place",
    "Reasked",
    "Stop",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
