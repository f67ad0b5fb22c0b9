"""The command tree."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from .. import __version__
from . import data, doctor, models, personas, replay, report, resume, runs, simulate
from .output import BAD_INPUT, INTERRUPTED, is_ours
from .output import report as report_error

app = typer.Typer(
    name="recloop",
    help="Rehearse a recommender or search system with LLM agents before real people meet it.",
    epilog="First steps: `recloop simulate` (ten users, three pages, a local model), then `recloop report RUN`. "
    "`recloop doctor` says what is missing and how to mend it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"recloop {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


app.command("simulate")(simulate.command)
app.command("resume")(resume.command)
app.command("replay")(replay.command)
app.command("report")(report.command)
app.add_typer(runs.app, name="runs")
app.add_typer(data.app, name="data")
app.add_typer(personas.app, name="personas")
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.command)


def run_app() -> None:
    """Run the command line; every error of our own is one message, everything else keeps its traceback."""
    # Parquet and llama.cpp both start thread pools; a small model is fastest and repeatable on one thread each.
    os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        if not is_ours(error):
            raise
        report_error(error)
        sys.exit(BAD_INPUT)
