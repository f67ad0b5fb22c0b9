"""The `recloop` command, one file per verb: parse, call the floor that does the work, print.

A new verb is a new file with a function or a Typer app, added in `app.py`. Heavy packages are imported inside commands,
so that `recloop --help` answers at once.
"""

from __future__ import annotations


def main() -> None:
    """Entry point of the `recloop` command: known errors become one message and exit code 2, Ctrl-C exit code 130."""
    from .app import run_app

    run_app()
