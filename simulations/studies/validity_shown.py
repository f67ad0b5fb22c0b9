"""The per-case rows and the pictures of `validity`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..outcome.numbers import known
from ..sweep.contrast import ratio
from .ranks import interval
from .study import Plot, Series
from .validity_design import BY_KEY, ValidityConfig
from .validity_pairs import Pair
from .validity_played import Real, Sample
from .validity_ranks import Agreement, Draws, agreement


def cases_of(
    config: ValidityConfig,
    arms: Sequence[str],
    real: Real,
    own: Sample,
    played: Mapping[str, Draws],
    alien: Mapping[str, Draws],
    pairs: Mapping[str, Sequence[Pair]],
) -> dict[str, list[dict[str, Any]]]:
    recommenders = [
        {
            "recommender": arm,
            **{key: known(float(values[a].mean())) for key, values in real.values.items()},
            **{key: known(float(each.all[a])) for key, each in played.items()},
            **{f"{key}_shuffled": known(float(each.all[a])) for key, each in alien.items()},
        }
        for a, arm in enumerate(arms)
    ]
    between = [
        {
            "metric": key,
            "a": pair.a,
            "b": pair.b,
            **{f"real_{name}": getattr(pair.real, name) for name in ("value", "low", "high", "p")},
            **{f"simulated_{name}": getattr(pair.simulated, name) for name in ("value", "low", "high", "p")},
            "told": pair.told,
            "right": pair.right,
        }
        for key, each in pairs.items()
        for pair in each
    ]
    users = [
        {"seed": seed, "recommender": arm, "user": own.users[u]}
        | {key: known(float(ratio(*sums[s, a, u]))) for key, sums in own.sums.items() if key != "lift"}
        for s, seed in enumerate(config.all_seeds)
        for a, arm in enumerate(arms)
        for u in np.flatnonzero(own.sums["pages"][s, a, :, 1])
    ]
    held = [
        {"recommender": arm, "user": user, **{key: float(values[a, u]) for key, values in real.values.items()}}
        for a, arm in enumerate(arms)
        for u, user in enumerate(real.users)
    ]
    return {"recommenders": recommenders, "pairs": between, "users": users, "held_out": held}


def plots_of(
    config: ValidityConfig,
    arms: Sequence[str],
    truly: Draws,
    played: Mapping[str, Draws],
    agreements: Mapping[str, Agreement],
    alien: Mapping[str, Draws],
) -> list[Plot]:
    keys = list(agreements)
    control = [agreement(alien[key], truly) if key in alien else None for key in keys]
    bounds = [interval(agreements[key].drawn) for key in keys]
    lost = [interval(each.drawn) if each else None for each in control]
    order = np.argsort(-truly.all, kind="stable")
    low, high = (np.quantile(truly.drawn, q, axis=0) for q in (0.025, 0.975))
    simulated = played[config.metric]
    s_low, s_high = (np.nanquantile(simulated.drawn, q, axis=0) for q in (0.025, 0.975))
    named = [arms[int(a)] for a in order]
    return [
        Plot(
            "ranks",
            "Agreement with the real order",
            "dots",
            [BY_KEY[key].label for key in keys],
            [
                Series(
                    "own lists", [agreements[k].rho for k in keys], [b.low for b in bounds], [b.high for b in bounds]
                ),
                Series(
                    "another's lists",
                    [each.rho if each else None for each in control],
                    [b.low if b else None for b in lost],
                    [b.high if b else None for b in lost],
                ),
            ],
            f"Spearman with real {config.real}",
            reference=(0.0, "unrelated"),
        ),
        Plot(
            "real",
            f"Real {config.real}",
            "dots",
            named,
            [Series(config.real, truly.all[order].tolist(), low[order].tolist(), high[order].tolist())],
            config.real,
        ),
        Plot(
            "simulated",
            f"Simulated {BY_KEY[config.metric].label.lower()}, in the real order",
            "dots",
            named,
            [
                Series(
                    BY_KEY[config.metric].label,
                    simulated.all[order].tolist(),
                    s_low[order].tolist(),
                    s_high[order].tolist(),
                )
            ],
            BY_KEY[config.metric].label,
        ),
    ]
