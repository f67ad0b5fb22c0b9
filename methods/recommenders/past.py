"""Who saw and liked what, as `fit` remembers it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ...evaluators.ranking import FloatArray, ItemId, UserId
from .errors import RecommenderError, UnknownItem

if TYPE_CHECKING:
    from ...data import Dataset


class Past:
    """The fitted data, in the shapes that recommenders need.

    `items`, `users`: ids; their positions are the columns and rows of the matrices. `seen`: float32 CSR (users, items),
    1 where there was any interaction. `liked`: the same, without ratings below `min_rating` (the very same matrix where
    that is None). `likes`: int64 (users,), how many each
    user liked. `popularity`: float32 (items,), share of the users who liked the item.
    """

    items: tuple[ItemId, ...]
    users: tuple[UserId, ...]
    seen: csr_array
    liked: csr_array
    likes: NDArray[np.int64]
    popularity: FloatArray

    def __init__(self, data: Dataset, min_rating: float | None = None) -> None:
        if min_rating is not None and data.scale is None:
            raise RecommenderError(
                f"min_rating={min_rating} needs ratings, and these interactions are {data.feedback}s\n"
                "  leave min_rating out: every interaction then counts as a positive"
            )
        self.items, self.users = tuple(data.items.ids), tuple(data.users.ids)
        if not self.items or not len(data.log.item):
            raise RecommenderError(
                "nothing to learn from: the data has no interactions\n  see what was read: data.report"
            )
        self._column = {item: n for n, item in enumerate(self.items)}
        self._row = {user: n for n, user in enumerate(self.users)}

        user, item = np.asarray(data.log.user), np.asarray(data.log.item)
        self.seen = self._binary(user, item)
        if min_rating is None:
            self.liked = self.seen
        else:
            liked = np.asarray(data.log.value) >= min_rating
            self.liked = self._binary(user[liked], item[liked])
        self.popularity = (np.bincount(self.liked.indices, minlength=len(self.items)) / len(self.users)).astype(
            np.float32
        )

        self.likes = np.asarray(np.diff(self.liked.indptr), dtype=np.int64)
        # The log is sorted by time, so a stable sort by user leaves each history oldest first.
        self._log_item = item[np.argsort(user, kind="stable")]
        self._log_start = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=len(self.users)))])

    def _binary(self, user: NDArray[np.integer], item: NDArray[np.integer]) -> csr_array:
        shape = (len(self.users), len(self.items))
        matrix = csr_array((np.ones(len(user), np.float32), (user, item)), shape=shape)
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        return matrix

    def rows(self, users: Sequence[UserId]) -> NDArray[np.int64]:
        """Row of each user, -1 for strangers."""
        return np.array([self._row.get(user, -1) for user in users], dtype=np.int64)

    def columns(self, items: Sequence[ItemId]) -> NDArray[np.int64]:
        """Column of each item. Raises `UnknownItem` for the first that is not in the catalogue."""
        try:
            return np.array([self._column[item] for item in items], dtype=np.int64)
        except KeyError as missing:
            known = ", ".join(repr(item) for item in self.items[:3])
            raise UnknownItem(
                f"no item {missing.args[0]!r} among the {len(self.items)} items that were fitted (such as {known})\n"
                "  ids are strings: fit on data that holds the item, or leave it out"
            ) from None

    def known_columns(self, items: Collection[ItemId]) -> list[int]:
        """Columns of those items that are in the catalogue."""
        return [self._column[item] for item in items if item in self._column]

    def __contains__(self, item: object) -> bool:
        return item in self._column

    def history(self, user: UserId) -> tuple[ItemId, ...]:
        """Item ids of the user's interactions, oldest first, repeats kept; empty for strangers."""
        row = self._row.get(user, -1)
        if row < 0:
            return ()
        return tuple(self.items[n] for n in self._log_item[self._log_start[row] : self._log_start[row + 1]])
