"""Carrying a rehearsal out and ending it: the summary, the pictures, the exit code, and the command that goes on."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import typer

from .bars import Bars
from .output import FAILED, PAUSED, console, note, print_json, say
from .stopping import Stopped, run_stoppable


def carry_out(work: Callable[[Bars], Coroutine[Any, Any, Any]], path: Path, unit: str = "page") -> None:
    """Run a rehearsal to its end under progress bars. Signals and errors leave it at its last page, and say how to go on.
    `unit`: what the work is recorded by, where that is not pages."""
    from ..runs import is_run

    there_before = is_run(path)
    try:
        with Bars() as bars:
            run_stoppable(work(bars), under_way=lambda: bars.begun and is_run(path), unit=unit)
    except Stopped:
        note("interrupted; nothing recorded is lost" if is_run(path) else f"interrupted before the first {unit}")
        say_resume(path)
        raise
    except Exception:
        if not there_before:
            say_resume(path)
        raise


def conclude(path: Path, as_json: bool) -> None:
    """Print the summary, write report and picture; exit 3 for a paused run, 1 for a rehearsal that shows nothing."""
    from ..runs import Run
    from ..simulations import degenerate, print_summary, summarise, write_picture, write_report

    with Run.open(path) as run:
        summary = summarise(run)
        page, picture = write_report(run), write_picture(run)
        status, reason, digest = run.status, run.manifest.reason, run.digest()
        budget = str(run.manifest.config.get("budget", ""))
    problem = degenerate(summary)
    if as_json:
        facts = {"run": path, "status": status, "reason": reason, "digest": digest, "problem": problem}
        print_json({**facts, "report": page, "picture": picture, "summary": summary.json()})
    else:
        print_summary(summary, console)
        say()
        say(f"run      {path}\nreport   {page}\npicture  {picture}")
        note(f"look inside:  recloop debug {shlex.quote(str(path))}")
    if status != "finished":
        note(f"{status}: {reason}")
        say_resume(path, larger_budget(budget, reason))
        raise typer.Exit(PAUSED)
    if problem:
        note(f"recloop: {problem}")
        raise typer.Exit(FAILED)


def larger_budget(budget: str, reason: str) -> str:
    """The limits of a paused run with twice the one that stopped it ("budget of calls 6 is spent"); empty if none did.

    Limits count what was spent before, so the same ones would stop it again.
    """
    spent = re.search(r"budget of (calls|tokens|usd|seconds) ", reason)
    if spent is None:
        return ""
    limits = dict(part.replace(" ", "").split("=") for part in budget.split(","))
    twice = 2 * float(limits[spent[1]])
    limits[spent[1]] = f"{twice:.0f}" if spent[1] in ("calls", "tokens") else f"{twice:.6g}"
    return ",".join(f"{name}={value}" for name, value in limits.items())


def say_resume(path: Path, budget: str = "") -> None:
    from ..runs import is_run

    if is_run(path):
        more = f" --budget {budget}" if budget else ""
        note(f"go on with:  recloop resume {shlex.quote(str(path))}{more}")
