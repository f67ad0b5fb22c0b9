"""A small world whose truth is known: a dataset drawn from planted tastes, for checks that must come out a known way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .affinity import TasteModel, planted_tastes
from .calibration import sigmoid
from .randomness import normals, uniforms

if TYPE_CHECKING:
    from ..data import Dataset


class PlantedWorld(NamedTuple):
    """`data` was drawn from `truth`: its user i and item j are rows i and j there."""

    data: Dataset
    truth: TasteModel


def planted_world(
    n_users: int = 200, n_items: int = 120, *, per_user: int = 20, rank: int = 4, seed: int = 0, strength: float = 2.0
) -> PlantedWorld:
    """Users who each rate `per_user` items (1 to 5), chosen by `strength` * taste + half popularity + chance.

    `strength=0` is the negative control: choices then hold no taste. An item's genres name the directions it leans to.
    """
    from ..data import Dataset, Ids, Interactions, ItemTable, RatingScale

    if per_user > n_items:
        raise ValueError(f"{per_user} items per user were asked for, and there are {n_items}")
    truth = planted_tastes(n_users, n_items, rank=rank, seed=seed)
    everybody, every = np.arange(n_users), np.broadcast_to(np.arange(n_items), (n_users, n_items))
    taste = truth.taste(everybody, every)
    cell = (everybody[:, None], np.arange(n_items)[None, :])
    # Gumbel noise: the highest per_user are a draw without replacement by exp(worth).
    chance = -np.log(-np.log(np.clip(uniforms(seed, "planted choice", *cell), 1e-12, 1 - 1e-12)))
    chosen = np.argsort(-(strength * taste + 0.5 * truth.popularity + chance), axis=1, kind="stable")[:, :per_user]
    like = np.take_along_axis(taste, chosen, axis=1)
    noise = normals(seed, "planted rating", everybody[:, None], chosen)
    quantile = sigmoid(1.702 * (strength * (like - like.mean()) + truth.quality[chosen] + noise) / (1.0 + strength))
    rating = 1.0 + np.minimum(np.floor(5.0 * quantile), 4.0)
    when = np.argsort(np.argsort(uniforms(seed, "planted time", everybody[:, None], chosen), axis=1), axis=1)
    items = Ids(tuple(f"i{i}" for i in range(n_items)), "item")
    genres = tuple(
        tuple(f"{'high' if truth.items[i, j] > 0 else 'low'} {j}" for j in np.argsort(-np.abs(truth.items[i]))[:2])
        for i in range(n_items)
    )
    data = Dataset(
        users=Ids(tuple(f"u{u}" for u in range(n_users)), "user"),
        items=items,
        catalogue=ItemTable(items, tuple(f"Title {i} ({1970 + i % 50})" for i in range(n_items)), genres),
        log=Interactions.ordered(
            np.repeat(everybody, per_user), chosen.ravel(), rating.ravel(), 1_000_000 + 3600 * when.ravel()
        ),
        feedback="rating",
        scale=RatingScale(1, 5, 1),
        name="planted",
    )
    return PlantedWorld(data, truth)
