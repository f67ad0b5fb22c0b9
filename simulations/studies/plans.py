"""One call a page, or Agent4Rec's own sequence of calls? The same users under both plans of a model that writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pydantic import PositiveInt

from ...runs import Run
from ..config import SimulateConfig
from ..outcome.facts import Facts, Floats, facts
from ..outcome.numbers import Baseline, Row, Unit, known, ratio_interval
from ..outcome.users import last_satisfaction, pages_seen, watch_rate_per_user
from ..sweep.contrast import Difference, interval, paired, ratio
from .honesty import who_played
from .study import Plot, Result, Series, StudyConfig, StudyError
from .workshop import Workshop

FUSED, FAITHFUL, AGAIN = "fused", "faithful", "fused again"
SHUFFLES = 200


class PlansConfig(StudyConfig):
    seeds: PositiveInt = 1
    """Repetitions, each with other users."""
    again: bool = True
    """Ask the fused plan a second time: how far one plan agrees with itself is the most that two can."""


class Played(NamedTuple):
    """One arm under one seed. `chosen`: (user, page, item) -> taken up or not. `calls`, `tokens`, `pages`: (users,)."""

    read: Facts
    chosen: Mapping[tuple[str, int, str], bool]
    calls: Floats
    tokens: Floats
    pages: Floats


class Plans:
    """Rehearses the same users under both plans, and holds choices, satisfaction and cost against each other."""

    name: ClassVar[str] = "plans"
    question: ClassVar[str] = "Does one call a page do what Agent4Rec's sequence of calls does, and what is saved?"
    config_type: ClassVar[type[StudyConfig]] = PlansConfig

    async def carry_out(self, config: PlansConfig, workshop: Workshop) -> Result:
        await _can_write(config.settings(), workshop)
        plans = {FUSED: "fused", FAITHFUL: "faithful"} | ({AGAIN: "fused"} if config.again else {})
        arms: dict[str, list[Played]] = {}
        for seed in config.all_seeds:
            for arm, plan in plans.items():
                name = f"{arm.replace(' ', '-')}-seed{seed}"
                await workshop.rehearse(name, config.settings(plan=plan, mode="generate", seed=seed))
                with workshop.opened(name) as run:
                    arms.setdefault(arm, []).append(_played(run))
        return _result(arms, who_played(workshop))


async def _can_write(settings: SimulateConfig, workshop: Workshop) -> None:
    """Raises `StudyError` before any call where nobody writes, or where what is written means nothing."""
    hint = "\n  name a model that writes, for example openai/gpt-4o-mini or http://localhost:8000/v1#my-model"
    if settings.scripted:
        raise StudyError(f"plans compares the calls of a model, and scripted users make none{hint}")
    async with workshop.door(settings) as door:
        if door.abilities.plumbing_grade:
            raise StudyError(
                f"plans asks what a model writes, and {door.name} is plumbing-grade: it decides nothing{hint}"
            )


def _played(run: Run) -> Played:
    read = facts(run)
    place = {user: at for at, user in enumerate(read.agents)}
    calls, tokens = np.zeros(len(place)), np.zeros(len(place))
    for call in run.calls.all(whole=False):
        if call.agent in place and call.page >= 0:
            calls[place[call.agent]] += 1
            tokens[place[call.agent]] += call.prompt_tokens + call.completion_tokens
    rows = zip(read.agent.tolist(), read.page.tolist(), read.item, read.positive.tolist(), read.answered, strict=True)
    chosen = {(read.agents[who], page, item): took for who, page, item, took, answered in rows if answered}
    return Played(read, chosen, calls, tokens, pages_seen(read).astype(float))


class Both(NamedTuple):
    """What two arms both decided on: user (place among `users`), page and the two choices, (n,) each."""

    users: tuple[str, ...]
    user: np.ndarray
    page: np.ndarray
    a: np.ndarray
    b: np.ndarray


def _both(first: Sequence[Played], second: Sequence[Played]) -> Both:
    users = tuple(sorted({user for each in first for user in each.read.agents}))
    place = {user: at for at, user in enumerate(users)}
    # A page of another seed is another page.
    rows = [
        (place[at[0]], seed * 100_000 + at[1], took, b.chosen[at])
        for seed, (a, b) in enumerate(zip(first, second, strict=True))
        for at, took in a.chosen.items()
        if at in b.chosen
    ]
    columns = np.array(rows, dtype=int).reshape(-1, 4)
    return Both(users, columns[:, 0], columns[:, 1], columns[:, 2] > 0, columns[:, 3] > 0)


def _agreed(both: Both, chosen: np.ndarray) -> tuple[Floats, Floats]:
    """Per user: choices alike, and choices."""
    n = len(both.users)
    same = np.bincount(both.user[both.a == chosen], minlength=n)
    return same.astype(np.float64), np.bincount(both.user, minlength=n).astype(np.float64)


def _by_chance(both: Both) -> float | None:
    """Agreement where every page of the second arm has as many choices, but any of them."""
    if not len(both.user):
        return None
    home = both.user * (int(both.page.max()) + 1) + both.page
    order = np.argsort(home, kind="stable")
    rng, found = np.random.default_rng(0), []
    for _ in range(SHUFFLES):
        mixed = np.empty_like(both.b)
        mixed[order] = both.b[np.argsort(home + rng.random(len(home)))]
        found.append(float((both.a == mixed).mean()))
    return float(np.mean(found))


def _agreement_row(both: Both, ceiling: Both | None) -> Row:
    same, n = _agreed(both, both.b)
    rivals = [Baseline(_by_chance(both), "as many choices of each page, but any of them")]
    if ceiling is not None:
        alike, total = _agreed(ceiling, ceiling.b)
        rivals.append(Baseline(known(float(ratio(alike.sum(), total.sum()))), "the fused plan asked twice"))
    value = known(float(ratio(same.sum(), n.sum())))
    low, high = ratio_interval(0, lambda a, b: a / b, same, n)
    return Row(
        "agreement",
        "Choices alike, faithful and fused",
        value,
        "share",
        low,
        high,
        int(n.sum()),
        "items that both decided on",
        tuple(rivals),
        "" if value is not None else "no item was decided on under both plans",
    )


Sums = Mapping[str, Floats]
"""Measure -> (users, 2): sums of a mean or a ratio."""
MEASURES: dict[str, tuple[str, Unit]] = {
    "watch_rate": ("Watch rate", "share"),
    "satisfaction": ("Satisfaction at the last decision", "points"),
    "seen": ("Pages seen per user", ""),
    "calls": ("Calls per page", ""),
    "tokens": ("Tokens per page", "count"),
    "failed": ("Pages with an unusable answer", "share"),
}


def _sums(arm: Sequence[Played], users: tuple[str, ...]) -> Sums:
    place = {user: at for at, user in enumerate(users)}
    found = {key: np.zeros((len(users), 2)) for key in MEASURES}
    for each in arm:
        who = np.array([place[user] for user in each.read.agents])
        failed = np.bincount(each.read.turn_agent[each.read.turn_failed], minlength=len(who)).astype(float)
        there = np.where(each.pages > 0, each.pages, np.nan)
        for key, value in (
            ("watch_rate", watch_rate_per_user(each.read)),
            ("satisfaction", last_satisfaction(each.read)),
            ("seen", there),
        ):
            known_ = ~np.isnan(value)
            found[key][who] += np.column_stack([np.where(known_, value, 0.0), known_])
        for key, total in (("calls", each.calls), ("tokens", each.tokens), ("failed", failed)):
            found[key][who] += np.column_stack([total, each.pages])
    return found


def _result(arms: Mapping[str, Sequence[Played]], notes: list[str]) -> Result:
    both = _both(arms[FUSED], arms[FAITHFUL])
    ceiling = _both(arms[FUSED], arms[AGAIN]) if AGAIN in arms else None
    sums = {arm: _sums(each, both.users) for arm, each in arms.items()}
    agreement = _agreement_row(both, ceiling)
    rows, gaps = [agreement], {}
    for key, (label, unit) in MEASURES.items():
        gaps[key] = paired(sums[FAITHFUL][key], sums[FUSED][key])
        rows += _measure_rows(key, label, unit, sums, gaps[key])
    notes = [
        *notes,
        "both plans meet the same pages as long as a user stays; what they decided on alone is in no agreement",
    ]
    if ceiling is None:
        notes.append("without `again` nothing says how far the fused plan agrees with itself")
    return Result(
        _verdict(agreement, gaps, sums),
        rows,
        {"users": _cases(both, sums)},
        [_plot(sums, key) for key in ("watch_rate", "satisfaction", "tokens")],
        notes,
    )


def _measure_rows(key: str, label: str, unit: Unit, sums: Mapping[str, Sums], gap: Difference) -> list[Row]:
    def value(arm: str) -> float | None:
        return known(float(ratio(*sums[arm][key].sum(axis=0))))

    rows = [
        Row(
            f"{key}_{arm}",
            f"{label}, {arm}",
            value(arm),
            unit,
            *interval(sums[arm][key]),
            int(sums[arm][key][:, 1].sum()),
            "pages" if key in ("calls", "tokens", "failed") else "users",
            (Baseline(value(other), other),),
        )
        for arm, other in ((FAITHFUL, FUSED), (FUSED, FAITHFUL))
    ]
    control = (Baseline(0.0, "no difference"),)
    if AGAIN in sums:
        again = paired(sums[AGAIN][key], sums[FUSED][key]).value
        control = (*control, Baseline(again, "the fused plan asked twice: the second minus the first"))
    found = _found(gap)
    rows.append(
        Row(
            f"{key}_gap",
            f"{label}, faithful minus fused",
            gap.value,
            unit,
            gap.low,
            gap.high,
            gap.n,
            "users",
            control,
            "" if gap.p is None else f"p = {gap.p:.3g}" + ("" if found else "; no difference found"),
        )
    )
    return rows


def _found(gap: Difference) -> bool:
    """Interval and test agree: the interval alone claims too much."""
    return gap.found and gap.p is not None and gap.p < 0.05


def _verdict(agreement: Row, gaps: Mapping[str, Difference], sums: Mapping[str, Sums]) -> str:
    if agreement.value is None:
        return "nothing to compare: no item was decided on under both plans"
    cost = {arm: float(ratio(*sums[arm]["tokens"].sum(axis=0))) for arm in (FUSED, FAITHFUL)}
    tokens = f"fused takes {cost[FUSED] / cost[FAITHFUL]:.0%} of the tokens a page" if cost[FAITHFUL] > 0 else ""
    apart = [MEASURES[key][0].lower() for key in ("watch_rate", "satisfaction", "seen") if _found(gaps[key])]
    first = f"the plans differ in {', '.join(apart)}" if apart else "no difference in behaviour found"
    chance, most = agreement.baselines[0].value, agreement.baselines[1].value if len(agreement.baselines) > 1 else None
    said = f"{agreement.value:.0%} of choices alike (chance {chance or 0:.0%}"
    said += ")" if most is None else f", one plan with itself {most:.0%})"
    return "; ".join(x for x in (first, said, tokens) if x)


def _cases(both: Both, sums: Mapping[str, Sums]) -> list[dict[str, Any]]:
    same, n = _agreed(both, both.b)
    return [
        {"user": user, "alike": int(same[at]), "decided": int(n[at])}
        | {
            f"{key}_{arm.replace(' ', '_')}": known(float(ratio(*sums[arm][key][at])))
            for arm in sums
            for key in MEASURES
        }
        for at, user in enumerate(both.users)
    ]


def _plot(sums: Mapping[str, Sums], key: str) -> Plot:
    bounds = [interval(each[key]) for each in sums.values()]
    values = [known(float(ratio(*each[key].sum(axis=0)))) for each in sums.values()]
    label = MEASURES[key][0]
    return Plot(
        key, label, "dots", list(sums), [Series(label, values, [b[0] for b in bounds], [b[1] for b in bounds])], label
    )
