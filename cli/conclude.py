"""Carrying a rehearsal out and ending it: the summary, the pictures, the exit code, and the command that goes on."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import typer

from .output import FAILED, INTERRUPTED, PAUSED, console, note, print_json, say


def carry_out(work: Coroutine[Any, Any, Any], path: Path) -> None:
    """Run a rehearsal to its end. Ctrl-C and errors leave it at its last page, and say how to go on."""
    import asyncio

    here_before = _begun(path)
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        note("\ninterrupted; nothing recorded is lost" if _begun(path) else "\ninterrupted before the first page")
        _say_resume(path)
        raise typer.Exit(INTERRUPTED) from None
    except Exception:
        if not here_before:
            _say_resume(path)
        raise


def conclude(path: Path, as_json: bool) -> None:
    """Print the summary, write report and picture; exit 3 for a paused run, 1 for a rehearsal that shows nothing."""
    from ..runs import Run
    from ..simulations import degenerate, print_summary, summarise, write_picture, write_report

    with Run.open(path) as run:
        summary = summarise(run)
        page, picture = write_report(run), write_picture(run)
        status, reason, digest = run.status, run.manifest.reason, run.digest()
    problem = degenerate(summary)
    if as_json:
        facts = {"run": path, "status": status, "reason": reason, "digest": digest, "problem": problem}
        print_json({**facts, "report": page, "picture": picture, "summary": summary.json()})
    else:
        print_summary(summary, console)
        say()
        say(f"run      {path}\nreport   {page}\npicture  {picture}")
    if status != "finished":
        note(f"{status}: {reason}")
        _say_resume(path)
        raise typer.Exit(PAUSED)
    if problem:
        note(f"recloop: {problem}")
        raise typer.Exit(FAILED)


def _begun(path: Path) -> bool:
    from ..runs import is_run

    return is_run(path)


def _say_resume(path: Path) -> None:
    if _begun(path):
        note(f"go on with:  recloop resume {path}")
