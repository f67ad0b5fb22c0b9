"""`Task`: the only seam between a prompt search and what is being prompted.

A task brings cases, the texts that may be changed, a way to ask a model about one case, and a way to score the answer.
Everything else (splits, budgets, retries, statistics, lineage) is the search's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

from ..llm.types import Model, Outcome, Place, Status

Texts: TypeAlias = Mapping[str, str]
"""A prompt under search: component name -> text (a template with `{{field}}`s, or plain instructions)."""

MISSING: frozenset[Status] = frozenset({"transport", "timeout", "budget"})
"""Outcomes that say nothing about the prompt: such cases are left out in pairs and reported, never scored 0."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `shown`: JSON, all that a prompt may be filled with. `truth`: JSON, for scoring only.

    `titles`: texts of its items, which a good prompt never quotes (see `guards.py`). `group`: a segment to report by.
    """

    id: str
    shown: Mapping[str, Any]
    truth: Mapping[str, Any]
    titles: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a case went as it did, for whoever writes the next prompt.

    `kind`: a short name to cluster by ("ok", "low rank", "incomplete list", "unknown ids", "no answer", …). `text`: what
    happened, in one or two sentences. `answer` and `truth`: what the model said and what was right, as they may be shown
    to a proposer (item text in them is data; it is fenced before it is shown).
    """

    kind: str
    text: str
    answer: str = ""
    truth: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What one prompt did on one case.

    `values`: per metric, higher is better; empty for a `missing` case, the worst values for an unusable answer.
    `counts`: how often a rule had to mend the answer (for rankings: missing, duplicate and invented ids). `tokens`: of
    all its calls, `calls`: their keys in the cassette, which knows their cost and latency.
    """

    case: str
    status: Status
    values: Mapping[str, float] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    tokens: int = 0
    calls: tuple[str, ...] = ()

    @property
    def missing(self) -> bool:
        """Whether nothing is known about the prompt from this case."""
        return self.status in MISSING


@dataclass(frozen=True, slots=True)
class Component:
    """One text of a prompt that may be changed.

    `text`: where the search begins. `purpose`: what it is for, told to proposers. `fields`: the `{{field}}`s it may hold,
    with their explanations; each of `required` must stay (an entry "a|b" wants one of the two). `max_tokens`: a cap,
    in tokens of four bytes.
    """

    text: str
    purpose: str
    fields: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    max_tokens: int = 1500


@runtime_checkable
class Task(Protocol):
    """Cases, texts, a way to ask, a way to score. Must be deterministic but for the model behind `model`.

    `metric` names the value that is maximised; `components` are the texts under search; `cases` is everything there is
    (the search draws its splits from it, by seed; a task whose data came in parts names them in `parts`).
    """

    @property
    def name(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def components(self) -> Mapping[str, Component]: ...
    @property
    def cases(self) -> Sequence[Case]: ...
    @property
    def parts(self) -> Mapping[str, Sequence[str]]:
        """Ids of the cases of given parts ("search", "selection", "test"); empty where the search is to draw them."""
        ...

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the cases and of every setting that changes a score."""
        ...

    async def run(self, texts: Texts, case: Case, model: Model, at: Place) -> Outcome[Any]:
        """Ask about one case. Its calls are made at `at` (or at `at.at(node)` for several). Never raises for a model's
        failure: the outcome says what happened, with the keys, tokens and cost of all its calls."""
        ...

    def score(self, case: Case, outcome: Outcome[Any]) -> Result:
        """Judge the outcome of `run`. An unusable answer has the worst values and says so in its status; a missing one
        has no values."""
        ...

    def baselines(self, cases: Sequence[Case]) -> Mapping[str, Sequence[float]]:
        """Per-case values of `metric` without any prompt, by the baseline's name: at least the random floor (analytic)."""
        ...

    def story(self, case: Case) -> str:
        """The case as a proposer may see it: what was shown to the model, item text fenced as data."""
        ...
