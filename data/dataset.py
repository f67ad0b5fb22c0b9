"""The dataset: users, items, what the items are, and who met what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .catalogue import ItemTable
from .errors import DataError
from .ids import Ids
from .interactions import Interactions, core_rows
from .report import ReadReport
from .scale import RatingScale

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from .splits import How, Split

Feedback = Literal["rating", "view", "click", "cart", "buy"]
"""What an interaction means. Only "rating" has a scale; the others are implicit, with value 1.0."""

FEEDBACKS: tuple[str, ...] = get_args(Feedback)


@dataclass(frozen=True, eq=False)
class UserHistory:
    """One user's rows, oldest first: `items` are ids, `positions` the same items as int32 positions."""

    user: str
    items: tuple[str, ...]
    positions: NDArray[np.int32]
    values: NDArray[np.float32]
    times: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A frozen dataset. `scale` is given exactly where `feedback` is "rating".

    Parts of a split share `users` and `items` with the whole, so positions and matrices stay aligned; `core` and
    `subset` drop the users and items that are left without rows. `hash` names the content.
    """

    users: Ids
    items: Ids
    catalogue: ItemTable
    log: Interactions
    feedback: Feedback = "rating"
    scale: RatingScale | None = None
    name: str = ""
    licence: str = ""
    report: ReadReport = field(default_factory=ReadReport)

    def __post_init__(self) -> None:
        if self.feedback not in FEEDBACKS:
            raise DataError(f"no feedback kind {self.feedback!r}", f"one of: {', '.join(FEEDBACKS)}")
        if (self.scale is not None) != (self.feedback == "rating"):
            raise DataError(
                f"feedback {self.feedback!r} with scale {self.scale}", "ratings need a scale, others have none"
            )
        if self.catalogue.ids != self.items:
            raise DataError(
                "the item table and the items differ", "build the table over the dataset's item ids, in order"
            )
        for column, ids in ((self.log.user, self.users), (self.log.item, self.items)):
            if len(column) and not (int(column.min()) >= 0 and int(column.max()) < len(ids)):
                raise DataError(f"an interaction points outside the {len(ids)} {ids.kind}s", "positions start at 0")

    def __len__(self) -> int:
        return len(self.log)

    def __repr__(self) -> str:
        kind = f"ratings {self.scale}" if self.scale else f"{self.feedback} events"
        return (
            f"Dataset({self.name or '?'}: {len(self):,} {kind}, {len(self.users):,} users, {len(self.items):,} items)"
        )

    @cached_property
    def _by_user(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        order = np.argsort(self.log.user, kind="stable")  # stable: the log's time order stays within a user
        starts = np.zeros(len(self.users) + 1, dtype=np.intp)
        np.cumsum(np.bincount(self.log.user, minlength=len(self.users)), out=starts[1:])
        return order, starts

    def history(self, user: str) -> UserHistory:
        """The rows of `user`, oldest first (empty where the user has none here). Raises `DataError` for an unknown user."""
        order, starts = self._by_user
        position = self.users.index(user)
        rows = order[starts[position] : starts[position + 1]]
        items = self.log.item[rows]
        names = tuple(self.items.ids[item] for item in items.tolist())
        return UserHistory(user, names, items, self.log.value[rows], self.log.time[rows])

    def matrix(self, binary: bool = True) -> csr_matrix:
        """Users x items, float32 CSR with sorted columns: 1 where they met (`binary`), else the value.

        With `binary=False` a rating of 0 is a stored entry, so `nnz` is always the number of rows.
        """
        from scipy.sparse import csr_matrix

        order = np.lexsort((self.log.item, self.log.user))
        values = np.ones(len(order), dtype=np.float32) if binary else self.log.value[order]
        starts = self._by_user[1].astype(np.int64)
        return csr_matrix((values, self.log.item[order], starts), shape=(len(self.users), len(self.items)))

    def popularity(self) -> NDArray[np.int64]:
        """Rows per item: int64 (items,)."""
        return np.bincount(self.log.item, minlength=len(self.items)).astype(np.int64)

    def activity(self) -> NDArray[np.int64]:
        """Rows per user: int64 (users,)."""
        return np.bincount(self.log.user, minlength=len(self.users)).astype(np.int64)

    def mean_rating(self) -> NDArray[np.float64]:
        """Mean value per item: float64 (items,), NaN where an item has no rows."""
        sums = np.bincount(self.log.item, weights=self.log.value, minlength=len(self.items))
        counts = self.popularity()
        return np.divide(sums, counts, out=np.full(len(self.items), np.nan), where=counts > 0)

    def rows(self, mask: NDArray[np.bool_]) -> Dataset:
        """The rows of a boolean mask over the log, with all users and items kept (positions stay aligned)."""
        return replace(self, log=self.log.take(self._row_mask(mask)))

    def with_rows(self, users: Sequence[int], items: Sequence[int], values: Sequence[float]) -> Dataset:
        """This dataset plus rows (positions and values), later than all there are, in the order given.

        Made for simulated interactions: the new dataset is for training, its name says so.
        """
        times = np.zeros(len(users), dtype=np.int64)
        if self.log.timed and len(self):
            times = int(self.log.time.max()) + 1 + np.arange(len(users), dtype=np.int64)
        log = Interactions(
            np.concatenate([self.log.user, np.asarray(users, dtype=np.int32)]),
            np.concatenate([self.log.item, np.asarray(items, dtype=np.int32)]),
            np.concatenate([self.log.value, np.asarray(values, dtype=np.float32)]),
            np.concatenate([self.log.time, times]),
            self.log.timed,
        )
        return replace(self, log=log, name=f"{self.name} + {len(users)} simulated rows")

    def subset(
        self,
        users: Iterable[str] | None = None,
        items: Iterable[str] | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> Dataset:
        """Only these users, these items and these rows; users and items left without rows go.

        Raises `DataError` for an unknown id.
        """
        keep = np.ones(len(self), dtype=bool)
        for chosen, ids, column in ((users, self.users, self.log.user), (items, self.items, self.log.item)):
            if chosen is not None:
                wanted = np.zeros(len(ids), dtype=bool)
                wanted[ids.indices(chosen)] = True
                keep &= wanted[column]
        if mask is not None:
            keep &= self._row_mask(mask)
        return self.rows(keep).compact()

    def _row_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if mask.shape != (len(self),) or mask.dtype != np.bool_:
            raise DataError(
                f"a row mask of shape {mask.shape}, {mask.dtype}", f"give {len(self)} booleans, one per row"
            )
        return mask

    def compact(self) -> Dataset:
        """Without the users and items that have no rows."""
        log = self.log
        kept_users, user = np.unique(log.user, return_inverse=True)
        kept_items, item = np.unique(log.item, return_inverse=True)
        if len(kept_users) == len(self.users) and len(kept_items) == len(self.items):
            return self
        catalogue = self.catalogue.take(kept_items)
        log = Interactions(user.astype(np.int32), item.astype(np.int32), log.value, log.time, log.timed)
        return replace(self, users=self.users.take(kept_users), items=catalogue.ids, catalogue=catalogue, log=log)

    def core(self, k: int) -> Dataset:
        """The k-core: every user and every item left has at least `k` rows. Raises `DataError` where nothing is left."""
        keep = core_rows(self.log.user, self.log.item, k)
        if not keep.any():
            raise DataError(f"the {k}-core of {self.name or 'this dataset'} is empty", "ask for a smaller core")
        return self.rows(keep).compact()

    def split(
        self,
        how: How = "user_time",
        test: float = 0.2,
        valid: float = 0.0,
        seed: int = 0,
        min_train: int = 1,
    ) -> Split:
        """Train, valid and test rows over the same users and items; see `recloop.data.splits`."""
        from .splits import split

        return split(self, how, test=test, valid=valid, seed=seed, min_train=min_train)

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the content: ids, item texts, interactions, feedback and scale; not of name, path or row order."""
        digest = hashlib.sha256(b"recloop dataset 1\n")

        def add(part: object) -> None:
            encoded = json.dumps(part, ensure_ascii=True, sort_keys=True).encode()
            digest.update(len(encoded).to_bytes(8, "little") + encoded)

        # Positions depend on how ids happen to be ordered; ranks by text do not.
        user_rank, user_names = _ranks(self.users)
        item_rank, item_names = _ranks(self.items)
        by_name = self.catalogue.take(np.argsort(item_rank))
        scale = self.scale and [self.scale.low, self.scale.high, self.scale.step]
        add({"feedback": self.feedback, "scale": scale, "timed": self.log.timed})
        add(user_names)
        add(item_names)
        add([by_name.titles, by_name.genre_sets, dict(by_name.fields)])
        user, item = user_rank[self.log.user], item_rank[self.log.item]
        order = np.lexsort((item, user))
        for column, kind in ((user, "<i4"), (item, "<i4"), (self.log.value, "<f4"), (self.log.time, "<i8")):
            digest.update(np.ascontiguousarray(column[order], dtype=kind).tobytes())
        return digest.hexdigest()


def _ranks(ids: Ids) -> tuple[NDArray[np.int64], list[str]]:
    order: list[int] = sorted(range(len(ids)), key=ids.ids.__getitem__)
    ranks: NDArray[Any] = np.empty(len(ids), dtype=np.int64)
    ranks[order] = np.arange(len(ids))
    return ranks, [ids.ids[position] for position in order]
