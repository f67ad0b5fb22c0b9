"""A measured ranker for people: arms, what the robust loss changed, and the pass rule."""

from __future__ import annotations

import math
from typing import Any

from ..methods.agent4ranking.evaluate import BESIDE, Measured, figures
from .output import print_table, say


def show_measured(measured: Measured) -> None:
    """Print all of it."""
    forms = measured.forms
    say(f"learnt forms: {', '.join(forms['learnt'])};  held out: {', '.join(forms['held_out'])}")
    _arms(f"Raw and held-out wordings, {_cases(measured)} queries", measured.held_out)
    _arms("Raw and learnt wordings, each by its expert", measured.learnt)
    if measured.certain is not None:
        _arms("Raw and held-out wordings, rows that fell back left out", measured.certain)
    rows = [
        (f"full - {rival}", *(_small(measured.difference(figure, rival=rival), unit) for figure, unit in _FIGURES))
        for rival in ("same-data", "plain", "experts", "single", "shuffled", "averaged")
    ]
    say()
    print_table("Paired by query, held-out wordings", ["", "variance e-4", "NDCG@10 raw", "worst wording"], rows)
    say()
    say(f"weights of the robust loss by fold: {', '.join(f'{alpha:g}' for alpha in measured.alphas)}")
    say(
        f"rows that are but the raw query: learnt {measured.fallback['learnt']:.0%}, "
        f"held out {measured.fallback['held_out']:.0%}"
    )
    checks = measured.checks()
    say()
    print_table(
        "Pass rule, full against same data",
        ["", "", ""],
        [("yes" if c.holds else "NO", c.name, c.found) for c in checks],
    )
    if not all(check.holds for check in checks):
        say("\nthe robust loss did not earn its place here; the same data without it does as well", style="bold")


_FIGURES: tuple[tuple[Any, float], ...] = (("variance", 1e4), ("raw", 1.0), ("worst", 1.0))


def _arms(title: str, group: Any) -> None:
    rows = []
    for arm, found in group.items():
        of = figures(found)
        mean = {
            name: (of[name] or {}).get("mean", math.nan) for name in ("raw", "map_raw", "worst", "variance", "spread")
        }
        rows.append(
            (
                arm,
                f"{mean['raw']:.4f}",
                f"{mean['map_raw']:.4f}",
                f"{mean['worst']:.4f}",
                f"{1e4 * mean['variance']:.2f}",
                f"{mean['spread']:.3f}" if arm not in BESIDE else "",
            )
        )
    say()
    columns = ["", "NDCG@10 raw", "MAP raw", "worst", "variance e-4", "spread"]
    print_table(title, columns, rows, right=columns[1:])


def _cases(measured: Measured) -> int:
    return len(measured.held_out["full"].queries)


def _small(found: Any, unit: float) -> str:
    digits = 2 if unit > 1 else 4
    return f"{unit * found.mean:+.{digits}f} [{unit * found.low:+.{digits}f}, {unit * found.high:+.{digits}f}]"
