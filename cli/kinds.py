"""The run kinds this RecLoop knows, registered when a command needs one (so that `--help` need not load them)."""

from __future__ import annotations

from ..runs import Run, RunKind, get_kind


def register_kinds() -> None:
    """Make every run kind and its tables known to `runs`."""
    from .. import simulations  # noqa: F401


def kind_of(run: Run) -> RunKind:
    """The kind of a run. Raises `UnknownKind` for a run of another or later RecLoop."""
    register_kinds()
    return get_kind(run.kind)
