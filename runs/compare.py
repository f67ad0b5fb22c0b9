"""What differs between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from .calls import content_of
from .digest import asked, digest, said
from .errors import UnknownKind
from .jsonform import canonical, first_difference, flatten
from .kinds import get_kind
from .run import Run
from .tables import count_rows


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first event, or call, in which two runs differ: where it stands, and both values of the first differing field.

    `field` is a path like `data.actions[0].rating`; it is empty, and one value None, where one run ended before.
    """

    agent: str
    page: int
    node: str
    field: str
    a: Any
    b: Any
    seq: int = -1
    key: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between runs `a` and `b`. In every pair, a's value comes first."""

    a: Path
    b: Path
    digests: tuple[str, str]
    config: dict[str, tuple[Any, Any]]
    """Dotted path of what was asked (`config.…`, `seed`, `hashes.…`, `versions.…`) -> both values, where they differ."""
    event: Divergence | None
    call: Divergence | None
    """The first differing call in the order of keys."""
    rows: dict[str, tuple[int, int]]
    """Table -> rows in each."""
    summary: dict[str, tuple[float | None, float | None, float | None]] = field(default_factory=dict)
    """Dotted path of the kinds' summaries -> both numbers and b - a."""

    @property
    def same(self) -> bool:
        """Whether the two runs say the same."""
        return self.digests[0] == self.digests[1]


def compare_runs(a: Run | str | Path, b: Run | str | Path) -> Comparison:
    """Compare two runs: what was asked, digests, first differing event and call, rows per table, numbers of the summaries.

    Linear in their logs; streams them. Raises what `Run.open` raises.
    """
    with ExitStack() as stack:
        left, right = (stack.enter_context(opened(each)) for each in (a, b))
        return Comparison(
            left.path,
            right.path,
            (digest(left), digest(right)),
            _asked_differences(left, right),
            _first_event(left, right),
            _first_call(left, right),
            _pairs(count_rows(left), count_rows(right)),
            _summaries(left, right),
        )


@contextmanager
def opened(run: Run | str | Path) -> Iterator[Run]:
    """A run given as itself (left open) or by its path (opened for reading, then closed)."""
    if isinstance(run, Run):
        yield run
        return
    reader = Run.open(run)
    try:
        yield reader
    finally:
        reader.close()


def _asked_differences(a: Run, b: Run) -> dict[str, tuple[Any, Any]]:
    def everything(run: Run) -> dict[str, Any]:
        whole = asked(run.manifest) | {"config": run.manifest.config, "versions": run.manifest.versions}
        return flatten(whole)

    left, right = everything(a), everything(b)
    paths = sorted({*left, *right})
    pairs = {path: (left.get(path), right.get(path)) for path in paths}
    return {path: pair for path, pair in pairs.items() if canonical(pair[0]) != canonical(pair[1])}


def _first_event(a: Run, b: Run) -> Divergence | None:
    for left, right in zip_longest(a.events(), b.events()):
        if left is None or right is None:
            there = left or right
            assert there is not None
            sides = (said(there), None) if left else (None, said(there))
            return Divergence(there.agent, there.page, there.node, "", *sides, seq=there.seq)
        if found := first_difference(said(left), said(right)):
            return Divergence(left.agent, left.page, left.node, *found, seq=left.seq)
    return None


def _first_call(a: Run, b: Run) -> Divergence | None:
    for left, right in zip_longest(a.calls.all(order="key"), b.calls.all(order="key")):
        if left and right and content_of(left) == content_of(right):
            continue
        if left and right and left.key == right.key:
            for name in ("request", "status", "response", "model", "kind", "agent", "page", "node", "sample"):
                if found := first_difference(getattr(left, name), getattr(right, name), name):
                    return Divergence(left.agent, left.page, left.node, *found, key=left.key)
        # The smaller key is the one that the other run has not.
        here = min((call for call in (left, right) if call), key=lambda call: call.key)
        sides = ("recorded", None) if here is left else (None, "recorded")
        return Divergence(here.agent, here.page, here.node, "", *sides, key=here.key)
    return None


def _pairs(a: dict[str, int], b: dict[str, int]) -> dict[str, tuple[int, int]]:
    return {name: (a.get(name, 0), b.get(name, 0)) for name in sorted({*a, *b})}


def _summaries(a: Run, b: Run) -> dict[str, tuple[float | None, float | None, float | None]]:
    left, right = _numbers(a), _numbers(b)
    result: dict[str, tuple[float | None, float | None, float | None]] = {}
    for path in [*left, *(path for path in right if path not in left)]:
        x, y = left.get(path), right.get(path)
        result[path] = (x, y, None if x is None or y is None else y - x)
    return result


def _numbers(run: Run) -> dict[str, float]:
    try:
        summary = get_kind(run.kind).call("summary", run)
    except UnknownKind:
        return {}  # a run of an unknown kind can still be compared by its log
    return {
        path: float(value)
        for path, value in flatten(summary).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
