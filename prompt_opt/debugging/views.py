"""What the debugger of a search shows. Plain values; texts are foreign data and may be hostile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Moment(NamedTuple):
    """Something that happened in a search, in the order of its log.

    `step`: the recorded step it belongs to; what happens between two steps belongs to the later one. `kind`: enter, refused,
    evaluate (one per candidate), think, outside, accept, choice. `candidate`: its id, or empty. `values`: the fields.
    """

    step: int
    kind: str
    candidate: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """Where going on stops: a condition over the fields of a moment."""

    id: int
    when: str
    on: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """A moment at which a condition holds, and the values of the names in it."""

    breakpoint: Breakpoint
    step: int
    kind: str
    candidate: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Waits:
    """A candidate that is to be accepted, and what it would replace."""

    candidate: str
    texts: Mapping[str, str]
    instead_of: str
    old_texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Overview:
    """A search at a glance. `steps`: recorded; `best` by what is known; `opened_before`: runs of its family that had opened the
    sealed test split, so that its verdict is no fresh test."""

    path: Path
    name: str
    status: str
    reason: str
    task: str
    metric: str
    optimizer: str
    model: str
    proposer: str
    steps: int
    candidates: int
    refused: int
    seed: str
    best: str
    waits: Waits | None
    verdict: Mapping[str, Any] | None
    opened_before: Sequence[str]
    calls: int
    failed: int
    tokens: int
    cost: float | None
    parent: Path | None
    left_at: int | None
    """The step before which a fork left its parent."""
    edits: Sequence[str]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A prompt of the search. `score`: its mean on the open cases it was asked; `step`: it entered before this one (-1: seed);
    `lead`: {mean, low, high, n} over the seed, paired; `problems`: why the guards kept it out."""

    id: str
    texts: Mapping[str, str]
    operator: str
    parents: Sequence[str]
    reason: str
    maker: str
    step: int
    fate: str
    why: str
    score: float | None
    cases: int
    lead: Mapping[str, Any] | None
    problems: Sequence[str]
    calls: Sequence[str]


@dataclass(frozen=True, slots=True)
class CaseView:
    """What a prompt did on a case."""

    candidate: str
    case: str
    split: str
    status: str
    value: float | None
    kind: str
    text: str
    answer: str
    truth: str
    tokens: int
    calls: Sequence[str]
    step: int


@dataclass(frozen=True, slots=True)
class StepView:
    """A recorded step, with what came before it since the last one. `kind`: evaluate, think, accept, outside, or choice for
    what stands after the last. `scores`: candidate -> mean and cases of this step; `decided`: acceptances."""

    step: int
    kind: str
    stopped: str
    entered: Sequence[str]
    refused: Sequence[str]
    scores: Mapping[str, Mapping[str, Any]]
    decided: Sequence[Mapping[str, Any]]
    thoughts: Sequence[Mapping[str, Any]]
    notes: Sequence[Mapping[str, Any]]
    edits: Sequence[str]
    calls: Sequence[str]


@dataclass(frozen=True, slots=True)
class CallView:
    """A recorded call: what was asked and what came back."""

    key: str
    candidate: str
    node: str
    case: str
    model: str
    status: str
    error: str
    messages: Sequence[Mapping[str, Any]]
    schema: Any
    raw: str
    values: Any
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    latency: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Stop:
    """How going on ended. `hit`: the breakpoint, where one held; `waits`: the candidate that is to be accepted."""

    path: Path
    status: str
    reason: str
    step: int
    hit: Hit | None
    waits: Waits | None


@dataclass(frozen=True, slots=True)
class SearchFork:
    """A search in the tree of forks. `left_at`: the step before which it leaves its parent (None: the root)."""

    path: Path
    name: str
    status: str
    left_at: int | None
    steps: int
    edits: Sequence[str]
    verdict: str
    size: int
    forks: Sequence[SearchFork] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """Two searches: `a` first in every pair. `parts`: the step before which they part (None: never)."""

    a: Path
    b: Path
    same: bool
    config: Mapping[str, tuple[Any, Any]]
    parts: int | None
    only_a: Sequence[CandidateView]
    only_b: Sequence[CandidateView]
    scores: Mapping[str, tuple[float | None, float | None]]
    """Candidates of both -> their means, where they differ."""
    best: tuple[str, str]
    verdict: tuple[str, str]
    fresh: tuple[bool, bool]
    """Whether the verdict is from a test split that nobody had opened before."""
    metrics: Mapping[str, tuple[float | None, float | None, float | None]]
    calls: tuple[int, int] = field(default=(0, 0))
    """Calls that each made and paid itself."""
