"""What a run did otherwise than another: where they part, page by page for each agent, and in the numbers of the summaries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...runs import Run
from ...runs.jsonform import Packed, first_difference, loads
from .errors import DebugError
from .reading import check_rehearsal, readable
from .views import Difference

CALLS = frozenset({"call", "asked"})
"""Fields that hold keys of calls: what is asked otherwise has another key, and need not come to anything else."""


def diff(run: Run, other: str | Path | None = None) -> Difference:
    """What `run` did otherwise than `other` (None: its parent). Raises `DebugError`, and what `Run.open` raises."""
    check_rehearsal(run)
    if other is None:
        if run.fork is None:
            raise DebugError(f"{run.path} is no fork, so it has no parent\n  name the run it is to be held against")
        other = run.fork.parent
    with Run.open(other) as held:
        check_rehearsal(held)
        with readable(run):
            return _difference(held, run)


def _difference(a: Run, b: Run) -> Difference:
    left, right = _pages(a), _pages(b)
    # Page by page, within a page as the runs have it.
    other = sorted((p for p in {**left, **right} if left.get(p) != right.get(p)), key=lambda place: place[1])
    agents: dict[str, list[dict[str, Any]]] = {}
    first: dict[str, Any] | None = None
    for place in other:
        then, now = _said(a, left.get(place)), _said(b, right.get(place))
        if (found := first_difference(_without_calls(then), _without_calls(now))) is None:
            continue  # the same came of it, though it was asked otherwise
        agent, page = place
        field, *values = found if then and now else ("", _did(then), _did(now))
        if first is None:
            first = {"agent": agent, "page": page, "field": field, "a": values[0], "b": values[1]}
        agents.setdefault(agent, []).append({"page": page, "field": field, "a": _did(then), "b": _did(now)})
    return Difference(
        a=a.path,
        b=b.path,
        first=first,
        agents=agents,
        same=_alike(a, b, {agent for agent, _ in other}),
        metrics=_metrics(a, b),
        calls=(_own_calls(a), _own_calls(b)),
    )


def _pages(run: Run) -> dict[tuple[str, int], Packed]:
    """(agent, page) -> the page as it is stored; equal pages are stored alike, so that few need reading."""
    upto = max(0, run.barrier) - 1
    rows = run.log.rows(
        "SELECT agent, page, data FROM events WHERE kind = 'page' AND page <= ? ORDER BY page, seq", (upto,)
    )
    return {(agent, page): data for agent, page, data in rows}


def _said(run: Run, packed: Packed | None) -> dict[str, Any] | None:
    return None if packed is None else loads(packed, run.log.path)


def _without_calls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_calls(each) for name, each in value.items() if name not in CALLS}
    return [_without_calls(each) for each in value] if isinstance(value, list) else value


def _did(data: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What an agent did on a page: chosen items, ratings by item, decision, satisfaction. None: no such page."""
    if data is None:
        return None
    decision = data["decision"]
    return {
        "chosen": [action["item"] for action in data["actions"] if action["positive"]],
        "ratings": {a["item"]: a["rating"] for a in data["actions"] if a["rating"] is not None},
        "decision": "next" if decision["next"] else "leave",
        "satisfaction": decision["satisfaction"],
    }


def _alike(a: Run, b: Run, parted: set[str]) -> int:
    """How many agents have the same digest in both: the same persona, pages, edits and last state are all that it holds."""
    (mine, ended), (theirs, ended_too) = (_rest(a), _rest(b))
    return sum(
        agent not in parted and said == theirs.get(agent) and ended.get(agent) == ended_too.get(agent)
        for agent, said in mine.items()
    )


def _rest(run: Run) -> tuple[dict[str, list[Any]], dict[str, Mapping[str, str]]]:
    """What there is of each agent beside its pages: events as they are stored, and hashes of what its graph ended with."""
    from ...runs.checkpoints import final_channels

    said: dict[str, list[Any]] = {}
    sql = "SELECT agent, kind, page, node, barrier, data FROM events WHERE kind <> 'page' AND agent <> '' ORDER BY seq"
    for agent, *event in run.log.rows(sql):
        said.setdefault(agent, []).append(event)
    return said, dict(final_channels(run.log, frozenset(run.manifest.volatile.channels)))


def _metrics(a: Run, b: Run) -> dict[str, dict[str, Any]]:
    """Number of the summaries -> label, unit, a, b, difference b - a; only what at least one run has."""
    from ..outcome.summary import values

    one, two = values(a), values(b)
    found: dict[str, dict[str, Any]] = {}
    for key, row in {**one, **two}.items():
        x, y = (rows[key].value if key in rows else None for rows in (one, two))
        if x is not None or y is not None:
            gap = None if x is None or y is None else y - x
            found[key] = {"label": row.label, "unit": row.unit, "a": x, "b": y, "difference": gap}
    return found


def _own_calls(run: Run) -> int:
    row = run.log.row("SELECT count(*) FROM main.calls")
    return 0 if row is None else row[0]
