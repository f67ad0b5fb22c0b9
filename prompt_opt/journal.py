"""The log of a search: every answer that an optimizer was given, so that it can be given again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..llm.types import Outcome, Usage
from ..runs import Event, Run
from .candidate import Candidate
from .errors import SearchChanged
from .steps import Accept, Evaluate, Outside, Step, Think
from .task import Diagnosis, Result

STEP, SCORES, THOUGHT, CANDIDATE, REFUSED, NOTE, ACCEPTED, OUTSIDE = (
    "step",
    "scores",
    "thought",
    "candidate",
    "refused",
    "note",
    "accepted",
    "outside",
)
TASK, CHOICE, OPENED, VERDICT, EDIT = "task", "choice", "opened", "verdict", "edit"


def result_row(result: Result) -> dict[str, Any]:
    """A result as plain values; what is empty is left out."""
    row: dict[str, Any] = {"case": result.case, "status": result.status}
    if result.values:
        row["values"] = dict(result.values)
    if result.diagnosis is not None:
        row["diagnosis"] = {name: text for name, text in asdict(result.diagnosis).items() if text}
    for name in ("counts", "tokens", "calls"):
        if value := getattr(result, name):
            row[name] = dict(value) if isinstance(value, Mapping) else list(value) if name == "calls" else value
    return row


def result_of(row: Mapping[str, Any]) -> Result:
    """A result from the log."""
    said = row.get("diagnosis")
    diagnosis = None if said is None else Diagnosis(**{"kind": "", "text": "", **said})
    return Result(
        row["case"],
        row["status"],
        row.get("values", {}),
        diagnosis,
        row.get("counts", {}),
        row.get("tokens", 0),
        tuple(row.get("calls", ())),
    )


def scores_event(candidate: str, split: str, results: Sequence[Result], step: int) -> Event:
    """What one candidate did on some cases."""
    return Event(SCORES, candidate, step, split, {"rows": [result_row(result) for result in results]})


def thought_event(number: int, node: str, outcome: Outcome[Any], step: int) -> Event:
    """What the proposer answered to one question."""
    data = {"n": number, "status": outcome.status, "value": outcome.value, "error": outcome.error}
    return Event(THOUGHT, "proposer", step, node, data | {"tokens": outcome.usage.total, "calls": list(outcome.keys)})


def outcome_of(data: Mapping[str, Any]) -> Outcome[Any]:
    """A proposer's answer from the log."""
    return Outcome(
        data["status"],
        data["value"],
        error=data["error"],
        usage=Usage(data["tokens"]),
        recorded=True,
        key=data["calls"][0] if data["calls"] else "",
        keys=tuple(data["calls"]),
    )


def kind_of(step: Step) -> str:
    """The name of a step's kind."""
    return type(step).__name__.lower()


def print_of(step: Step) -> str:
    """A short hash of what a step asks for: a resumed search must ask for the same."""
    asked: Any
    match step:
        case Evaluate(work):
            asked = [[candidate.id, list(cases)] for candidate, cases in work]
        case Think(asks):
            asked = [[ask.node, ask.sample, ask.temperature, list(ask.messages)] for ask in asks]
        case Accept(candidate, instead_of, _):
            asked = [candidate.id, instead_of.id]
        case Outside(name, _):
            asked = name
        case _:
            asked = None
    text = json.dumps([kind_of(step), asked], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Journal:
    """The recorded steps of a run, read once: step number -> its events."""

    def __init__(self, run: Run) -> None:
        self.steps: dict[int, list[Event]] = {}
        for event in run.events():
            if event.kind in (STEP, SCORES, THOUGHT, ACCEPTED, OUTSIDE) and event.page >= 0:
                self.steps.setdefault(event.page, []).append(event)
        self.choice = next((event.data for event in run.events(kind=CHOICE)), None)

    def kind(self, number: int) -> str:
        """What kind of step is recorded under a number; empty where none is."""
        return next((event.data["kind"] for event in self.steps.get(number, ()) if event.kind == STEP), "")

    def __contains__(self, number: int) -> bool:
        return any(event.kind == STEP for event in self.steps.get(number, ()))

    def head(self, number: int, step: Step) -> Mapping[str, Any]:
        """The `step` event's data. Raises `SearchChanged` where the log has another step in this place."""
        head = next(event.data for event in self.steps[number] if event.kind == STEP)
        if head["print"] != print_of(step):
            raise SearchChanged(
                f"step {number} was to {head['kind']}, and now the search would {kind_of(step)} something else\n"
                "  data, settings and code must be those it began with; else start a new search"
            )
        return head

    def heads(self) -> dict[int, Mapping[str, Any]]:
        """The `step` events' data by number."""
        return {n: event.data for n, events in self.steps.items() for event in events if event.kind == STEP}

    def results(self, number: int) -> dict[str, list[Result]]:
        """Results of an `Evaluate` step by candidate id."""
        found: dict[str, list[Result]] = {}
        for event in self.steps[number]:
            if event.kind == SCORES:
                found.setdefault(event.agent, []).extend(result_of(row) for row in event.data["rows"])
        return found

    def thoughts(self, number: int) -> list[Outcome[Any]]:
        """Answers of a `Think` step, in order."""
        events = [event for event in self.steps[number] if event.kind == THOUGHT]
        return [outcome_of(event.data) for event in sorted(events, key=lambda event: event.data["n"])]

    def accepted(self, number: int) -> Mapping[str, Any]:
        """What became of an `Accept` step."""
        return next(event.data for event in self.steps[number] if event.kind == ACCEPTED)

    def outside(self, number: int) -> Any:
        """What another library answered."""
        return next(event.data["answer"] for event in self.steps[number] if event.kind == OUTSIDE)


def candidate_event(candidate: Candidate, step: int) -> Event:
    """A candidate that entered."""
    return Event(CANDIDATE, candidate.id, step, candidate.operator, candidate.json())
