"""Interactions: who met which item, when, and with what value, as four equally long arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError


@dataclass(frozen=True, eq=False)
class Interactions:
    """Rows sorted by time, then user, then item: one order for one content, whatever the file's order was.

    `user`, `item`: int32 positions in the dataset's ids; `value`: float32 (rating, or 1.0 for implicit feedback);
    `time`: int64 Unix seconds, all 0 where `timed` is False. The arrays are read-only. A (user, item) pair occurs once.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    value: NDArray[np.float32]
    time: NDArray[np.int64]
    timed: bool = True

    def __post_init__(self) -> None:
        types = {"user": np.int32, "item": np.int32, "value": np.float32, "time": np.int64}
        for name, kind in types.items():
            column = np.ascontiguousarray(getattr(self, name), dtype=kind)
            if column.flags.writeable and column is getattr(self, name):
                column = column.copy()  # freezing must not reach into the caller's array
            column.flags.writeable = False
            object.__setattr__(self, name, column)
        lengths = {len(self.user), len(self.item), len(self.value), len(self.time)}
        if len(lengths) != 1:
            raise DataError(
                f"interaction columns differ in length: {sorted(lengths)}", "give one entry per interaction"
            )

    @classmethod
    def ordered(
        cls,
        user: NDArray[Any],
        item: NDArray[Any],
        value: NDArray[Any],
        time: NDArray[Any],
        timed: bool = True,
    ) -> Interactions:
        """Interactions from rows in any order."""
        order = np.lexsort((item, user, time))
        return cls(user[order], item[order], value[order], time[order], timed)

    def __len__(self) -> int:
        return len(self.user)

    def __repr__(self) -> str:
        return f"Interactions({len(self):,} rows{'' if self.timed else ', no times'})"

    def take(self, rows: NDArray[Any]) -> Interactions:
        """The rows of a boolean mask or of ascending positions; the order stays."""
        return Interactions(self.user[rows], self.item[rows], self.value[rows], self.time[rows], self.timed)


def core_rows(user: NDArray[Any], item: NDArray[Any], k: int) -> NDArray[np.bool_]:
    """Mask of the rows in the k-core: users and items with fewer than `k` rows are dropped until none is left.

    The result is the largest such set of rows, and does not depend on the order of dropping. A (user, item) pair must
    occur once.
    """
    keep = np.ones(len(user), dtype=bool)
    rows = np.arange(len(user))
    while len(rows):
        by_user, by_item = np.bincount(user[rows]), np.bincount(item[rows])
        good = (by_user[user[rows]] >= k) & (by_item[item[rows]] >= k)
        if good.all():
            break
        keep[rows[~good]] = False
        rows = rows[good]
    return keep
