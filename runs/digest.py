"""The digest of a run: equal for equal runs, whatever they took. Its definition is in docs/runs.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .checkpoints import final_channels
from .jsonform import canonical, canonical_of, damaged, unpack, without
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
    total = hashlib.sha256()
    for event in run.events(agent=agent):
        total.update(canonical(["event", said(event)]) + b"\n")
    for thread, channels in final_channels(run.log, frozenset(run.manifest.volatile.channels), agent):
        total.update(canonical(["graph", thread, channels]) + b"\n")
    return total.hexdigest()


def lines(run: Run) -> Iterator[bytes]:
    """The canonical form, line by line: asked, events, states, channels, calls; each line one JSON array."""
    yield canonical(["run", asked(run.manifest)])
    for kind, agent, page, node, data, seq, barrier in run.event_rows():
        # As `canonical(["event", said(event)])`, without the way through a value and back.
        spelled = canonical_of(unpack(data, run.log.path), run.log.path)
        if not spelled.startswith(b"{"):
            raise damaged(run.log.path, f"the data of event {seq} is no object")
        yield b'["event",{"agent":%b,"barrier":%b,"data":%b,%b]' % (
            *(canonical(agent), canonical(barrier), spelled),
            _place(kind, node, page),
        )
    for name, value in run.iter_states():
        yield canonical(["state", name, value])
    for thread, channels in final_channels(run.log, frozenset(run.manifest.volatile.channels)):
        yield canonical(["graph", thread, channels])
    yield canonical(["calls", run.calls.digest()])


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
