"""What our own recommenders share: popularity for users of whom nothing is known, and top-k in blocks of users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ...evaluators.ranking import FloatArray, ItemId, Ranking, UserId
from .errors import NotFitted, RecommenderError
from .past import Past
from .policy import policy_id
from .problems import Problems
from .top_k import top_k

if TYPE_CHECKING:
    from ...data import Dataset

BLOCK_USERS = 64
BLOCK_CELLS = 2**24
"""Scores held at once, at most (64 MB): larger catalogues get fewer users a block."""


class RecommenderConfig(BaseModel):
    """What every baseline can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_rating: float | None = None
    """Ratings below it are seen, but no positives. None: every interaction is a positive, whatever its rating."""


C = TypeVar("C", bound=RecommenderConfig)


class BlockRecommender(ABC, Generic[C]):
    """A recommender that scores a block of users against the whole catalogue.

    A subclass writes `_train` and `_score_block`; the rest of the contract is here. Users without a positive in the
    fitted data are ranked by popularity, with `Ranking.fallback` set and `problems["cold_user"]` counted. Memory while
    ranking: one block of at most 64 users' scores.
    """

    name: str
    config_type: ClassVar[type[RecommenderConfig]] = RecommenderConfig
    seeded: ClassVar[bool] = False
    """Whether the seed changes what is learned or shown."""

    def __init__(self, config: C | None = None, seed: int = 0) -> None:
        self.config: C = config if config is not None else cast(C, self.config_type())
        self.seed = seed
        self.problems = Problems()
        self._past: Past | None = None

    @property
    def policy_id(self) -> str:
        return policy_id(self.name, self.config, self.seed if self.seeded else None)

    @property
    def past(self) -> Past:
        """What was fitted. Raises `NotFitted` before that."""
        if self._past is None:
            raise NotFitted(f"{self.name} has learned nothing yet: call fit(data) first")
        return self._past

    def fit(self, data: Dataset) -> Self:
        past = Past(data, self.config.min_rating)
        self._train(past)
        self._past = past
        return self

    @abstractmethod
    def _train(self, past: Past) -> None:
        """Learn from `past` alone, and replace all learned state."""

    @abstractmethod
    def _score_block(self, rows: NDArray[np.int64]) -> FloatArray:
        """float32 (rows, items), finite. A row's scores must not depend on which rows are asked for beside it."""

    def _score_users(self, users: Sequence[UserId]) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Scores (users, items), and which of the users are ranked by popularity."""
        past = self.past
        rows = past.rows(users)
        cold = (rows < 0) | (past.likes[rows] == 0)
        scores = np.empty((len(users), len(past.items)), np.float32)
        scores[cold] = past.popularity
        if not cold.all():
            scores[~cold] = self._score_block(rows[~cold])
        for n in np.flatnonzero(cold).tolist():
            self.problems.note("cold_user", f"user {users[n]!r}")
        return scores, cold

    def _propensity(self, eligible: int) -> float:
        """Probability with which an item stands in its slot, where `eligible` items could have stood there."""
        return 1.0

    def scores(self, user: UserId, items: Sequence[ItemId]) -> FloatArray:
        columns = self.past.columns(items)
        return self._score_users([user])[0][0, columns]

    def top(self, user: UserId, k: int, exclude: Collection[ItemId] = ()) -> Ranking:
        return self.top_many([user], k, exclude_seen=False, exclude={user: exclude})[0]

    def top_many(
        self,
        users: Sequence[UserId],
        k: int,
        exclude_seen: bool = True,
        exclude: Mapping[UserId, Collection[ItemId]] | None = None,
    ) -> list[Ranking]:
        if k < 0:
            raise RecommenderError(f"k must be 0 or more, got {k}")
        size = max(1, min(BLOCK_USERS, BLOCK_CELLS // len(self.past.items)))
        rankings: list[Ranking] = []
        for start in range(0, len(users), size):
            rankings += self._rank_block(users[start : start + size], k, exclude_seen, exclude or {})
        return rankings

    async def atop_many(
        self,
        users: Sequence[UserId],
        k: int,
        exclude_seen: bool = True,
        exclude: Mapping[UserId, Collection[ItemId]] | None = None,
    ) -> list[Ranking]:
        return self.top_many(users, k, exclude_seen, exclude)

    def _rank_block(
        self, users: Sequence[UserId], k: int, exclude_seen: bool, exclude: Mapping[UserId, Collection[ItemId]]
    ) -> list[Ranking]:
        past = self.past
        scores, cold = self._score_users(users)
        if exclude_seen:
            rows = past.rows(users)
            known = np.flatnonzero(rows >= 0)
            seen = past.seen[rows[known]]
            scores[np.repeat(known, np.diff(seen.indptr)), seen.indices] = -np.inf
        for n, user in enumerate(users):
            if left_out := exclude.get(user):
                scores[n, past.known_columns(left_out)] = -np.inf
        eligible = np.count_nonzero(scores > -np.inf, axis=1)
        best = top_k(scores, k)
        rankings = []
        for n in range(len(users)):
            columns, values = best.of(n)
            propensity = np.full(len(columns), self._propensity(int(eligible[n])), np.float32)
            items = tuple(past.items[c] for c in columns)
            rankings.append(Ranking(items, values, propensity, fallback=bool(cold[n])))
        return rankings
