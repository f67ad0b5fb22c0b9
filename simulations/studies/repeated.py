"""Per-user values that were taken under several seeds: held against each other by users, and seen seed by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...evaluators import Estimate
from ..outcome.facts import Floats
from ..outcome.numbers import Baseline, Row, Unit, known
from ..sweep.contrast import Difference, interval, paired

Values = Mapping[int, Mapping[str, float]]
"""Seed -> user -> value. A user who occurs under several seeds is one case."""


def difference(a: Values, b: Values) -> Difference:
    """a - b over the users that both have under the same seeds, paired; see `sweep.contrast`."""
    first, second = {}, {}
    for seed in a:
        both = a[seed].keys() & b.get(seed, {}).keys()
        first[seed], second[seed] = {u: a[seed][u] for u in both}, {u: b[seed][u] for u in both}
    rows = _rows(first)
    return paired(rows, _rows(second)) if len(rows) else Difference(None, None, None, None, 0)


def by_seed(a: Values, b: Values | None = None) -> list[float]:
    """The mean under each seed, or the mean difference of the users that both have."""
    means = []
    for seed, of in a.items():
        values = list(of.values()) if b is None else [of[u] - b[seed][u] for u in of.keys() & b.get(seed, {}).keys()]
        if values:
            means.append(float(np.mean(values)))
    return means


LEAST = 3
"""Fewer seeds have no interval: Student's of two values reaches six times as far as they lie apart."""

RANGE: dict[Unit, tuple[float, float]] = {"share": (0.0, 1.0), "pp": (-1.0, 1.0), "count": (0.0, math.inf)}
"""Unit -> where its values can lie, and so the ends of an interval; others know no bounds."""


def over_seeds(values: Sequence[float], unit: Unit = "") -> Estimate:
    """Mean over seeds with Student's interval: seeds are few, and a bootstrap of five would be too sure. The interval
    stays where values of the unit can lie."""
    from scipy.stats import t

    array = np.asarray(values, dtype=float)
    n, mean = len(array), float(array.mean()) if len(array) else float("nan")
    if n < LEAST:
        return Estimate(mean, float("nan"), float("nan"), n, f"fewer than {LEAST} seeds: no interval")
    half = float(t.ppf(0.975, n - 1) * array.std(ddof=1) / np.sqrt(n))
    least, most = RANGE.get(unit, (-math.inf, math.inf))
    return Estimate(mean, max(least, mean - half), min(most, mean + half), n, "Student 95 %")


def users_row(key: str, label: str, values: Values, unit: Unit, *baselines: Baseline, note: str = "") -> Row:
    """Mean over users and seeds, with an interval over users."""
    rows = _rows(values)
    if not len(rows):
        return Row(key, label, None, unit, n=0, of="users", baselines=baselines, note="no user has a value")
    low, high = interval(rows)
    mean = float(rows[:, 0].sum() / rows[:, 1].sum())
    return Row(key, label, mean, unit, low, high, len(rows), "users", baselines, note)


def difference_row(
    key: str, label: str, found: Difference, unit: Unit, *baselines: Baseline, note: str = "", p: float | None = None
) -> Row:
    """A paired difference; `p` where it has been corrected."""
    p = found.p if p is None else p
    words = "; ".join(x for x in ("" if p is None else f"p = {p:.3g}", note) if x)
    return Row(key, label, found.value, unit, found.low, found.high, found.n, "users", baselines, words)


def seeds_row(key: str, label: str, values: Sequence[float], unit: Unit, *baselines: Baseline, note: str = "") -> Row:
    """Mean over seeds with Student's interval."""
    found = over_seeds(values, unit)
    return Row(
        key, label, known(found.mean), unit, known(found.low), known(found.high), found.n, "seeds", baselines, note
    )


def claimed(found: Difference, p: float | None = None) -> bool:
    """Whether interval and test agree that there is a difference (`p`: where it has been corrected)."""
    p = found.p if p is None else p
    return found.found and p is not None and p < 0.05


def _rows(values: Values) -> Floats:
    """Per user the sum over seeds and how many there are: (users, 2), users in order of their ids."""
    sums: dict[str, Any] = {}
    for of in values.values():
        for user, value in of.items():
            total, n = sums.get(user, (0.0, 0))
            sums[user] = (total + value, n + 1)
    return np.array([sums[user] for user in sorted(sums)], dtype=float).reshape(-1, 2)
