"""Arms held against each other: intervals and paired differences over users, and a correction for looking often.

Every number is a ratio of sums over users (a mean: of values over ones). A user who occurs under several seeds is one
case, not several: all rows of a user are drawn, or exchanged between two arms, together. So an interval speaks of other
users under these seeds; what a seed changes for all users at once shows in the differences seed by seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...evaluators import proportion
from ..outcome.facts import Floats
from ..outcome.numbers import known, user_weights

FLIPS, LEAST_FLIPS = 10_000, 2_000
"""Exchanges of a permutation test, at most and at least; few enough cases are gone through exactly."""
FLIP_CELLS = 20_000_000
"""Users times exchanges of one test: from two thousand users on there are fewer exchanges."""
CHUNK_CELLS = 2_000_000
"""Numbers drawn at once: bounds the memory of a test to some 16 MB."""
DEFINED = 0.95
"""Share of draws in which a number must be defined for its interval to mean anything."""

Statistic = Callable[..., Any]


def ratio(*sums: Any) -> Any:
    """a / b, or (a / b) / (c / d); NaN where a denominator is 0. Takes numbers and arrays."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.asarray(each, dtype=float) for each in sums]
        value = parts[0] / parts[1]
        if len(parts) == 4:
            value = value / (parts[2] / parts[3])
        return np.where(np.isfinite(value), value, np.nan)


def interval(rows: Floats, *, share: bool = False) -> tuple[float | None, float | None]:
    """Percentile bootstrap (95 %) over users of the ratio of column sums; rows (users, sums). None: it would mean nothing.

    Where nothing was counted, or everything, drawing users again would claim certainty: a `share` then has Wilson's
    interval, another number has none.
    """
    k, n = float(rows[:, 0].sum()), float(rows[:, 1].sum())
    if n and (k == 0 or (share and k == n)):
        return (proportion(round(k), round(n)).low, proportion(round(k), round(n)).high) if share else (None, None)
    return _bounds(_drawn(rows, ratio, 0))


class Difference(NamedTuple):
    """a - b with its interval. `p`: two-sided, None where it cannot be had. `n`: users it stands on."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int

    @property
    def found(self) -> bool:
        """The interval leaves out 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired(a: Floats, b: Floats) -> Difference:
    """The difference of two arms over the same users: rows (users, sums) of each, in the same order.

    Users are drawn once for both arms (percentile bootstrap); the test exchanges the arms of a user, which for a mean
    of one row per user is the sign-flip test of `evaluators.paired_difference`.
    """
    width = a.shape[1]
    both = np.hstack([a, b])

    def gap(*sums: Any) -> Any:
        return ratio(*sums[:width]) - ratio(*sums[width:])

    value, n = known(float(gap(*both.sum(axis=0)))), _cases(both)
    if value is None:
        return Difference(None, None, None, None, n)
    return Difference(value, *_bounds(_drawn(both, gap, 0)), _exchanged(a, b, value), n)


def unpaired(a: Floats, b: Floats) -> Difference:
    """The difference of two arms with users of their own: each arm's users are drawn on their own.

    `p` is that of the difference over its standard error among the draws, as if normal.
    """
    value, n = known(float(ratio(*a.sum(axis=0)) - ratio(*b.sum(axis=0)))), _cases(a) + _cases(b)
    drawn_a, drawn_b = _drawn(a, ratio, 0), _drawn(b, ratio, 1)
    if value is None or drawn_a is None or drawn_b is None:
        return Difference(value, None, None, None, n)
    draws = min(len(drawn_a), len(drawn_b))
    gaps = drawn_a[:draws] - drawn_b[:draws]
    error = float(gaps.std())
    p = _tail(value, error) if error > 0 else None
    return Difference(value, *_bounds(gaps), p, n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values (1979), in the order given: those below 0.05 hold together with 95 % confidence."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def _cases(rows: Floats) -> int:
    """Users who take part: some sum of theirs is not 0."""
    return int(np.count_nonzero(np.any(rows != 0, axis=1)))


def _drawn(rows: Floats, statistic: Statistic, seed: int) -> Floats | None:
    """The statistic in each bootstrap draw of users; None where an interval would mean nothing."""
    if _cases(rows) < 2:
        return None
    weights = _weights(len(rows), seed)
    drawn = np.asarray(statistic(*(weights @ rows).T), dtype=float)
    drawn = drawn[np.isfinite(drawn)]
    return drawn if len(drawn) >= DEFINED * len(weights) else None


@lru_cache(maxsize=4)
def _weights(n: int, seed: int) -> Floats:
    """`user_weights`, which are the same for every number over n users."""
    return user_weights(n, seed).astype(float)


def _bounds(drawn: Floats | None) -> tuple[float | None, float | None]:
    if drawn is None:
        return None, None
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _exchanged(a: Floats, b: Floats, observed: float) -> float | None:
    """Share of exchanges between the arms, user by user, whose difference is as far from 0 as the observed one.

    Where exchanges are drawn, the observed one is counted in (Phipson & Smyth 2010). Where none of those is as far, their
    normal tail says how far it is: else p would end where the draws do, and no correction over many could be passed.
    """
    differ = np.any(a != b, axis=1)  # exchanging equals changes nothing
    gap, total, rest = (a - b)[differ], (a + b).sum(axis=0), b.sum(axis=0)
    n = len(gap)
    if not n:
        return 1.0
    exact = 2**n <= FLIPS
    least = abs(observed) - 1e-12 * max(1.0, abs(observed))  # sums that are equal on paper differ in their last bits
    extreme = defined = made = 0
    squares = 0.0
    for kept in _all_ways(n) if exact else _some_ways(n):
        first = rest + kept @ gap
        gaps = ratio(*first.T) - ratio(*(total - first).T)
        gaps = gaps[np.isfinite(gaps)]
        extreme += int(np.count_nonzero(np.abs(gaps) >= least))
        squares += float(gaps @ gaps)
        defined, made = defined + len(gaps), made + len(kept)
    if defined < DEFINED * made:
        return None
    if exact:
        return extreme / defined
    counted = (1 + extreme) / (1 + defined)
    if extreme or not squares:
        return counted
    return min(
        counted, max(_tail(observed, math.sqrt(squares / defined)), 2.0 ** (1 - n))
    )  # no test over n can say less


def _tail(value: float, error: float) -> float:
    """Two-sided p of a value that is normal around 0 with this standard error."""
    return math.erfc(abs(value) / error / math.sqrt(2))


def _all_ways(n: int) -> Iterator[Floats]:
    """Every way to keep (1) or exchange (0) n users: one array (2**n, n)."""
    yield ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(float)


def _some_ways(n: int) -> Iterator[Floats]:
    """Random ways, in blocks (ways, n)."""
    rng = np.random.default_rng(0)
    ways, size = min(FLIPS, max(LEAST_FLIPS, FLIP_CELLS // n)), max(1, CHUNK_CELLS // n)
    for done in range(0, ways, size):
        block = min(size, ways - done)
        bits = np.unpackbits(rng.integers(0, 256, (block, -(-n // 8)), dtype=np.uint8), axis=1)
        yield bits[:, :n].astype(float)
