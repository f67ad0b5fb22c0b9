"""The two things a run records: events (what happened) and calls (what models answered)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FAILURES = frozenset({"timeout", "transport"})
"""Final outcomes without an answer. They are recorded; `budget` is not, since such a call was never made."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, at a page of the simulated clock.

    `data` is JSON (numpy numbers and arrays are converted). `seq` and `barrier` are given by `Run.commit` and filled in
    on reading: `seq` counts events of the run from 0 without gaps.
    """

    kind: str
    agent: str = ""
    page: int = -1
    node: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    seq: int = -1
    barrier: int = -1


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One settled model call: what was asked, what came back, what it took.

    `key` names place and content of the call and is unique in a run. `kind` is the sort of call ("chat", "score", …).
    `cost` is in US dollars (None: price unknown), `latency` in seconds, `at` in seconds since the epoch (0: filled in
    by `Cassette.put`). `request` and `response` are JSON and must hold no credential.
    """

    key: str
    agent: str = ""
    page: int = -1
    node: str = ""
    sample: int = 0
    model: str = ""
    kind: str = ""
    request: Any = None
    status: str = "ok"
    response: Any = None
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    latency: float = 0.0
    attempts: int = 1
    at: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the call ended without any answer (timeout, transport)."""
        return self.status in FAILURES
