"""The command tree, and what happens to errors: a known one is a message, every other one keeps its traceback."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperOption

from .. import __version__
from . import (
    augment,
    data,
    debug,
    doctor,
    interview,
    models,
    optimize,
    personas,
    prompts,
    rank,
    replay,
    report,
    resume,
    rewrite,
    runs,
    simulate,
    stability,
    study,
    sweep,
)
from .output import BAD_INPUT, FAILED, INTERRUPTED, current_folder, is_ours
from .output import report as report_error

EPILOG = """First steps:  recloop simulate   (10 users, 3 pages, a small local model: about a minute)

Next:  recloop report RUN,  recloop simulate --recommender module:object --data FILE

Exit codes:  0 fine,  1 the rehearsal shows nothing, or a check failed,  2 bad input,  3 paused,  130 Ctrl-C,  143 SIGTERM"""

app = typer.Typer(
    name="recloop",
    help="Rehearse a recommender with LLM agents before real people meet it.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _flags_show_no_type() -> None:
    """Typer's help (from 0.29 on) calls every switch a <bool>, which tells nobody anything."""
    shown: Any = getattr(TyperOption, "display_type_rich", None)
    if shown is not None:
        TyperOption.display_type_rich = lambda self, ctx: None if self.is_flag else shown(self, ctx)


_flags_show_no_type()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"recloop {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show Python's traceback of every error, also of known ones.")
    ] = False,
) -> None:
    if traceback:
        os.environ["RECLOOP_TRACEBACK"] = "1"


REHEARSE, LOOK, SET_UP = "Rehearse", "Look at what came of it", "What there is on this machine"
SEARCH = "Search"

app.command("simulate", rich_help_panel=REHEARSE, epilog=simulate.EPILOG)(simulate.command)
app.add_typer(optimize.app, name="optimize", rich_help_panel=REHEARSE)
app.command("sweep", rich_help_panel=REHEARSE, epilog=sweep.EPILOG)(sweep.command)
app.add_typer(study.app, name="study", rich_help_panel=REHEARSE)
app.command("augment", rich_help_panel=REHEARSE, epilog=augment.EPILOG)(augment.command)
app.command("rewrite", rich_help_panel=REHEARSE, epilog=rewrite.EPILOG)(rewrite.command)
app.command("resume", rich_help_panel=REHEARSE)(resume.command)
app.command("replay", rich_help_panel=REHEARSE)(replay.command)
app.command("stability", rich_help_panel=SEARCH, epilog=stability.EPILOG)(stability.command)
app.add_typer(rank.app, name="rank", rich_help_panel=SEARCH)
app.command("report", rich_help_panel=LOOK)(report.command)
app.command("interview", rich_help_panel=LOOK, epilog=interview.EPILOG)(interview.command)
app.add_typer(debug.app, name="debug", rich_help_panel=LOOK)
app.add_typer(runs.app, name="runs", rich_help_panel=LOOK)
app.add_typer(prompts.app, name="prompts", rich_help_panel=LOOK)
app.add_typer(personas.app, name="personas", rich_help_panel=LOOK)
app.add_typer(data.app, name="data", rich_help_panel=SET_UP)
app.add_typer(models.app, name="models", rich_help_panel=SET_UP)
app.command("doctor", rich_help_panel=SET_UP)(doctor.command)


def run_app() -> None:
    """Run the command line; known errors become one message and exit code 2, Ctrl-C exit code 130."""
    # Parquet and llama.cpp both start thread pools; a small model is fastest and repeatable on few threads.
    os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a sign gets a question mark
            stream.reconfigure(errors="replace")
    try:
        # Modules named on the command line may lie in the current folder; last on the path, so that they shadow nothing.
        if (here := current_folder()) not in sys.path:
            sys.path.append(here)
        app(prog_name="recloop")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough; nothing more may be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:
        if os.environ.get("RECLOOP_TRACEBACK") or not is_ours(error):
            raise
        from ..llm.errors import ReplayDiverged

        report_error(error)
        sys.exit(FAILED if isinstance(error, ReplayDiverged) else BAD_INPUT)
