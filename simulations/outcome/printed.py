"""The summary in a terminal: values, intervals, rivals, and the ratings beside the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...runs.visible import visible
from .ratings import REAL, SIMULATED

if TYPE_CHECKING:
    from rich.console import Console

    from .summary import Summary

BANNER = "plumbing-grade model: results show the machinery, not people"
BAR = 18
QUIET = ("tokens", "satisfaction_shown", "rank_bias")
"""Rows the terminal leaves to the report: their neighbours say as much."""


def print_summary(summary: Summary, console: Console) -> None:
    """Print a summary. Names and titles are data: no markup, no terminal escapes."""
    from rich.table import Table
    from rich.text import Text

    title = f"{visible(summary.name)}: {visible(summary.asked)}, {visible(summary.recommender)} on {visible(summary.dataset)}, seed {summary.seed}"
    table = Table(
        title=Text(title), title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False
    )
    table.add_column("")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95 % interval", no_wrap=True)
    table.add_column("baseline", ratio=1)
    for row in summary.rows:
        if row.key in QUIET:
            continue
        beside = Text(visible(row.rival_text))
        if row.note:
            beside.append(("\n" if beside.plain else "") + visible(row.note), style="dim")
        table.add_row(Text(row.label), Text(row.value_text, style="bold"), Text(row.interval_text), beside)
    console.print(table)
    _ratings(summary, console)
    if summary.status != "finished":
        console.print(Text(f"the run is {summary.status}: these are the numbers so far", style="yellow"))
    if summary.plumbing:
        console.print(Text(BANNER, style="bold yellow"))


def _ratings(summary: Summary, console: Console) -> None:
    from rich.text import Text

    shares = summary.ratings
    if shares is None or not shares.total(SIMULATED):
        return
    mine, real = shares.shares(SIMULATED), shares.shares(REAL)
    top = max([value for value in (*mine, *real) if value], default=1.0)
    console.print()
    heading = f"ratings     {'simulated':<{BAR + 6}}  {'these users, real'}"
    console.print(Text(heading, style="bold"))
    for label, a, b in zip(shares.labels, mine, real, strict=True):
        console.print(Text(f"{label:>7}     {_bar(a, top)}  {_bar(b, top)}"))


def _bar(share: float | None, top: float) -> str:
    if share is None:
        return f"{'–':<{BAR + 6}}"
    eighths = round(8 * BAR * share / top)
    bar = "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]
    return f"{bar:<{BAR}} {100 * share:4.0f}%"
