"""Scripted users whose tastes are planted, before a recommender: a rehearsal whose right outcome is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...agents.affinity import TasteModel
from ...agents.ask import World
from ...agents.personas import build_personas
from ...agents.scripted import ScriptedConfig, ScriptedPopulation
from ...data import Split
from ...methods.recommenders import open_recommender
from ...runs import Event
from ..minds import ScriptedMind
from ..outcome.facts import Facts, read_facts
from ..policy import Policy
from ..population import Population
from ..preparation import open_actions

TASTE_ALONE = ScriptedConfig(quality=0.0, popularity=0.0, own=(1.0, 1.0, 1.0))


async def planted_facts(
    truth: TasteModel,
    split: Split,
    recommender: str,
    config: Mapping[str, Any] | None,
    *,
    pages: int,
    page_size: int,
    seed: int,
    exchanged: bool = False,
) -> Facts:
    """Everybody of a planted world (its truth and its rows, split) browses the recommender, which knows the training rows
    alone; nothing is written.

    They choose by taste alone, not by what is popular or good. `exchanged`: each has the taste of another.
    """
    train, _, test = split
    personas = build_personas(train)
    rows = train.users.indices([p.user for p in personas])
    if exchanged:
        rows = np.roll(rows, 1)
    # Items of one length: else those that divide people, which a recommender shows more, are rated higher by whoever watches.
    directions = truth.items / np.linalg.norm(truth.items, axis=1, keepdims=True)
    scores = truth.users[rows] @ directions.T
    own = TasteModel(
        truth.users[rows], directions, scores.mean(axis=1), scores.std(axis=1), truth.quality, truth.popularity
    )
    actions = open_actions("films")
    users = [p.user for p in personas]
    policy = Policy(
        open_recommender(recommender, seed=seed, config=config).fit(train),
        train,
        users,
        page_size=page_size,
        pages=pages,
        seed=seed,
    )
    world = World(train.catalogue, train.scale, actions, seed, pages)
    mind = ScriptedMind(world, ScriptedPopulation(train, personas, TASTE_ALONE, seed=seed, truth=own))
    population = Population(personas, policy, mind, actions, pages=pages, seed=seed)
    held = {user: list(test.history(user).items) for user in users}
    scale = None if train.scale is None else [train.scale.low, train.scale.high, train.scale.step]
    events = [Event("reference", data={"held_out": held, "scale": scale})]
    events += [Event("persona", agent=p.user, data=p.json_dict()) for p in personas]
    await policy.open()
    while not population.finished:
        page = population.page
        for user, record in await population.astep():
            acted = [{**action, "positive": actions[action["action"]].positive} for action in record["actions"]]
            events.append(Event("page", agent=user, page=page, data={**record, "actions": acted}))
    return read_facts(events)
