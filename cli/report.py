"""`recloop report`: the picture of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import CommandError, print_json, say


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.")],
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: Json = False,
) -> None:
    """Write one HTML page about a run: numbers, plots, baselines, sample users.

    Of a prompt search: the verdict, the winning prompt, and every candidate
    with what was changed and how it fared. The page holds everything itself
    and asks nothing of the network. A paused run has a report too.

      recloop report recloop-runs/2026-01-31-simulate --open

    """
    from ..runs import Run
    from ..simulations import write_picture, write_report
    from .kinds import kind_of

    with Run.open(run) as opened:
        if kind_of(opened).name == "sweep":
            from .sweep import report_sweep

            report_sweep(opened, show, as_json)
            return
        if opened.kind == "optimize":
            from .prompts import report_search

            report_search(opened, show, as_json)
            return
        if opened.kind == "rewrite":
            raise CommandError(
                f"{run} holds rewritten queries, and there is no page of those\n  look at them: recloop runs show {run}"
            )
        if opened.kind == "study":
            from .study import report_study

            report_study(opened, show, as_json)
            return
        page, picture = write_report(opened), write_picture(opened)
    if as_json:
        print_json({"run": run, "report": page, "picture": picture})
    else:
        say(f"report   {page}\npicture  {picture}")
    if show:
        typer.launch(str(page.resolve()))
