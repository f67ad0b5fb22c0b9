"""The controls of `validity` in a world of known tastes: its instrument must find a known order, and none where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...agents.planted import planted_world
from ..outcome.numbers import Baseline, Row, known
from .planted_users import planted_facts
from .ranks import interval, spearman
from .stand_ins import HERE
from .validity_design import BY_KEY, LADDER, ValidityConfig
from .validity_played import sample_of
from .validity_ranks import values_of, weights_of

PLANTED_RIGHT = 0.8
"""Least rank correlation with the known order at which the positive control has passed."""


async def play_planted(config: ValidityConfig) -> dict[str, Any]:
    """A ladder of known order before users who care about planted taste alone: their own lists (positive control), and
    with tastes exchanged between users (negative control). Sums per metric: (arms, users, k)."""
    world = planted_world(300, 200, per_user=24, seed=config.seed)
    split = world.data.split(how="user_time", test=0.2)
    settings = config.rehearsals()
    found = {}
    for kind in ("planted", "exchanged"):
        read = [
            await planted_facts(
                world.truth,
                split,
                f"{HERE}:Degraded",
                {"base": "ease", "share": share},
                pages=settings.pages,
                page_size=settings.page_size,
                seed=config.seed,
                exchanged=kind == "exchanged",
            )
            for share in LADDER
        ]
        sums = sample_of([read]).sums
        found[kind] = {key: sums[key][0].tolist() for key in sums if key != "lift"}  # no quality of a recommender
    return found


def planted_rows(found: Mapping[str, Any]) -> dict[str, Row]:
    right = -np.array(LADDER)
    known_order = Baseline(1.0, "the known order: EASE with " + ", ".join(f"{s:.0%}" for s in LADDER) + " random")
    words = {"planted": "Positive control, planted taste", "exchanged": "Negative control, tastes exchanged"}
    rows = {}
    for kind, by_metric in found.items():
        for key, sums in by_metric.items():
            values = values_of(np.array(sums), weights_of(np.array(sums).shape[1]))
            rows[f"{kind}_{key}"] = Row(
                f"{kind}_{key}",
                f"{words[kind]}: {BY_KEY[key].label.lower()}",
                known(float(spearman(values.all, right))),
                "",
                *interval(spearman(values.drawn, np.broadcast_to(right, values.drawn.shape))),
                len(LADDER),
                "recommenders of known order",
                (known_order if kind == "planted" else Baseline(0.0, "no taste, no order"),),
            )
    return rows
