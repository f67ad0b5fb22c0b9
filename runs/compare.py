"""What differs between two runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from .calls import content_of
from .digest import agent_digests, asked, digest, said
from .errors import UnknownKind
from .jsonform import canonical, first_difference, flatten
from .kinds import get_kind
from .records import Event
from .run import EventRow, Run
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
    agents: dict[str, Divergence | None]
    """Agents whose digest differs -> the first of their events that does (None: only the last state of their graph)."""
    agents_alike: int
    """Agents whose digest is the same in both."""
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
        agents, alike = compare_agents(left, right)
        return Comparison(
            left.path,
            right.path,
            (digest(left), digest(right)),
            _asked_differences(left, right),
            _first_event(left, right),
            _first_call(left, right),
            agents,
            alike,
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
    ordered = _by_agent if a.fork or b.fork else Run.events
    for left, right in zip_longest(ordered(a), ordered(b)):
        if left is None or right is None or (ordered is _by_agent and _address(left) != _address(right)):
            here = min((each for each in (left, right) if each), key=_address)  # the other run has none such
            sides = (said(here), None) if here is left else (None, said(here))
            return Divergence(here.agent, here.page, here.node, "", *sides, seq=here.seq)
        if found := first_difference(said(left), said(right)):
            return Divergence(left.agent, left.page, left.node, *found, seq=left.seq)
    return None


def _by_agent(run: Run) -> Iterator[Event]:
    """Events barrier by barrier and then by agent: a fork's own come after those that it shares, so that by number it
    would differ in the order alone."""
    for (barrier,) in run.log.rows("SELECT barrier FROM barriers ORDER BY barrier"):
        columns = "kind, agent, page, node, data, seq, barrier"
        sql = f"SELECT {columns} FROM events WHERE barrier = ? ORDER BY agent, kind, page, node, seq"
        yield from map(run.event_of, run.log.rows(sql, (barrier,)))  # type: ignore[arg-type]


def _address(event: Event) -> tuple[int, str, str, int, str]:
    return event.barrier, event.agent, event.kind, event.page, event.node


def compare_agents(a: Run, b: Run) -> tuple[dict[str, Divergence | None], int]:
    """Which agents did otherwise, each with its first event that differs, and how many did the same. Linear in both logs.

    An agent's events are held against each other in their own order, whoever else acted between them.
    """
    digests = agent_digests(a), agent_digests(b)
    names = sorted({*digests[0], *digests[1]})
    open_ = {name for name in names if digests[0].get(name) != digests[1].get(name)}
    found: dict[str, Divergence | None] = dict.fromkeys(sorted(open_))
    waiting: dict[str, deque[tuple[bool, EventRow]]] = {name: deque() for name in open_}
    alone = digests[0].keys() ^ digests[1].keys()
    for pair in zip_longest(a.event_rows(), b.event_rows()):
        for row, left in zip(pair, (True, False), strict=True):
            if row is None or row[1] not in waiting:
                continue
            before = waiting[row[1]]
            if not before or before[0][0] == left:
                if not before or row[1] not in alone:
                    before.append((left, row))
                continue
            other = before.popleft()[1]
            first, second = (row, other) if left else (other, row)
            if (*first[:5], first[6]) != (*second[:5], second[6]):
                difference = first_difference(said(a.event_of(first)), said(b.event_of(second)))
                if difference:
                    found[row[1]] = Divergence(row[1], first[2], first[3], *difference, seq=first[5])
                    del waiting[row[1]]
    for name, rest in waiting.items():
        if rest:
            left, row = rest[0]
            there = (a if left else b).event_of(row)
            sides = (said(there), None) if left else (None, said(there))
            found[name] = Divergence(name, there.page, there.node, "", *sides, seq=there.seq)
    return found, len(names) - len(open_)


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
