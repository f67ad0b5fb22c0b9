"""Ratings given, beside these users' own: mean, distribution, and what sampling noise alone would do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...evaluators import histogram, jensen_shannon, wasserstein
from .facts import Facts, Floats
from .numbers import Baseline, Row, Unit, known, mean_row
from .shapes import Shares
from .users import mean_rating_per_user

NOISE_DRAWS = 500

SIMULATED, REAL, EVERYBODY = "simulated", "these users, real", "all users, real"


def rating_rows(facts: Facts) -> list[Row]:
    """Mean rating; low ratings; Jensen-Shannon and Wasserstein distance to the real histogram, with noise floor and uniform."""
    labels = {
        "rating": "Mean rating",
        "low_ratings": "Ratings in the lowest two fifths",
        "rating_jsd": "Rating histogram, Jensen–Shannon",
        "rating_wasserstein": "Rating histogram, Wasserstein",
    }
    rated = facts.rating[~np.isnan(facts.rating)]
    if facts.reference.get("scale") is None:
        return [Row(key, label, None, note="the data has no ratings") for key, label in labels.items()]
    if not len(rated):
        return [Row(key, label, None, note="no rating was given") for key, label in labels.items()]
    given = mean_rating_per_user(facts)
    own = np.array([_own_mean(facts, user) for user, mean in zip(facts.agents, given, strict=True) if mean == mean])
    own = own[~np.isnan(own)]
    mean = mean_row(
        "rating",
        labels["rating"],
        given,
        "rating",
        Baseline(float(own.mean()) if len(own) else None, "these users' own mean in the training rows"),
        empty="no rating was given",
    )
    shares, lost = rating_shares(facts)
    if shares is None or not shares.total(SIMULATED):
        why = "no rating lies on the data's scale" if shares else "the data's rating levels are not known"
        return [mean, *(Row(key, labels[key], None, note=why) for key in list(labels)[1:])]
    note = f"{lost} ratings off the scale are left out" if lost else ""
    return [mean, *_distances(shares, labels, note)]


def _distances(shares: Shares, labels: dict[str, str], note: str) -> list[Row]:
    levels = np.array([float(x) for x in shares.labels])
    simulated, real = (np.array(shares.series[name], dtype=float) for name in (SIMULATED, REAL))
    n = int(simulated.sum())
    low = slice(max(1, round(0.4 * len(levels))))  # of 1..5: 1 and 2
    lowest = Row(
        "low_ratings",
        labels["low_ratings"],
        float(simulated[low].sum() / n),
        "share",
        n=n,
        of="ratings",
        baselines=(
            Baseline(float(real[low].sum() / real.sum()) if real.sum() else None, "of these users' own ratings"),
        ),
        note=note,
    )
    if not real.sum():
        why = "these users' own ratings are not known"
        return [lowest, *(Row(key, labels[key], None, note=why) for key in ("rating_jsd", "rating_wasserstein"))]
    noise = np.random.default_rng(0).multinomial(n, real / real.sum(), size=NOISE_DRAWS).astype(float)
    uniform = np.ones(len(levels))
    rows = [lowest]
    distances: tuple[tuple[str, Unit, Callable[[Floats, Floats], float]], ...] = (
        ("rating_jsd", "bits", jensen_shannon),
        ("rating_wasserstein", "rating", lambda p, q: wasserstein(p, q, levels)),
    )
    for key, unit, distance in distances:
        floor = np.array([distance(draw, real) for draw in noise])
        rows.append(
            Row(
                key,
                labels[key],
                distance(simulated, real),
                unit,
                n=n,
                of="ratings",
                baselines=(
                    Baseline(
                        float(floor.mean()),
                        f"noise floor: {n} ratings redrawn from the real histogram (95 % below "
                        f"{np.quantile(floor, 0.95):.3g})",
                    ),
                    Baseline(distance(uniform, real), "every level equally often"),
                ),
                note=note,
            )
        )
    return rows


def rating_shares(facts: Facts) -> tuple[Shares | None, int]:
    """Simulated and real ratings by level, and how many simulated ones lie on no level. None without a scale."""
    levels = [float(x) for x in facts.reference.get("rating_levels") or []]
    if not levels:
        return None, 0
    rated = facts.rating[~np.isnan(facts.rating)]
    grid = np.array(levels)
    on = np.isclose(rated, grid[np.abs(rated[:, None] - grid).argmin(axis=1)], rtol=0, atol=1e-6)
    step = (facts.reference.get("scale") or [0, 0, 0])[2]
    if len(grid) > 1 and not np.isclose(
        grid[1] - grid[0], step
    ):  # a finer scale than is shown: the nearest level counts
        on = np.ones_like(on)
    series: dict[str, tuple[float, ...]] = {SIMULATED: _floats(histogram(rated[on], levels, nearest=True))}
    for name, key in ((REAL, "real_ratings"), (EVERYBODY, "real_ratings_all")):
        series[name] = _floats(facts.reference.get(key) or [0] * len(levels))
    return Shares(tuple(f"{level:g}" for level in levels), series), int((~on).sum())


def _floats(values: object) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=float).tolist())


def _own_mean(facts: Facts, user: str) -> float:
    value = known((facts.personas.get(user) or {}).get("mean_rating"))
    return float("nan") if value is None else value
