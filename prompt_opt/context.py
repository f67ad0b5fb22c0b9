"""`Context`: what an optimizer is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..agents.randomness import generator
from .candidate import Candidate
from .scores import Scores
from .steps import Search
from .task import Case, Component, Result


@dataclass(frozen=True, eq=False)
class Context:
    """A search's setting. `search` and `selection`: case ids of the two open splits; the test split is not in here.

    `scores` fills as steps are answered. `can_write`: whether the proposer model can write prompts at all (a small local
    one cannot: proposals then come from the bank of edits). `story(case)`: a case as a proposer may see it.
    `remaining()`: the share of the search's budget that is left, 0 to 1 (1 without one), by the answers so far: equal in a
    resumed search.
    """

    task: str
    metric: str
    components: Mapping[str, Component]
    cases: Mapping[str, Case]
    search: Sequence[str]
    selection: Sequence[str]
    seed_candidate: Candidate
    scores: Scores
    seed: int
    can_write: bool
    proposer: str
    story: Callable[[Case], str]
    remaining: Callable[[], float]

    def chance(self, *parts: int | str) -> np.random.Generator:
        """A stream of chance of its own for this address: equal in a resumed search."""
        return generator(self.seed, "optimize", *parts)

    def result(self, candidate: Candidate, case: str) -> Result | None:
        """What the candidate did on a case, None where it was not asked."""
        return self.scores.of(candidate.id).get(case)


class Evidence(Protocol):
    """What leads are computed from: a `Context`, or a search as its log tells it (`history.py`)."""

    @property
    def seed_candidate(self) -> Candidate: ...
    @property
    def scores(self) -> Scores: ...
    @property
    def search(self) -> Sequence[str]: ...
    @property
    def selection(self) -> Sequence[str]: ...


class Optimizer(Protocol):
    """A way to search. Made from a Pydantic config; `search` is a generator of steps (see `steps.py`)."""

    name: str

    def search(self, context: Context) -> Search: ...

    def forecast(self, context: Context) -> Mapping[str, Any]:
        """Most calls a search would make, as {"task": n, "proposals": n}, with a "likely" number of all of them where that
        can be told; for `--dry-run`. Raises `OptimizeError` where the search cannot work at all."""
        ...
