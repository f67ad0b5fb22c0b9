"""Do simulated people make training data worth having? Rehearse, add what they did, retrain, judge on real held-out rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from ...data import Dataset
from ...evaluators import Truth
from ...methods.recommenders import open_recommender
from ...methods.recommenders.bpr import BPR, BPRConfig
from ...methods.recommenders.held_out import held_out_truth
from ...methods.recommenders.open import read_config
from ...runs import Run
from ..augmentation.compared import Compared, Pair, by_coin, compare, random_pairs
from ..augmentation.controls import control_rows
from ..augmentation.export import Format, export_rows
from ..augmentation.judged import METRICS, judged
from ..augmentation.rows import SimulatedRow, pairs_of, simulated_rows, without
from ..config import SimulateConfig
from ..outcome.numbers import Baseline, Row, known
from ..policy import augmented
from ..preparation import prepare
from ..sweep.contrast import Difference, holm
from .carry import config_of
from .honesty import who_played
from .repeated import Values, by_seed, claimed, difference, difference_row, over_seeds, seeds_row, users_row
from .study import Plot, Result, Series, StudyConfig, StudyError
from .workshop import Halted, Workshop

NONE, RANDOM, POPULARITY, COIN = "none", "random", "popularity", "coin"
OWN, PAIRS = "simulated", "pairs"
RIVALS = (NONE, RANDOM, POPULARITY)
GROUPS = ("tail", "middle", "head")
"""Thirds of the judged users by training rows, fewest first."""
MEASURE = "ndcg@10"
"""What the verdict speaks of; recall@20 stands beside it."""
FINE = "bits"
"""Shown with four places, which such small differences need."""
LABELS = {"ndcg@10": "NDCG@10", "recall@20": "Recall@20"}


class AugmentConfig(StudyConfig):
    policy: Literal["viewed", "liked", "rated", "unviewed"] = "viewed"
    """Which simulated actions become rows. `unviewed` (shown and passed) is a control of its own."""
    per_user: PositiveInt | None = None
    """Simulated rows of a user at most, the earliest. None: all."""
    weight: float = Field(default=1.0, gt=0.0, le=1.0)
    """Probability with which a simulated row stays: how much simulated rows count against real ones."""
    held_out: Literal["keep", "drop"] = "keep"
    """What to do with a simulated row that is also a held-out one of its user. `keep`: the simulator was told no label, so
    having it right is what is asked about. `drop`: leave it out, of the controls too."""
    recommenders: dict[str, dict[str, Any]] = Field(default_factory=lambda: {"ease": {}, "itemknn": {}})
    """Recommenders to train again, each with its configuration. The one that is rehearsed is the rehearsals' own setting."""
    pairs: NonNegativeInt = 5
    """Pairs of items that each simulated user of the tail third compares, for BPR. 0: leave this part out."""
    bpr: dict[str, Any] = Field(default_factory=lambda: {"dims": 32, "epochs": 15})
    """Configuration of the BPR that learns from compared pairs."""

    @field_validator("recommenders", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        names = value.split(",") if isinstance(value, str) else value
        return names if isinstance(names, dict) else {str(name).strip(): {} for name in names}

    def rehearsals(self, seed: int) -> SimulateConfig:
        """More users and pages than other studies play: small differences are asked about."""
        larger = {key: self.rehearsal.get(key, value) for key, value in (("users", 500), ("pages", 5))}
        return self.settings(seed=seed, **larger)


class Ground(NamedTuple):
    """What is the same for every arm of a seed. `users`: the simulated ones with held-out rows; `group`: of each."""

    train: Dataset
    test: Dataset
    truth: Mapping[str, Truth]
    users: list[str]
    group: Mapping[str, str]


class Judged(NamedTuple):
    """Per recommender, arm and metric: values by seed and user."""

    values: dict[tuple[str, str, str], dict[int, dict[str, float]]]
    group: dict[int, Mapping[str, str]]

    def of(self, recommender: str, arm: str, metric: str, group: str | None = None) -> Values:
        found = self.values[recommender, arm, metric]
        if group is None:
            return found
        return {seed: {u: v for u, v in of.items() if self.group[seed][u] == group} for seed, of in found.items()}

    def against(self, recommender: str, arm: str, rival: str, metric: str, group: str | None = None) -> Difference:
        return difference(self.of(recommender, arm, metric, group), self.of(recommender, rival, metric, group))


class Augment:
    """Retrains recommenders on real rows plus simulated, random or popular ones (as many for each user), and judges them on
    held-out rows; then BPR with pairs that low-activity users compared, against the same pairs turned by a coin."""

    name: ClassVar[str] = "augment"
    question: ClassVar[str] = "Do simulated interactions, added to the training rows, make a recommender better?"
    config_type: ClassVar[type[StudyConfig]] = AugmentConfig

    async def carry_out(self, config: AugmentConfig, workshop: Workshop) -> Result:
        for name, values in config.recommenders.items():
            open_recommender(name, config=values or None)  # what is wrong with one shows before anything is played
        bpr: BPRConfig = read_config(BPRConfig, config.bpr, "bpr")
        found = Judged({}, {})
        counts, failed = [], 0
        for seed in config.all_seeds:
            settings = config.rehearsals(seed)
            await workshop.rehearse(f"seed{seed}", settings)
            ground = _ground(workshop, settings)
            found.group[seed] = ground.group
            with workshop.opened(f"seed{seed}") as run:
                arms = _arms(config, ground, run, seed)
            counts.append(_count(arms, ground))
            for name in config.recommenders:
                values = await workshop.part(
                    f"seed{seed}-{name}", lambda n=name, a=arms, g=ground, s=seed: _retrained(config, n, a, g, s)
                )
                _note(found, name, seed, values)
            if config.pairs:
                compared = await workshop.part(
                    f"seed{seed}-pairs", lambda s=settings, g=ground, n=seed: _compared(config, workshop, s, g, n)
                )
                failed += compared["failed"]
                values = await workshop.part(
                    f"seed{seed}-bpr", lambda c=compared, g=ground, s=seed: _learned(bpr, c["triples"], g, s)
                )
                _note(found, "bpr with pairs", seed, values)
        return _result(config, who_played(workshop), found, counts, failed)


def _ground(workshop: Workshop, settings: SimulateConfig) -> Ground:
    """Raises `StudyError` where no simulated user has held-out rows."""
    split = workshop.shared.split(settings)
    truth = held_out_truth(split.test)
    users = [persona.user for persona in workshop.shared.personas(settings) if persona.user in truth]
    if len(users) < 3:
        raise StudyError("hardly any simulated user has held-out rows to judge by\n  set test above 0, say 0.2")
    activity = split.train.activity()[split.train.users.indices(users)]
    rank = np.lexsort((np.arange(len(users)), activity)).argsort()
    group = {user: GROUPS[3 * int(place) // len(users)] for user, place in zip(users, rank, strict=True)}
    return Ground(split.train, split.test, {u: truth[u] for u in users}, users, group)


def _arms(config: AugmentConfig, ground: Ground, run: Run, seed: int) -> dict[str, list[SimulatedRow]]:
    """The rows that each arm adds. Raises `StudyError` where the policy leaves none."""
    rows = simulated_rows(run, config.policy, per_user=config.per_user, weight=config.weight, seed=seed)
    never = pairs_of(ground.test) if config.held_out == "drop" else set[tuple[str, str]]()
    rows = without(rows, never)
    if not rows:
        raise StudyError(f"no simulated action is {config.policy}\n  play more users or pages, or another policy")
    return {
        NONE: [],
        OWN: rows,
        RANDOM: control_rows(ground.train, rows, "random", seed, never),
        POPULARITY: control_rows(ground.train, rows, "popularity", seed, never),
    }


def _count(arms: Mapping[str, Sequence[SimulatedRow]], ground: Ground) -> dict[str, tuple[int, int]]:
    """Rows of each arm, and how many of them are held-out rows of their user."""
    held = pairs_of(ground.test)
    return {
        arm: (len(rows), sum((row.user, row.item) in held for row in rows)) for arm, rows in arms.items() if arm != NONE
    }


def _retrained(
    config: AugmentConfig, name: str, arms: Mapping[str, Sequence[SimulatedRow]], ground: Ground, seed: int
) -> dict[str, Any]:
    """One recommender, trained with each arm's rows (and the same seed) and judged."""
    found: dict[str, Any] = {"users": ground.users, "arms": {}}
    for arm, rows in arms.items():
        fresh = open_recommender(name, seed, config.recommenders[name] or None)
        fresh.fit(augmented(ground.train, [(row.user, row.item, row.rating) for row in rows]))
        quality = judged(fresh, ground.train, ground.truth, ground.users)
        found["arms"][arm] = {metric: quality[metric].round(6).tolist() for metric in METRICS}
    return found


async def _compared(
    config: AugmentConfig, workshop: Workshop, settings: SimulateConfig, ground: Ground, seed: int
) -> dict[str, Any]:
    """What the tail third's users say of random pairs. Raises `Halted` where a budget or an endpoint stops them."""
    tail = [user for user in ground.users if ground.group[user] == "tail"]
    never = {user: ground.test.history(user).items for user in tail}
    pairs = random_pairs(ground.train, tail, config.pairs, seed, never)
    prepared = prepare(settings, workshop.shared)
    if settings.scripted:
        found: Compared = await compare(prepared, pairs, None)
    else:
        async with workshop.door(settings) as door:
            found = await compare(prepared, pairs, door)
    if found.stopped:
        raise Halted(found.stopped)
    if not found.triples:
        raise StudyError("no comparison got a usable answer\n  leave them out:  pairs = 0")
    return {"triples": found.triples, "failed": found.failed}


def _learned(config: BPRConfig, triples: Sequence[Sequence[str]], ground: Ground, seed: int) -> dict[str, Any]:
    """BPR without pairs, with those that users compared, and with the same pairs turned by a coin."""
    own: list[Pair] = [(user, better, worse) for user, better, worse in triples]
    found: dict[str, Any] = {"users": ground.users, "arms": {}}
    for arm, pairs in ((NONE, []), (PAIRS, own), (COIN, by_coin(own, seed))):
        fitted = BPR(config, seed).fit(ground.train, pairs)
        quality = judged(fitted, ground.train, ground.truth, ground.users)
        found["arms"][arm] = {metric: quality[metric].round(6).tolist() for metric in METRICS}
    return found


def _note(found: Judged, recommender: str, seed: int, values: Mapping[str, Any]) -> None:
    for arm, of in values["arms"].items():
        for metric, each in of.items():
            by_user = dict(zip(values["users"], each, strict=True))
            found.values.setdefault((recommender, arm, metric), {})[seed] = by_user


class Contrast(NamedTuple):
    """Which arm of which recommender against which rival, by which metric, among whom."""

    recommender: str
    arm: str
    rival: str
    metric: str = MEASURE
    group: str | None = None

    @property
    def key(self) -> str:
        parts = (self.recommender, self.arm, "vs", self.rival, self.metric, self.group or "")
        return "_".join(part for part in parts if part).replace(" ", "_")

    @property
    def label(self) -> str:
        among = f", {self.group} third" if self.group else ""
        return f"{self.recommender}, {LABELS[self.metric]}: {self.arm} minus {self.rival}{among}"


def _contrasts(config: AugmentConfig) -> tuple[list[Contrast], list[Contrast]]:
    """Those that the verdict speaks of, corrected together, and the others."""
    spoken = [Contrast(name, OWN, rival) for name in config.recommenders for rival in RIVALS]
    if config.pairs:
        spoken += [Contrast("bpr with pairs", PAIRS, rival, group="tail") for rival in (NONE, COIN)]
    others = []
    for name in config.recommenders:
        others += [Contrast(name, OWN, rival, "recall@20") for rival in RIVALS]
        others += [Contrast(name, OWN, rival, group=group) for group in GROUPS for rival in (NONE, RANDOM)]
    if config.pairs:
        others += [Contrast("bpr with pairs", PAIRS, rival, "recall@20", "tail") for rival in (NONE, COIN)]
        others += [Contrast("bpr with pairs", PAIRS, rival) for rival in (NONE, COIN)]
    return spoken, others


class Held(NamedTuple):
    """A difference with its p, corrected where the verdict speaks of it."""

    found: Difference
    p: float | None

    @property
    def sign(self) -> int:
        """Of a difference that interval and test agree on; 0 where none was found."""
        return (1 if (self.found.value or 0.0) > 0 else -1) if claimed(self.found, self.p) else 0


def _result(
    config: AugmentConfig,
    notes: list[str],
    found: Judged,
    counts: Sequence[Mapping[str, tuple[int, int]]],
    failed: int,
) -> Result:
    spoken, others = _contrasts(config)
    differences = {each: found.against(*each) for each in (*spoken, *others)}
    adjusted = holm([1.0 if (p := differences[each].p) is None else p for each in spoken])
    p_values = dict(zip(spoken, adjusted, strict=True))
    held = {each: Held(of, p_values.get(each, of.p)) for each, of in differences.items()}
    rows = [*_size_rows(counts), *_level_rows(config, found)]
    rows += [_difference_row(each, held[each], found) for each in (*spoken, *others)]
    thirds = [dict.fromkeys(GROUPS, 0) | _sizes(each) for each in found.group.values()]
    return Result(
        verdict=_verdict(config, held),
        rows=rows,
        cases={"users": _cases(found)},
        plots=[_plot(config, held)],
        notes=[
            *notes,
            "judged on real held-out rows of the simulated users; only real training rows are left out of the lists, so "
            "a simulated row that is a held-out one can still be recommended",
            f"simulated rows that are held-out ones: {'kept' if config.held_out == 'keep' else 'dropped, in all arms'}; "
            "neither recommender nor scripted users know them, but a language model may have read about such titles",
            "thirds by training rows: " + ", ".join(f"{name} {thirds[0][name]} users" for name in GROUPS),
            *([f"{failed} comparisons without a usable answer are left out"] if failed else []),
        ],
        data={"rows": [{arm: list(n) for arm, n in each.items()} for each in counts], "policy": config.policy},
    )


def _sizes(group: Mapping[str, str]) -> dict[str, int]:
    return {name: sum(g == name for g in group.values()) for name in GROUPS}


def _size_rows(counts: Sequence[Mapping[str, tuple[int, int]]]) -> list[Row]:
    """How many rows are added, and how many of those are held-out rows, which the simulator was not told."""

    def share(arm: str) -> list[float]:
        return [each[arm][1] / max(1, each[arm][0]) for each in counts]

    rivals = [Baseline(float(np.mean(share(arm))), arm) for arm in (RANDOM, POPULARITY)]
    return [
        seeds_row("rows", "Simulated rows added", [float(each[OWN][0]) for each in counts], "count"),
        seeds_row("right", "Simulated rows that are held-out ones", share(OWN), "share", *rivals),
    ]


def _level_rows(config: AugmentConfig, found: Judged) -> list[Row]:
    arms = [(name, OWN, RIVALS) for name in config.recommenders]
    arms += [("bpr with pairs", PAIRS, (NONE, COIN))] if config.pairs else []
    rows = []
    for name, own, rivals in arms:
        for metric in METRICS:
            beside = [Baseline(users_row("", "", found.of(name, rival, metric), "").value, rival) for rival in rivals]
            key, label = f"{name}_{metric}".replace(" ", "_"), f"{name}, {LABELS[metric]} with {own}"
            rows.append(users_row(key, label, found.of(name, own, metric), FINE, *beside))
    return rows


def _difference_row(each: Contrast, held: Held, found: Judged) -> Row:
    name, arm, rival, metric, group = each
    seeds = by_seed(found.of(name, arm, metric, group), found.of(name, rival, metric, group))
    over = over_seeds(seeds)
    words = f"up in {sum(x > 0 for x in seeds)} of {len(seeds)} seeds"
    if known(over.low) is not None:
        words += f", over seeds [{over.low:+.4f}, {over.high:+.4f}]"
    return difference_row(each.key, each.label, held.found, FINE, Baseline(0.0, "no difference"), note=words, p=held.p)


def _cases(found: Judged) -> list[dict[str, Any]]:
    rows = []
    for (name, arm, metric), seeds in found.values.items():
        if metric != MEASURE:
            continue
        for seed, of in seeds.items():
            other = found.values[name, arm, "recall@20"][seed]
            rows += [
                {"recommender": name, "arm": arm, "seed": seed, "user": user, "group": found.group[seed][user]}
                | {"ndcg@10": value, "recall@20": other[user]}
                for user, value in of.items()
            ]
    return rows


def _plot(config: AugmentConfig, held: Mapping[Contrast, Held]) -> Plot:
    """Every NDCG difference with its interval."""
    shown = {each: of.found for each, of in held.items() if each.metric == MEASURE}
    return Plot(
        "differences",
        f"{LABELS[MEASURE]} on real held-out rows: differences between arms",
        "dots",
        [each.label.replace(f", {LABELS[MEASURE]}", "") for each in shown],
        [
            Series(
                config.policy,
                [of.value for of in shown.values()],
                [of.low for of in shown.values()],
                [of.high for of in shown.values()],
            )
        ],
        axis=f"{LABELS[MEASURE]} difference",
        across="arms",
        reference=(0.0, "no difference"),
    )


def _verdict(config: AugmentConfig, held: Mapping[Contrast, Held]) -> str:
    """Per recommender: whether simulated rows help at all, and more than as many rows by chance and by popularity."""
    said = [_said(name, {rival: held[Contrast(name, OWN, rival)] for rival in RIVALS}) for name in config.recommenders]
    if config.pairs:
        rivals = {rival: held[Contrast("bpr with pairs", PAIRS, rival, group="tail")] for rival in (NONE, COIN)}
        said.append(_said("pairs for bpr (tail third)", rivals))
    return f"{config.policy} rows: " + "; ".join(said)


def _said(name: str, rivals: Mapping[str, Held]) -> str:
    first = rivals[NONE]
    amount = f" ({LABELS[MEASURE]} {first.found.value:+.4f})" if first.found.value is not None else ""
    head = {1: f"{name} gains{amount}", -1: f"{name} loses{amount}", 0: f"{name}: no difference found to none"}[
        first.sign
    ]
    better = [rival for rival, of in rivals.items() if rival != NONE and of.sign > 0]
    worse = [rival for rival, of in rivals.items() if rival != NONE and of.sign < 0]
    level = [rival for rival, of in rivals.items() if rival != NONE and of.sign == 0]
    parts = [(better, "better than"), (worse, "worse than"), (level, "not told from")]
    return ", ".join([head, *(f"{words} {' and '.join(which)}" for which, words in parts if which)])


def export(path: Path, folder: Path, form: Format = "parquet", *, whole: bool = False) -> tuple[Path, int]:
    """Write the rows of a finished study's first seed for other tools: the file, and how many simulated rows it holds."""
    from ..shared import Shared

    with Run.open(path) as run:
        if run.manifest.config.get("study") != Augment.name:
            raise StudyError(f"{path} is no augment study\n  make one:  recloop augment")
        config = config_of(Augment(), run.manifest.config["config"])
    assert isinstance(config, AugmentConfig)
    name, settings = f"seed{config.seed}", config.rehearsals(config.seed)
    split = Shared().split(settings)
    rehearsal = path / "runs" / name
    with Run.open(rehearsal) as run:
        rows = simulated_rows(run, config.policy, per_user=config.per_user, weight=config.weight, seed=config.seed)
    if config.held_out == "drop":
        rows = without(rows, pairs_of(split.test))
    label = f"{path.name}/{name}"
    return export_rows(folder, rows, split.train, run=label, policy=config.policy, form=form, whole=whole), len(rows)
