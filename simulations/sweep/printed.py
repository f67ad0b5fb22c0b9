"""The sweep in a terminal: per number its arms, their intervals, and the differences to the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...runs.visible import visible
from ..outcome.numbers import Unit, show
from ..outcome.printed import BANNER
from .summary import Against, SweepSummary, notes

if TYPE_CHECKING:
    from rich.console import Console


COLUMNS = (9, 18, 15, 20)
"""Widths of mean, interval, difference, interval."""


def print_sweep(summary: SweepSummary, console: Console) -> None:
    """Print a sweep. Names are data: no markup, no terminal escapes."""
    from rich.text import Text

    names = {arm.name: f"  {visible(arm.name)}" for arm in summary.arms}
    room = max(map(len, names.values())) + 1
    beside = room + sum(COLUMNS) + 4 <= console.width
    """Whether an arm's numbers have room beside its name; else they stand below it."""

    def say(words: str, style: str = "") -> None:
        console.print(Text(visible(words), style), soft_wrap=True)

    def line(name: str, cells: Sequence[str], style: str = "", quiet: str = "dim") -> None:
        mean, between, gap, gap_between = cells
        if name and not beside:
            say(name, style)
        text = Text(f"{name if beside else '':<{room if beside else 8}}{mean:>{COLUMNS[0]}}  ", style)
        text.append(f"{between:<{COLUMNS[1]}}", quiet).append(f"{gap:>{COLUMNS[2]}}  ").append(gap_between, quiet)
        text.rstrip()
        console.print(text, soft_wrap=True)

    done, every = summary.cells
    say(f"{counted(summary)}, {done} of {every} cells done", "bold")
    base = f"minus {visible(summary.baseline)}"
    base = f"{base}   " if len(base) <= COLUMNS[2] - 3 else "difference   "
    line("", ("mean", "95 % interval", base, "95 % interval"), "bold", "bold")
    for measure in summary.measures:
        say(summary.label(measure), "bold")
        for arm in summary.arms:
            number, against = arm.numbers.get(measure.key), arm.against.get(measure.key)
            line(
                names[arm.name],
                (
                    "–" if number is None else show(number.value, measure.unit),
                    "" if number is None else bounds(number.low, number.high, measure.unit),
                    "" if against is None else f"{signed(against.difference.value, measure.unit)} {stars(against)}",
                    "" if against is None else gap_bounds(against, measure.unit),
                ),
            )
    console.print()
    for words in notes(summary):
        say(words, "dim")
    if summary.plumbing:
        say(BANNER, "bold yellow")


def counted(summary: SweepSummary) -> str:
    """The sweep's name and size."""
    arms, seeds = len(summary.arms), len(summary.seeds)
    return f"{summary.name}: {arms} arm{'s' * (arms > 1)}, {seeds} seed{'s' * (seeds > 1)}"


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
