"""What every recommender of the user's goes through: it is asked, its answer is checked, problems are counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ...evaluators.ranking import FloatArray, ItemId, Ranking, UserId
from .answers import check_answer, most_read, read_answer
from .errors import NotFitted
from .past import Past
from .problems import Problems
from .slow import told_when_slow

if TYPE_CHECKING:
    from ...data import Dataset


class OwnRecommender(ABC):
    """Base of the three ways in. A subclass writes `_ask`; it may override `_fit`, `scores` and `top_many`.

    Answers are read and checked by `answers.py`: unknown ids, duplicates, excluded items and scores that are no numbers
    are dropped and counted in `problems`; where nothing usable is left, `UnusableAnswer` says why.
    """

    def __init__(self, name: str, policy_id: str) -> None:
        self.name = name
        self.policy_id = policy_id
        self.problems = Problems()
        self._past: Past | None = None

    @property
    def past(self) -> Past:
        """What was fitted. Raises `NotFitted` before that."""
        if self._past is None:
            raise NotFitted(f"{self.name} does not know the catalogue yet: call fit(data) first")
        return self._past

    def fit(self, data: Dataset) -> Self:
        past = Past(data)
        with told_when_slow(self.name, "to learn from the training rows"):
            self._fit(data, past)
        self._past = past
        return self

    def _fit(self, data: Dataset, past: Past) -> None:
        """Whatever there is to learn; nothing, unless overridden."""
        return

    @abstractmethod
    def _ask(self, user: UserId, history: tuple[ItemId, ...], k: int, exclude: tuple[ItemId, ...]) -> Any:
        """The raw answer, in any of the shapes that `read_answer` understands."""

    def top(self, user: UserId, k: int, exclude: Collection[ItemId] = ()) -> Ranking:
        left_out = tuple(dict.fromkeys(exclude))
        return self._rank(self._ask(user, self.past.history(user), k, left_out), user, k, left_out)

    def _rank(self, answer: Any, user: UserId, k: int, exclude: tuple[ItemId, ...]) -> Ranking:
        scored = read_answer(answer, self.name, most_read(k, exclude), self.problems)
        return check_answer(scored, user, k, frozenset(exclude), self.past, self.problems, self.name)

    def top_many(
        self,
        users: Sequence[UserId],
        k: int,
        exclude_seen: bool = True,
        exclude: Mapping[UserId, Collection[ItemId]] | None = None,
    ) -> list[Ranking]:
        with told_when_slow(self.name, ranking(users)):
            return [self.top(user, k, self._left_out(user, exclude_seen, exclude)) for user in users]

    async def atop_many(
        self,
        users: Sequence[UserId],
        k: int,
        exclude_seen: bool = True,
        exclude: Mapping[UserId, Collection[ItemId]] | None = None,
    ) -> list[Ranking]:
        return self.top_many(users, k, exclude_seen, exclude)

    def _left_out(
        self, user: UserId, exclude_seen: bool, exclude: Mapping[UserId, Collection[ItemId]] | None
    ) -> tuple[ItemId, ...]:
        seen = self.past.history(user) if exclude_seen else ()
        return tuple(dict.fromkeys([*seen, *(exclude or {}).get(user, ())]))

    def scores(self, user: UserId, items: Sequence[ItemId]) -> FloatArray:
        """Scores out of the user's whole list; -inf for items that are not on it."""
        past = self.past
        past.columns(items)
        k, unshown = len(past.items), Problems()  # a short list is no fault here: problems count for what is shown
        everything = read_answer(self._ask(user, past.history(user), k, ()), self.name, most_read(k, ()), unshown)
        ranking = check_answer(everything, user, k, frozenset(), past, unshown, self.name)
        worth = dict(zip(ranking.items, ranking.scores.tolist(), strict=True))
        return np.array([worth.get(item, -np.inf) for item in items], dtype=np.float32)


def ranking(users: Sequence[UserId]) -> str:
    """What is asked for, in words."""
    return f"to rank for {len(users)} users" if len(users) != 1 else f"to rank for user {users[0]!r}"
