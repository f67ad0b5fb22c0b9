"""What is read off a finished cell: per user, the sums behind every number, so that arms can be held against each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...runs import Run
from ..outcome.facts import PLUMBING, Facts, Floats, facts
from ..outcome.numbers import LEAST_HITS, Unit, known
from ..outcome.summary import FILMS, OTHERS
from ..outcome.users import held_out, mean_rating_per_user, pages_seen, watch_rate_per_user
from .contrast import interval, ratio
from .grid import Cell

Sums = tuple[Floats, ...]
"""Per user (users,): numerator and denominator of a number; four of them for a ratio of two ratios."""


@dataclass(frozen=True)
class Measure:
    """One number of the table. A mean over users has each user's value as numerator and 1 as denominator.

    `sums` gives None where the data cannot say. `pooled`: the sums are counts, pooled over users before they are divided.
    `least`: where fewer were counted than this, the number has no interval and is in no test.
    """

    key: str
    label: str
    unit: Unit
    sums: Callable[[Facts], Sums | None]
    pooled: bool = False
    least: int = 0

    def tells(self, rows: Floats) -> bool:
        """Whether enough was counted in these rows (users, sums) for an interval and a test."""
        return bool(rows[:, 0].sum() >= self.least)


def _mean(values: Floats) -> Sums:
    """Sums of a mean over the users that have a value (not NaN)."""
    there = ~np.isnan(values)
    return np.where(there, values, 0.0), there.astype(float)


def _watched(read: Facts) -> Floats:
    return read.per_user(np.ones(len(read.agent)), read.positive)


def _answered(read: Facts) -> Floats:
    return read.per_user(np.ones(len(read.agent)), read.answered)


def _likes(read: Facts) -> Sums | None:
    rated = read.positive & ~np.isnan(read.rating)
    if read.reference.get("scale") is None or (read.positive.any() and not rated.any()):
        return None  # what nobody rates, everybody would like
    return _mean(np.where(_answered(read) > 0, read.per_user(read.liked, rated), np.nan))


def _hits(read: Facts) -> Sums | None:
    hits = held_out(read)
    if hits is None:
        return None
    return _mean(np.where(_answered(read) > 0, read.per_user(hits, read.positive), np.nan))


def _lift(read: Facts) -> Sums | None:
    hits = held_out(read)
    if hits is None:
        return None
    return read.per_user(hits, read.positive), _watched(read), read.per_user(hits, read.answered), _answered(read)


def _rating(read: Facts) -> Sums | None:
    return None if read.reference.get("scale") is None else _mean(mean_rating_per_user(read))


def _pages(read: Facts) -> Sums:
    pages = pages_seen(read).astype(float)
    return _mean(np.where(pages > 0, pages, np.nan))


def _satisfaction(read: Facts) -> Sums:
    said = [np.nan if (v := read.interviews.get(user)) is None else v for user in read.agents]
    return _mean(np.array(said, dtype=float))


def _invalid(read: Facts) -> Sums:
    n = len(read.agents)
    failed = np.bincount(read.turn_agent[read.turn_failed], minlength=n)
    return failed.astype(float), np.bincount(read.turn_agent, minlength=n).astype(float)


MEASURES: tuple[Measure, ...] = (
    Measure("watch_rate", "Watch rate", "share", lambda read: _mean(watch_rate_per_user(read))),
    Measure("likes", "Likes per user", "", _likes),
    Measure("hits", "Held-out items watched", "", _hits),
    Measure("lift", "Lift over the shown", "ratio", _lift, pooled=True, least=LEAST_HITS),
    Measure("rating", "Mean rating", "rating", _rating),
    Measure("pages", "Pages seen per user", "", _pages),
    Measure("satisfaction", "Satisfaction at exit", "points", _satisfaction),
    Measure("invalid", "Pages with an unusable answer", "share", _invalid, pooled=True),
)
"""What the log says. `COST` is read from the cells' recorded calls instead: what a call costs is no part of a digest."""
COST = Measure("cost", "Cost per user", "usd", lambda read: None)


def measured(cell: Cell, run: Run) -> dict[str, Any]:
    """A finished cell as the sweep's log keeps it: digest, users, per measure the sums per user, value and interval."""
    read, config = facts(run), run.manifest.config
    sums: dict[str, list[list[float]]] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for measure in MEASURES:
        found = None if measure.key == "invalid" and cell.config.scripted else measure.sums(read)
        if found is None:
            continue
        sums[measure.key] = [each.tolist() for each in found]
        rows = np.column_stack(found)
        low, high = interval(rows, share=measure.unit == "share") if measure.tells(rows) else (None, None)
        n = int(np.count_nonzero(found[1]))
        numbers[measure.key] = {
            "value": known(float(ratio(*(s.sum() for s in found)))),
            "low": low,
            "high": high,
            "n": n,
        }
    return {
        "cell": cell.name,
        "arm": cell.arm,
        "seed": cell.seed,
        "path": cell.path,
        "status": run.status,
        "digest": run.digest(),
        "data": run.manifest.hashes["data"],
        "plumbing": any(note.startswith(PLUMBING) for note in run.manifest.notes),
        "words": FILMS if config.get("actions", "films") == "films" else OTHERS,
        "shown": [int(read.positive.sum()), int(read.answered.sum())],
        "users": list(read.agents),
        "sums": sums,
        "numbers": numbers,
    }


def cost_per_user(run: Run, users: Sequence[str]) -> Floats | None:
    """Dollars per user of a cell's recorded calls, what belongs to no user shared out; None where a price is not known."""
    if run.manifest.config.get("model") == "scripted":
        return np.zeros(len(users))
    place = {user: at for at, user in enumerate(users)}
    spent, common = np.zeros(len(users)), 0.0
    for call in run.calls.all(whole=False):
        if call.cost is None:
            return None
        if call.agent in place:
            spent[place[call.agent]] += call.cost
        else:
            common += call.cost
    return spent + common / max(1, len(users))


def per_user(sums: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Floats]:
    """Each user's own value of every measure: (users,), NaN where there is none."""
    return {key: np.asarray(ratio(*(np.array(s, dtype=float) for s in each))) for key, each in sums.items()}
