"""What a fork's log sees: its own rows over those of the runs it stands on, shown as one log.

A fork's `log.sqlite` holds only what differs. Its ancestors' logs are attached read-only, and each table that readers
name is a TEMP VIEW of the same name, which SQLite finds before the table: whoever reads sees one whole run, whoever
writes names `main`. Ids of a fork begin at `range << 40`, so that they never meet an ancestor's, even if that goes on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import CorruptRun, NotARun, RunError
from .manifest import ForkPoint, Manifest

FORKS = "forks"
"""The folder, below a run, that its forks lie in."""
DEEPEST = 10
"""Forks of forks: SQLite attaches so many files to one connection."""
RANGE = 40
"""Bits of an id within a log's own range."""
OWN_SCHEMA = """
CREATE TABLE adopted(id INTEGER PRIMARY KEY, barrier INTEGER NOT NULL);
CREATE TABLE forgotten(thread TEXT PRIMARY KEY) WITHOUT ROWID;
"""
"""What only a fork's log has: the ancestors' calls it asked again, and the graph threads it deleted."""

_COLUMNS = {
    "meta": "key, value",
    "barriers": "barrier, at, events, states",
    "events": "seq, barrier, kind, agent, page, node, data",
    "states": "id, name, barrier, data",
    "texts": "id, hash, body",
    "calls": "id, key, agent, page, node, sample, model, kind, request, status, response, error, prompt_tokens, "
    "completion_tokens, cost, latency, attempts, at, barrier",
    "blobs": "id, hash, body",
    "checkpoints": "thread, ns, id, parent, barrier, chained, body, metadata, channels",
    "writes": "thread, ns, checkpoint, task, idx, channel, path, body",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One run of the line from a fork up to its root. `point` is where it leaves the next one; the root has none."""

    folder: Path
    point: ForkPoint | None


@dataclass(frozen=True, slots=True)
class ForkOf:
    """What a run is a fork of. `agents`: those who live on otherwise (empty: everybody); `depth`: forks from here to the root."""

    parent: Path
    barrier: int
    agents: tuple[str, ...]
    depth: int


def layers_of(folder: Path, point: ForkPoint | None) -> list[Layer]:
    """The run itself, then what it stands on, up to the root.

    Where a parent lies follows from where its fork lies; no file says it. Raises `RunError` where that is no parent.
    """
    line = [Layer(folder, point)]
    while point is not None:
        here = line[-1].folder.resolve()
        above = here.parent.parent
        if here.parent.name != FORKS:
            raise CorruptRun(
                f"{here} is a fork, and does not lie in the folder {FORKS!r} of the run that it stands on",
                f"move it back to <that run>/{FORKS}/{here.name}",
            )
        if len(line) > DEEPEST:
            raise _too_deep(here)
        try:
            manifest = Manifest.read(above)
        except NotARun:
            raise CorruptRun(f"{here} is a fork, and {above}, which it stands on, is no run", "restore it") from None
        if manifest.created != point.parent:
            raise CorruptRun(
                f"{here} is not a fork of {above}: that run was made at {manifest.created or '?'}, its parent at {point.parent}",
                "put it back below the run that it was made from",
            )
        point = manifest.fork
        line.append(Layer(above, point))
    return line


def _too_deep(folder: Path) -> RunError:
    return RunError(
        f"{folder} is more than {DEEPEST} forks away from its root", "fork a run that is nearer to the root"
    )


def show(db: sqlite3.Connection, layers: Sequence[Layer]) -> None:
    """Lay the views over a connection to which the ancestors are attached as `p1` (the parent), `p2`, …"""
    db.execute("PRAGMA temp_store = MEMORY")
    source = {table: f"p{len(layers) - 1}.{table}" for table in _COLUMNS}
    for level in range(len(layers) - 2, -1, -1):
        point = layers[level].point
        assert point is not None
        schema = f"p{level}" if level else "main"
        if point.agents:
            db.execute(f"CREATE TEMP TABLE touched{level}(agent TEXT PRIMARY KEY) WITHOUT ROWID")
            db.executemany(f"INSERT OR IGNORE INTO touched{level} VALUES (?)", [(agent,) for agent in point.agents])
        below = _bodies(db, level, layers, schema, source)
        for table, body in below.items():
            name = f"seen{level}_{table}" if level else table
            db.execute(f"CREATE TEMP VIEW {name}({_COLUMNS[table]}) AS {body}")
            source[table] = f"temp.{name}"


def _bodies(
    db: sqlite3.Connection, level: int, layers: Sequence[Layer], schema: str, source: dict[str, str]
) -> dict[str, str]:
    """Table -> the SELECT of what the fork at `level` sees. Only numbers of our own stand in it; agents are joined."""
    point = layers[level].point
    assert point is not None
    at = int(point.barrier)
    last = f"(SELECT ifnull(max(barrier), {at}) FROM {schema}.barriers)"

    def others(column: str, within: str) -> str:
        """Of those who do what they did, what lies behind the fork's beginning too, as far as the fork has got."""
        if not point.agents:
            return ""
        return f" OR (c.{column} <> '' AND {within} AND c.{column} NOT IN (SELECT agent FROM temp.touched{level}))"

    def own(table: str) -> str:
        return f"SELECT {_COLUMNS[table]} FROM {schema}.{table}"

    def above(table: str, where: str) -> str:
        columns = ", ".join(f"c.{name}" for name in _COLUMNS[table].split(", "))
        return f" UNION ALL SELECT {columns} FROM {source[table]} AS c WHERE {where}"

    def hidden(table: str, *by: str) -> str:
        same = " AND ".join(f"o.{name} = c.{name}" for name in by)
        return f"NOT EXISTS (SELECT 1 FROM {schema}.{table} AS o WHERE {same})"

    seen = f"(c.barrier <= {at}{others('agent', f'c.barrier <= {last}')})"
    kept = f"(c.barrier <= {at}{others('thread', f'c.barrier <= {last}')})"
    kept += f" AND c.thread NOT IN (SELECT thread FROM {schema}.forgotten) AND " + hidden(
        "checkpoints", "thread", "ns", "id"
    )
    made = f"(c.barrier < {at}{others('agent', f'c.barrier < {last}')})"
    waits = f"EXISTS (SELECT 1 FROM {source['checkpoints']} AS c WHERE c.thread = w.thread AND c.ns = w.ns AND c.id = w.checkpoint AND {kept})"
    adopted = ", ".join("a.barrier" if name == "barrier" else f"c.{name}" for name in _COLUMNS["calls"].split(", "))
    writes = ", ".join(f"w.{name}" for name in _COLUMNS["writes"].split(", "))
    again = "".join(
        f" UNION ALL SELECT {adopted} FROM {schema}.adopted AS a JOIN p{number}.calls AS c ON c.id = a.id "
        f"WHERE {hidden('calls', 'key')}"
        for number in range(level + 1, len(layers))
    )
    return {
        "meta": own("meta") + above("meta", "c.key = 'pruned_below'"),
        "barriers": own("barriers") + above("barriers", f"c.barrier <= {at}"),
        "events": own("events") + above("events", seen),
        "states": own("states") + above("states", f"c.barrier <= {at} AND {hidden('states', 'name', 'barrier')}"),
        "texts": own("texts") + above("texts", "1"),
        "blobs": own("blobs") + above("blobs", "1"),
        "checkpoints": own("checkpoints") + above("checkpoints", kept),
        "calls": own("calls")
        + above("calls", f"{made} AND {hidden('calls', 'key')} AND c.id NOT IN (SELECT id FROM {schema}.adopted)")
        + again,
        "writes": own("writes")
        + f" UNION ALL SELECT {writes} FROM {source['writes']} AS w WHERE {waits} AND NOT EXISTS (SELECT 1 FROM "
        + f"{schema}.writes AS o WHERE o.thread = w.thread AND o.ns = w.ns AND o.checkpoint = w.checkpoint "
        + "AND o.task = w.task AND o.idx = w.idx)",
    }
