"""`validity`, pair by pair: which real differences simulated users tell, and from what size on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ..outcome.facts import Floats
from ..outcome.numbers import Baseline, Row
from ..sweep.contrast import Difference, holm, paired
from .validity_design import BY_KEY


class Pair(NamedTuple):
    """Two arms: what real data says of them, and what simulated users say."""

    a: str
    b: str
    real: Difference
    simulated: Difference
    told: bool
    """Simulated users tell the two apart: the interval leaves out 0, and the test holds after Holm over all pairs."""

    @property
    def right(self) -> bool:
        return self.told and (self.simulated.value or 0.0) * (self.real.value or 0.0) > 0


def pairs_of(arms: Sequence[str], sums: Floats, real: Floats) -> list[Pair]:
    """sums (arms, users, k) and real (arms, users)."""
    ones = np.ones(real.shape[1])
    which = list(combinations(range(len(arms)), 2))
    truly = [paired(np.column_stack([real[a], ones]), np.column_stack([real[b], ones])) for a, b in which]
    played = [paired(sums[a], sums[b]) for a, b in which]
    p = holm([1.0 if each.p is None else each.p for each in played])
    return [
        Pair(arms[a], arms[b], t, s, s.found and adjusted < 0.05)
        for (a, b), t, s, adjusted in zip(which, truly, played, p, strict=True)
    ]


def smallest(sizes: Sequence[float], right: Sequence[bool], share: float) -> int | None:
    """The place of the smallest difference such that, of all at least as large, `share` were told apart rightly."""
    order = sorted(range(len(sizes)), key=lambda i: -sizes[i])
    found, good = None, 0
    for n, i in enumerate(order, 1):
        good += right[i]
        tied = n < len(order) and sizes[order[n]] == sizes[i]
        if not tied and good >= share * n - 1e-9:
            found = i
    return found


def smallest_rows(key: str, real: str, pairs: Sequence[Pair]) -> list[Row]:
    """From which real difference on all, or four fifths, of the pairs are told apart in the right direction. Pairs that real
    data itself cannot tell apart have no direction to be right about."""
    told = [pair for pair in pairs if pair.real.found]
    sizes = [abs(pair.real.value or 0.0) for pair in told]
    right, wrong = sum(pair.right for pair in told), sum(pair.told and not pair.right for pair in told)
    unsure = sum(pair.told for pair in pairs if not pair.real.found)
    rows = []
    for share, words in ((1.0, "all pairs"), (0.8, "80 % of pairs")):
        at = smallest(sizes, [pair.right for pair in told], share)
        bounds = (None, None) if at is None else _size_bounds(told[at].real)
        rows.append(
            Row(
                f"smallest_{key}_{share:.0%}".rstrip("%"),
                f"{BY_KEY[key].label}: smallest real {real} difference told apart, {words}",
                None if at is None else sizes[at],
                "bits",
                *bounds,
                len(told),
                "pairs that real data tells apart",
                (
                    Baseline(max(sizes, default=None), "the largest among these"),
                    Baseline(min(sizes, default=None), "the smallest that real data itself tells apart"),
                ),
                ("" if at is not None else "not even the largest was told apart rightly; ")
                + f"{right} of {len(told)} told apart in the right direction, {wrong} in the wrong one; of {len(pairs) - len(told)}"
                f" pairs that real data cannot tell apart, {unsure}",
            )
        )
    return rows


def _size_bounds(real: Difference) -> tuple[float | None, float | None]:
    """The interval of a difference, as one of its size."""
    if real.low is None or real.high is None:
        return None, None
    ends = sorted((abs(real.low), abs(real.high)))
    return (0.0 if real.low <= 0 <= real.high else ends[0]), ends[1]
