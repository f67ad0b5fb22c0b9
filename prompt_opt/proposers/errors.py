"""What went wrong, sorted: errors of one prompt in clusters, costliest first, and a case as a proposer sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...llm.fence import fence
from ..candidate import Candidate
from ..context import Context
from ..overlap import folded, jaccard
from ..task import Diagnosis

ALIKE = 0.4
"""Diagnoses of one kind that share two fifths of their words are one cluster (items named in them differ)."""

LARGE = 8
"""A cluster of so many cases is cut in two by what the cases are about, while there are fewer clusters than wanted."""

FINE = "ok"
"""The kind of a diagnosis that finds nothing wrong."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Errors of one kind. `cases`: drawn hardest-first by chance; `loss`: the metric lost on all of them together."""

    kind: str
    cases: tuple[str, ...]
    loss: float


def clusters(context: Context, candidate: Candidate, round: int, most: int = 4) -> tuple[Cluster, ...]:
    """The errors of a candidate on the search split by kind and by their words, costliest first; empty if all is well.

    Cases that were answered well are never in one. Within a cluster the order is drawn anew every round: a case is the
    likelier to come first the more was lost on it, and twice as likely where another prompt has done better on it.
    """
    lost = {case: _loss(context, candidate, case) for case in context.search}
    lost = {case: loss for case, loss in lost.items() if loss > 0}
    wrong = [case for case in lost if _diagnosis(context, candidate, case).kind != FINE] or list(lost)
    groups: list[tuple[str, list[str], list[str]]] = []  # kind, words of the first member, cases
    for case in wrong:
        said = _diagnosis(context, candidate, case)
        told = folded(said.text)
        for kind, first, cases in groups:
            if kind == said.kind and jaccard(told, first) >= ALIKE:
                cases.append(case)
                break
        else:
            groups.append((said.kind, told, [case]))
    while len(groups) < most and (halves := _halved(context, groups)):
        groups = halves
    found = [
        Cluster(kind, _drawn(context, candidate, cases, lost, round), sum(lost[case] for case in cases))
        for kind, _, cases in groups
    ]
    return tuple(sorted(found, key=lambda cluster: -cluster.loss)[:most])


def show(context: Context, candidate: Candidate, case: str) -> str:
    """One case as a proposer sees it: what was shown, what the model said, what was right, what went wrong."""
    said = _diagnosis(context, candidate, case)
    return "\n".join(
        [
            "What the model was shown:",
            context.story(context.cases[case]),
            "What the model answered:",
            fence(said.answer or "(nothing that could be used)", "answer"),
            "What was right:",
            fence(said.truth or "(not told)", "truth"),
            "What went wrong:",
            fence(said.text or said.kind, "judgement"),
        ]
    )


def show_all(context: Context, candidate: Candidate, cases: Sequence[str]) -> str:
    """Several cases, numbered."""
    return "\n\n".join(f"Case {i}\n{show(context, candidate, case)}" for i, case in enumerate(cases, 1))


def _halved(
    context: Context, groups: list[tuple[str, list[str], list[str]]]
) -> list[tuple[str, list[str], list[str]]] | None:
    """The groups with the largest cut in two by the words of its cases; None where it is small, or all cases are alike."""
    kind, told, cases = max(groups, key=lambda group: len(group[2]), default=("", [], []))
    if len(cases) < LARGE:
        return None
    said = {case: folded(context.story(context.cases[case])) for case in cases}
    # Two poles, far from each other (Gonzalez 1985): the case least like the first, and the one least like that.
    first = _likeness(said, cases[0])
    pole = _likeness(said, min(cases, key=lambda case: first[case]))
    other = _likeness(said, min(cases, key=lambda case: pole[case]))
    near = [case for case in cases if pole[case] >= other[case]]
    far = [case for case in cases if pole[case] < other[case]]
    if not far:
        return None
    rest = [group for group in groups if group[2] is not cases]
    return [*rest, (kind, told, near), (kind, told, far)]


def _likeness(said: Mapping[str, Sequence[str]], to: str) -> dict[str, float]:
    return {case: jaccard(words, said[to]) for case, words in said.items()}


def _diagnosis(context: Context, candidate: Candidate, case: str) -> Diagnosis:
    result = context.result(candidate, case)
    return (result and result.diagnosis) or Diagnosis("low value", "")


def _loss(context: Context, candidate: Candidate, case: str) -> float:
    value = context.scores.value(candidate.id, case)
    return max(0.0, 1.0 - value)  # of what is unknown: NaN, which is no loss


def _drawn(
    context: Context, candidate: Candidate, cases: Sequence[str], lost: dict[str, float], round: int
) -> tuple[str, ...]:
    mendable = [
        any(context.scores.value(other, case) > context.scores.value(candidate.id, case) for other in context.scores)
        for case in cases
    ]
    weights = [lost[case] * (1 + better) for case, better in zip(cases, mendable, strict=True)]
    # The order of exponential waiting times is a draw without replacement by weight (Efraimidis & Spirakis 2006).
    waits = context.chance("hard cases", candidate.id, round, cases[0]).standard_exponential(len(cases)) / weights
    return tuple(case for _, case in sorted(zip(waits.tolist(), cases, strict=True)))
