"""Rivals of simulated rows: as many for each user, with the same ratings, on items that nobody's behaviour chose."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

from ...agents.randomness import keys
from ...data import Dataset
from .rows import SimulatedRow

Control = Literal["random", "popularity"]


def control_rows(
    train: Dataset,
    rows: Sequence[SimulatedRow],
    how: Control,
    seed: int,
    never: Collection[tuple[str, str]] = (),
) -> list[SimulatedRow]:
    """As many rows for every user as in `rows`, on items outside the user's training rows.

    `random`: all items alike. `popularity`: in proportion to training rows. `never`: pairs that may not be drawn. Ratings
    are those of the user's own rows, in their order: the arms differ in which items they hold, and in nothing else.
    """
    popularity = train.popularity() + 0.0
    weights = np.ones(len(train.items)) if how == "random" else popularity + 1e-9
    by_user: dict[str, list[SimulatedRow]] = {}
    for row in rows:
        by_user.setdefault(row.user, []).append(row)
    forbidden: dict[str, list[str]] = {}
    for user, item in never:
        if user in by_user:
            forbidden.setdefault(user, []).append(item)
    made = []
    for user, own in by_user.items():
        rng = np.random.default_rng([seed, int(keys([user])[0]), how == "random"])
        p = weights.copy()
        p[train.history(user).positions] = 0.0
        p[train.items.indices(forbidden.get(user, []))] = 0.0
        n = min(len(own), int(np.count_nonzero(p)))
        drawn = rng.choice(len(p), size=n, replace=False, p=p / p.sum())
        made += [
            row._replace(item=train.items.ids[item], page=-1, slot=-1, propensity=0.0, recommender=how, call="")
            for row, item in zip(own, drawn.tolist(), strict=False)
        ]
    return made
