"""`recloop resume`: go on with a paused or killed run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import console


def command(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    budget: Annotated[str | None, typer.Option(help="New limits, e.g. `calls=1000` (spent so far counts).")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Calls in flight at once.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Go on from the last page barrier of a paused, killed or failed run. Calls already recorded are not made again."""
    from ..runs import Run
    from .bars import Bars
    from .kinds import kind_of
    from .simulate import conclude, interruptible

    with Run.open(run) as opened:
        kind, status = kind_of(opened), opened.status
    if status == "finished":
        console.print(f"{run} is finished already.", markup=False, highlight=False)
    with Bars(quiet=as_json) as bars:
        interruptible(kind.call("resume", run, budget=budget, concurrency=concurrency, progress=bars), run)
    conclude(run, as_json)
