"""The digest of a run: equal for equal runs, whatever they took. Its definition is in docs/runs.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .checkpoints import final_channels
from .jsonform import Packed, canonical, canonical_of, damaged, unpack, without
from .records import Event

if TYPE_CHECKING:
    from .manifest import Manifest
    from .run import EventRow, Run


def digest(run: Run) -> str:
    """SHA-256 over the run's canonical lines, in hex. Memory grows with one barrier, not with the run; time is linear in it."""
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
    for row in _by_agent(run):
        yield _event_line(run, *row)
    for name, value in run.iter_states():
        yield canonical(["state", name, value])
    for thread, channels in final_channels(run.log, frozenset(run.manifest.volatile.channels)):
        yield canonical(["graph", thread, channels])
    yield canonical(["calls", run.calls.digest()])


def _by_agent(run: Run) -> Iterator[EventRow]:
    """Events barrier by barrier, on each by agent, each agent's in their order. Who acted before whom on a page is not
    known of a fork of some agents, which stores those alone; what came of it is in the next page."""
    if any(layer.point and layer.point.agents for layer in run.log.layers):
        for (barrier,) in run.log.rows("SELECT barrier FROM barriers ORDER BY barrier"):
            sql = "SELECT kind, agent, page, node, data, seq, barrier FROM events WHERE barrier = ? ORDER BY agent, seq"
            yield from run.log.rows(sql, (barrier,))  # type: ignore[misc]
        return
    for _, rows in groupby(
        run.event_rows(), key=itemgetter(6)
    ):  # in any other run their numbers rise with the barriers
        yield from sorted(rows, key=itemgetter(1, 5))


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
