"""The summary of a search in a terminal: the verdict first, then its rivals, its doubt, the bill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..runs.visible import visible
from .bill import ROLES, Spent
from .search import PLUMBING

if TYPE_CHECKING:
    from rich.console import Console

    from .summary import SearchSummary

STYLES = {"better": "bold green", "worse": "bold red", "not ranked": "bold red"}
"""Outcome of a verdict -> its colour; the others have none."""


def print_summary(summary: SearchSummary, console: Console) -> None:
    """Print a search's summary. Names and prompts are data: no markup, no terminal escapes."""
    from rich.text import Text

    verdict = summary.verdict or {}
    title = f"{summary.name}: {summary.optimizer} on {summary.task}, {summary.model or 'no model yet'}"
    console.print(Text(visible(f"{title}, seed {summary.seed}"), style="bold"))
    _line(console, summary.headline, STYLES.get(str(verdict.get("outcome")), "bold"))
    if summary.caveat:
        _line(console, summary.caveat, "yellow")
    if summary.why:
        _line(console, f"why it was chosen: {summary.why}", "dim")
    _numbers(summary, console)
    _baselines(summary, console)
    _tried(summary, console)
    _bill(summary, console)
    for remark in (*summary.remarks, *summary.notes):
        _line(console, f"· {remark}")
    for each in summary.outside:
        _line(console, f"· {each['name']} tried {each['tried']} prompts of its own: {each['ended']}")
    if summary.status != "finished":
        _line(console, f"the search is {summary.status}; these are the numbers so far", "yellow")
    if summary.plumbing:
        _line(console, PLUMBING, "bold yellow")


def _line(console: Console, text: str, style: str = "") -> None:
    from rich.text import Text

    console.print(Text(visible(text), style=style))


def _numbers(summary: SearchSummary, console: Console) -> None:
    verdict = summary.verdict
    rows: list[tuple[str, str, str]] = []
    if verdict is not None:
        for name in ("winner", "seed"):
            if (mean := verdict.get(f"{name}_mean")) is not None and (name == "seed" or "difference" in verdict):
                rows.append((f"{name} {verdict[name]}", f"{mean['mean']:.3f}", interval(mean)))
        if (found := verdict.get("difference")) is not None:
            rows.append(
                ("winner against seed", f"{found['mean']:+.3f}", f"{interval(found, '+')}  p = {found['p_value']:.3g}")
            )
        if (least := verdict.get("detectable")) is not None:
            rows.append(("detectable", f"{least:.3f}", "smallest true difference found in four of five such tests"))
    if (lead := summary.lead) is not None:
        rows.append(
            (
                "lead while searching",
                f"{lead['seen']:+.3f}",
                f"{lead['shrunken']:+.3f} with the winner's luck taken off",
            )
        )
    title = "Before the sealed test"
    if verdict is not None:
        both = " answered by both" * ("difference" in verdict)
        title = f"On the sealed split: {verdict['pairs']} cases{both}"
    _table(console, title, ("", summary.metric, "95 % interval"), rows, right=(1,))


def _baselines(summary: SearchSummary, console: Console) -> None:
    rows: list[tuple[str, str, str, str]] = []
    for row in (summary.verdict or {}).get("baselines", ()):
        ahead = row["ahead"]
        rows.append((row["name"], f"{row['mean']:.3f}", f"{ahead['mean']:+.3f} {interval(ahead, '+')}", standing(row)))
    verdict = summary.verdict or {}
    who = "seed" if verdict.get("winner") == verdict.get("seed") else "winner"
    _table(console, "Without any prompt", ("baseline", summary.metric, f"{who} ahead by", ""), rows, right=(1,))


def standing(row: Any) -> str:
    """How the winner stands against a baseline, in words."""
    if row["beaten"]:
        return "beaten"
    if row["ahead"]["mean"] <= 0:
        return "it adds nothing"
    low = row["ahead"]["low"]
    # The interval alone claims too much (see `verdict.py`): where only the test doubts, the test is shown.
    return "not told apart" + (f", p = {row['ahead']['p_value']:.2g}" if low is not None and low > 0 else "")


def interval(estimate: Any, sign: str = "") -> str:
    """`[low, high]`, empty where there is none."""
    low, high = estimate["low"], estimate["high"]
    return "" if low is None or high is None or low != low else f"[{low:{sign}.3f}, {high:{sign}.3f}]"


def _tried(summary: SearchSummary, console: Console) -> None:
    tried, answers, splits = summary.tried, summary.answers, summary.splits
    console.print()
    parts = ", ".join(f"{n} {name}" for name, n in splits.items())
    _line(console, f"cases       {parts}; {answers.evaluations:,} evaluated")
    words = f"{tried.entered} (with the seed), {tried.accepted} accepted, {tried.eliminated} eliminated"
    _line(console, f"candidates  {words}, {tried.refused} refused by guards")
    for reason, count in tried.refusals.items():
        _line(console, f"            {count} x {reason}", "dim")
    if tried.twins:
        _line(console, f"            {tried.twins} x said what another one says", "dim")
    status = ", ".join(f"{count:,} {name}" for name, count in answers.status.items()) or "none yet"
    _line(console, f"answers     {status}")
    if answers.missing:
        _line(console, f"            {answers.missing:,} missing ones are left out in pairs, none counts as 0", "dim")
    if mended := {rule: count for rule, count in answers.mended.items() if count}:
        _line(console, "mended      " + ", ".join(f"{count:,} {rule}" for rule, count in mended.items()))
    if summary.stopped:
        _line(console, f"ended by    {summary.stopped}")


def _bill(summary: SearchSummary, console: Console) -> None:
    roles = summary.bill.roles
    rows = [(ROLES[role], *cells(spent)) for role, spent in roles.items()]
    if len(rows) > 1:
        rows.append(("together", *cells(summary.bill.total)))
    heads = ("bill", "calls", "attempts", "tokens", "US$", "seconds")
    _table(console, "", heads, rows, right=(1, 2, 3, 4, 5))
    if rows:
        _line(console, f"{summary.bill.wall:,.1f} seconds went by; seconds of calls overlap", "dim")


def cells(spent: Spent) -> tuple[str, str, str, str, str]:
    """Calls, attempts, tokens, dollars and seconds as people read them."""
    usd = "unknown" if spent.usd is None else f"{spent.usd:.4f}" + (" +" if spent.unpriced else "")
    return (f"{spent.calls:,}", f"{spent.attempts:,}", f"{spent.tokens:,}", usd, f"{spent.seconds:,.1f}")


def _table(
    console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(
        title=Text(title) if title else None, title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    table.header_style = "bold"
    for i, head in enumerate(heads):
        table.add_column(visible(head), justify="right" if i in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    console.print()
    console.print(table)
