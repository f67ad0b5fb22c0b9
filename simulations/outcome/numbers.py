"""A number with its doubt and its rival: the row of a summary, and the intervals that rows are made with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...evaluators import Estimate, bootstrap_mean, proportion
from .facts import Floats, Ints

Unit = Literal["", "share", "pp", "count", "rating", "ratio", "bits", "usd", "seconds", "points"]
""""pp": a difference of shares, kept as in 0..1 and shown in percentage points."""

LEAST_HITS = 10
"""Fewer events than this and a share of them is called too few to say anything."""
RESAMPLES = 2_000
CELLS = 4_000_000
"""Numbers drawn for one interval or chance band at most: keeps ten thousand users within seconds."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A rival of a number, and a few words on what it is. `value` None: there is none, and the words say why."""

    value: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a summary. Shares lie in 0..1. `value` None: not known, and `note` says why; never a made-up 0.

    `low` and `high` bound 95 %; None where no interval makes sense. `n` counts what `of` names.
    """

    key: str
    label: str
    value: float | None
    unit: Unit = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    of: str = ""
    baselines: tuple[Baseline, ...] = ()
    note: str = ""

    def json(self) -> dict[str, Any]:
        return asdict(self)

    def shown(self, value: float | None) -> str:
        """A value in the row's unit, for people."""
        return show(value, self.unit)

    @property
    def value_text(self) -> str:
        return self.shown(self.value)

    @property
    def interval_text(self) -> str:
        """`[low, high]`, or nothing where there is no interval."""
        if self.low is None or self.high is None:
            return ""
        return f"[{self.shown(self.low)}, {self.shown(self.high)}]"

    @property
    def baseline_texts(self) -> tuple[str, ...]:
        """All rivals with their words, the first one first."""
        return tuple(b.words if b.value is None else f"{self.shown(b.value)} {b.words}" for b in self.baselines)

    @property
    def rival_text(self) -> str:
        """The first rival with its words, for a narrow place."""
        return self.baseline_texts[0] if self.baselines else ""

    @property
    def n_text(self) -> str:
        return "" if self.n is None else f"n = {self.n:,} {self.of}".rstrip()


def show(value: float | None, unit: Unit) -> str:
    """A number for people: `41.2 %`, `$0.0031`, `1,204`, `7.31`; `–` for None."""
    if value is None:
        return "–"
    forms: dict[str, Callable[[float], str]] = {
        "share": lambda v: f"{100 * v:.1f} %",
        "pp": lambda v: f"{100 * v:+.1f} pp",
        "count": lambda v: f"{v:,.0f}",
        "usd": lambda v: f"${v:,.2f}" if v >= 1 or v == 0 else f"${v:.4f}",
        "seconds": lambda v: f"{v:,.1f} s" if v < 600 else f"{v / 60:,.1f} min",
        "bits": lambda v: f"{v:.4f}",
        "points": lambda v: f"{v:.2f}",
    }
    return forms.get(unit, lambda v: f"{v:,.2f}")(value)


def known(value: float | None) -> float | None:
    """None instead of NaN and infinity: a summary holds numbers or says why not."""
    return None if value is None or not math.isfinite(value) else float(value)


def mean_row(
    key: str,
    label: str,
    values: npt.ArrayLike,
    unit: Unit,
    *baselines: Baseline,
    of: str = "users",
    empty: str,
    note: str = "",
    seed: int = 0,
) -> Row:
    """Mean over users with a bootstrap interval; `empty` is the reason given where no user has a value."""
    value = np.asarray(values, dtype=float)
    value = value[~np.isnan(value)]
    if not len(value):
        return Row(key, label, None, unit, n=0, of=of, baselines=baselines, note=empty)
    estimate = bootstrap_mean(value, seed=seed, draws=resamples(len(value)))
    return estimate_row(key, label, estimate, unit, *baselines, of=of, note=note)


def share_row(key: str, label: str, k: int, n: int, *baselines: Baseline, of: str, empty: str, note: str = "") -> Row:
    """Share k of n with Wilson's interval; `empty` is the reason given where n is 0."""
    if n == 0:
        return Row(key, label, None, "share", n=0, of=of, baselines=baselines, note=empty)
    return estimate_row(key, label, proportion(k, n), "share", *baselines, of=of, note=note)


def estimate_row(
    key: str, label: str, estimate: Estimate, unit: Unit, *baselines: Baseline, of: str, note: str = ""
) -> Row:
    """A row from an `Estimate`; one user has a value and no interval, and the note says so."""
    low, high = known(estimate.low), known(estimate.high)
    if low is None and estimate.n == 1:
        note = "; ".join(x for x in (note, f"one of {of} only: no interval") if x)
    return Row(key, label, known(estimate.mean), unit, low, high, estimate.n, of, baselines, note)


_drawn: ContextVar[bool] = ContextVar("drawn", default=True)


@contextmanager
def values_alone() -> Iterator[None]:
    """Within this block intervals are not worked out, which is nearly all of the time that a summary takes: the bounds of
    its rows mean nothing, their values are those of any other summary."""
    token = _drawn.set(False)
    try:
        yield
    finally:
        _drawn.reset(token)


def resamples(n: int) -> int:
    """Bootstrap draws for n cases: the more cases, the fewer draws are needed and the more each costs."""
    if not _drawn.get():
        return 1
    return int(min(10_000, max(500, 10_000_000 // max(1, n))))


def user_weights(n: int, seed: int) -> Ints:
    """How often each of n users is drawn in each bootstrap sample of users: (draws, users)."""
    draws = min(RESAMPLES, max(200, CELLS // max(1, n))) if _drawn.get() else 1
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1.0 / n), size=draws)


def ratio_interval(seed: int, statistic: Callable[..., Floats], *sums: Floats) -> tuple[float | None, float | None]:
    """Percentile bootstrap over users of a statistic of pooled sums, for example clicks over exposures.

    `sums`: arrays (users,), one per pooled quantity; `statistic` takes their resampled totals, arrays (draws,). None
    where there are fewer than two users, or a twentieth of the resamples leaves the statistic undefined.
    """
    n = len(sums[0]) if sums else 0
    if n < 2:
        return None, None
    weights = user_weights(n, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.asarray(statistic(*(weights @ each for each in sums)), dtype=float)
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 0.95 * len(weights):
        return None, None
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
