"""Watching by slot as counts per user: where rates, their ratio and what chance would show are computed from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...evaluators import slot_bias_ratio
from ..outcome.facts import Bools, Facts, Floats, Ints
from ..outcome.numbers import known, ratio_interval, user_weights
from ..outcome.users import held_out

SHUFFLES = 200


class Exposures(NamedTuple):
    """What was shown, one row each (n,): whose page, where on it (from 0), watched or not, true or not.

    `true` None: nothing real is known. `page` numbers the pages of all users.
    """

    user: Ints
    page: Ints
    slot: Ints
    watched: Bools
    true: Bools | None

    @property
    def users(self) -> int:
        return int(self.user.max()) + 1


class BySlot(NamedTuple):
    """Counts by user and slot, (users, slots): shown, watched, and true (None where nothing real is known)."""

    shown: Floats
    watched: Floats
    true: Floats | None


def of_run(read: Facts) -> Exposures:
    """The answered exposures of a run, by the slot that users saw."""
    there, hits = read.answered, held_out(read)
    page = read.agent * (int(read.page.max(initial=0)) + 1) + read.page
    return Exposures(
        read.agent[there],
        np.unique(page[there], return_inverse=True)[1],
        read.shown_at[there],
        read.positive[there],
        None if hits is None else hits[there] > 0,
    )


def count(seen: Exposures) -> BySlot:
    return BySlot(
        _table(seen, np.ones(len(seen.slot))),
        _table(seen, seen.watched),
        None if seen.true is None else _table(seen, seen.true),
    )


def _table(seen: Exposures, values: Floats | Bools) -> Floats:
    """Sum of values by user and slot."""
    slots = int(seen.slot.max()) + 1
    flat = np.bincount(seen.user * slots + seen.slot, weights=values.astype(float), minlength=seen.users * slots)
    return flat.reshape(seen.users, slots).astype(np.float64)


def rates(part: Floats, shown: Floats) -> Floats:
    """Rate of each slot over all users: (slots,)."""
    return part.sum(axis=0) / shown.sum(axis=0)


def rate_bounds(part: Floats, shown: Floats) -> list[tuple[float | None, float | None]]:
    """95 % of each slot's rate, users drawn again."""
    return [ratio_interval(0, lambda a, b: a / b, part[:, s], shown[:, s]) for s in range(part.shape[1])]


def bias(part: Floats, shown: Floats) -> tuple[float | None, float | None, float | None]:
    """Slot-bias ratio (highest over lowest rate), and 95 % of it where users are drawn again."""
    value = known(slot_bias_ratio(dict(enumerate(rates(part, shown).tolist()))))
    if len(part) < 2:
        return value, None, None
    weights = user_weights(len(part), 0).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = (weights @ part) / (weights @ shown)
        ratios = drawn.max(axis=1) / drawn.min(axis=1)
    ratios = ratios[np.isfinite(ratios)]
    if len(ratios) < 0.95 * len(weights):
        return value, None, None
    low, high = np.quantile(ratios, [0.025, 0.975])
    return value, float(low), float(high)


def by_chance(seen: Exposures, seed: int = 0) -> tuple[float | None, float | None]:
    """The ratio when every page has as many watched, but any of them: its median, and what 95 % stay below.

    A highest over a lowest rate is above 1 even where place decides nothing.
    """
    order = np.argsort(seen.page, kind="stable")
    page, slot, watched = seen.page[order], seen.slot[order], seen.watched[order]
    shown, rng = np.bincount(slot).astype(float), np.random.default_rng(seed)
    found = []
    for _ in range(SHUFFLES):
        mixed = watched[np.argsort(page + rng.random(len(page)))]  # less than one is added: pages stay apart
        each = np.bincount(slot, weights=mixed, minlength=len(shown)) / shown
        found.append(each.max() / each.min() if each.min() > 0 else np.inf)
    return known(float(np.median(found))), known(float(np.quantile(found, 0.95)))
