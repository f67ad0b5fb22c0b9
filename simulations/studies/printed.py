"""A study's result in a terminal: the verdict first, then the numbers beside what they are held against, then the notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...runs.visible import visible
from ..outcome.facts import PLUMBING
from ..outcome.printed import BANNER
from .study import Result

if TYPE_CHECKING:
    from rich.console import Console


def print_result(result: Result, console: Console) -> None:
    """Print a result. Names and titles are data: no markup, no terminal escapes."""
    from rich.table import Table
    from rich.text import Text

    console.print(Text(visible(result.verdict), style="bold"))
    if result.rows:
        console.print()
        table = Table(header_style="bold", box=None, pad_edge=False)
        table.add_column("", ratio=4, overflow="fold")
        table.add_column("value", justify="right", no_wrap=True)
        table.add_column("95 % interval", no_wrap=True)
        table.add_column("n", justify="right", no_wrap=True)
        table.add_column("baseline, control", ratio=6, overflow="fold")
        for row in result.rows:
            beside = Text(visible(row.rival_text))  # the others stand on the page
            if row.note:
                beside.append(("\n" if beside.plain else "") + visible(row.note), style="dim")
            n = "" if row.n is None else f"{row.n:,}"
            table.add_row(
                Text(visible(row.label)), Text(row.value_text, style="bold"), Text(row.interval_text), Text(n), beside
            )
        console.print(table)
    if result.notes:
        console.print()
    for note in result.notes:
        console.print(Text(f"- {visible(note)}", style="dim"))
    if any(note.startswith(PLUMBING) for note in result.notes):
        console.print(Text(BANNER, style="bold yellow"))
