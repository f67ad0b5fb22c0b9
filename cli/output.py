"""How commands speak: tables and bars to people on stderr or stdout, JSON to machines, errors that say what to do next."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

console = Console()
errors = Console(stderr=True)

BAD_INPUT = 2
FAILED = 1
PAUSED = 3
INTERRUPTED = 130


def print_json(value: Any) -> None:
    """One JSON document on stdout and nothing else."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table for people; cell text is data, never markup."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    console.print(table)


def is_ours(error: BaseException) -> bool:
    """Whether an exception is one of RecLoop's own: its text was written for the person who reads it."""
    return type(error).__module__.split(".")[0] == "recloop"


def report(error: BaseException) -> None:
    """Print a known error as one message on stderr."""
    errors.print(f"[bold red]recloop:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
