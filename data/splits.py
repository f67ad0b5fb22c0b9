"""Splits: which rows train, which validate, which test. Vectorised; one content and seed give one split."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .errors import DataError
from .interactions import Interactions

How = Literal["user_time", "random", "leave_last", "global_time"]
"""How rows are held out.

`user_time`: each user's last `test` share, before it the `valid` share. `random`: the same shares, drawn per user.
`leave_last`: each user's last row is the test (with `valid` above 0 the one before it is valid). `global_time`: the last
`test` share of all rows in time.
"""

_TRAIN, _VALID, _TEST = 0, 1, 2


class Split(NamedTuple):
    """Three parts that are disjoint, together the whole, and share its users and items. `valid` may have no rows."""

    train: Dataset
    valid: Dataset
    test: Dataset


def split(
    data: Dataset, how: How = "user_time", *, test: float = 0.2, valid: float = 0.0, seed: int = 0, min_train: int = 1
) -> Split:
    """Split `data` by rows.

    Every user keeps at least `min_train` training rows (all of them, where the user has fewer); in `global_time` these
    are the user's oldest rows even when they lie after the cut, so use `min_train=0` there for a cut clean in time.
    Shares are rounded to whole rows, half up, per user. Raises `DataError` for an unknown way, shares that leave nothing
    to train on, or a split by time of data without times.
    """
    if how not in get_args(How):
        raise DataError(f"no split {how!r}", f"one of: {', '.join(get_args(How))}")
    if not (0 <= test < 1 and 0 <= valid < 1 and test + valid < 1):
        raise DataError(f"shares test={test:g}, valid={valid:g} leave nothing to train on", "their sum must be below 1")
    if min_train < 0:
        raise DataError(f"min_train={min_train}", "give 0 or more")
    if how != "random" and not data.log.timed:
        raise DataError(
            f"a {how} split needs times, and {data.name or 'this dataset'} has none",
            "use how='random' (--split random)",
        )
    part = _PARTS[how](data.log, len(data.users), test, valid, seed, min_train)
    return Split(data.rows(part == _TRAIN), data.rows(part == _VALID), data.rows(part == _TEST))


def _places(
    log: Interactions, n_users: int, key: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each row's place within its user (0 is first) by time, or by `key`; and each user's number of rows."""
    order = np.argsort(log.user, kind="stable") if key is None else np.lexsort((key, log.user))
    counts = np.bincount(log.user, minlength=n_users).astype(np.int64)
    starts = np.cumsum(counts) - counts
    place = np.empty(len(log), dtype=np.int64)
    place[order] = np.arange(len(log)) - starts[log.user[order]]
    return place, counts


def _tail(
    place: NDArray[np.int64],
    counts: NDArray[np.int64],
    user: NDArray[np.int32],
    n_test: NDArray[np.int64],
    n_valid: NDArray[np.int64],
    min_train: int,
) -> NDArray[np.int8]:
    """The last `n_test` places of each user test, the `n_valid` before them validate, as far as `min_train` allows."""
    spare = np.maximum(counts - min_train, 0)
    n_test = np.minimum(n_test, spare)
    n_valid = np.minimum(n_valid, spare - n_test)
    from_end = counts[user] - place
    part = np.zeros(len(user), dtype=np.int8)
    part[from_end <= (n_test + n_valid)[user]] = _VALID
    part[from_end <= n_test[user]] = _TEST
    return part


def _shares(counts: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    return np.floor(counts * share + 0.5).astype(np.int64)


def _user_time(
    log: Interactions, n_users: int, test: float, valid: float, seed: int, min_train: int
) -> NDArray[np.int8]:
    place, counts = _places(log, n_users)
    return _tail(place, counts, log.user, _shares(counts, test), _shares(counts, valid), min_train)


def _random(log: Interactions, n_users: int, test: float, valid: float, seed: int, min_train: int) -> NDArray[np.int8]:
    place, counts = _places(log, n_users, np.random.default_rng(seed).random(len(log)))
    return _tail(place, counts, log.user, _shares(counts, test), _shares(counts, valid), min_train)


def _leave_last(
    log: Interactions, n_users: int, test: float, valid: float, seed: int, min_train: int
) -> NDArray[np.int8]:
    place, counts = _places(log, n_users)
    one = np.ones(n_users, dtype=np.int64)
    return _tail(place, counts, log.user, one, one if valid > 0 else 0 * one, min_train)


def _global_time(
    log: Interactions, n_users: int, test: float, valid: float, seed: int, min_train: int
) -> NDArray[np.int8]:
    rows = len(log)
    n_test, n_valid = int(rows * test + 0.5), int(rows * valid + 0.5)
    part = np.zeros(rows, dtype=np.int8)
    part[max(rows - n_test - n_valid, 0) :] = _VALID
    part[rows - n_test :] = _TEST
    place, _ = _places(log, n_users)
    part[place < min_train] = _TRAIN
    return part


_PARTS = {"user_time": _user_time, "random": _random, "leave_last": _leave_last, "global_time": _global_time}
