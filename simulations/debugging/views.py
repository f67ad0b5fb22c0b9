"""What a debugger shows. Plain frozen values, JSON by `dataclasses.asdict`; pages count from 0, as in the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

Stride = Literal["node", "page", "agent", "round"]
"""How far a step goes: the next node of this page; this agent's next page; the next agent on this page; everybody's next page."""


class Place(NamedTuple):
    """A moment's address: an agent, a page (from 0), a node of the user's graph (`observe` … `decide`, `interview`)."""

    agent: str
    page: int
    node: str = ""

    def __str__(self) -> str:
        return f"{self.agent} page {self.page}" + (f" {self.node}" if self.node else "")


@dataclass(frozen=True, slots=True)
class Overview:
    """A run at a glance. `cost` in US dollars over calls of known price; `parent` and `barrier` of a fork."""

    path: Path
    name: str
    kind: str
    status: str
    reason: str
    model: str
    recommender: str
    agents: int
    browsing: int
    page: int
    """Pages committed so far: the page that comes next."""
    pages: int
    """The cap."""
    calls: int
    failed: int
    tokens: int
    cost: float | None
    seconds: float
    parent: Path | None = None
    barrier: int | None = None
    touched: tuple[str, ...] = ()
    """Of a fork of some agents: those who live on otherwise. Empty: everybody."""
    edits: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallView:
    """A recorded call as people read it."""

    key: str
    agent: str
    page: int
    node: str
    sample: int
    model: str
    kind: str
    """`chat` or `score`."""
    status: str
    error: str
    messages: Sequence[Mapping[str, Any]]
    """The rendered prompt: role and text. A score call has one message."""
    schema: Mapping[str, Any] | None
    raw: str
    """What the model wrote, as it came."""
    parsed: Any
    """The raw answer as JSON where it is JSON; None where it is not."""
    problems: tuple[Mapping[str, Any], ...] = ()
    """Where the answer breaks its schema: {"path": "actions.3", "message": …}."""
    questions: Sequence[Mapping[str, Any]] = ()
    """Of a score call: {"suffix", "labels", "logprobs" (nats)} each."""
    tools: Sequence[Mapping[str, Any]] = ()
    """Tool calls of the answer: {"name", "arguments"}."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    latency: float = 0.0
    attempts: int = 0
    edited: bool = False
    """The answer was put in by hand, in this run."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One node of one agent-page, lived again from the recording. `before` and `after` are the agent's whole state."""

    place: Place
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    changed: Mapping[str, tuple[Any, Any]]
    """Dotted path -> both values, where they differ."""
    recalled: Sequence[Mapping[str, Any]] = ()
    """Memories that came back: id, kind, text, importance, created, accessed, score and its parts (recency, …)."""
    calls: Sequence[CallView] = ()
    failures: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class PageView:
    """One agent-page as the log has it: what was shown, what was done and why, how it ended."""

    agent: str
    page: int
    exposures: Sequence[Mapping[str, Any]]
    """item, title, shown_at (slot as shown), rank, and what was done with it: action, positive, rating, reason, liked."""
    memories: Sequence[Mapping[str, Any]]
    feeling: str
    decision: Mapping[str, Any]
    interview: Mapping[str, Any] | None
    failures: Sequence[Mapping[str, Any]]
    calls: Sequence[str]
    """Keys of the page's calls, in the order they were made."""
    satisfaction: float | None
    edited: tuple[Mapping[str, Any], ...] = ()
    """Edits that bear on this page."""


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """Stop where `when` holds. `against`: a run whose first other moment is what `diverged` means."""

    id: int
    when: str
    against: str = ""
    on: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """A moment at which a breakpoint holds, and what the names in its condition were there."""

    breakpoint: Breakpoint
    place: Place
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run that went on stands again: at a `hit`, at its end, or paused (budget, endpoint, Ctrl-C)."""

    path: Path
    status: str
    reason: str
    page: int
    hit: Hit | None = None


@dataclass(frozen=True, slots=True)
class Fork:
    """A run in the tree of forks below one root. `size` in bytes: what the fork itself stores."""

    path: Path
    name: str
    status: str
    barrier: int | None
    """The page before which it leaves its parent; None for the root."""
    page: int
    touched: tuple[str, ...]
    edits: tuple[str, ...]
    size: int
    forks: tuple[Fork, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What a fork (`b`) did otherwise than the run it is held against (`a`)."""

    a: Path
    b: Path
    first: Mapping[str, Any] | None
    """The first page that differs: agent, page, field, a, b; None: nothing does."""
    agents: Mapping[str, Sequence[Mapping[str, Any]]]
    """Agent -> its pages that differ: page, field (the first of the record that does; empty where one has no such page), and
    what each did there (`a`, `b`: chosen items, ratings, decision, satisfaction)."""
    same: int
    """Agents whose digest is the same in both."""
    metrics: Mapping[str, Mapping[str, Any]]
    """Number of the summaries -> label, a, b, and difference b - a."""
    calls: tuple[int, int]
    """Calls recorded by each of its own."""


@dataclass(frozen=True, slots=True)
class Reasked:
    """A recorded call put again now. Nothing of the run changes; `changes` names what was put otherwise."""

    old: CallView
    new: Sequence[CallView]
    changes: Mapping[str, Any] = field(default_factory=dict)
