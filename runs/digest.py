"""The digest of a run: equal for equal runs, whatever they took. Its definition is in docs/runs.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .checkpoints import final_channels
from .jsonform import Packed, canonical, canonical_of, damaged, unpack, without
from .records import Event

if TYPE_CHECKING:
    from .manifest import Manifest
    from .run import Run


def digest(run: Run) -> str:
    """SHA-256 over the run's canonical lines, in hex. Memory does not grow with the run; time is linear in it."""
    total = hashlib.sha256()
    for line in lines(run):
        total.update(line)
        total.update(b"\n")
    return total.hexdigest()


def agent_digest(run: Run, agent: str) -> str:
    """SHA-256, in hex, of what one agent did: its events and the last state of its graph."""
    return agent_digests(run, agent).get(agent) or hashlib.sha256().hexdigest()


def agent_digests(run: Run, only: str | None = None) -> dict[str, str]:
    """`agent_digest` of every agent (or of one) that has events or a graph, in one pass over the log."""
    totals: dict[str, Any] = {}

    def add(agent: str, line: bytes) -> None:
        if agent not in totals:
            totals[agent] = hashlib.sha256()
        totals[agent].update(line + b"\n")

    for row in run.event_rows(agent=only):
        if row[1]:
            add(row[1], _event_line(run, *row))
    for thread, channels in final_channels(run.log, frozenset(run.manifest.volatile.channels), only):
        add(thread, canonical(["graph", thread, channels]))
    return {agent: total.hexdigest() for agent, total in totals.items()}


def lines(run: Run) -> Iterator[bytes]:
    """The canonical form, line by line: asked, events, states, channels, calls; each line one JSON array."""
    yield canonical(["run", asked(run.manifest)])
    some = any(layer.point and layer.point.agents for layer in run.log.layers)
    for row in _by_barrier(run) if some else run.event_rows():
        yield _event_line(run, *row)
    for name, value in run.iter_states():
        yield canonical(["state", name, value])
    for thread, channels in final_channels(run.log, frozenset(run.manifest.volatile.channels)):
        yield canonical(["graph", thread, channels])
    yield canonical(["calls", run.calls.digest()])


def _by_barrier(run: Run) -> Iterator[tuple[str, str, int, str, Packed, int, int]]:
    """Events of a fork of some agents barrier by barrier, as those of any other run stand: by number, what it shares with
    its parent comes before all that is its own."""
    for (barrier,) in run.log.rows("SELECT barrier FROM barriers ORDER BY barrier"):
        sql = "SELECT kind, agent, page, node, data, seq, barrier FROM events WHERE barrier = ? ORDER BY seq"
        yield from run.log.rows(sql, (barrier,))  # type: ignore[misc]


def _event_line(run: Run, kind: str, agent: str, page: int, node: str, data: Packed, seq: int, barrier: int) -> bytes:
    # As `canonical(["event", said(event)])`, without the way through a value and back.
    spelled = canonical_of(unpack(data, run.log.path), run.log.path)
    if not spelled.startswith(b"{"):
        raise damaged(run.log.path, f"the data of event {seq} is no object")
    return b'["event",{"agent":%b,"barrier":%b,"data":%b,%b]' % (
        *(canonical(agent), canonical(barrier), spelled),
        _place(kind, node, page),
    )


@lru_cache(maxsize=1024, typed=True)
def _place(kind: str, node: str, page: int) -> bytes:
    """What stands behind the data of every event of a page, and closes the object."""
    return canonical({"kind": kind, "node": node, "page": page})[1:]


def asked(manifest: Manifest) -> dict[str, Any]:
    """What was asked of a run, without what only says how to carry it out, when, where and with which versions."""
    config = without(manifest.config, manifest.volatile.config)
    return {"kind": manifest.kind, "seed": manifest.seed, "config": config, "hashes": manifest.hashes}


def said(event: Event) -> dict[str, Any]:
    """What an event says. Its barrier belongs to it, its number follows from the order."""
    return {
        "kind": event.kind,
        "agent": event.agent,
        "page": event.page,
        "node": event.node,
        "barrier": event.barrier,
        "data": event.data,
    }
