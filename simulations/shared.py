"""What several rehearsals of one process have in common, so that it is made once: data, splits, users, fitted baselines."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, TypeVar

from ..agents.personas import Persona, build_personas, sample_users
from ..data import Dataset, Split, load_dataset
from ..methods.recommenders import Recommender, open_recommender
from .config import SimulateConfig, SimulateError

if TYPE_CHECKING:
    from ..llm import Budget

MOST_FITTED = 8
"""Fitted baselines kept at once; the one that was used least recently goes."""

T = TypeVar("T")


class Shared:
    """Gives each rehearsal what it would have made for itself from its configuration; equal parts are made once.

    `budget`: one for all of them, in place of what their configurations say. Only our own baselines are kept fitted: they
    never change after `fit`, which nobody can promise of a recommender of the user's.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget
        self._made: dict[Hashable, object] = {}
        self._fitted: dict[Hashable, Recommender] = {}

    def data(self, config: SimulateConfig) -> Dataset:
        """The data set. Raises `DataError`."""
        return self._once(
            _data_key(config),
            lambda: load_dataset(config.data, columns=config.columns or None, strict=config.strict, core=config.core),
        )

    def split(self, config: SimulateConfig) -> Split:
        """Its split. Raises `DataError` where the data cannot be split so."""
        return self._once(
            _split_key(config),
            lambda: self.data(config).split(how=config.split, test=config.test, seed=config.seed),
        )

    def personas(self, config: SimulateConfig) -> list[Persona]:
        """The simulated users, built from training rows. Raises `SimulateError` where too few have enough of them."""

        def make() -> list[Persona]:
            train = self.split(config).train
            try:
                return build_personas(train, sample_users(train, config.users, config.seed))
            except ValueError as error:
                raise SimulateError(f"{train.name}: {error}") from None

        return list(self._once(("personas", _split_key(config), config.users, config.seed), make))

    def recommender(self, config: SimulateConfig) -> Recommender:
        """The recommender, fitted on the training rows. Raises `RecommenderError`."""
        from ..methods.recommenders import BlockRecommender

        fresh = open_recommender(config.recommender, seed=config.seed, config=config.recommender_config or None)
        if not isinstance(fresh, BlockRecommender) or config.refit_every:
            return fresh.fit(self.split(config).train)
        key = (_split_key(config), fresh.policy_id)
        fitted = self._fitted.pop(key, None) or fresh.fit(self.split(config).train)
        self._fitted[key] = fitted
        if len(self._fitted) > MOST_FITTED:
            del self._fitted[next(iter(self._fitted))]
        return fitted

    def _once(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[return-value]


def _data_key(config: SimulateConfig) -> Hashable:
    return "data", config.data, tuple(sorted(config.columns.items())), config.strict, config.core


def _split_key(config: SimulateConfig) -> Hashable:
    seed = config.seed if config.split == "random" else None  # the other ways draw nothing
    return "split", _data_key(config), config.split, config.test, seed
