"""Do simulated users rate as real ones do? Histograms, their distance, low ratings, and whose ratings they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pydantic import PositiveInt

from ...data import Dataset
from ...evaluators import histogram, jensen_shannon, paired_difference, wasserstein
from ..outcome.facts import Facts, Floats, facts
from ..outcome.numbers import Baseline, Row, known, mean_row, ratio_interval, resamples, user_weights
from .honesty import who_played
from .study import Plot, Result, Series, StudyConfig, StudyError
from .workshop import Workshop

DRAWS = 500
ROTATIONS = 20
"""Other users that each user's ratings are held against in the control."""


class RatingsConfig(StudyConfig):
    seeds: PositiveInt = 3
    """Repetitions, each with other users and other chance."""


class Given(NamedTuple):
    """Ratings by user and level, (users, levels): simulated, and the same users' held-out ones (once per seed that plays
    the user). `others`: held-out ratings of users who do not play. `mean`: of the players' training ratings."""

    users: tuple[str, ...]
    levels: Floats
    simulated: Floats
    real: Floats
    others: Floats
    mean: float


class Ratings:
    """Holds what simulated users rate against what the same users really rated in rows that nothing was built from."""

    name: ClassVar[str] = "ratings"
    question: ClassVar[str] = "Do simulated users rate as the real ones do?"
    config_type: ClassVar[type[StudyConfig]] = RatingsConfig

    async def carry_out(self, config: RatingsConfig, workshop: Workshop) -> Result:
        settings = config.settings()
        split = workshop.shared.split(settings)
        if split.train.scale is None:
            raise StudyError(f"{split.train.name} has no ratings, so there is nothing to compare\n  name data that has")
        read = []
        for seed in config.all_seeds:
            name = f"seed{seed}"
            await workshop.rehearse(name, config.settings(seed=seed))
            with workshop.opened(name) as run:
                read.append(facts(run))
        given = _given(read, split.train, split.test)
        if not given.simulated.sum():
            return Result(
                "nothing to compare: these users rated nothing",
                [Row("jsd", "Rating histogram, Jensen–Shannon", None, note="nothing was rated")],
                notes=who_played(workshop),
            )
        if not given.real.sum():
            raise StudyError("these users have no held-out ratings to compare with\n  set test above 0, say 0.2")
        return _result(given, who_played(workshop))


def _given(read: list[Facts], train: Dataset, test: Dataset) -> Given:
    levels = np.array(read[0].reference["rating_levels"], dtype=float)
    plays = Counter(user for each in read for user in each.agents)
    users = tuple(sorted(plays))
    place = {user: at for at, user in enumerate(users)}
    simulated = np.zeros((len(users), len(levels)))
    for each in read:
        rated = np.flatnonzero(~np.isnan(each.rating))
        nearest = np.abs(each.rating[rated][:, None] - levels).argmin(axis=1)
        who = np.array([place[user] for user in each.agents])[each.agent[rated]]
        np.add.at(simulated, (who, nearest), 1.0)
    held = {user: _hist(test.history(user).values, levels) for user in test.users.ids}
    real = np.array([held[user] * plays[user] for user in users])
    rest = [counts for user, counts in held.items() if user not in plays and counts.sum()]
    values = np.concatenate([train.history(user).values for user in users])
    return Given(users, levels, simulated, real, np.array(rest).reshape(-1, len(levels)), float(values.mean()))


def _hist(values: Any, levels: Floats) -> Floats:
    return histogram(values, levels.tolist(), nearest=True).astype(float)


Distance = Callable[[Floats, Floats], float]


def _distances(levels: Floats) -> Mapping[str, tuple[str, Any, Distance]]:
    return {
        "jsd": ("Rating histogram, Jensen–Shannon", "bits", jensen_shannon),
        "wasserstein": ("Rating histogram, Wasserstein", "rating", lambda p, q: wasserstein(p, q, levels)),
    }


def _result(given: Given, notes: list[str]) -> Result:
    levels, simulated, real = given.levels, given.simulated.sum(axis=0), given.real.sum(axis=0)
    rows, n = [], int(simulated.sum())
    weights = user_weights(len(given.users), 0)[:DRAWS].astype(float)
    drawn = list(zip(weights @ given.simulated, weights @ given.real, strict=True))
    floor, alone = _floor(given), _at(levels, given.mean)
    highest = {}
    for key, (label, unit, distance) in _distances(levels).items():
        least = np.array([distance(each, real) for each in floor])
        highest[key] = float(np.quantile(least, 0.95))
        spread = [distance(a, b) for a, b in drawn if a.sum() and b.sum()]
        low, high = np.quantile(spread, [0.025, 0.975]) if len(given.users) > 1 else (None, None)
        rows.append(
            Row(
                key,
                label,
                distance(simulated, real),
                unit,
                None if low is None else float(low),
                None if high is None else float(high),
                n,
                "ratings",
                (
                    Baseline(
                        float(least.mean()), f"as many real ratings of other users (95 % below {highest[key]:.3g})"
                    ),
                    Baseline(distance(alone, real), "everything rated with the users' mean"),
                ),
            )
        )
    rows += _low_rows(given)
    own, other, flat = _whose(given)
    gap = None
    if len(own) > 1:
        gap = paired_difference(other, own, draws=resamples(len(own)))
        rows += _whose_rows(own, other, flat, gap)
    shares = [(simulated / n).tolist(), (real / real.sum()).tolist()]
    bounds = [_share_bounds(weights @ part) for part in (given.simulated, given.real)]
    names = [f"{level:g}" for level in levels]
    plot = Plot(
        "histogram",
        "Ratings",
        "bars",
        names,
        [Series(name, s, *b) for name, s, b in zip(("simulated", "real, held out"), shares, bounds, strict=True)],
        "share of ratings",
        "rating",
    )
    cases = [
        {"user": user, "simulated": s.astype(int).tolist(), "real": r.astype(int).tolist()}
        for user, s, r in zip(given.users, given.simulated, given.real, strict=True)
    ]
    notes = [
        *notes,
        "two samples of one distribution are some distance apart: the first baseline says how far",
        "simulated and real users rate other items: what a recommender shows is better liked than what people find",
    ]
    return Result(
        _verdict(rows[0], highest["jsd"], gap),
        rows,
        {"users": cases},
        [plot],
        notes,
        {"levels": levels.tolist(), "simulated": simulated.tolist(), "real": real.tolist()},
    )


def _floor(given: Given) -> list[Floats]:
    """Histograms of as many real ratings as were simulated, of as many other users; of the same ones where nobody else is."""
    rng, n = np.random.default_rng(0), int(given.simulated.sum())
    pool = given.others if len(given.others) > 1 else given.real
    picks = rng.integers(0, len(pool), (DRAWS, len(given.users)))
    mixed = [pool[pick].sum(axis=0) for pick in picks]
    return [rng.multinomial(n, each / each.sum()).astype(float) for each in mixed if each.sum()]


def _at(levels: Floats, value: float) -> Floats:
    """All at the level nearest to a value."""
    found = np.zeros(len(levels))
    found[np.abs(levels - value).argmin()] = 1.0
    return found


def _low_rows(given: Given) -> list[Row]:
    """Share of the lowest two fifths of the levels (of 1 to 5: 1 and 2), beside the real one, and the difference."""
    low = slice(max(1, round(0.4 * len(given.levels))))
    top = given.levels[low][-1]
    parts = [(each[:, low].sum(axis=1), each.sum(axis=1)) for each in (given.simulated, given.real)]
    values = [float(a.sum() / b.sum()) for a, b in parts]
    label = f"Ratings of {top:g} or less"
    return [
        Row("low", label, values[0], "share", *ratio_interval(0, lambda a, b: a / b, *parts[0]),
            int(given.simulated.sum()), "ratings",
            (Baseline(values[1], "of the same users' held-out ratings"), Baseline(0.0, "users who never rate low"))),
        Row("low_gap", f"{label}, simulated minus real", values[0] - values[1], "share",
            *ratio_interval(0, lambda a, b, c, d: a / b - c / d, *parts[0], *parts[1]),
            len(given.users), "users", (Baseline(0.0, "no difference"),)),
    ]  # fmt: skip


def _whose(given: Given) -> tuple[Floats, Floats, Floats]:
    """Per user with both kinds of ratings: Wasserstein distance to the own real ones, to those of others (the mean over
    `ROTATIONS` of them), and of a user who always gives their own real mean."""
    both = np.flatnonzero((given.simulated.sum(axis=1) > 0) & (given.real.sum(axis=1) > 0))
    simulated, real = _cumulated(given.simulated[both]), _cumulated(given.real[both])
    steps = np.diff(given.levels)

    def apart(a: Floats, b: Floats) -> Floats:
        return np.abs(a - b)[:, :-1] @ steps

    order = np.random.default_rng(0).permutation(len(both))
    shifts = range(1, min(ROTATIONS, len(both) - 1) + 1)
    rotated = np.empty_like(order)
    others = []
    for shift in shifts:
        rotated[order] = np.roll(order, shift)
        others.append(apart(simulated, real[rotated]))
    flat = _cumulated(np.tile(_at(given.levels, given.mean), (len(both), 1)))
    return apart(simulated, real), np.mean(others, axis=0) if others else np.zeros(0), apart(flat, real)


def _cumulated(counts: Floats) -> Floats:
    return np.cumsum(counts / counts.sum(axis=1, keepdims=True), axis=1)


def _whose_rows(own: Floats, other: Floats, flat: Floats, gap: Any) -> list[Row]:
    return [
        mean_row("own", "Wasserstein, each user's ratings to their own real ones", own, "rating",
                 Baseline(float(other.mean()), "to another user's (control)"),
                 Baseline(float(flat.mean()), "of everything rated with the users' mean"), empty="nobody has both"),
        Row("whose", "Nearer to the own ratings than to another user's", gap.mean, "rating", known(gap.low),
            known(gap.high), gap.n, "users", (Baseline(0.0, "ratings that could be anybody's"),),
            "" if gap.found and gap.p_value < 0.05 else "no difference found"),
    ]  # fmt: skip


def _share_bounds(drawn: Floats) -> tuple[list[float], list[float]]:
    shares = drawn / drawn.sum(axis=1, keepdims=True)
    low, high = np.nanquantile(shares, [0.025, 0.975], axis=0)
    return low.tolist(), high.tolist()


def _verdict(row: Row, floor: float, gap: Any) -> str:
    said = f"Jensen–Shannon {row.value:.3f}"
    if row.low is not None and row.high is not None:
        said += f" [{row.low:.3f}, {row.high:.3f}]"
    said += f" to the same users' real ratings; real ratings of others lie below {floor:.3f}"
    apart = row.low is not None and row.low > floor
    first = "simulated ratings are distributed otherwise" if apart else "no difference in distribution found"
    if gap is None:
        return f"{first}: {said}"
    known_ = gap.found and gap.p_value < 0.05 and gap.mean > 0
    return f"{first}: {said}; {'each user rates more like itself than like others' if known_ else 'they could be anybody’s'}"
