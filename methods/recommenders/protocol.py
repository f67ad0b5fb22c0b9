"""The `Recommender` contract: the only seam between a rehearsal and what is rehearsed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from ...evaluators.ranking import FloatArray, ItemId, Ranking, UserId
from .problems import Problems

if TYPE_CHECKING:
    from ...data import Dataset


@runtime_checkable
class Recommender(Protocol):
    """Learns from a data set and ranks its items for its users.

    - `fit` may be called again, on other or augmented data: it forgets what it learned before.
    - After `fit`, equal calls give equal answers; a user's answer does not depend on who else is asked for.
    - Excluded items never appear, not even where fewer than k are left: then the ranking is shorter. Ids in `exclude`
      that are not in the catalogue are ignored.
    - A user of whom nothing is known gets a ranking with `fallback` set, or whatever the user's own recommender says.
    """

    @property
    def name(self) -> str:
        """Short name for tables."""
        ...

    @property
    def policy_id(self) -> str:
        """Name and a hash of the configuration, logged with every exposure."""
        ...

    @property
    def problems(self) -> Problems:
        """What was wrong with answers so far, counted."""
        ...

    def fit(self, data: Dataset) -> Self: ...

    def scores(self, user: UserId, items: Sequence[ItemId]) -> FloatArray:
        """float32 (items,), higher is better. Raises `UnknownItem` for an id that is not in the catalogue."""
        ...

    def top(self, user: UserId, k: int, exclude: Collection[ItemId] = ()) -> Ranking:
        """The best k items but `exclude`, and only that: pass the user's history to leave it out."""
        ...

    def top_many(
        self,
        users: Sequence[UserId],
        k: int,
        exclude_seen: bool = True,
        exclude: Mapping[UserId, Collection[ItemId]] | None = None,
    ) -> list[Ranking]:
        """One ranking per user, in the order of `users`. Leaves out what the user has seen in the fitted data."""
        ...

    async def atop_many(
        self,
        users: Sequence[UserId],
        k: int,
        exclude_seen: bool = True,
        exclude: Mapping[UserId, Collection[ItemId]] | None = None,
    ) -> list[Ranking]:
        """The same inside an event loop: an endpoint is awaited, what runs in this process runs at once."""
        ...
