"""Any run's log, looked into event by event: where one is, what happened there, which calls belong to it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .conditions import RESERVED, Condition, ConditionProblem
from .errors import RunError
from .manifest import write_atomic
from .records import CallRecord, Event
from .run import Run

FILE = "looking.json"
"""Where the place one looks at is kept, beside the run and no part of its digest."""
OWN = ("event", "kind", "agent", "page", "node")
"""What a condition calls an event's own fields; `event` is its number in the log."""
DEEPEST = 8
"""Levels of an event's data that have names; what lies deeper has none."""
MOST = 12
"""Agents named where one was asked for that there is none of."""


@dataclass(slots=True)
class Agent:
    """One agent of a run: how many events it has, which was the last, how what it did ended."""

    agent: str
    events: int = 0
    last: str = ""
    """Kind of its last event."""
    true: tuple[str, ...] = ()
    """What its last event says is true (`fell_back`)."""
    status: Counter[str] = field(default_factory=Counter)
    """The `status` that its events tell, each with how often."""
    calls: Counter[str] = field(default_factory=Counter)
    """How its calls ended, each with how often."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A run at a glance."""

    path: Path
    kind: str
    status: str
    reason: str
    events: Mapping[str, int]
    """How many of each kind, in the order they first came."""
    agents: list[Agent]
    """In the order they first came; events and calls of nobody are those of agent ""."""
    notes: list[str]


class Looking:
    """A run of any kind, opened to be looked into. Calls no model; the run itself is never changed.

    A context manager: leaving it closes the run. `note` says why the place is not kept, where it is not.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a run. Raises what `Run.open` raises."""
        self.path = Path(path)
        self.run = Run.open(self.path)
        self.note = ""
        self._place = self._kept()

    # Looking

    @property
    def place(self) -> int | None:
        """The number of the event one looks at; None before the first look."""
        return self._place

    def glance(self) -> Glance:
        """What there is: events by kind, agents and how they did."""
        kinds: Counter[str] = Counter()
        agents: dict[str, Agent] = {}
        for event in self.run.events():
            kinds[event.kind] += 1
            said = values_of(event)
            agent = agents.setdefault(event.agent, Agent(event.agent))
            agent.events, agent.last = agent.events + 1, event.kind
            agent.true = tuple(name for name, value in said.items() if value is True)
            if isinstance(status := event.data.get("status"), str):
                agent.status[status] += 1
        for call in self.run.calls.facts(("agent", "status")):
            agents.setdefault(call["agent"], Agent(call["agent"])).calls[call["status"]] += 1
        manifest = self.run.manifest
        return Glance(
            self.path, manifest.kind, manifest.status, manifest.reason, kinds, list(agents.values()), manifest.notes
        )

    def event(self, number: int) -> Event:
        """The event of this number. Raises `RunError`, naming the numbers there are."""
        if number < 1 << 62:
            found = next(self.run.events(since=number - 1), None)
            if found is not None and found.seq == number:
                return found
        low, high = self.run.log.row("SELECT min(seq), max(seq) FROM events") or (None, None)
        have = "no events yet" if low is None else f"events {low} to {high}"
        raise RunError(f"{self.path} has no event {number}", f"there are {have}")

    def calls(self, event: Event) -> list[CallRecord]:
        """The recorded calls of an event: those it names under `calls`, then all others of its agent and page."""
        named = event.data.get("calls")
        keys = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
        found = {key: call for key in keys if (call := self.run.calls.get(key)) is not None}
        found |= {
            call.key: call for call in self.run.calls.all(agent=event.agent, page=event.page) if call.key not in found
        }
        return list(found.values())

    def names(self) -> set[str]:
        """The names that a condition on this run may use."""
        return {*OWN, *(name for event in self.run.events() for name in values_of(event))}

    def find(self, when: str, *, after: int | None = None) -> Event | None:
        """The first event, after that of number `after`, for which a condition holds; None where it never does.

        Raises `RunError` for what is no condition, or names what no event of the run has, with near names.
        """
        try:
            condition = Condition.parse(when, sorted(self.names()))
        except ConditionProblem as problem:
            raise RunError(str(problem)) from None
        nothing = dict.fromkeys(condition.names)
        for event in self.run.events(since=-1 if after is None else after):
            if condition.holds({**nothing, **values_of(event)}):
                return event
        return None

    # Moving

    def go(self, number: int) -> Event:
        """Look at the event of this number. Raises `RunError` where there is none such."""
        event = self.event(number)
        self._keep(event.seq)
        return event

    def go_to(self, agent: str, page: int | None = None, node: str | None = None) -> Event:
        """Look at the first event of an agent, of its page, of a node there. Raises `RunError` where there is none such."""
        own = list(self.run.events(agent=agent))
        if not own:
            raise RunError(f"{self.path} has no event of {agent!r}", _near(agent, self._agents()))
        for event in own:
            if page in (None, event.page) and node in (None, event.node):
                return self.go(event.seq)
        where = f"page {page}" + (f", node {node!r}" if node is not None else "")
        places = dict.fromkeys(f"{each.page} {each.node}".strip() for each in own)
        raise RunError(f"agent {agent!r} has no event at {where}", f"there are {', '.join(list(places)[:MOST])}")

    def step(self, *, own: bool = False) -> Event | None:
        """Look at the next event, or (`own`) the next of the same agent; None at the end of the recording."""
        here = self.place
        agent = self.event(here).agent if own and here is not None else None
        event = next(self.run.events(agent=agent, since=-1 if here is None else here), None)
        return None if event is None else self.go(event.seq)

    def close(self) -> None:
        """Close the run."""
        self.run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Inside

    def _agents(self) -> list[str]:
        return [agent for (agent,) in self.run.log.rows("SELECT agent FROM events GROUP BY agent ORDER BY min(seq)")]

    def _kept(self) -> int | None:
        """The place that was kept; None where there is none, or none that this run has."""
        with suppress(OSError, ValueError, RecursionError, TypeError, KeyError, RunError):
            return self.event(int(json.loads((self.path / FILE).read_text(encoding="utf-8"))["event"])).seq
        return None

    def _keep(self, number: int) -> None:
        self._place = number
        try:
            write_atomic(self.path / FILE, (json.dumps({"event": number}) + "\n").encode())
            self.note = ""
        except (OSError, RunError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error).split("\n")[0]
            self.note = f"{self.path} cannot be written ({why}): the place is not kept"


def values_of(event: Event) -> dict[str, Any]:
    """What a condition may ask of an event: its own fields, and numbers, texts, truths and lists of them in its data.

    A value deeper inside is named by its path (`usage.total` is `usage_total`). A name that cannot be written in a
    condition, or is that of an own field, stands behind `data_`. Of two values with one name the first counts.
    """
    own = dict(zip(OWN, (event.seq, event.kind, event.agent, event.page, event.node), strict=True))
    found: dict[str, Any] = {}
    for path, value in _scalars(event.data, "", DEEPEST):
        found.setdefault(_name(path), value)
    return own | found


def _scalars(data: Mapping[str, Any], before: str, levels: int) -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        path = f"{before}{key}"
        if isinstance(value, Mapping):
            if levels > 1:
                yield from _scalars(value, f"{path}.", levels - 1)
        elif not isinstance(value, list) or not any(isinstance(each, list | Mapping) for each in value):
            yield path, value


def _name(path: str) -> str:
    name = re.sub(r"\W", "_", path)
    return name if re.match(r"[^\W\d]", name) and name not in RESERVED and name not in OWN else f"data_{name}"


def _near(name: str, there: Collection[str]) -> str:
    found = get_close_matches(name[:100], there, n=3)
    if found:
        return f"did you mean {', '.join(found)}?"
    named = [each for each in there if each]
    return (
        f"there are {', '.join(named[:MOST])}{', …' * (len(named) > MOST)}" if named else "its events are of no agent"
    )
