"""What a run's log says, as arrays: one pass over its events, kept while the log does not grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ...runs import Event, Run

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

INTERVIEW = "interview"
"""The step that follows a user's last page: its failures are not the page's."""
PLUMBING = "plumbing-grade"
"""How the note of a run begins whose model is too small to stand for people."""


@dataclass(frozen=True)
class Facts:
    """Arrays of one run. Exposures (n,): `agent` indexes `agents`, `page` and positions count from 0.

    `answered` marks exposures that got an action; only those enter rates. `rating` and `satisfaction` are NaN where
    there is none. Agent-pages (m,): the fields that begin with `turn_`.
    """

    agents: tuple[str, ...]
    """Every simulated user, also those without a page yet."""
    personas: Mapping[str, Mapping[str, Any]]
    reference: Mapping[str, Any]
    calibration: Mapping[str, Any] | None

    agent: Ints
    page: Ints
    slot: Ints
    shown_at: Ints
    item: tuple[str, ...]
    answered: Bools
    positive: Bools
    rating: Floats
    liked: Bools

    turn_agent: Ints
    turn_page: Ints
    turn_next: Bools
    turn_satisfaction: Floats
    turn_failed: Bools
    """An answer of the page itself (all but the exit interview) could not be used."""
    turn_silent: Bools
    """No action came of the page: the model gave no usable answer."""

    interviews: Mapping[str, float | None]
    interview_sources: tuple[str, ...]
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(node, status) -> how often, as the pages recorded them."""

    def per_user(self, values: npt.ArrayLike, among: Bools) -> Floats:
        """Sum of `values` over a user's exposures that are `among`: (users,)."""
        weights = np.asarray(values, dtype=float)[among]
        return np.bincount(self.agent[among], weights, minlength=len(self.agents)).astype(float)


_read: WeakKeyDictionary[Run, tuple[tuple[int, int], Facts]] = WeakKeyDictionary()


def facts(run: Run) -> Facts:
    """The facts of a run, read once: the summary, the page and the picture ask for the same ones."""
    through = (run.barrier, len(run.calls))
    known = _read.get(run)
    if known is None or known[0] != through:
        known = (through, read_facts(run.events()))
        _read[run] = known
    return known[1]


def read_facts(events: Iterable[Event]) -> Facts:
    """Facts from events of the kinds `reference`, `calibration`, `persona` and `page`; others are passed over."""
    reference: Mapping[str, Any] = {}
    calibration: Mapping[str, Any] | None = None
    personas: dict[str, Mapping[str, Any]] = {}
    index: dict[str, int] = {}
    exposures: list[tuple[Any, ...]] = []
    turns: list[tuple[Any, ...]] = []
    interviews: dict[str, float | None] = {}
    sources: set[str] = set()
    failures: Counter[tuple[str, str]] = Counter()
    for event in events:
        data = event.data
        if event.kind == "reference":
            reference = data
        elif event.kind == "calibration":
            calibration = data
        elif event.kind == "persona":
            personas[event.agent] = data
            index.setdefault(event.agent, len(index))
        elif event.kind == "page":
            who = index.setdefault(event.agent, len(index))
            actions = {action["item"]: action for action in data["actions"]}
            for shown in data["exposures"]:
                exposures.append((who, event.page, shown, actions.get(shown["item"])))
            decision = data["decision"]
            wrong = data.get("failures") or ()
            failures.update((str(f["node"]), str(f["status"])) for f in wrong)
            own = any(f["node"] != INTERVIEW for f in wrong)
            turns.append((who, event.page, decision["next"], _nan(decision["satisfaction"]), own, not actions))
            if (interview := data.get("interview")) is not None:
                interviews[event.agent] = interview["satisfaction"]
                sources.add(interview.get("source", ""))
    acts = [action for *_, action in exposures]
    return Facts(
        agents=tuple(index),
        personas=personas,
        reference=reference,
        calibration=calibration,
        agent=_ints(row[0] for row in exposures),
        page=_ints(row[1] for row in exposures),
        slot=_ints(row[2]["slot"] for row in exposures),
        shown_at=_ints(row[2]["shown_at"] for row in exposures),
        item=tuple(row[2]["item"] for row in exposures),
        answered=_bools(act is not None for act in acts),
        positive=_bools(act is not None and bool(act.get("positive")) for act in acts),
        rating=np.array([_nan(None if act is None else act.get("rating")) for act in acts], dtype=float),
        liked=_bools(act is not None and bool(act.get("liked")) for act in acts),
        turn_agent=_ints(turn[0] for turn in turns),
        turn_page=_ints(turn[1] for turn in turns),
        turn_next=_bools(turn[2] for turn in turns),
        turn_satisfaction=np.array([turn[3] for turn in turns], dtype=float),
        turn_failed=_bools(turn[4] for turn in turns),
        turn_silent=_bools(turn[5] for turn in turns),
        interviews=interviews,
        interview_sources=tuple(sorted(sources - {""})),
        failures=failures,
    )


def _nan(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)


def _bools(values: Iterable[bool]) -> Bools:
    return np.fromiter(values, dtype=np.bool_)
