"""Traits of users from their log: activity, conformity, diversity (Agent4Rec, SIGIR'24, section 3.1).

With y_ui = 1 where user u has train rows on item i (several rows on one item count once, with their mean value):

    activity    A_u = sum_i y_ui
    conformity  C_u = (1 / A_u) sum_i y_ui (r_ui - mean_i)^2        only where there are ratings
    diversity   D_u, from the genres of the user's items            only where there are genres

Each statistic becomes a level 1, 2 or 3 by two percentiles over ALL users who have rows: 1 below the first, 2 below the
second, else 3. So a statistic that is the same for everybody puts everybody on level 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ..data import Dataset

IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
DiversityMethod: TypeAlias = Literal["mass80", "distinct"]

PERCENTILES: dict[str, tuple[float, float]] = {
    "activity": (60.0, 90.0),
    "conformity": (25.0, 80.0),
    "diversity": (33.0, 66.0),
}
"""Where the levels are cut, in percent of users (as in Agent4Rec)."""

MASS = 0.8
"""Share of genre mentions that `mass80` looks at."""


def _pairs(users: IntArray, items: IntArray, n_items: int) -> tuple[IntArray, IntArray, IntArray]:
    """Distinct (user, item) pairs, sorted, and for each row the place of its pair."""
    unique, place = np.unique(users.astype(np.int64) * max(n_items, 1) + items, return_inverse=True)
    return unique // max(n_items, 1), unique % max(n_items, 1), place


def activity(users: IntArray, items: IntArray, n_users: int, n_items: int) -> IntArray:
    """A_u: on how many different items each user has rows (Agent4Rec, section 3.1). int64 (n_users,)."""
    return np.bincount(_pairs(users, items, n_items)[0], minlength=n_users)


def conformity(users: IntArray, items: IntArray, values: FloatArray, n_users: int, n_items: int) -> FloatArray:
    """C_u: mean squared deviation of the user's ratings from the item means (Agent4Rec, section 3.1).

    Small for people who rate as others do. The item mean is over all train ratings of the item, the user's own among
    them, as the paper has it; so on an item that nobody else rated the deviation is 0. In squared units of the scale;
    NaN for users without rows. float64 (n_users,).
    """
    pair_user, pair_item, place = _pairs(users, items, n_items)
    rows = np.bincount(place, minlength=len(pair_user))
    rating = np.bincount(place, weights=values.astype(np.float64), minlength=len(pair_user)) / np.maximum(rows, 1)
    raters = np.bincount(pair_item, minlength=n_items)
    mean = np.bincount(pair_item, weights=rating, minlength=n_items) / np.maximum(raters, 1)
    squares = np.bincount(pair_user, weights=(rating - mean[pair_item]) ** 2, minlength=n_users)
    counts = np.bincount(pair_user, minlength=n_users)
    return np.where(counts > 0, squares / np.maximum(counts, 1), np.nan)


def diversity(
    users: IntArray,
    items: IntArray,
    genres: Sequence[Sequence[str]],
    n_users: int,
    method: DiversityMethod = "mass80",
) -> IntArray:
    """D_u: how many genres a user's items spread over (Agent4Rec, section 3.1). int64 (n_users,).

    `genres[i]` are the genres of item i; each item of the user mentions each of its genres once.
    `distinct` is the paper's text: the number of different genres. `mass80`, the default, is what the paper's published
    code computes: genres most frequent first, counted while their cumulative share of the user's mentions stays at or
    below 0.8. It is less swayed by single strays, and 0 for a user whose first genre alone has more than 80 %.
    """
    names = {g: n for n, g in enumerate(sorted({g for row in genres for g in row}))}
    lengths = np.array([len(set(row)) for row in genres], dtype=np.int64)
    flat = np.array([names[g] for row in genres for g in sorted(set(row))], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    pair_user, pair_item, _ = _pairs(users, items, len(genres))
    n_mentions = lengths[pair_item] if len(pair_item) else np.zeros(0, dtype=np.int64)
    owner = np.repeat(pair_user, n_mentions)
    within = np.arange(int(n_mentions.sum())) - np.repeat(np.cumsum(n_mentions) - n_mentions, n_mentions)
    mention = flat[np.repeat(starts[pair_item], n_mentions) + within] if len(owner) else owner
    cells, counts = np.unique(owner * max(len(names), 1) + mention, return_counts=True)
    cell_user = (cells // max(len(names), 1)).astype(np.int64)
    if method == "distinct":
        return np.bincount(cell_user, minlength=n_users)
    if method != "mass80":
        raise ValueError(f"diversity by '{method}': choose 'mass80' or 'distinct'")
    order = np.lexsort((-counts, cell_user))
    cell_user, counts = cell_user[order], counts[order]
    running = np.cumsum(counts)
    total = np.bincount(cell_user, weights=counts, minlength=n_users)
    before = np.concatenate([[0.0], np.cumsum(total)[:-1]])
    # The tolerance keeps an exact 80 % inside, whatever the float says of 0.8 * total.
    inside = running - before[cell_user] <= MASS * total[cell_user] + 1e-9
    return np.bincount(cell_user[inside], minlength=n_users)


def thresholds(statistic: npt.ArrayLike, percentiles: tuple[float, float]) -> tuple[float, float]:
    """The two cuts of a statistic: its percentiles over the users for whom it is known (linear interpolation)."""
    known = np.asarray(statistic, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, percentiles)
    return float(low), float(high)


def levels(statistic: npt.ArrayLike, cuts: tuple[float, float]) -> IntArray:
    """Level of each user: 1 below the first cut, 2 below the second, else 3; 0 where the statistic is NaN."""
    known = np.asarray(statistic, dtype=np.float64)
    return np.where(np.isnan(known), 0, 1 + (known >= cuts[0]) + (known >= cuts[1])).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Traits:
    """The traits of all users of a dataset, one row per user in the order of `data.users`.

    `a` int64, `c` float64, `d` float64: the statistics, NaN where unknown. `activity`, `conformity`, `diversity`: levels
    1..3, 0 where unknown (users without rows; conformity without ratings; diversity without genres).
    `cuts`: the thresholds by trait.
    """

    a: IntArray
    c: FloatArray
    d: FloatArray
    activity: IntArray
    conformity: IntArray
    diversity: IntArray
    cuts: dict[str, tuple[float, float]]


def traits(train: Dataset, method: DiversityMethod = "mass80") -> Traits:
    """Traits of all users from their TRAIN rows alone (Agent4Rec, section 3.1)."""
    users, items = train.log.user, train.log.item
    n_users, n_items = len(train.users), len(train.items)
    a = activity(users, items, n_users, n_items)
    unknown = np.full(n_users, np.nan)
    rated = train.feedback == "rating" and train.scale is not None
    c = conformity(users, items, train.log.value, n_users, n_items) if rated else unknown
    genres = [train.catalogue.genres(item) for item in train.items.ids]
    d = diversity(users, items, genres, n_users, method).astype(np.float64) if any(genres) else unknown
    present = np.where(a > 0, a, np.nan).astype(np.float64)
    d = np.where(a > 0, d, np.nan)
    by_name = {"activity": present, "conformity": c, "diversity": d}
    cuts = {name: thresholds(statistic, PERCENTILES[name]) for name, statistic in by_name.items()}
    level = {name: levels(statistic, cuts[name]) for name, statistic in by_name.items()}
    return Traits(a, c, d, level["activity"], level["conformity"], level["diversity"], cuts)
