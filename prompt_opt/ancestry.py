"""Every candidate of a search: where it came from, what is known of it, how it fared and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..evaluators import bootstrap_mean
from ..evaluators.estimate import DRAWS
from ..runs import Run
from .bill import Spent, bill
from .candidate import Candidate
from .fates import Fate, Fates
from .history import OPEN, SPLITS, History, Refusal
from .scores import FloatArray

QUICK = 2_000
"""Bootstrap draws of an interval while searching; the verdict's numbers have all of them."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over cases with its 95 % interval, None where there are too few. `missing`: cases without an answer."""

    mean: float
    low: float | None
    high: float | None
    n: int
    missing: int = 0


@dataclass(frozen=True)
class Node:
    """One candidate. `stands`: split -> its mean there. `lead`: over the seed, `over_parent`: over its first parent, both
    paired by case on the open splits. `scores`: split -> case -> value (None: missing)."""

    candidate: Candidate
    step: int
    fate: Fate
    why: str
    notes: tuple[Mapping[str, Any], ...]
    stands: Mapping[str, Mean]
    lead: Mean | None
    over_parent: Mean | None
    tokens_per_case: float | None
    status: Mapping[str, int]
    scoring: Spent
    proposal: Spent
    scores: Mapping[str, Mapping[str, float | None]]

    @property
    def id(self) -> str:
        return self.candidate.id

    @property
    def said(self) -> str:
        """The one thing to say of it where there is little room: why it was refused, else why it was made."""
        return self.why if self.fate == "refused" else self.candidate.reason

    @property
    def usd(self) -> float | None:
        """What scoring and proposing it cost, in US dollars; None where neither's price is known."""
        known = [spent.usd for spent in (self.scoring, self.proposal) if spent.usd is not None]
        return sum(known) if known else None

    def json(self) -> dict[str, Any]:
        """As plain values."""
        made = self.candidate
        return {
            "id": self.id,
            "operator": made.operator,
            "parents": list(made.parents),
            "reason": made.reason,
            "shown": list(made.shown),
            "maker": made.maker,
            "step": self.step,
            "fate": self.fate,
            "why": self.why,
            "notes": [dict(note) for note in self.notes],
            "splits": {name: asdict(mean) for name, mean in self.stands.items()},
            "lead_over_seed": None if self.lead is None else asdict(self.lead),
            "lead_over_parent": None if self.over_parent is None else asdict(self.over_parent),
            "tokens_per_case": self.tokens_per_case,
            "answers": dict(self.status),
            "cost": {"usd": self.usd, "scoring": self.scoring.json(), "proposal": self.proposal.json()},
            "texts": dict(made.texts),
            "scores": {split: dict(values) for split, values in self.scores.items()},
        }


@dataclass(frozen=True, slots=True)
class Edge:
    """From a parent to what was made of it. `shown`: cases that the maker saw."""

    parent: str
    child: str
    operator: str
    reason: str
    model: str
    shown: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        return {"from": self.parent, "to": self.child} | {
            name: value for name, value in asdict(self).items() if name not in ("parent", "child")
        }


@dataclass(frozen=True)
class Ancestry:
    """Nodes by id in the order they were made, refused ones included, and the edges between those that are there."""

    nodes: Mapping[str, Node]
    edges: Sequence[Edge]

    def near(self, node: Node) -> list[Node]:
        """The node's parents that are known."""
        return [self.nodes[name] for name in node.candidate.parents if name in self.nodes]


def ancestry(run: Run, history: History) -> Ancestry:
    """The lineage of a search whose log has been read."""
    paid = bill(run, history)
    seed = run.manifest.seed
    nodes: dict[str, Node] = {}
    if history.begun:
        fates = Fates(history)
        for candidate in history.candidates.values():
            nodes[candidate.id] = _node(history, candidate, *fates.of(candidate), paid.asked, paid.made, seed)
    for refusal in history.refused:
        if refusal.candidate.id not in nodes:
            nodes[refusal.candidate.id] = _refused(refusal, paid.made)
    edges = [
        Edge(parent, node.id, made.operator, made.reason, made.maker, made.shown)
        for node in nodes.values()
        for made in (node.candidate,)
        for parent in made.parents
        if parent in nodes and parent != node.id
    ]
    return Ancestry(nodes, edges)


def _node(
    history: History,
    candidate: Candidate,
    fate: Fate,
    why: str,
    asked: Mapping[str, Spent],
    made: Mapping[str, Spent],
    seed: int,
) -> Node:
    name, scores, first = candidate.id, history.scores, history.seed_candidate
    results = scores.of(name)
    cases = {split: history.cases(name, split) for split in SPLITS}
    open_cases = [case for split in OPEN for case in cases[split]]
    parents = [parent for parent in candidate.parents if parent in history.candidates and parent != name]
    known = [result.tokens for result in results.values() if not result.missing]

    def over(other: str) -> Mean | None:
        both = [case for case in open_cases if case in scores.of(other)]
        return mean_of(scores.difference(name, other, both), seed)

    return Node(
        candidate=candidate,
        step=history.began[name],
        fate=fate,
        why=why,
        notes=tuple({"what": n.what, "why": n.why, "step": n.step} for n in history.notes.get(name, ())),
        stands={
            split: mean
            for split in SPLITS
            if (mean := mean_of(scores.values(name, cases[split]), seed, DRAWS if split == "test" else QUICK))
        },
        lead=None if name == first.id else over(first.id),
        over_parent=over(parents[0]) if parents else None,
        tokens_per_case=float(np.mean(known)) if known else None,
        status=dict(sorted(Counter(result.status for result in results.values()).items())),
        scoring=asked.get(name, Spent()),
        proposal=made.get(name, Spent()),
        scores={
            split: {case: _plain(scores.value(name, case)) for case in cases[split]} for split in SPLITS if cases[split]
        },
    )


def _refused(refusal: Refusal, made: Mapping[str, Spent]) -> Node:
    return Node(
        candidate=refusal.candidate,
        step=refusal.step,
        fate="refused",
        why="; ".join(refusal.problems),
        notes=(),
        stands={},
        lead=None,
        over_parent=None,
        tokens_per_case=None,
        status={},
        scoring=Spent(),
        proposal=made.get(refusal.candidate.id, Spent()),
        scores={},
    )


def mean_of(values: FloatArray, seed: int, draws: int = QUICK) -> Mean | None:
    """Mean and interval over the cases that have a value; None without any."""
    missing = int(np.isnan(values).sum())
    if missing == len(values):
        return None
    found = bootstrap_mean(values, seed=seed, draws=draws)
    return Mean(found.mean, _plain(found.low), _plain(found.high), found.n, missing)


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
