"""A run as spans: a trace per agent; below it its pages, their nodes, the calls made there, the tools that answers called.

Times are those of the recorded calls; a page without calls lasts from one barrier to the next. Ids are hashes of what
the run is and of addresses in it, so that a second export writes the same spans again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ...runs import CallRecord, Run, scrub
from .convention import (
    AGENT,
    AGENT_NAME,
    CHAIN,
    JSON,
    KIND,
    METADATA,
    NODE,
    OUTPUT,
    OUTPUT_TYPE,
    PARAMETERS,
    SESSION,
    USER,
    content_of,
    dumps,
    facts_of,
    parameters_of,
    tools_of,
)
from .span import Span, Value, hashed

PAGE = "page"
"""The kind of event that says what an agent did on a page, where a run has such."""

Address = tuple[object, ...]
"""Of what has parts: (agent,), (agent, page), (agent, page, node). A page of -1 is what came before the first."""


class Stretch(NamedTuple):
    """From when to when something lasted, in seconds since the epoch."""

    start: float
    end: float

    def with_(self, other: Stretch) -> Stretch:
        return Stretch(min(self.start, other.start), max(self.end, other.end))


class RunSpans:
    """The spans of one run. `len` is how many calls and agents' parts there are; `all` streams them, parts before wholes."""

    def __init__(self, run: Run, *, content: bool = True) -> None:
        self.run, self.content = run, content
        manifest = run.manifest
        # Not the digest: two equal runs are two sessions, and a run that goes on stays the same one.
        self.session = hashed(16, manifest.kind, manifest.name, manifest.seed, manifest.created).hex()
        self._committed = self._barriers()
        self._stretches = self._measure()

    def __len__(self) -> int:
        return len(self._stretches) + len(self.run.calls)

    def all(self) -> Iterator[Span]:
        """Every span: calls and tools as they were recorded, then nodes, pages and agents."""
        for call in self.run.calls.all():
            yield from self._call(call)
        pages = {address: stretch for address, stretch in self._stretches.items() if len(address) == 2}
        if pages:
            for event in self.run.events(kind=PAGE):
                if (address := (event.agent, event.page)) in pages:
                    said = {OUTPUT: dumps(event.data), OUTPUT_TYPE: JSON} if self.content else {}
                    yield self._whole(address, pages.pop(address), said)
        for address, stretch in self._stretches.items():
            if len(address) != 2 or address in pages:
                yield self._whole(address, stretch, {})

    def _call(self, call: CallRecord) -> Iterator[Span]:
        trace = self._trace(call.agent)
        own, parent = self._id(call.key), self._id(call.agent, call.page, call.node)
        known = content_of(call) if self.content else {PARAMETERS: _sizes_only(parameters_of(call))}
        start, end = call.at - call.latency, call.at
        error = f"{call.status}: {call.error}" if call.status != "ok" else ""
        if error and not self.content:
            error = call.status  # what went wrong may quote what was said
        yield self._span(
            trace, own, parent, f"{call.kind} {call.model}", start, end, facts_of(call) | known, call.agent, error
        )
        for i, (name, facts, said) in enumerate(tools_of(call)):
            attributes = facts | (said if self.content else {})
            yield self._span(trace, self._id(call.key, "tool", i), own, name, end, end, attributes, call.agent)

    def _whole(self, address: Address, stretch: Stretch, said: Mapping[str, Value]) -> Span:
        agent, *below = address
        attributes: dict[str, Value] = {KIND: CHAIN if below or not agent else AGENT, **said}
        if not below:
            name = f"agent {agent}" if agent else self.run.manifest.name or self.run.kind
            attributes |= {AGENT_NAME: str(agent)} if agent else {}
        elif len(below) == 1:
            name = f"page {below[0]}" if below[0] != -1 else "before the first page"
            attributes[METADATA] = json.dumps({"page": below[0]})
        else:
            name = str(below[1]) or "call"
            attributes[NODE] = name
        parent = self._id(*address[:-1]) if below else b""
        return self._span(self._trace(agent), self._id(*address), parent, name, *stretch, attributes, agent)

    def _span(
        self,
        trace: bytes,
        own: bytes,
        parent: bytes,
        name: str,
        start: float,
        end: float,
        attributes: dict[str, Value],
        agent: object,
        error: str = "",
    ) -> Span:
        attributes = {**attributes, SESSION: self.session} | ({USER: str(agent)} if agent else {})
        clean = {key: scrub(value) if isinstance(value, str) else value for key, value in attributes.items()}
        return Span(trace, own, parent, scrub(name), start, end, clean, scrub(error))

    def _trace(self, agent: object) -> bytes:
        return hashed(16, self.session, agent)

    def _id(self, *address: object) -> bytes:
        return hashed(8, self.session, *address)

    def _barriers(self) -> dict[int, Stretch]:
        """When each barrier's page was lived, told from when it and the one before were committed."""
        times = dict(self.run.log.rows("SELECT barrier, at FROM barriers ORDER BY barrier"))
        return {barrier: Stretch(times.get(barrier - 1, at), at) for barrier, at in times.items()}

    def _measure(self) -> dict[Address, Stretch]:
        """From when to when every agent, page and node lasted; nodes before pages before agents."""
        nodes: dict[Address, Stretch] = {}
        for fact in self.run.calls.facts(("agent", "page", "node", "at", "latency")):
            address = (fact["agent"], fact["page"], fact["node"])
            took = Stretch(fact["at"] - fact["latency"], fact["at"])
            nodes[address] = took.with_(nodes.get(address, took))
        pages: dict[Address, Stretch] = {}
        for address, took in nodes.items():
            pages[address[:2]] = took.with_(pages.get(address[:2], took))
        for _, agent, page, _, _, _, barrier in self.run.event_rows(kind=PAGE):
            pages.setdefault((agent, page), self._committed[barrier])
        agents: dict[Address, Stretch] = {}
        for address, took in pages.items():
            agents[address[:1]] = took.with_(agents.get(address[:1], took))
        return {**nodes, **pages, **agents}


def _sizes_only(parameters: str) -> str:
    """Parameters without the schema, whose descriptions and choices are words of the prompt."""
    return dumps({name: value for name, value in json.loads(parameters).items() if not isinstance(value, dict | list)})
