"""The sweep in a terminal: per number its arms, their intervals, and the differences to the baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..outcome.numbers import Unit, show
from ..outcome.printed import BANNER
from ..outcome.visible import visible
from .summary import Against, SweepSummary, notes

if TYPE_CHECKING:
    from rich.console import Console


def print_sweep(summary: SweepSummary, console: Console) -> None:
    """Print a sweep. Names are data: no markup, no terminal escapes."""
    from rich.table import Table
    from rich.text import Text

    done, every = summary.cells
    title = f"{summary.name}: {len(summary.arms)} arms x {len(summary.seeds)} seeds, {done} of {every} cells done"
    table = Table(
        title=Text(visible(title)),
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    table.add_column("", ratio=1)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("95 % interval", no_wrap=True)
    table.add_column(Text(f"minus {visible(summary.baseline)}"), justify="right", no_wrap=True, max_width=16)
    table.add_column("95 % interval", no_wrap=True)
    for at, measure in enumerate(summary.measures):
        if at:
            table.add_row()
        table.add_row(Text(summary.label(measure), style="bold"))
        for arm in summary.arms:
            number, against = arm.numbers.get(measure.key), arm.against.get(measure.key)
            value = "–" if number is None else show(number.value, measure.unit)
            between = "" if number is None else bounds(number.low, number.high, measure.unit)
            table.add_row(
                Text(f"  {visible(arm.name)}"),
                Text(value),
                Text(between, style="dim"),
                Text("" if against is None else f"{signed(against.difference.value, measure.unit)} {stars(against)}"),
                Text("" if against is None else gap_bounds(against, measure.unit), style="dim"),
            )
    console.print(table)
    console.print()
    for line in notes(summary):
        console.print(Text(visible(line), style="dim"), soft_wrap=True)
    if summary.plumbing:
        console.print(Text(BANNER, style="bold yellow"))


def stars(against: Against) -> str:
    """`**`: the difference holds after the correction; `*`: its own interval leaves out 0; two blanks keep the place."""
    return "**" if against.holds else "* " if against.found else "  "


def bounds(low: float | None, high: float | None, unit: Unit) -> str:
    """`[low, high]` in the unit of the number, which stands once."""
    if low is None or high is None:
        return ""
    return f"[{show(low, unit).removesuffix(' %')}, {show(high, unit)}]"


def gap_bounds(against: Against, unit: Unit) -> str:
    """The interval of a difference."""
    low, high = against.difference.low, against.difference.high
    return "" if low is None or high is None else f"[{signed(low, unit, bare=True)}, {signed(high, unit, bare=True)}]"


def signed(value: float | None, unit: Unit, bare: bool = False) -> str:
    """A difference for people: `+0.31`; of shares in percentage points, `−4.2 pp` (`bare`: without the unit)."""
    if value is None:
        return "–"
    digits = 1 if unit == "share" else 4 if unit == "usd" else 2
    scaled = 100 * value if unit == "share" else value
    sign = "" if round(scaled, digits) == 0 else "+" if scaled > 0 else "−"
    ending = " pp" if unit == "share" and not bare else ""
    return f"{sign}{'$' if unit == 'usd' else ''}{abs(scaled):,.{digits}f}{ending}"
