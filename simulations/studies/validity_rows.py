"""The numbers of `validity` about whole orders: agreement with real data, between seeds, between ways of playing."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ..outcome.facts import Floats
from ..outcome.numbers import Baseline, Row, known
from .ranks import by_chance, chance_of, interval, spearman
from .validity_design import BY_KEY, ValidityConfig
from .validity_played import Sample
from .validity_ranks import Agreement, Draws, Drop, agreement, values_of, weights_of


def metric_rows(
    key: str,
    real: str,
    found: Agreement,
    control: Agreement | None,
    drop: Drop | None,
    n: int,
    rivals: tuple[Baseline, ...],
) -> list[Row]:
    label = BY_KEY[key].label
    shuffled = None if control is None else control.rho
    beside = (Baseline(shuffled, "taste-shuffled users (negative control)"), *rivals)
    chance = "" if found.rho is None else f"unrelated orders agree as well with p = {chance_of(found.rho, n):.3g}; "
    tau = interval(found.tau_drawn)
    tau_text = "–" if found.tau is None else f"{found.tau:.2f}"
    if tau.low is not None and tau.high is not None:
        tau_text += f" [{tau.low:.2f}, {tau.high:.2f}]"
    of = "recommenders"
    rows = [
        Row(
            f"rank_{key}",
            f"{label}: Spearman with real {real}",
            found.rho,
            "",
            *interval(found.drawn),
            n,
            of,
            beside,
            f"{chance}Kendall's tau {tau_text}" if found.rho is not None else "all recommenders are alike",
        ),
        Row(
            f"rank_{key}_drawn",
            f"{label}: the same, recommenders drawn too",
            found.rho,
            "",
            *interval(found.both),
            n,
            of,
            rivals[:1],
        ),
    ]
    if drop is not None:
        rows.append(
            Row(
                f"taste_{key}",
                f"{label}: Spearman lost by taste-shuffled users",
                drop.value,
                "",
                drop.low,
                drop.high,
                n,
                of,
                (Baseline(0.0, "nothing in the order hangs on taste"),),
            )
        )
    return rows


def retest_rows(key: str, sums: Floats, weights: Floats, n: int) -> list[Row]:
    """Mean rank correlation between seeds: sums (seeds, arms, users, k)."""
    label = f"{BY_KEY[key].label}: Spearman between seeds"
    if len(sums) < 2:
        return [Row(f"retest_{key}", label, None, note="one seed only")]
    by_seed = [values_of(each, weights) for each in sums]
    both = list(combinations(by_seed, 2))
    # Draws in which a seed's users are all absent leave no value, and are left out.
    drawn = np.mean([spearman(a.drawn, b.drawn) for a, b in both], axis=0)
    value = known(float(np.mean([spearman(a.all, b.all) for a, b in both])))
    low, high = by_chance(n)
    return [
        Row(
            f"retest_{key}",
            label,
            value,
            "",
            *interval(drawn),
            len(sums),
            "seeds, each with other users and other chance",
            (Baseline(0.0, f"unrelated orders (95 %: {low:.2f} to {high:.2f})"),),
        )
    ]


def variant_rows(
    name: str,
    config: ValidityConfig,
    sample: Sample,
    truly: Draws,
    own: Sample,
    n: int,
    rivals: tuple[Baseline, ...],
) -> list[Row]:
    """Another way of playing: its agreement with real data, and with the first way."""
    key = config.metric
    label = f"{BY_KEY[key].label}, {name}"
    if key not in sample.sums:
        return [
            Row(f"rank_{key}@{name}", f"{label}: Spearman with real {config.real}", None, note="nothing to rank by")
        ]
    weights = weights_of(len(sample.users))
    other = values_of(sample.sums[key].sum(axis=0), weights)
    found = agreement(other, truly)
    rows = [
        Row(
            f"rank_{key}@{name}",
            f"{label}: Spearman with real {config.real}",
            found.rho,
            "",
            *interval(found.drawn),
            n,
            "recommenders",
            rivals,
        )
    ]
    first = own.sums[key].sum(axis=0)
    if sample.users == own.users:
        beside = agreement(other, values_of(first, weights))
        rows.append(
            Row(
                f"agree_{key}@{name}",
                f"{label}: Spearman with the first way of playing",
                beside.rho,
                "",
                *interval(beside.drawn),
                n,
                "recommenders",
                rivals[:1],
            )
        )
    return rows
