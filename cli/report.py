"""`recloop report`: the picture of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import console


def command(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Write one self-contained HTML page of a run: plots, intervals, baselines, and users page by page. No outside request."""
    from ..runs import Run
    from ..simulations import write_picture, write_report

    with Run.open(run) as opened:
        page, picture = write_report(opened), write_picture(opened)
    console.print(f"report   {page}\npicture  {picture}", markup=False, highlight=False, soft_wrap=True)
    if show:
        typer.launch(str(page.resolve()))
