"""Run kinds: what higher floors know how to resume, replay and sum up. This folder knows none by name.

A kind's functions may be given as "package.module:function", imported when first called, so that a command can register
all kinds without importing any. Kinds are registered by code only: a run's folder, which may come from anyone, names
its kind but never what to import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from .errors import UnknownKind
from .manifest import Volatile

Reference = Callable[..., Any] | str
"""A function, or where to import it from: "package.module:function"."""


@dataclass(frozen=True)
class RunKind:
    """What can be done with the runs of one kind.

    `resume(run, ...)` goes on with a stopped run, `replay(run, ...)` does it again from its cassette, `summary(run)`
    gives a dict (nested; its numbers are compared by `compare_runs`). `volatile_config`: dotted paths of settings that
    change how a run is carried out, not what it does; `volatile_channels`: graph channels whose values differ between
    equal runs. Both are left out of the digest and written into the manifest when a run is created.
    """

    name: str
    resume: Reference | None = None
    replay: Reference | None = None
    summary: Reference | None = None
    volatile_config: frozenset[str] = frozenset()
    volatile_channels: frozenset[str] = frozenset()

    def call(self, verb: Literal["resume", "replay", "summary"], run: Any, *args: Any, **kwargs: Any) -> Any:
        """Call one of the kind's functions with the run. Raises `UnknownKind` where the kind has none for this verb."""
        reference: Reference | None = getattr(self, verb)
        if reference is None:
            raise UnknownKind(
                f"runs of kind {self.name!r} have no {verb}", "it can still be shown, compared and pruned"
            )
        return resolve(reference)(run, *args, **kwargs)


_kinds: dict[str, RunKind] = {}


def register_kind(kind: RunKind) -> RunKind:
    """Make a kind known in this process (again: the later one counts). Returns it."""
    for reference in (kind.resume, kind.replay, kind.summary):
        if isinstance(reference, str) and reference.count(":") != 1:
            raise ValueError(f'kind {kind.name!r}: {reference!r} is not "package.module:function"')
    _kinds[kind.name] = kind
    return kind


def get_kind(name: str) -> RunKind:
    """The registered kind of this name. Raises `UnknownKind`, naming those there are."""
    if name not in _kinds:
        known = ", ".join(sorted(_kinds)) or "none"
        raise UnknownKind(
            f"no run kind {name!r} is known here (known: {known})",
            "import the package that registers it, or use the RecLoop that wrote the run",
        )
    return _kinds[name]


def kinds() -> Mapping[str, RunKind]:
    """The registered kinds by name."""
    return dict(_kinds)


def resolve(reference: Reference) -> Callable[..., Any]:
    """The function that a reference names."""
    if callable(reference):
        return reference
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def volatile_of(name: str) -> Volatile:
    """What runs of this kind leave out of their digest; nothing for a kind unknown in this process."""
    kind = _kinds.get(name)
    return (
        Volatile(config=sorted(kind.volatile_config), channels=sorted(kind.volatile_channels)) if kind else Volatile()
    )
