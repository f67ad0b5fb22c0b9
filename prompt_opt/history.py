"""What the log of a search says, read in one pass: for its summary, its lineage, and whoever looks at its prompts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ..runs import Event, Run
from . import journal as log
from .candidate import Candidate, candidate_id
from .fallback import best_known
from .scores import Scores

OPEN = ("search", "selection")
SPLITS = (*OPEN, "test")

PLUMBING = "plumbing-grade"
"""How the note of a run begins whose model is too small for its results to mean anything."""


class Remark(NamedTuple):
    """A `note` of the optimizer about a candidate."""

    what: str
    why: str
    step: int


class Refusal(NamedTuple):
    """A candidate that the guards did not let in, and why."""

    candidate: Candidate
    problems: tuple[str, ...]
    step: int


class Decision(NamedTuple):
    """What became of an `Accept`: `accepted` names the new incumbent (a person may have edited it), None if refused."""

    candidate: str
    accepted: str | None
    instead_of: str
    why: str
    by: str


class Wave(NamedTuple):
    """Results that came together, or a change of the incumbent, in the order of the log."""

    kind: Literal["scores", "accepted"]
    candidate: str
    cases: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class History:
    """A search as its log tells it: finished, paused or killed. `scores` holds every result, the sealed ones too.

    `began`: candidate -> number of the step it entered before (-1: the seed). `stopped`: why the budget ended the
    search, empty where it did not. `outside`: what other libraries answered, by their name.
    """

    task: Mapping[str, Any]
    splits: Mapping[str, Sequence[str]]
    scores: Scores
    candidates: Mapping[str, Candidate]
    began: Mapping[str, int]
    refused: Sequence[Refusal]
    notes: Mapping[str, Sequence[Remark]]
    decisions: Sequence[Decision]
    waves: Sequence[Wave]
    outside: Sequence[tuple[str, Mapping[str, Any]]]
    choice: Mapping[str, Any] | None
    opened: Mapping[str, Any] | None
    verdict: Mapping[str, Any] | None
    stopped: str = ""
    split_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def seed_candidate(self) -> Candidate:
        """Where the search began. Raises `StopIteration` for a log that ends before it (see `begun`)."""
        return next(iter(self.candidates.values()))

    @property
    def begun(self) -> bool:
        """Whether the log has come as far as the seed prompt."""
        return bool(self.candidates)

    @property
    def search(self) -> Sequence[str]:
        return self.splits.get("search", ())

    @property
    def selection(self) -> Sequence[str]:
        return self.splits.get("selection", ())

    @property
    def metric(self) -> str:
        return self.scores.metric

    @property
    def best(self) -> Candidate:
        """The candidate that the search stands by; before its choice, the best that the log knows and that no
        person has refused or edited."""
        if self.choice is not None and (chosen := self.candidates.get(self.choice["candidate"])) is not None:
            return chosen
        barred = {each.candidate for each in self.decisions if each.accepted != each.candidate}
        able = {name: candidate for name, candidate in self.candidates.items() if name not in barred}
        return best_known(self, able, "not chosen yet").candidate

    def cases(self, candidate: str, split: str) -> list[str]:
        """Cases of a split on which a candidate was scored, in the split's order."""
        known = self.scores.of(candidate)
        return [case for case in self.splits.get(split, ()) if case in known]


def read_history(run: Run) -> History:
    """Read a search's log."""
    task: Mapping[str, Any] = {}
    candidates: dict[str, Candidate] = {}
    began: dict[str, int] = {}
    refused: list[Refusal] = []
    notes: defaultdict[str, list[Remark]] = defaultdict(list)
    decisions: list[Decision] = []
    waves: list[Wave] = []
    outside: list[tuple[str, Mapping[str, Any]]] = []
    last: dict[str, Mapping[str, Any]] = {}
    scored: list[Event] = []
    stopped = ""
    for event in run.events():
        data = event.data
        if event.kind == log.TASK:
            task = data
        elif event.kind == log.CANDIDATE:
            candidate = Candidate.of(data)
            candidates[candidate.id] = candidate
            began[candidate.id] = event.page
        elif event.kind == log.REFUSED:
            made = {name: value for name, value in data.items() if name != "problems"}
            refused.append(Refusal(Candidate.of(made), tuple(data["problems"]), event.page))
        elif event.kind == log.NOTE:
            notes[event.agent].append(Remark(data["what"], data["why"], event.page))
        elif event.kind == log.ACCEPTED:
            decisions.append(_decision(event))
            if decisions[-1].accepted is not None:
                waves.append(Wave("accepted", decisions[-1].accepted))
        elif event.kind == log.SCORES:
            scored.append(event)
            waves.append(Wave("scores", event.agent, tuple(row["case"] for row in data["rows"])))
        elif event.kind == log.OUTSIDE:
            outside.append((event.node, data["answer"]))
        elif event.kind == log.STEP:
            stopped = data.get("stopped", "") or stopped
        elif event.kind in (log.CHOICE, log.OPENED, log.VERDICT):
            last[event.kind] = data
    scores = Scores(task.get("metric", ""))
    for event in scored:
        scores.add(event.agent, map(log.result_of, event.data["rows"]))
    splits = task.get("splits", {})
    return History(
        task=task,
        splits=splits,
        scores=scores,
        candidates=candidates,
        began=began,
        refused=refused,
        notes=notes,
        decisions=decisions,
        waves=waves,
        outside=outside,
        choice=last.get(log.CHOICE),
        opened=last.get(log.OPENED),
        verdict=last.get(log.VERDICT),
        stopped=stopped,
        split_of={case: name for name in SPLITS for case in splits.get(name, ())},
    )


def _decision(event: Event) -> Decision:
    data = event.data
    new = candidate_id(data["texts"]) if "texts" in data else event.agent
    return Decision(event.agent, new if data["accepted"] else None, data["instead_of"], data["why"], data["by"])
