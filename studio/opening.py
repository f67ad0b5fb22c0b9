"""Which kinds of run the page can open, and by what. A kind's view begins with a line in `VIEWS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..prompt_opt.debugging import SearchDebugger
from ..runs import Run
from ..simulations.debugging import Debugger
from .errors import Refused

VIEWS: dict[str, Callable[[Path, str | None], Any]] = {
    "simulate": lambda path, api_key: Debugger(path, api_key=api_key),
    "optimize": lambda path, api_key: SearchDebugger(path, api_key=api_key),
}
"""A run's kind -> what opens a run of it. The page is told the kind, and shows the view of that name."""

_INSTEAD = {
    "study": "its page: recloop report {run} --open; a rehearsal that it holds can be opened: {below}",
    "sweep": "its page: recloop report {run} --open; a rehearsal that it holds can be opened: {below}",
}


def view_of(path: Path) -> str:
    """The view of a run. Raises `Refused`, saying what can be done instead, and what `Run.open` raises."""
    with Run.open(path) as run:
        kind = run.kind
    if kind in VIEWS:
        return kind
    below = sorted(each.parent for each in path.glob("runs/*/manifest.json"))
    hint = _INSTEAD.get(kind, "look at it with recloop runs show {run}")
    example = f"recloop debug {below[0]}" if below else "there is none yet"
    raise Refused(
        409,
        f"{path} is a run of kind {kind!r}; the page opens runs of kind {', '.join(VIEWS)}",
        hint.format(run=path, below=example),
    )


def open_run(path: Path, api_key: str | None) -> Any:
    """The debugger of a run. Raises as `view_of` does."""
    return VIEWS[view_of(path)](path, api_key)
