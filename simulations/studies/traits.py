"""Does a trait show in behaviour, and as it does in real users? Groups of activity, conformity and diversity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from ...agents.trait_texts import TRAIT_NAMES
from ...data import Dataset
from ...evaluators import bootstrap_mean
from ..outcome.facts import Facts, Floats, Ints, facts
from ..outcome.numbers import Baseline, Row, Unit, known, resamples
from ..outcome.users import pages_seen
from .honesty import who_played
from .ranks import interval, spearman
from .study import Plot, Result, Series, StudyConfig, StudyError
from .workshop import Workshop

Positions = npt.NDArray[np.integer[Any]]

USERS = 300
PERMUTATIONS = 2_000


class TraitsConfig(StudyConfig):
    seeds: PositiveInt = 3
    """Repetitions, each with other users and other chance."""


class Aspect(NamedTuple):
    """What a trait should show in. `simulated` and `real` (users,), NaN where a user has none; `real` None: no log says it."""

    key: str
    trait: str
    label: str
    unit: Unit
    simulated: Floats
    real: Floats | None


class Traits:
    """Behaviour of trait groups beside that of the same real users in held-out rows, and whether it rises with the level."""

    name: ClassVar[str] = "traits"
    question: ClassVar[str] = "Do simulated users differ by trait as the real ones do?"
    config_type: ClassVar[type[StudyConfig]] = TraitsConfig

    async def carry_out(self, config: TraitsConfig, workshop: Workshop) -> Result:
        users = config.rehearsal.get("users", USERS)
        read = []
        for seed in config.all_seeds:
            name = f"seed{seed}"
            await workshop.rehearse(name, config.settings(users=users, seed=seed))
            with workshop.opened(name) as run:
                read.append(facts(run))
        split = workshop.shared.split(config.settings(users=users))
        return _result(read, split.train, split.test, who_played(workshop))


def _result(read: Sequence[Facts], train: Dataset, test: Dataset, notes: list[str]) -> Result:
    users = tuple(sorted({user for each in read for user in each.agents}))
    personas = {user: persona for each in read for user, persona in each.personas.items()}
    levels = {trait: np.array([int(personas[user].get(trait) or 0) for user in users]) for trait in TRAIT_NAMES}
    rows: list[Row] = []
    plots: list[Plot] = []
    found: list[tuple[Aspect, Row]] = []
    for aspect in _aspects(read, users, train, test):
        level = levels[aspect.trait]
        trend = _trend(aspect, level)
        found.append((aspect, trend))
        rows += [trend, *_group_rows(aspect, level)]
        if trend.value is not None:
            plots.append(_plot(aspect, level))
    if not found:
        raise StudyError("the data tells no trait of these users\n  name data with ratings or genres")
    cases = [
        {"user": user}
        | {trait: int(levels[trait][at]) or None for trait in levels}
        | {a.key: known(float(a.simulated[at])) for a, _ in found}
        | {f"real_{a.key}": known(float(a.real[at])) for a, _ in found if a.real is not None}
        for at, user in enumerate(users)
    ]
    notes = [
        *notes,
        "real: the same users' held-out rows, which neither traits nor users were built from",
        "a trend is Spearman's correlation of level and behaviour over users; its control exchanges the levels between users",
    ]
    return Result(_verdict([(a, t) for a, t in found if t.value is not None]), rows, {"users": cases}, plots, notes)


def _aspects(read: Sequence[Facts], users: tuple[str, ...], train: Dataset, test: Dataset) -> list[Aspect]:
    place = {user: at for at, user in enumerate(users)}
    column = {item: at for at, item in enumerate(train.items.ids)}
    n, genres = len(users), [frozenset(train.catalogue.genres(item)) for item in train.items.ids]
    means = train.mean_rating() if train.scale is not None else np.full(len(column), np.nan)
    watched, pages, plays, square, rated, kinds = (np.zeros(n) for _ in range(6))
    for each in read:
        who = np.array([place[user] for user in each.agents])
        plays[who] += 1
        pages[who] += pages_seen(each)
        at = who[each.agent]
        items = np.array([column[item] for item in each.item], dtype=int)
        np.add.at(watched, at[each.positive], 1.0)
        apart = (each.rating - means[items]) ** 2
        there = ~np.isnan(apart)
        np.add.at(square, at[there], apart[there])
        np.add.at(rated, at[there], 1.0)
        kinds += _kinds(at[each.positive], items[each.positive], genres, n)
    log = test.log
    own = np.array([place.get(user, -1) for user in test.users.ids])[log.user]
    mine = own >= 0
    count = np.bincount(own[mine], minlength=n).astype(np.float64)
    real_square = (log.value[mine] - means[log.item[mine]]) ** 2
    known_ = ~np.isnan(real_square)
    real_rated = np.bincount(own[mine][known_], minlength=n).astype(float)
    total = np.bincount(own[mine][known_], weights=real_square[known_], minlength=n).astype(np.float64)
    real_apart = _per(total, real_rated)
    real_kinds = np.where(count > 0, _kinds(own[mine], log.item[mine], genres, n), np.nan)
    aspects = [
        Aspect("watched", "activity", "Items watched", "", _per(watched, plays), count),
        Aspect("pages", "activity", "Pages seen", "", _per(pages, plays), None),
    ]
    if rated.any():
        aspects.append(
            Aspect(
                "deviation",
                "conformity",
                "Squared deviation from the item's mean rating",
                "rating",
                _per(square, rated),
                real_apart,
            )
        )
    if any(genres):
        mix = np.where(watched > 0, _per(kinds, plays), np.nan)
        aspects.append(Aspect("genres", "diversity", "Genres among what was watched", "", mix, real_kinds))
    return aspects


def _kinds(who: Positions, items: Positions, genres: Sequence[frozenset[str]], n: int) -> Floats:
    """Different genres among each user's items: (n,)."""
    found: list[set[str]] = [set() for _ in range(n)]
    for user, item in zip(who.tolist(), items.tolist(), strict=True):
        found[user] |= genres[item]
    return np.array([len(each) for each in found], dtype=float)


def _per(total: Floats, n: Floats) -> Floats:
    return np.divide(total, n, out=np.full(len(total), np.nan), where=n > 0)


def _correlation(level: Ints, values: Floats) -> tuple[float | None, Floats, Floats]:
    """Level and value over users: the correlation, in draws of users, and with the levels exchanged."""
    there = (level > 0) & ~np.isnan(values)
    x, y = level[there].astype(float), values[there]
    if len(x) < 3 or len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return None, np.zeros(0), np.zeros(0)
    rng = np.random.default_rng(0)
    again = rng.integers(0, len(x), (PERMUTATIONS // 2, len(x)))
    mixed = rng.permuted(np.tile(x, (PERMUTATIONS, 1)), axis=1)
    return float(spearman(x, y)), spearman(x[again], y[again]), spearman(mixed, np.broadcast_to(y, mixed.shape))


def _trend(aspect: Aspect, level: Ints) -> Row:
    value, drawn, mixed = _correlation(level, aspect.simulated)
    label = f"{aspect.label} by {aspect.trait}: trend"
    if value is None:
        return Row(f"trend_{aspect.key}", label, None, note=f"all users are alike in {aspect.trait} or in this")
    real = None if aspect.real is None else _correlation(level, aspect.real)[0]
    words = "none: rating logs hold no pages" if aspect.real is None else "of the same real users, held-out rows"
    low, high = np.nanquantile(mixed, [0.025, 0.975])
    p = (1 + int((np.abs(mixed) >= abs(value) - 1e-12).sum())) / (1 + len(mixed))
    note = f"p = {p:.3g} by exchanging levels" + ("" if p < 0.05 else "; no trend found")
    return Row(
        f"trend_{aspect.key}",
        label,
        value,
        "",
        *interval(drawn),
        int(((level > 0) & ~np.isnan(aspect.simulated)).sum()),
        "users",
        (
            Baseline(real, words),
            Baseline(float(np.mean(mixed)), f"levels exchanged (95 %: {low:.2f} to {high:.2f})"),
        ),
        note,
    )


def _groups(aspect: Aspect, level: Ints) -> list[tuple[int, str]]:
    names = TRAIT_NAMES[aspect.trait]
    return [(value, names.get(value, str(value))) for value in sorted({int(x) for x in level} - {0})]


def _mean(values: Floats) -> tuple[float | None, float | None, float | None, int]:
    there = values[~np.isnan(values)]
    if not len(there):
        return None, None, None, 0
    found = bootstrap_mean(there, draws=min(2_000, resamples(len(there))))
    return known(found.mean), known(found.low), known(found.high), found.n


def _group_rows(aspect: Aspect, level: Ints) -> list[Row]:
    rows = []
    for value, name in _groups(aspect, level):
        mean, low, high, n = _mean(aspect.simulated[level == value])
        real = None if aspect.real is None else _mean(aspect.real[level == value])[0]
        words = "none: rating logs hold no pages" if aspect.real is None else "the same real users, held-out rows"
        rows.append(
            Row(
                f"{aspect.key}_{value}",
                f"{aspect.label}, {aspect.trait} {value} ({name})",
                mean,
                aspect.unit,
                low,
                high,
                n,
                "users",
                (Baseline(real, words), Baseline(_mean(aspect.simulated[level > 0])[0], "all groups")),
                "" if n else "nobody in this group has any",
            )
        )
    return rows


def _plot(aspect: Aspect, level: Ints) -> Plot:
    groups = _groups(aspect, level)
    series = []
    for name, values in (("simulated", aspect.simulated), ("real, held out", aspect.real)):
        if values is None:
            continue
        found = [_mean(values[level == value]) for value, _ in groups]
        series.append(Series(name, [f[0] for f in found], [f[1] for f in found], [f[2] for f in found]))
    return Plot(
        aspect.key, f"{aspect.label} by {aspect.trait}", "lines", [name for _, name in groups], series, aspect.label,
        aspect.trait,
    )  # fmt: skip


def _verdict(found: Sequence[tuple[Aspect, Row]]) -> str:
    said: dict[str, list[str]] = {}
    for aspect, trend in found:
        shows = trend.low is not None and trend.high is not None and (trend.low > 0 or trend.high < 0)
        shows = shows and "no trend" not in trend.note
        real = trend.baselines[0].value
        what = f"{aspect.label.lower()} by {aspect.trait} ({trend.value:+.2f}"
        what += ")" if real is None else f", real {real:+.2f})"
        if not shows:
            said.setdefault("no trend found in", []).append(what)
        elif real is None:
            said.setdefault("a trend in", []).append(what)
        elif real * (trend.value or 0.0) > 0:
            said.setdefault("as in real users", []).append(what)
        else:
            said.setdefault("against real users", []).append(what)
    return "; ".join(f"{head}: {', '.join(each)}" for head, each in said.items()) or "no trait could be looked at"
