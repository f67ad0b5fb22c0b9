"""Everything a rehearsal needs before its first page, derived again in the same way by start, resume and replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..agents.actions import ACTION_SETS, ActionSet
from ..agents.ask import SERVICES, World
from ..agents.personas import Persona
from ..data import Dataset, Split
from ..evaluators import histogram
from ..methods.recommenders import RecommenderError
from ..methods.recommenders.load_object import load_object
from .config import SimulateConfig, SimulateError
from .policy import Policy
from .recorded import RecordedPolicy
from .shared import Shared

if TYPE_CHECKING:
    from ..runs import Run

POPULAR = 100
"""Items named to the user agents as popular; more than any page holds."""


@dataclass
class Prepared:
    """The parts of one rehearsal, built from its configuration alone (no model call)."""

    config: SimulateConfig
    data: Dataset
    split: Split
    personas: list[Persona]
    policy: Policy | RecordedPolicy
    world: World

    @property
    def reference(self) -> dict[str, Any]:
        """What the results are held against: the real ratings and the held-out items of the simulated users."""
        train, users = self.split.train, [p.user for p in self.personas]
        levels = _levels(train)
        rows = [train.history(user) for user in users]
        held = {user: list(self.split.test.history(user).items) for user in users}
        popularity = train.popularity()
        return {
            "dataset": self.data.name,
            "licence": self.data.licence,
            "users": len(self.data.users.ids),
            "items": len(self.data.items.ids),
            "interactions": len(self.data.log.user),
            "feedback": self.data.feedback,
            "scale": None if train.scale is None else [train.scale.low, train.scale.high, train.scale.step],
            "rating_levels": levels,
            "real_ratings": _counts([v for h in rows for v in h.values], levels),
            "real_ratings_all": _counts(train.log.value, levels),
            "held_out": held,
            "popularity": {item: int(n) for item, n in zip(train.items.ids, popularity, strict=True)},
            "titles": {item: train.catalogue.text(item) for item in train.items.ids},
            "genres": {item: list(train.catalogue.genres(item)) for item in train.items.ids},
            "recommender": self.config.recommender,
            "policy": self.policy.policy_id,
        }


MOST_SHOWN = 21
"""Rating levels of a histogram; the ratings of a finer scale count at the nearest of so many."""


def _levels(train: Dataset) -> list[float]:
    if train.scale is None:
        return []
    levels = train.scale.levels
    if 2 < len(levels) <= MOST_SHOWN:
        return [float(level) for level in levels]
    return (
        np.linspace(train.scale.low, train.scale.high, MOST_SHOWN if len(levels) > 2 else len(levels)).round(6).tolist()
    )


def _counts(values: Any, levels: list[float]) -> list[int]:
    return [int(n) for n in histogram(values, levels, nearest=True)] if levels else []


def prepare(config: SimulateConfig, shared: Shared | None = None, recording: Run | None = None) -> Prepared:
    """Load, split, fit, build personas. Raises `SimulateError` or the parts' own errors, each saying what to do next.

    `shared`: what other rehearsals of this process have made already. `recording`: a run whose slates are shown again; no
    recommender is fitted then.
    """
    shared = shared or Shared()
    actions = open_actions(config.actions)
    data, split, personas = shared.data(config), shared.split(config), shared.personas(config)
    users = [persona.user for persona in personas]
    policy = RecordedPolicy(recording) if recording is not None else _policy(config, shared, split.train, users)
    return Prepared(config, data, split, personas, policy, world_of(config, split.train, actions))


def _policy(config: SimulateConfig, shared: Shared, train: Dataset, users: list[str]) -> Policy:
    return Policy(
        shared.recommender(config),
        train,
        users,
        page_size=config.page_size,
        pages=config.pages,
        seed=config.luck,
        refit_every=config.refit_every,
        shuffle_slots=config.shuffle_slots,
    )


def open_actions(name: str) -> ActionSet:
    """A shipped action set by name, or one of the user's as `module:object` or `file.py:object`. Raises `SimulateError`."""
    if name in ACTION_SETS:
        return ACTION_SETS[name]
    if ":" not in name:
        raise SimulateError(
            f"no action set {name!r}\n  there are {', '.join(ACTION_SETS)}, or yours: module:object, file.py:object"
        )
    try:
        found = load_object(name)
    except RecommenderError as error:  # its words are true of any object
        raise SimulateError(str(error)) from error
    if not isinstance(found, ActionSet):
        raise SimulateError(
            f"{name} is no action set but of type {type(found).__name__}\n  make one with recloop.agents.ActionSet"
        )
    return found


def world_of(config: SimulateConfig, train: Dataset, actions: ActionSet) -> World:
    """What all users share, over the items of `train`. Raises `SimulateError` for a mean rating that there is none of."""
    service, noun, one = SERVICES.get(config.actions, ("a recommendation service", "items", "an item"))
    means = None
    if config.show_mean:
        if train.scale is None:
            raise SimulateError("show_mean needs ratings, and this data set has none\n  leave --show-mean out")
        pairs = zip(train.items.ids, train.mean_rating().tolist(), strict=True)
        means = {item: mean for item, mean in pairs if mean == mean}  # NaN: an item nobody rated in training
    return World(
        catalogue=train.catalogue,
        scale=train.scale,
        actions=actions,
        seed=config.luck,
        pages=config.pages,
        service=service,
        noun=noun,
        one=one,
        fatigue=config.fatigue,
        mean_ratings=means,
        embed=embedder(config.memory),
        popular=tuple(train.items.ids[i] for i in (-train.popularity()).argsort(kind="stable")[:POPULAR]),
    )


def embedder(memory: str) -> Callable[[list[str]], np.ndarray] | None:
    """Texts to vectors as `memory` names it; None stands for hashed words."""
    if memory == "words":
        return None
    from ..llm import static_vectors

    return static_vectors().embed
