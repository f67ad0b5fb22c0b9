"""Can the simulator be trusted to choose between recommenders? Simulated order against real held-out data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from ...agents.personas import sample_users
from ...agents.planted import planted_world
from ...methods.recommenders.held_out import held_out_quality
from ...methods.recommenders.open import BASELINES
from ..config import SimulateConfig
from ..outcome.facts import Facts, Floats, facts
from ..outcome.numbers import LEAST_HITS, Baseline, Row, known, show, user_weights
from ..sweep.contrast import Difference, holm, paired, ratio
from ..sweep.measures import MEASURES, Measure
from .honesty import who_played
from .planted_users import planted_facts
from .ranks import by_chance, chance_of, interval, kendall, spearman, with_arms_drawn
from .stand_ins import HERE, lend, taken_for
from .study import Plot, Result, Series, StudyConfig, StudyError
from .workshop import Workshop

REAL = ("ndcg@10", "recall@20")
LEAST, FEW = 5, 10
"""Recommenders: fewer than `LEAST` are not ranked at all; fewer than `FEW` carry little, and a note says so."""
USERS = 300
HALVES = 200
"""Random halves of the real users, for how well real data agrees with itself."""
LADDER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares of random places in the positive control: six recommenders whose right order is known."""
PLANTED_RIGHT = 0.8
"""Least rank correlation with the known order at which the positive control has passed."""

Metric = Literal["watch_rate", "likes", "lift", "satisfaction", "pages"]
BY_KEY: dict[str, Measure] = {measure.key: measure for measure in MEASURES}
SHOWN: tuple[Metric, ...] = ("watch_rate", "likes", "satisfaction", "pages", "lift")


class ValidityConfig(StudyConfig):
    seeds: int = Field(default=3, ge=1)
    """Repetitions, each with other users and other chance; test-retest needs two."""
    recommenders: tuple[str, ...] = ("ease", "itemknn", "ials", "bpr", "pop", "random")
    """The recommenders to put in order: names, `module:object`, endpoints or files."""
    degraded: str = "ease"
    """The baseline that degraded versions are made of."""
    shares: tuple[float, ...] = ()
    """A degraded version for each share: so many places of each list are random. A ladder of known order."""
    metric: Metric = "watch_rate"
    """The simulated metric that the verdict speaks of."""
    real: Literal["ndcg@10", "recall@20"] = "ndcg@10"
    """The real metric that the order is held against."""
    variants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Other ways to play the same users: name -> settings of `simulate` (model, mode, prompts, …)."""

    @field_validator("shares")
    @classmethod
    def _shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in value):
            raise ValueError("takes shares between 0 and 1, for example 0.25, 0.5, 0.75")
        return value

    def rehearsals(self, **changes: Any) -> SimulateConfig:
        """The rehearsals' settings; more users than other studies play, since small differences are asked about."""
        return self.settings(**{"users": self.rehearsal.get("users", USERS)} | changes)

    @property
    def arms(self) -> dict[str, dict[str, Any]]:
        """Arm -> settings of its recommender."""
        config = self.rehearsal.get("recommender_config") or {}
        named = {name: {"recommender": name, "recommender_config": dict(config)} for name in self.recommenders}
        worse = {
            f"{self.degraded}, {share:.0%} random": {
                "recommender": f"{HERE}:Degraded",
                "recommender_config": {"base": self.degraded, "share": share},
            }
            for share in self.shares
        }
        return named | worse


@dataclass(frozen=True)
class Sample:
    """What users did in every arm. `sums[metric]`: (seeds, arms, users, k); a user that a seed does not play has noughts."""

    users: tuple[str, ...]
    sums: Mapping[str, Floats]


class Real(NamedTuple):
    """Held-out quality of every arm. `values[metric]`: (arms, users)."""

    users: tuple[str, ...]
    values: Mapping[str, Floats]


class Draws(NamedTuple):
    """Values of every arm: on all users (arms,), and in each draw of users (draws, arms)."""

    all: Floats
    drawn: Floats


class Validity:
    """Ranks recommenders by what simulated users do and by real held-out rows, and says how far the two agree."""

    name: ClassVar[str] = "validity"
    question: ClassVar[str] = "Can the simulator be trusted to choose between recommenders?"
    config_type: ClassVar[type[StudyConfig]] = ValidityConfig

    async def carry_out(self, config: ValidityConfig, workshop: Workshop) -> Result:
        arms = config.arms
        if len(arms) < LEAST:
            raise StudyError(
                f"{len(arms)} recommenders have too few orders to tell agreement from chance: give {LEAST} or more\n"
                "  degraded versions count:  --option shares=0.25,0.5,0.75"
            )
        real = _read_real(await workshop.part("real", lambda: _real(config, workshop)))
        own = await _play(config, workshop, {})
        others = {name: await _play(config, workshop, changes, name) for name, changes in config.variants.items()}
        strangers = await _play_strangers(config, workshop)
        planted = _planted_rows(await workshop.part("planted", lambda: _planted(config)))
        return _result(config, workshop, list(arms), real, own, others, strangers, planted)


def _real(config: ValidityConfig, workshop: Workshop) -> dict[str, Any]:
    """Held-out quality per user and arm, for every user with held-out rows."""
    found: dict[str, Any] = {"values": {}}
    for arm, changes in config.arms.items():
        settings = config.rehearsals(**changes)
        test = workshop.shared.split(settings).test
        if not len(test):
            raise StudyError("no rows are held out, so there is nothing real to rank by\n  set test above 0, say 0.2")
        quality = held_out_quality(workshop.shared.recommender(settings), test, REAL)
        found["users"] = list(quality.cases)
        found["values"][arm] = {key: quality[key].round(6).tolist() for key in REAL}
    return found


def _read_real(found: Mapping[str, Any]) -> Real:
    return Real(tuple(found["users"]), {key: np.array([arm[key] for arm in found["values"].values()]) for key in REAL})


async def _play(config: ValidityConfig, workshop: Workshop, changes: Mapping[str, Any], variant: str = "") -> Sample:
    """Every arm under every seed."""
    read: list[list[Facts]] = []
    for seed in config.all_seeds:
        row: list[Facts] = []
        for number, (arm, own) in enumerate(config.arms.items()):
            name = f"{_slug(variant)}{number}-{_slug(arm)}seed{seed}"
            shown = own if seed == config.seed else _fixed(own, config, workshop)
            await workshop.rehearse(name, config.rehearsals(**{**changes, **shown, "seed": seed}))
            with workshop.opened(name) as run:
                row.append(facts(run))
        read.append(row)
    return _sample(read)


def _fixed(own: dict[str, Any], config: ValidityConfig, workshop: Workshop) -> dict[str, Any]:
    """The arm's recommender as the first seed made it, where that is ours to keep: real quality was measured of that one."""
    base = own["recommender"]
    if base not in BASELINES and not base.startswith(HERE):
        return own
    _lend(own, config, workshop)
    inner = {"base": base, "made_with": config.seed, "config": own["recommender_config"]}
    return {"recommender": f"{HERE}:Fixed", "recommender_config": inner}


def _lend(own: dict[str, Any], config: ValidityConfig, workshop: Workshop) -> None:
    """Spare stand-ins a second fit of what the first seed has fitted."""
    base, settings = own["recommender"], config.rehearsals(**own)
    if base in BASELINES:  # they never change once fitted, which nobody can promise of a recommender of the user's
        train = workshop.shared.split(settings).train
        lend(base, own["recommender_config"], config.seed, train, lambda: workshop.shared.recommender(settings))


async def _play_strangers(config: ValidityConfig, workshop: Workshop) -> Sample:
    """The negative control, under the first seed: everybody meets another's lists, and is held against the other's rows."""
    row: list[Facts] = []
    for number, (arm, own) in enumerate(config.arms.items()):
        base = {"base": own["recommender"], "config": own["recommender_config"]}
        settings = config.rehearsals(**own)
        _lend(own, config, workshop)
        inner = {**base, "users": settings.users}
        name = f"strangers-{number}-{_slug(arm)}seed{config.seed}"
        await workshop.rehearse(
            name, config.rehearsals(recommender=f"{HERE}:Strangers", recommender_config=inner, seed=config.seed)
        )
        train = workshop.shared.split(settings).train
        other = taken_for(sample_users(train, settings.users, config.seed))
        with workshop.opened(name) as run:
            read = facts(run)
        held = read.reference["held_out"]
        row.append(replace(read, reference={**read.reference, "held_out": {u: held[other[u]] for u in held}}))
    return _sample([row])


def _slug(text: str) -> str:
    """A part of a folder's name."""
    kept = "".join(c if c.isalnum() else "-" for c in text.rsplit("/", 1)[-1]).strip("-")
    return f"{kept[:40]}-" if kept else ""


def _sample(read: Sequence[Sequence[Facts]]) -> Sample:
    users = tuple(sorted({user for row in read for each in row for user in each.agents}))
    place = {user: at for at, user in enumerate(users)}
    sums: dict[str, Floats] = {}
    for key in SHOWN:
        found = [[BY_KEY[key].sums(each) for each in row] for row in read]
        if any(each is None for row in found for each in row):
            continue
        width = 4 if BY_KEY[key].pooled else 2
        filled = np.zeros((len(read), len(read[0]), len(users), width))
        for s, row in enumerate(found):
            for a, each in enumerate(row):
                filled[s, a, [place[user] for user in read[s][a].agents]] = np.column_stack(each or ())
        if (filled[..., 0].sum(axis=(0, 2)) >= BY_KEY[key].least).all():
            sums[key] = filled
    return Sample(users, sums)


async def _planted(config: ValidityConfig) -> dict[str, Any]:
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
        sums = _sample([read]).sums
        found[kind] = {key: sums[key][0].tolist() for key in sums if key != "lift"}  # no quality of a recommender
    return found


def _planted_rows(found: Mapping[str, Any]) -> dict[str, Row]:
    right = -np.array(LADDER)
    known_order = Baseline(1.0, "the known order: EASE with " + ", ".join(f"{s:.0%}" for s in LADDER) + " random")
    words = {"planted": "Positive control, planted taste", "exchanged": "Negative control, tastes exchanged"}
    rows = {}
    for kind, by_metric in found.items():
        for key, sums in by_metric.items():
            values = _values(np.array(sums), _weights(np.array(sums).shape[1]))
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


def _weights(n: int, seed: int = 0, draws: int = 1_000) -> Floats:
    """How often each user is drawn: (draws, users)."""
    return user_weights(n, seed)[:draws].astype(float)


def _values(sums: Floats, weights: Floats) -> Draws:
    """From sums (arms, users, k)."""
    drawn = np.einsum("du,auk->kda", weights, sums, optimize=True)
    return Draws(np.asarray(ratio(*sums.sum(axis=1).T)), np.asarray(ratio(*drawn)))


class Agreement(NamedTuple):
    """How far a simulated metric orders the arms as the real one does."""

    rho: float | None
    drawn: Floats
    tau: float | None
    tau_drawn: Floats
    both: Floats
    """Spearman with the arms drawn again too."""


def _agreement(simulated: Draws, real: Draws) -> Agreement:
    n = min(len(simulated.drawn), len(real.drawn))
    a, b = simulated.drawn[:n], real.drawn[:n]
    return Agreement(
        known(float(spearman(simulated.all, real.all))),
        spearman(a, b),
        known(float(kendall(simulated.all, real.all))),
        kendall(a, b),
        with_arms_drawn(a, b),
    )


class Pair(NamedTuple):
    """Two arms: what real data says of them, and what simulated users say."""

    a: str
    b: str
    real: Difference
    simulated: Difference
    told: bool
    """Simulated users tell the two apart: the interval leaves out 0, and the test holds after Holm over all pairs."""

    @property
    def right(self) -> bool:
        return self.told and (self.simulated.value or 0.0) * (self.real.value or 0.0) > 0


def _pairs(arms: Sequence[str], sums: Floats, real: Floats) -> list[Pair]:
    """sums (arms, users, k) and real (arms, users)."""
    ones = np.ones(real.shape[1])
    which = list(combinations(range(len(arms)), 2))
    truly = [paired(np.column_stack([real[a], ones]), np.column_stack([real[b], ones])) for a, b in which]
    played = [paired(sums[a], sums[b]) for a, b in which]
    p = holm([1.0 if each.p is None else each.p for each in played])
    return [
        Pair(arms[a], arms[b], t, s, s.found and adjusted < 0.05)
        for (a, b), t, s, adjusted in zip(which, truly, played, p, strict=True)
    ]


def smallest(sizes: Sequence[float], right: Sequence[bool], share: float) -> int | None:
    """The place of the smallest difference such that, of all at least as large, `share` were told apart rightly."""
    order = sorted(range(len(sizes)), key=lambda i: -sizes[i])
    found, good = None, 0
    for n, i in enumerate(order, 1):
        good += right[i]
        tied = n < len(order) and sizes[order[n]] == sizes[i]
        if not tied and good >= share * n - 1e-9:
            found = i
    return found


def _result(
    config: ValidityConfig,
    workshop: Workshop,
    arms: list[str],
    real: Real,
    own: Sample,
    others: Mapping[str, Sample],
    strangers: Sample,
    planted: Mapping[str, Row],
) -> Result:
    if config.metric not in own.sums:
        raise StudyError(
            f"these rehearsals say nothing of {config.metric} (no ratings, or fewer than {LEAST_HITS} hits)\n"
            f"  take one of {', '.join(own.sums) or 'none'}:  --option metric=…"
        )
    n = len(arms)
    truth = real.values[config.real]
    w_real = _weights(truth.shape[1], 1)
    truly = Draws(truth.mean(axis=1), w_real @ truth.T / truth.shape[1])
    weights, w_strangers = _weights(len(own.users)), _weights(len(strangers.users))
    played = {key: _values(sums.sum(axis=0), weights) for key, sums in own.sums.items()}
    alien = {key: _values(sums.sum(axis=0), w_strangers) for key, sums in strangers.sums.items()}
    halves = _halves(truth)
    low, high = by_chance(n)
    rivals = (
        Baseline(0.0, f"unrelated orders of {n} (95 %: {low:.2f} to {high:.2f})"),
        Baseline(halves, f"real {config.real} of one half of the users with that of the other"),
    )
    rows: list[Row] = []
    agreements, drops = {}, {}
    for key, simulated in played.items():
        found = agreements[key] = _agreement(simulated, truly)
        control = _agreement(alien[key], truly) if key in alien else None
        drops[key] = None if control is None else _drop(found, control)
        rows += _metric_rows(key, config.real, found, control, drops[key], n, rivals)
        rows += _retest(key, own.sums[key], weights, n)
    for name, sample in others.items():
        rows += _variant_rows(name, config, sample, truly, own, n, rivals)
    # One kind of pairs table per metric; the verdict reads the one of its own metric.
    pairs = {key: _pairs(arms, sums.sum(axis=0), truth) for key, sums in own.sums.items() if key != "lift"}
    for key, each in pairs.items():
        rows += _smallest_rows(key, config.real, each)
    if config.metric not in pairs:
        pairs[config.metric] = _pairs(arms, own.sums[config.metric].sum(axis=0), truth)
    rows += planted.values()
    notes = who_played(workshop)
    if n < FEW:
        notes.append(
            f"{n} recommenders carry little: unrelated orders agree up to {high:.2f} in 95 of 100 cases; more of them"
            " (or degraded versions: shares) say more than more users do"
        )
    notes.append(
        "intervals draw users again (real and simulated ones each on their own); rows 'recommenders drawn too' draw the"
        " recommenders as well, and are what holds for recommenders like these"
    )
    notes.append(
        "the taste-shuffled control keeps what does not hang on taste: popular and well-rated items stay so for everybody"
    )
    return Result(
        _verdict(config, n, agreements[config.metric], drops[config.metric], planted, pairs[config.metric]),
        rows,
        _cases(config, arms, real, own, played, alien, pairs),
        _plots(config, arms, truly, played, agreements, alien),
        notes,
    )


def _halves(truth: Floats) -> float | None:
    """Mean rank correlation of the real values of two random halves of the users: truth (arms, users)."""
    rng = np.random.default_rng(2)
    size = truth.shape[1] // 2
    if size < 1:
        return None
    orders = [rng.permutation(truth.shape[1]) for _ in range(HALVES)]
    first = np.array([truth[:, order[:size]].mean(axis=1) for order in orders])
    second = np.array([truth[:, order[size:]].mean(axis=1) for order in orders])
    return known(float(np.nanmean(spearman(first, second))))


class Drop(NamedTuple):
    """Rank correlation that is lost when users meet another's lists."""

    value: float | None
    low: float | None
    high: float | None
    control: float | None


def _drop(own: Agreement, control: Agreement) -> Drop:
    n = min(len(own.drawn), len(control.drawn))
    # A control in which all arms are alike has no order at all: what it shares with the real one is nothing.
    gap = own.drawn[:n] - np.nan_to_num(control.drawn[:n])
    value = None if own.rho is None else own.rho - (control.rho or 0.0)
    return Drop(value, *interval(gap), control.rho)


def _metric_rows(
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


def _retest(key: str, sums: Floats, weights: Floats, n: int) -> list[Row]:
    """Mean rank correlation between seeds: sums (seeds, arms, users, k)."""
    label = f"{BY_KEY[key].label}: Spearman between seeds"
    if len(sums) < 2:
        return [Row(f"retest_{key}", label, None, note="one seed only")]
    by_seed = [_values(each, weights) for each in sums]
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


def _variant_rows(
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
    weights = _weights(len(sample.users))
    other = _values(sample.sums[key].sum(axis=0), weights)
    found = _agreement(other, truly)
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
        beside = _agreement(other, _values(first, weights))
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


def _smallest_rows(key: str, real: str, pairs: Sequence[Pair]) -> list[Row]:
    """From which real difference on all, or four fifths, of the pairs are told apart in the right direction. Pairs that real
    data itself cannot tell apart have no direction to be right about."""
    told = [pair for pair in pairs if pair.real.found]
    sizes = [abs(pair.real.value or 0.0) for pair in told]
    right, wrong = sum(pair.right for pair in told), sum(pair.told and not pair.right for pair in told)
    unsure = sum(pair.told for pair in pairs if not pair.real.found)
    rows = []
    for share, words in ((1.0, "all pairs"), (0.8, "80 % of pairs")):
        at = smallest(sizes, [pair.right for pair in told], share)
        bounds = (None, None) if at is None else _size_bounds(told[at].real)
        rows.append(
            Row(
                f"smallest_{key}_{share:.0%}".rstrip("%"),
                f"{BY_KEY[key].label}: smallest real {real} difference told apart, {words}",
                None if at is None else sizes[at],
                "bits",
                *bounds,
                len(told),
                "pairs that real data tells apart",
                (
                    Baseline(max(sizes, default=None), "the largest among these"),
                    Baseline(min(sizes, default=None), "the smallest that real data itself tells apart"),
                ),
                ("" if at is not None else "not even the largest was told apart rightly; ")
                + f"{right} of {len(told)} told apart in the right direction, {wrong} in the wrong one; of {len(pairs) - len(told)}"
                f" pairs that real data cannot tell apart, {unsure}",
            )
        )
    return rows


def _size_bounds(real: Difference) -> tuple[float | None, float | None]:
    """The interval of a difference, as one of its size."""
    if real.low is None or real.high is None:
        return None, None
    ends = sorted((abs(real.low), abs(real.high)))
    return (0.0 if real.low <= 0 <= real.high else ends[0]), ends[1]


def _verdict(
    config: ValidityConfig,
    n: int,
    found: Agreement,
    drop: Drop | None,
    planted: Mapping[str, Row],
    pairs: Sequence[Pair],
) -> str:
    label = BY_KEY[config.metric].label.lower()
    control = planted.get(f"planted_{config.metric}")
    bounds = interval(found.drawn)
    if control is not None and (control.value is None or control.value < PLANTED_RIGHT):
        return f"not to be trusted: by {label}, users of planted taste do not even rank a ladder of known order rightly"
    if found.rho is None or bounds.low is None or bounds.high is None:
        return f"no order found: by {label}, simulated users do not tell these {n} recommenders apart"
    value = (
        f"Spearman {found.rho:.2f} [{bounds.low:.2f}, {bounds.high:.2f}] with real {config.real} over {n} recommenders"
    )
    if bounds.low <= 0 or (found.rho <= by_chance(n)[1] and chance_of(found.rho, n) > 0.05):
        return f"no agreement found: by {label}, {value}, as chance would have it"
    pairs = [pair for pair in pairs if pair.real.found]
    sizes = [abs(pair.real.value or 0.0) for pair in pairs]
    at = smallest(sizes, [pair.right for pair in pairs], 0.8)
    least = "" if at is None else f"; differences of {show(sizes[at], 'bits')} and more are told apart in 4 of 5 pairs"
    if drop is None or drop.low is None or drop.low <= 0:
        shuffled = "–" if drop is None or drop.control is None else f"{drop.control:.2f}"
        return (
            f"the order agrees, but not by taste: by {label}, {value}; users with another's lists give {shuffled}"
            f" as well{least}"
        )
    return f"the order agrees, and by taste: by {label}, {value}; without taste {drop.control or 0.0:.2f}{least}"


def _cases(
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


def _plots(
    config: ValidityConfig,
    arms: Sequence[str],
    truly: Draws,
    played: Mapping[str, Draws],
    agreements: Mapping[str, Agreement],
    alien: Mapping[str, Draws],
) -> list[Plot]:
    keys = list(agreements)
    control = [_agreement(alien[key], truly) if key in alien else None for key in keys]
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
