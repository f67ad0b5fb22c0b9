"""What `validity` looks at: real held-out quality, and what users do, before their own lists and before another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ...agents.personas import sample_users
from ...methods.recommenders.held_out import held_out_quality
from ...methods.recommenders.open import BASELINES
from ..outcome.facts import Facts, Floats, facts
from .stand_ins import HERE, lend, taken_for
from .study import StudyError
from .validity_design import BY_KEY, REAL, SHOWN, ValidityConfig
from .workshop import Workshop


@dataclass(frozen=True)
class Sample:
    """What users did in every arm. `sums[metric]`: (seeds, arms, users, k); a user that a seed does not play has noughts."""

    users: tuple[str, ...]
    sums: Mapping[str, Floats]


class Real(NamedTuple):
    """Held-out quality of every arm. `values[metric]`: (arms, users)."""

    users: tuple[str, ...]
    values: Mapping[str, Floats]


def real_quality(config: ValidityConfig, workshop: Workshop) -> dict[str, Any]:
    """Held-out quality per user and arm, for every user with held-out rows."""
    found: dict[str, Any] = {"values": {}}
    for arm, changes in config.arms.items():
        settings = config.rehearsals(**changes)
        test = workshop.shared.split(settings).test
        if not len(test):
            raise StudyError("no rows are held out, so there is nothing real to rank by\n  set test above 0, say 0.2")
        quality = held_out_quality(workshop.shared.recommender(settings), test, REAL)
        found["users"] = list(quality.cases)
        found["values"][arm] = {key: quality[key].round(6).tolist() for key in REAL}
    return found


def read_real(found: Mapping[str, Any]) -> Real:
    return Real(tuple(found["users"]), {key: np.array([arm[key] for arm in found["values"].values()]) for key in REAL})


async def play(config: ValidityConfig, workshop: Workshop, changes: Mapping[str, Any], variant: str = "") -> Sample:
    """Every arm under every seed."""
    read: list[list[Facts]] = []
    for seed in config.all_seeds:
        row: list[Facts] = []
        for number, (arm, own) in enumerate(config.arms.items()):
            name = f"{_slug(variant)}{number}-{_slug(arm)}seed{seed}"
            shown = own if seed == config.seed else _fixed(own, config, workshop)
            await workshop.rehearse(name, config.rehearsals(**{**changes, **shown, "seed": seed}))
            with workshop.opened(name) as run:
                row.append(facts(run))
        read.append(row)
    return sample_of(read)


def _fixed(own: dict[str, Any], config: ValidityConfig, workshop: Workshop) -> dict[str, Any]:
    """The arm's recommender as the first seed made it, where that is ours to keep: real quality was measured of that one."""
    base = own["recommender"]
    if base not in BASELINES and not base.startswith(HERE):
        return own
    _lend(own, config, workshop)
    inner = {"base": base, "made_with": config.seed, "config": own["recommender_config"]}
    return {"recommender": f"{HERE}:Fixed", "recommender_config": inner}


def _lend(own: dict[str, Any], config: ValidityConfig, workshop: Workshop) -> None:
    """Spare stand-ins a second fit of what the first seed has fitted."""
    base, settings = own["recommender"], config.rehearsals(**own)
    if base in BASELINES:  # they never change once fitted, which nobody can promise of a recommender of the user's
        train = workshop.shared.split(settings).train
        lend(base, own["recommender_config"], config.seed, train, lambda: workshop.shared.recommender(settings))


async def play_strangers(config: ValidityConfig, workshop: Workshop) -> Sample:
    """The negative control, under the first seed: everybody meets another's lists, and is held against the other's rows."""
    row: list[Facts] = []
    for number, (arm, own) in enumerate(config.arms.items()):
        base = {"base": own["recommender"], "config": own["recommender_config"]}
        settings = config.rehearsals(**own)
        _lend(own, config, workshop)
        inner = {**base, "users": settings.users}
        name = f"strangers-{number}-{_slug(arm)}seed{config.seed}"
        await workshop.rehearse(
            name, config.rehearsals(recommender=f"{HERE}:Strangers", recommender_config=inner, seed=config.seed)
        )
        train = workshop.shared.split(settings).train
        other = taken_for(sample_users(train, settings.users, config.seed))
        with workshop.opened(name) as run:
            read = facts(run)
        held = read.reference["held_out"]
        row.append(replace(read, reference={**read.reference, "held_out": {u: held[other[u]] for u in held}}))
    return sample_of([row])


def _slug(text: str) -> str:
    """A part of a folder's name."""
    kept = "".join(c if c.isalnum() else "-" for c in text.rsplit("/", 1)[-1]).strip("-")
    return f"{kept[:40]}-" if kept else ""


def sample_of(read: Sequence[Sequence[Facts]]) -> Sample:
    users = tuple(sorted({user for row in read for each in row for user in each.agents}))
    place = {user: at for at, user in enumerate(users)}
    sums: dict[str, Floats] = {}
    for key in SHOWN:
        found = [[BY_KEY[key].sums(each) for each in row] for row in read]
        if any(each is None for row in found for each in row):
            continue
        width = 4 if BY_KEY[key].pooled else 2
        filled = np.zeros((len(read), len(read[0]), len(users), width))
        for s, row in enumerate(found):
            for a, each in enumerate(row):
                filled[s, a, [place[user] for user in read[s][a].agents]] = np.column_stack(each or ())
        if (filled[..., 0].sum(axis=(0, 2)) >= BY_KEY[key].least).all():
            sums[key] = filled
    return Sample(users, sums)
