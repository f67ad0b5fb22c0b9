"""The best prompt so far, for a search that its budget has ended."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .candidate import Candidate
from .context import Evidence
from .steps import Choice

LEAST = 8
"""Fewer shared cases than this say nothing."""
Z = 1.0
"""Standard errors by which a candidate must lead the seed; a tie goes to the seed."""


def best_known(context: Evidence, candidates: Mapping[str, Candidate], why: str) -> Choice:
    """The candidate with the largest paired lead over the seed on the cases both were asked, where the lead exceeds its
    standard error; else the seed. Selection cases count where a candidate has enough of them."""
    seed, scores = context.seed_candidate, context.scores
    leads: dict[str, tuple[float, float]] = {}
    for name in candidates:
        if name == seed.id:
            continue
        for cases in (context.selection, context.search):
            found = scores.difference(name, seed.id, cases)
            found = found[~np.isnan(found)]
            if len(found) >= LEAST:
                leads[name] = (float(found.mean()), float(found.std(ddof=1) / np.sqrt(len(found))))
                break
    ranking = sorted(((name, lead) for name, (lead, _) in leads.items()), key=lambda row: (-row[1], row[0]))
    for name, lead in ranking:
        if lead > Z * leads[name][1]:
            return Choice(candidates[name], f"{why}; it led the seed by {lead:.3f}", ranking=tuple(ranking))
    return Choice(seed, f"{why}; nothing led the seed beyond its standard error", tie=True, ranking=tuple(ranking))
