"""Does retraining on what was watched narrow what is shown? Simulate, retrain, show again, round after round."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from ...data import Dataset
from ...evaluators import jensen_shannon
from ...methods.recommenders import Ranking, open_recommender
from ..config import SimulateConfig
from ..outcome.facts import Floats, facts
from ..outcome.numbers import Baseline, Row, Unit, known
from ..policy import augmented
from ..sweep.contrast import Difference, holm
from .honesty import who_played
from .repeated import Values, by_seed, claimed, difference, difference_row, over_seeds, seeds_row, users_row
from .study import Plot, Result, Series, StudyConfig, StudyError
from .workshop import Workshop

Arm = Literal["retrained", "frozen", "random"]
ARMS: dict[Arm, str] = {
    "retrained": "fitted again each round on the training rows and all that was watched",
    "frozen": "the recommender of round 1 in every round, without what was watched",
    "random": "any order, drawn anew each round",
}
CLAIMED = {"top_genre": "the top genre's share", "genres": "the number of genres"}
"""What the verdict speaks of; all its differences are corrected together."""
FIRST = "first"
"""Against the same arm's first round, where other differences are against another arm."""


class PerUser(NamedTuple):
    """A number of one user's round."""

    label: str
    unit: Unit
    narrow: int
    """Sign of the change that is a narrowing."""


PER_USER = {
    "top_genre": PerUser("Share of the user's most shown genre", "share", 1),
    "genres": PerUser("Different genres shown to a user", "", -1),
    "miscalibration": PerUser("Genres shown against genres of the user's training rows, Jensen–Shannon", "bits", 1),
}
DIFFERENCE: dict[Unit, Unit] = {"share": "pp"}
"""The unit of a difference, where it has another one."""
POPULATION: dict[str, tuple[str, Unit]] = {
    "gini": ("Gini coefficient of exposure over the catalogue", ""),
    "coverage": ("Share of the catalogue shown to anybody", "share"),
}


class BubbleConfig(StudyConfig):
    rounds: int = Field(default=5, ge=2)
    """Visits of every user, with a retraining between them."""
    arms: tuple[Arm, ...] = ("retrained", "frozen", "random")
    """`retrained` is the question; `frozen` and `random` are its controls."""

    @field_validator("arms")
    @classmethod
    def _arms(cls, value: tuple[Arm, ...]) -> tuple[Arm, ...]:
        if "retrained" not in value or len(set(value)) < 2 or len(set(value)) < len(value):
            raise ValueError("takes retrained and at least one control: frozen, random")
        return value

    def rehearsals(self, seed: int) -> SimulateConfig:
        """More users than other studies play: what many watch moves a recommender, what few do hardly."""
        return self.settings(seed=seed, users=self.rehearsal.get("users", 300))


class Bubble:
    """Plays rounds of visits per arm and seed; a round's lists come from a recommender that knows what was watched so far.

    A list is as long as a whole visit (pages × page_size), and every number is taken over whole lists: a user who leaves
    early is not thereby shown less variety. Users start each visit rested and without memory of the last; what they
    watched is not shown again, what they passed may be.
    """

    name: ClassVar[str] = "bubble"
    question: ClassVar[str] = "Does retraining on what was watched narrow what users are shown, round after round?"
    config_type: ClassVar[type[StudyConfig]] = BubbleConfig

    async def carry_out(self, config: BubbleConfig, workshop: Workshop) -> Result:
        settings = config.rehearsals(config.seed)
        if settings.refit_every:
            raise StudyError("this study retrains between visits\n  leave refit_every out of the rehearsals' settings")
        if not genre_matrix(workshop.shared.split(settings).train).any():
            raise StudyError("no item of this data set has genres\n  name their column: --columns genres=NAME")
        measured: dict[str, list[dict[str, Any]]] = {}
        for arm in config.arms:
            for seed in config.all_seeds:
                watched: list[tuple[str, str, float | None]] = []
                for turn in range(config.rounds):
                    found = await _round(config, workshop, arm, seed, turn, watched)
                    measured.setdefault(arm, []).append({"seed": seed, "round": turn, **found})
                    watched += [(user, item, rating) for user, item, rating in found["watched"]]
        return _result(config, who_played(workshop), Rounds(config, measured))


async def _round(
    config: BubbleConfig,
    workshop: Workshop,
    arm: Arm,
    seed: int,
    turn: int,
    watched: Sequence[tuple[str, str, float | None]],
) -> dict[str, Any]:
    """One visit of everybody: lists by a recommender that knows `watched`, a rehearsal on them, and its numbers."""
    name = f"{arm}-seed{seed}-round{turn + 1}"
    plain = config.rehearsals(seed)

    def lists() -> dict[str, list[str]]:
        return _lists(workshop, plain, arm, turn, watched)

    shown = await workshop.part(f"{name}-lists", lists)
    if not any(shown.values()):
        raise StudyError(f"{arm} had nothing to show to anybody in round {turn + 1}, so nothing can be watched")
    file = _written(workshop.run.path.resolve() / "lists" / f"{name}.csv", shown)
    # The seed stays, for it says who the users are; every visit has luck of its own, the same in all arms.
    lucky = {"recommender": str(file), "recommender_config": {}, "chance": 1_000 * seed + turn}
    await workshop.rehearse(name, plain.model_copy(update=lucky))
    train = workshop.shared.split(plain).train

    def numbers() -> dict[str, Any]:
        with workshop.opened(name) as run:
            found = facts(run)
        chosen = [
            [found.agents[agent], item, None if rating != rating else float(rating)]
            for agent, item, positive, rating in zip(
                found.agent.tolist(), found.item, found.positive.tolist(), found.rating.tolist(), strict=True
            )
            if positive
        ]
        return {"watched": chosen, **_measured(train, shown)}

    return await workshop.part(f"{name}-numbers", numbers)


def _lists(
    workshop: Workshop,
    config: SimulateConfig,
    arm: Arm,
    turn: int,
    watched: Sequence[tuple[str, str, float | None]],
) -> dict[str, list[str]]:
    """What each simulated user would be shown in this round: user -> items, best first."""
    train = workshop.shared.split(config).train
    users = [persona.user for persona in workshop.shared.personas(config)]
    k = config.pages * config.page_size
    known: dict[str, list[str]] = {}
    for user, item, _ in watched:
        known.setdefault(user, []).append(item)
    rankings: list[Ranking]
    if arm == "frozen":
        rankings = workshop.shared.recommender(config).top_many(users, k, exclude=known)
    elif arm == "random":  # drawn anew in every round
        rankings = (
            open_recommender("random", seed=1_000 * config.seed + turn).fit(train).top_many(users, k, exclude=known)
        )
    else:
        fresh = open_recommender(config.recommender, config.seed, config.recommender_config or None)
        rankings = fresh.fit(augmented(train, watched)).top_many(users, k, exclude=known)
    return {user: list(ranking.items) for user, ranking in zip(users, rankings, strict=True)}


def _written(path: Path, lists: Mapping[str, Sequence[str]]) -> Path:
    """The lists as a file that a rehearsal can show; whole or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "item", "rank"])
        rows.writerows((user, item, rank) for user, items in lists.items() for rank, item in enumerate(items, 1))
    os.replace(partial, path)
    return path


def _measured(train: Dataset, lists: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The numbers of one round, per user and over the catalogue."""
    genres = genre_matrix(train)
    per_user: dict[str, dict[str, float]] = {name: {} for name in PER_USER}
    exposure = np.zeros(len(train.items))
    for user, items in lists.items():
        places = train.items.indices(items)
        np.add.at(exposure, places, 1.0)
        shown, own = genres[places].sum(axis=0), genres[train.history(user).positions].sum(axis=0)
        if shown.sum() > 0:
            per_user["top_genre"][user] = float(shown.max() / shown.sum())
            per_user["genres"][user] = float((shown > 0).sum())
            if own.sum() > 0:
                per_user["miscalibration"][user] = jensen_shannon(own, shown)
    return {"users": per_user, "gini": gini(exposure), "coverage": float((exposure > 0).mean())}


def genre_matrix(data: Dataset) -> Floats:
    """Items x genres, each item's weight shared equally among its genres (Steck, RecSys 2018, section 3); items without
    any have none."""
    names = sorted({genre for item in data.items.ids for genre in data.catalogue.genres(item)})
    place = {name: i for i, name in enumerate(names)}
    matrix = np.zeros((len(data.items), max(1, len(names))))
    for row, item in enumerate(data.items.ids):
        own = set(data.catalogue.genres(item))
        for genre in own:
            matrix[row, place[genre]] = 1.0 / len(own)
    return matrix


def gini(counts: Floats) -> float:
    """Gini coefficient of counts over the whole catalogue: 0 where all items are shown alike, near 1 where one is."""
    ordered = np.sort(counts)
    n, total = len(ordered), float(ordered.sum())
    if not total:
        return 0.0
    return float((2.0 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


class Rounds:
    """All that was measured: arm -> one entry per seed and round."""

    def __init__(self, config: BubbleConfig, measured: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self.config, self.measured, self.last = config, measured, config.rounds - 1
        self.controls = [arm for arm in config.arms if arm != "retrained"]

    def users(self, arm: str, name: str, turn: int) -> Values:
        return {each["seed"]: each["users"][name] for each in self.measured[arm] if each["round"] == turn}

    def change(self, arm: str, name: str) -> Values:
        """The last round minus the first, of each user."""
        first, last = self.users(arm, name, 0), self.users(arm, name, self.last)
        return {
            seed: {u: last[seed][u] - first[seed][u] for u in last[seed].keys() & first[seed].keys()} for seed in last
        }

    def seeds(self, arm: str, name: str, turn: int) -> list[float]:
        """One value per seed: the mean over users, or the number over the catalogue."""
        if name in PER_USER:
            return by_seed(self.users(arm, name, turn))
        return [each[name] for each in self.measured[arm] if each["round"] == turn]

    def mean(self, arm: str, name: str, turn: int) -> float:
        return float(np.mean(self.seeds(arm, name, turn)))

    def moved(self, arm: str, name: str) -> float:
        return self.mean(arm, name, self.last) - self.mean(arm, name, 0)


class Claim(NamedTuple):
    """A difference, and its p after correction for all that the verdict speaks of (as it is, for other numbers)."""

    found: Difference
    p: float | None

    @property
    def holds(self) -> bool:
        return claimed(self.found, self.p)

    def says(self, sign: float) -> bool:
        return self.holds and (self.found.value or 0.0) * sign > 0


def _claims(rounds: Rounds) -> dict[tuple[str, str], Claim]:
    """(number, FIRST or a control) -> how the retrained arm's change compares with that."""
    found: dict[tuple[str, str], Difference] = {}
    for name in PER_USER:
        found[name, FIRST] = difference(
            rounds.users("retrained", name, rounds.last), rounds.users("retrained", name, 0)
        )
        for arm in rounds.controls:
            found[name, arm] = difference(rounds.change("retrained", name), rounds.change(arm, name))
    spoken = [key for key in found if key[0] in CLAIMED]
    adjusted = dict(zip(spoken, holm([1.0 if (p := found[key].p) is None else p for key in spoken]), strict=True))
    return {key: Claim(each, adjusted.get(key, each.p)) for key, each in found.items()}


def _result(config: BubbleConfig, notes: list[str], rounds: Rounds) -> Result:
    if not any(rounds.users("retrained", "top_genre", 0).values()):
        raise StudyError("nothing that was shown has genres\n  name their column: --columns genres=NAME")
    claims = _claims(rounds)
    rows = [row for name in PER_USER for row in _user_rows(rounds, name, claims)]
    rows += [row for name in POPULATION for row in _catalogue_rows(rounds, name)]
    labels = {name: each.label for name, each in PER_USER.items()} | {
        name: each[0] for name, each in POPULATION.items()
    }
    return Result(
        verdict=_verdict(rounds, claims),
        rows=rows,
        cases={"rounds": _cases(rounds)},
        plots=[_plot(rounds, name, label) for name, label in labels.items()],
        notes=[
            *notes,
            "over whole lists of a visit (pages × page size), whether or not a user stays to the end; "
            "an item's weight is shared equally among its genres",
            "what was watched is not shown again, so every arm moves down its lists: what retraining adds is the change "
            "beyond the frozen arm's",
            *(f"{arm}: {ARMS[arm]}" for arm in config.arms),
        ],
        data={
            arm: {name: [rounds.seeds(arm, name, turn) for turn in range(config.rounds)] for name in labels}
            for arm in config.arms
        },
    )


def _user_rows(rounds: Rounds, name: str, claims: Mapping[tuple[str, str], Claim]) -> list[Row]:
    """A number of users: in the first and the last round, its change, and its change beyond each control's."""
    label, unit, _ = PER_USER[name]
    last = rounds.last
    beside = [Baseline(rounds.mean(arm, name, last), arm) for arm in rounds.controls]
    moved = [Baseline(rounds.moved(arm, name), arm) for arm in rounds.controls]
    seeds = by_seed(rounds.change("retrained", name))
    up = f"up in {sum(x > 0 for x in seeds)} of {len(seeds)} seeds"
    change = claims[name, FIRST]
    moves = DIFFERENCE.get(unit, unit)
    rows = [
        users_row(f"{name}_first", f"{label}, round 1", rounds.users("retrained", name, 0), unit),
        users_row(f"{name}_last", f"{label}, round {last + 1}", rounds.users("retrained", name, last), unit, *beside),
        difference_row(f"{name}_change", f"{label}: change", change.found, moves, *moved, note=up, p=change.p),
    ]
    for arm in rounds.controls:
        beyond, words = claims[name, arm], f"{label}: change beyond {arm}"
        nought = Baseline(0.0, "no difference")
        rows.append(difference_row(f"{name}_beyond_{arm}", words, beyond.found, moves, nought, p=beyond.p))
    return rows


def _catalogue_rows(rounds: Rounds, name: str) -> list[Row]:
    """A number over the catalogue has one value per seed: in the last round, and its change."""
    label, unit = POPULATION[name]
    first, last = rounds.seeds("retrained", name, 0), rounds.seeds("retrained", name, rounds.last)
    change = [b - a for a, b in zip(first, last, strict=True)]
    beside = [Baseline(rounds.mean(arm, name, rounds.last), arm) for arm in rounds.controls]
    moved = [Baseline(rounds.moved(arm, name), arm) for arm in rounds.controls]
    return [
        seeds_row(f"{name}_first", f"{label}, round 1", first, unit),
        seeds_row(f"{name}_last", f"{label}, round {rounds.last + 1}", last, unit, *beside),
        seeds_row(f"{name}_change", f"{label}: change", change, DIFFERENCE.get(unit, unit), *moved),
    ]


def _cases(rounds: Rounds) -> list[dict[str, Any]]:
    return [
        {"arm": arm, "seed": each["seed"], "round": each["round"] + 1, "user": user}
        | {name: each["users"][name].get(user) for name in PER_USER}
        for arm, all_rounds in rounds.measured.items()
        for each in all_rounds
        for user in each["users"]["top_genre"]
    ]


def _plot(rounds: Rounds, name: str, label: str) -> Plot:
    """A line per arm over the rounds, with Student's interval over seeds."""
    turns = range(rounds.config.rounds)
    unit = PER_USER[name].unit if name in PER_USER else POPULATION[name][1]
    series = []
    for arm in rounds.config.arms:
        each = [over_seeds(rounds.seeds(arm, name, turn), unit) for turn in turns]
        series.append(Series(arm, [e.mean for e in each], [known(e.low) for e in each], [known(e.high) for e in each]))
    return Plot(name, label, "lines", [str(turn + 1) for turn in turns], series, axis=label, across="round")


def _verdict(rounds: Rounds, claims: Mapping[tuple[str, str], Claim]) -> str:
    """A bubble: a larger top genre and fewer genres than in round 1, and more so than without retraining."""
    rival = "frozen" if "frozen" in rounds.controls else rounds.controls[0]
    said = []
    for name, words in CLAIMED.items():
        change = _amount(name, claims[name, FIRST]) or "no change found"
        beside = _amount(name, claims[name, rival]) or "no difference found"
        said.append(f"{words}: {change}, against {rival}: {beside}")
    narrow = {key: each.says(PER_USER[key[0]].narrow) for key, each in claims.items()}
    wide = {key: each.says(-PER_USER[key[0]].narrow) for key, each in claims.items()}
    if all(narrow[name, against] for name in CLAIMED for against in (FIRST, rival)):
        head = "a bubble"
    elif any(narrow[name, rival] for name in CLAIMED) and not any(wide[name, rival] for name in CLAIMED):
        head = f"narrower than {rival}, but not than at first"
    else:
        head = "no bubble found"
    return f"{head} (over {rounds.last + 1} rounds; {'; '.join(said)})"


def _amount(name: str, claim: Claim) -> str:
    """A difference that holds, in its unit; nothing where it does not."""
    if not claim.holds:
        return ""
    value = claim.found.value or 0.0
    return f"{100 * value:+.1f} points" if name == "top_genre" else f"{value:+.2f}"
