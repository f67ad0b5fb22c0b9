"""Which prompts are worth keeping: fronts over quality, tokens and length, and over cases (as GEPA keeps parents)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..candidate import Candidate
from ..context import Context
from ..guards import tokens

FEW = 4
"""Cases in common with the seed without which a candidate is on no front."""


class Merits(NamedTuple):
    """What a candidate is judged by. `lead`: mean paired difference to the seed on the search split, over `cases` cases,
    with its standard `error`. `spent`: tokens a case. `length`: tokens of the prompt itself."""

    lead: float
    error: float
    cases: int
    spent: float
    length: int


def merits(context: Context, candidate: Candidate) -> Merits | None:
    """A candidate's merits; None where too little is known."""
    lead = context.scores.difference(candidate.id, context.seed_candidate.id, context.search)
    lead = lead[~np.isnan(lead)]
    if len(lead) < FEW:
        return None
    known = [result.tokens for result in context.scores.of(candidate.id).values() if not result.missing]
    error = float(lead.std(ddof=1) / np.sqrt(len(lead)))
    return Merits(float(lead.mean()), error, len(lead), float(np.mean(known)), tokens(candidate.texts))


def front(rows: Mapping[str, Merits]) -> list[str]:
    """Candidates to which no other is at least equal in lead, tokens a case and length, and better in one."""
    points = {name: (row.lead, -row.spent, -float(row.length)) for name, row in rows.items()}

    def beaten(mine: tuple[float, ...]) -> bool:
        return any(other != mine and all(o >= m for o, m in zip(other, mine, strict=True)) for other in points.values())

    return [name for name, point in points.items() if not beaten(point)]


def shrunk(rows: Mapping[str, Merits]) -> dict[str, float]:
    """Leads pulled towards nought by what is noise in them: the best of many noisy leads is not as good as it looks.

    Empirical Bayes for normal means (Efron & Morris 1973); the variance of the true leads is estimated by moments.
    """
    if not rows:
        return {}
    spread = np.mean([row.lead**2 for row in rows.values()])
    noise = np.mean([row.error**2 for row in rows.values()])
    true = max(float(spread - noise), 1e-5)
    return {name: row.lead * true / (true + row.error**2) for name, row in rows.items()}


def wins(context: Context, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """Share of search cases on which each candidate is the best or among the best, float64 (candidates,).

    Only cases where two values at least differ count; a case's win is shared among its best.
    """
    found = np.zeros(len(candidates))
    values = np.stack([context.scores.values(candidate.id, context.search) for candidate in candidates])
    for column in values.T:
        known = column[~np.isnan(column)]
        if len(known) >= 2 and known.max() > known.min():
            best = column == known.max()
            found += best / best.sum()
    total = found.sum()
    return found / total if total else np.full(len(candidates), 1.0 / len(candidates))
