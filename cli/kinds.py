"""The run kinds this RecLoop knows, registered when a command needs one (so that `--help` need not load them)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..runs import Run, RunKind, get_kind
from .output import console, number, print_table

NUMBERS = ("value", "low", "high", "baseline")
"""What a kind's summary may say of each of its numbers."""


def register_kinds() -> None:
    """Make every run kind and its tables known to `runs`."""
    from .. import simulations  # noqa: F401
    from ..agents.rewriter import tables as rewriting  # noqa: F401
    from ..prompt_opt import tables  # noqa: F401
    from ..simulations.studies import carry  # noqa: F401


def kind_of(run: Run) -> RunKind:
    """The kind of a run. Raises `UnknownKind` for a run of another or later RecLoop."""
    register_kinds()
    return get_kind(run.kind)


def summary_of(run: Run) -> dict[str, Any]:
    """The summary of a run as plain values, whatever its kind."""
    found = kind_of(run).call("summary", run)
    return dict(found if isinstance(found, Mapping) else found.json())


def show_summary(run: Run) -> None:
    """Print the summary as its kind prints it; a kind without a printer of its own gets a plain table."""
    if run.kind == "simulate":
        from ..simulations import print_summary, summarise

        print_summary(summarise(run), console)
        return
    if run.kind == "sweep":
        from ..simulations import sweep

        sweep.print_sweep(sweep.summarise(run), console)
        return
    if run.kind == "study":
        from .study import show_study

        show_study(run)
        return
    if run.kind == "rewrite":
        from .rewrite import show_rewrite

        show_rewrite(run)
        return
    if run.kind == "optimize":
        from ..prompt_opt.printed import print_summary as print_search
        from ..prompt_opt.summary import summarise as sum_up

        print_search(sum_up(run), console)
        return
    rows = [(name, number(value)) for name, value in flat(summary_of(run)).items()]
    print_table("Numbers", ["number", "value"], rows, right=["value"])


def labels_of(run: Run) -> dict[str, str]:
    """What a run's summary calls its numbers, by key; empty for a kind that has no words for them."""
    if run.kind == "optimize":
        from ..prompt_opt.summary import LABELS

        return dict(LABELS)
    if run.kind == "rewrite":
        from ..agents.rewriter.summary import LABELS

        return {f"numbers.{key}": label for key, label in LABELS.items()}
    if run.kind == "study":
        from ..simulations.studies.carry import result_of

        return {key: row["label"] for key, row in ((result_of(run) or {}).get("rows") or {}).items()}
    if run.kind != "simulate":
        return {}
    from ..simulations import summarise

    return {row.key: row.label for row in summarise(run).rows}


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping by dotted paths; lists are left to --json."""
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            found |= flat(inner, f"{prefix}{key}.")
        elif not isinstance(inner, list | tuple):
            found[f"{prefix}{key}"] = inner
    return found
