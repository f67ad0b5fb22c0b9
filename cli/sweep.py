"""`recloop sweep`: many rehearsals from one grid of settings, and one table that holds them against each other."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json
from .output import FAILED, PAUSED, console, note, number, print_json, print_table, say

if TYPE_CHECKING:
    from ..runs import Run
    from ..simulations.sweep.forecasting import SweepForecast

EPILOG = """Exit codes:  0 fine,  1 a cell failed, or an arm shows nothing,  2 bad input,  3 paused (budget spent, endpoint \
lost),  130 Ctrl-C,  143 SIGTERM; all but 0 and 2 print the command that goes on.

The grid's format, the statistics: docs/sweep.md"""


def command(
    grid: Annotated[
        Path, typer.Argument(metavar="GRID.toml", help=r"Settings of `recloop simulate`, and a table \[grid].")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The sweep's folder (default: ./recloop-runs/<date>-<name>); goes on with one."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="Cells rehearsed side by side.")] = 1,
    budget: Annotated[
        str | None, typer.Option(metavar="LIMITS", help="Hard limits for all cells together: usd=1,calls=500.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="ARM", help="The arm that others are held against (default: the first).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take (calls, tokens, money) and stop.")
    ] = False,
    as_json: Json = False,
) -> None:
    r"""Rehearse every combination in a grid of settings, and compare the arms.

    A TOML file holds the settings of `recloop simulate`; its table \[grid]
    gives lists for those that vary. `seed` repeats; each combination of the
    others is an arm, held against the first with paired intervals.

      model = "scripted"
      users = 50

      \[grid]
      seed = [0, 1, 2]
      recommender = ["ease", "pop", "random"]

    Every cell is a run of its own below DIR/runs. The same line with the same
    --out goes on with what is there; so does `recloop resume DIR`.

      recloop sweep grid.toml --out study
      recloop sweep grid.toml --dry-run
      recloop sweep grid.toml --out study --against pop

    """
    from ..runs import new_run_path
    from ..simulations.sweep import load_grid
    from .stopping import run_stoppable

    asked = load_grid(grid, budget)
    if against is not None:
        asked.arm(against)
    if dry_run:
        from ..simulations.sweep import forecast

        _show(run_stoppable(forecast(asked)), as_json)
        return

    from ..simulations.sweep import sweep
    from .conclude import carry_out

    path = out if out is not None else new_run_path(name=asked.name)
    carry_out(lambda bars: sweep(asked, out=path, jobs=jobs, progress=bars), path)
    conclude_sweep(path, as_json, against)


def conclude_sweep(path: Path, as_json: bool, against: str | None = None) -> None:
    """Print the table, write the picture; exit 3 for a paused sweep, 1 for failed cells or arms that show nothing."""
    from ..runs import Run
    from ..simulations.sweep import print_sweep, summarise, write_picture
    from .conclude import larger_budget

    with Run.open(path) as run:
        summary = summarise(run, against)
        picture, digest = write_picture(run, summary), run.digest()
        budget = str(run.manifest.config["budget"])
    status, reason = summary.status, summary.reason
    if as_json:
        print_json({"run": path, "digest": digest, "picture": picture, **summary.json()})
    else:
        print_sweep(summary, console)
        say()
        say(f"sweep    {path}\ncells    {path / 'runs'}\npicture  {picture}")
    for problem in summary.problems:
        note(f"recloop: {problem}")
    if status != "finished":
        note(f"{status}: {reason}")
        more = larger_budget(budget, reason)
        note(f"go on with:  recloop resume {shlex.quote(str(path))}{f' --budget {more}' if more else ''}")
        raise typer.Exit(FAILED if status == "failed" else PAUSED)
    if summary.problems:
        raise typer.Exit(FAILED)


def report_sweep(run: Run, show: bool, as_json: bool) -> None:
    """Draw the picture of a sweep again, and say how each cell gets a page of its own."""
    from ..simulations.sweep import summarise, write_picture

    picture = write_picture(run, summarise(run))
    if as_json:
        print_json({"run": run.path, "report": None, "picture": picture})
    else:
        say(f"picture  {picture}")
        note(f"a page about one cell:  recloop report {shlex.quote(str(run.path / 'runs'))}/CELL")
    if show:
        typer.launch(str(picture.resolve()))


def _show(forecast: SweepForecast, as_json: bool) -> None:
    if as_json:
        print_json(forecast.json())
        return
    rows: list[tuple[Any, ...]] = [
        (
            cost.arm,
            number(cost.cells),
            number(cost.calls),
            number(cost.prompt_tokens),
            number(cost.completion_tokens),
            _dollars(cost.usd),
            number(cost.likely_calls),
            _dollars(cost.likely_usd),
        )
        for cost in (*forecast.arms, forecast.total)
    ]
    right = ["cells", "calls", "prompt tokens", "answer tokens", "price", "likely calls", "likely price"]
    print_table("At most", ["arm", *right], rows, right=right)
    say("an upper bound, and what is likely if users leave as scripted ones do; nothing was called")


def _dollars(usd: float | None) -> str:
    return "unknown" if usd is None else f"${usd:.4f}"
