"""What an optimizer may ask for, one step at a time.

An optimizer is a plain generator: it yields steps and is sent their answers, and returns its `Choice`. It makes no call,
reads no clock and draws chance from addresses only, so it is a function of the answers. That is all the runtime needs to
record every answer in the log, to pause and steer between any two steps, and after a kill to run the optimizer again over
the recorded answers to the very place where it stopped.

    Evaluate  candidates on cases      -> Scores (everything known of them, these included)
    Think     questions to the proposer -> list of Outcome
    Enter     new candidates            -> those that the guards let in, as entered
    Accept    a candidate as incumbent  -> the candidate accepted (a person may have edited it), None if refused
    Outside   work of another library   -> its JSON answer
    Note      a line for the lineage    -> None
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..llm.schemas import Schema
from ..llm.types import Message
from .candidate import Candidate

if TYPE_CHECKING:
    from ..llm.door import Door
    from .task import Task

Split: TypeAlias = Literal["search", "selection", "test"]


class OutOfBudget(Exception):
    """Thrown into an optimizer at a yield when the next step would overshoot the budget: it returns its best so far, and
    yields nothing more."""


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Score candidates on cases: pairs of a candidate and case ids. What is known already is not asked again."""

    work: Sequence[tuple[Candidate, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to the proposer. `node` and `sample` make its place: equal questions at other places draw anew."""

    messages: Sequence[Message]
    schema: Schema | None = None
    node: str = "propose"
    sample: int = 0
    temperature: float = 0.0
    max_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class Think:
    """Ask the proposer model; an outcome per question, in order. Its values are JSON: a schema's value is its dict."""

    asks: Sequence[Ask]


@dataclass(frozen=True, slots=True)
class Enter:
    """Take candidates into the lineage. Guards drop what breaks the task's contract, quotes cases, or is there already."""

    candidates: Sequence[Candidate]


@dataclass(frozen=True, slots=True)
class Accept:
    """Make a candidate the incumbent. Where a person must approve, here the search stops and waits."""

    candidate: Candidate
    instead_of: Candidate
    why: str


@dataclass(frozen=True, slots=True)
class Bench:
    """What another library may work with. `calls`, `tokens`: the most it may take, None where there is no such limit.
    `kept`: evaluations of the sealed test, which money and time must be left for."""

    task: Task
    model: Door
    proposer: Door
    calls: int | None = None
    tokens: int | None = None
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Outside:
    """Let another library work; what it answers (a JSON object) is recorded whole. Its model calls must pass through the
    bench's doors; the `calls` and `tokens` of its answer are what they took."""

    name: str
    work: Callable[[Bench], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing about a candidate ("eliminated", "kept", "duplicate", …), for the lineage."""

    what: str
    candidate: str
    why: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """How a search ended: the candidate it stands by. `tie`: it could not be told from the seed, or from another finalist.

    `ranking`: candidates best first, with the estimate each was judged by (search-set units).
    """

    candidate: Candidate
    why: str
    tie: bool = False
    ranking: tuple[tuple[str, float], ...] = ()


Step: TypeAlias = Evaluate | Think | Enter | Accept | Outside | Note
Search: TypeAlias = Generator[Step, Any, Choice]
"""What an optimizer is."""
