"""Recommenders that only studies need: one kept as it was, one made worse by a known share, one that mistakes its users."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from ...agents.personas import sample_users
from ...agents.randomness import keys, uniforms
from ...methods.recommenders import Recommender, open_recommender

if TYPE_CHECKING:
    from ...data import Dataset

HERE = __name__

_fitted: WeakKeyDictionary[Dataset, dict[str, Recommender]] = WeakKeyDictionary()


def _fit(base: str, config: Mapping[str, Any] | None, seed: int, data: Dataset) -> Recommender:
    """The recommender fitted on `data`, once for all stand-ins of this process."""
    fresh = open_recommender(base, seed=seed, config=config)
    made = _fitted.setdefault(data, {})
    if fresh.policy_id not in made:
        made[fresh.policy_id] = fresh.fit(data)
    return made[fresh.policy_id]


def lend(
    base: str, config: Mapping[str, Any] | None, seed: int, data: Dataset, fitted: Callable[[], Recommender]
) -> None:
    """Hand over what `fitted` gives, one of our baselines fitted on `data`, unless stand-ins have it already."""
    made = _fitted.setdefault(data, {})
    named = open_recommender(base, seed=seed, config=config).policy_id
    if named not in made:
        made[named] = fitted()


class Fixed:
    """`base` as it was made with one seed, whatever seed is rehearsed: other users meet the very same recommender."""

    def __init__(self, base: str, made_with: int, config: Mapping[str, Any] | None = None) -> None:
        self.base, self.made_with, self.config = base, made_with, config

    def fit(self, data: Dataset) -> Self:
        self._inner = _fit(self.base, self.config, self.made_with, data)
        return self

    def top(self, user: str, k: int, exclude: Collection[str]) -> list[str]:
        return list(self._inner.top(user, k, exclude).items)


class Degraded:
    """`base` with each place of a list given, with probability `share`, to the next item of a random order instead.

    So its quality lies between the base's (share 0) and chance (share 1), and falls with the share by construction.
    """

    def __init__(self, base: str = "ease", share: float = 0.5, seed: int = 0) -> None:
        self.base, self.share, self.seed = base, share, seed

    def fit(self, data: Dataset) -> Self:
        self._good, self._random = (_fit(name, None, self.seed, data) for name in (self.base, "random"))
        return self

    def top(self, user: str, k: int, exclude: Collection[str]) -> list[str]:
        good, chance = (list(each.top(user, k, exclude).items) for each in (self._good, self._random))
        places = uniforms(self.seed, "degraded", keys([user] * k), keys(map(str, range(k))))
        found: dict[str, None] = {}
        for draw in places.tolist():
            first, second = (chance, good) if draw < self.share else (good, chance)
            item = next((item for source in (first, second) for item in source if item not in found), None)
            if item is None:
                break
            found[item] = None
        return list(found)


class Strangers:
    """`base`, asked for another user than the one before it: each of the sampled users is taken for the next of them.

    Whoever browses it keeps tastes and traits, and meets another's list: what is left of a result then owes nothing to taste.
    """

    def __init__(
        self, base: str = "ease", config: Mapping[str, Any] | None = None, users: int = 100, seed: int = 0
    ) -> None:
        self.base, self.config, self.users, self.seed = base, config, users, seed

    def fit(self, data: Dataset) -> Self:
        self._inner = _fit(self.base, self.config, self.seed, data)
        self._taken_for = taken_for(sample_users(data, self.users, self.seed))
        self._seen = {user: data.history(user).items for user in self._taken_for}
        return self

    def top(self, user: str, k: int, exclude: Collection[str]) -> list[str]:
        other = self._taken_for.get(user, user)
        return list(self._inner.top(other, k, {*exclude, *self._seen.get(other, ())}).items)


def taken_for(users: list[str]) -> dict[str, str]:
    """User -> the one it is taken for: the next in the sample, which is in random order; nobody is taken for itself."""
    return dict(zip(users, [*users[1:], *users[:1]], strict=True))
