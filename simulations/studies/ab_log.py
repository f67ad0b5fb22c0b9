"""The arms of an A/B test judged off the log of a policy that explores, beside what they really earned in rehearsal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...runs import Run
from ..outcome.facts import facts
from ..outcome.numbers import Baseline, Row
from .off_policy import Estimates, Features, NoOverlap, Shown, estimate
from .sessions import Arm
from .study import Plot, Series

EXPLORE = "recloop.methods.recommenders.explore:Explore"
FEW = 30
"""Fewer effective exposures than this and an estimate is called too uncertain to use."""
METHODS = {"ips": "IPS", "snips": "SNIPS", "dr": "doubly robust"}


@dataclass(frozen=True)
class Log:
    """Logged exposures, and what the reward model may know of a user and an item."""

    shown: Sequence[Shown]
    features: Features

    @property
    def earned(self) -> float:
        """Reward per item shown by the logging policy itself."""
        return float(np.mean([each.reward for each in self.shown])) if self.shown else float("nan")

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"seed": each.session[0], "user": each.user, "item": each.item}
            | {"propensity": each.propensity, "watched": each.reward}
            for each in self.shown
        ]


@dataclass(frozen=True)
class Judged:
    """One arm off the log. `found` None: refused, and `why` says so."""

    arm: Arm
    found: Estimates | None
    why: str
    naive: float


def read_log(seeds: Iterable[int], opened: Callable[[int], AbstractContextManager[Run]]) -> Log:
    """The answered exposures of the log's runs. Reward: watched."""
    shown: list[Shown] = []
    popularity: dict[str, int] = {}
    genres: dict[str, Sequence[str]] = {}
    personas: dict[str, Mapping[str, Any]] = {}
    for seed in seeds:
        with opened(seed) as run:
            known = facts(run)
            chances = {
                (event.agent, each["item"]): float(each["propensity"])
                for event in run.events(kind="page")
                for each in event.data["exposures"]
            }
        popularity |= known.reference.get("popularity", {})
        genres |= known.reference.get("genres", {})
        personas |= known.personas
        for at in np.flatnonzero(known.answered).tolist():
            user, item = known.agents[known.agent[at]], known.item[at]
            shown.append(Shown((seed, user), user, item, chances[user, item], float(known.positive[at])))
    return Log(shown, _features(popularity, genres, personas))


def _features(
    popularity: Mapping[str, int], genres: Mapping[str, Sequence[str]], personas: Mapping[str, Mapping[str, Any]]
) -> Features:
    """Popularity of the item, activity of the user, and the share of the user's history that has the item's genres."""
    shares: dict[str, dict[str, float]] = {}
    for user, persona in personas.items():
        history = persona.get("history") or ()
        own = shares[user] = {}
        for item in history:
            for genre in genres.get(item, ()):
                own[genre] = own.get(genre, 0.0) + 1.0 / len(history)

    def features(user: str, item: str) -> list[float]:
        named = genres.get(item, ())
        likes = sum(shares.get(user, {}).get(genre, 0.0) for genre in named) / max(1, len(named))
        return [float(np.log1p(popularity.get(item, 0))), float(personas[user].get("activity") or 0), likes]

    return features


def judge(log: Log, arm: Arm, *, seed: int = 0) -> Judged:
    """What the arm would have earned per item of its first page, by the log."""
    try:
        return Judged(arm, estimate(log.shown, arm.first, log.features, seed=seed), "", log.earned)
    except NoOverlap as reason:
        return Judged(arm, None, str(reason), log.earned)


def log_rows(judged: Sequence[Judged], arms: Sequence[Arm]) -> list[Row]:
    """Per arm the three estimates beside the simulated value; or one row that says why there is none."""
    if not judged:
        why = "no exploration, no overlap: every propensity is 1 (set explore above 0)"
        return [
            Row(f"off_log/{arm.label}", f"Watched per item, {arm.label}, off a log", None, "share", note=why)
            for arm in arms[1:]
        ]
    rows = []
    for each in judged:
        truth = Baseline(each.arm.earned, "simulated: the arm's own first pages")
        naive = Baseline(each.naive, "the log as it is, whoever picked")
        if each.found is None:
            label = f"Watched per item, {each.arm.label}, off the log"
            rows.append(Row(f"off_log/{each.arm.label}", label, None, "share", baselines=(truth, naive), note=each.why))
            continue
        for method, name in METHODS.items():
            low, high = getattr(each.found, f"{method}_bounds")
            value: float = getattr(each.found, method)
            rows.append(
                Row(
                    f"off_log/{each.arm.label}/{method}",
                    f"Watched per item, {each.arm.label}, off the log by {name}",
                    value,
                    "share",
                    low,
                    high,
                    each.found.matched,
                    "logged exposures",
                    (truth, naive),
                    _said(each.found, each.arm.earned, low, high),
                )
            )
    return rows


def _said(found: Estimates, truth: float, low: float | None, high: float | None) -> str:
    size = f"worth {found.effective:,.0f} exposures, heaviest weight {found.heaviest:.1f}"
    if low is None or high is None:
        return f"no interval; {size}"
    inside = (
        "its interval holds the simulated value" if low <= truth <= high else "its interval misses the simulated value"
    )
    return f"{inside}; {size}" + ("; too few to decide by" if found.effective < FEW else "")


def log_plots(judged: Sequence[Judged]) -> list[Plot]:
    """The estimates beside the simulated values, arm by arm."""
    there = [(each.arm, each.found) for each in judged if each.found is not None]
    if not there:
        return []
    series = [Series("simulated", [arm.earned for arm, _ in there])]
    series += [
        Series(
            name,
            [getattr(found, method) for _, found in there],
            [getattr(found, f"{method}_bounds")[0] for _, found in there],
            [getattr(found, f"{method}_bounds")[1] for _, found in there],
        )
        for method, name in METHODS.items()
    ]
    title = "What the log says an arm earns, beside what it earned"
    return [
        Plot("off_log", title, "dots", [arm.label for arm, _ in there], series, axis="watched, share of items shown")
    ]
