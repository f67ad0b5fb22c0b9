"""What a lead seen while searching is worth: the best of many is partly the luckiest (winner's curse)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .context import Evidence

LEAST = 8


def shrunken_leads(context: Evidence, candidates: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Each candidate's paired lead over the seed on open cases, as seen and shrunken.

    Normal model with known errors (Efron & Morris 1975): the leads scatter by tau**2 around a common mean, and each is
    drawn towards it by its own error's share, se**2 / (se**2 + tau**2). With few or equal candidates nothing remains.
    """
    seed, scores = context.seed_candidate.id, context.scores
    cases = [*context.search, *context.selection]
    names, leads, errors = [], [], []
    for name in candidates:
        found = scores.difference(name, seed, cases)
        found = found[~np.isnan(found)]
        if name == seed or len(found) < LEAST:
            continue
        names.append(name)
        leads.append(float(found.mean()))
        errors.append(max(float(found.std(ddof=1)) ** 2 / len(found), 1e-12))
    if not names:
        return {}
    lead, error = np.array(leads), np.array(errors)
    weight = 1 / error
    centre = float((weight * lead).sum() / weight.sum())
    # Method of moments; never negative. One candidate tells nothing of the scatter: it is drawn to the seed (0).
    tau = (
        max(0.0, float(np.mean((lead - centre) ** 2 - error))) if len(names) > 1 else max(0.0, lead[0] ** 2 - error[0])
    )
    centre = centre if len(names) > 1 else 0.0
    kept = tau / (tau + error)
    return {
        name: {"seen": float(lead[i]), "shrunken": float(centre + kept[i] * (lead[i] - centre)), "kept": float(kept[i])}
        for i, name in enumerate(names)
    }
