"""`ab`: do recommenders differ for the same users, by how much, and would a log have told?

Every arm rehearses with the same users under the same chance, which is drawn by address (seed, user, page, item): what
differs between two arms is what they show. The control rehearses once more under other chance (A/A): the same test must find
nothing there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field, field_validator, model_validator

from ..outcome.facts import facts
from ..outcome.numbers import Baseline, Row, Unit, mean_row, show
from ..sweep.contrast import holm
from .ab_log import EXPLORE, Judged, judge, log_plots, log_rows, read_log
from .effect import LEVEL, Effect, effect
from .honesty import who_played
from .sessions import MEASURES, Arm, ReturnModel, read_arm
from .study import Plot, Result, Series, StudyConfig
from .workshop import Workshop

AGAIN, LOG = "again", "log"
OTHER_CHANCE = 1_000_003
"""Added to the seed of chance for the A/A arm: far from every seed of the study."""


class ABConfig(StudyConfig):
    recommenders: tuple[str, ...] = ("ease", "pop", "random")
    """The arms; the first is the control that the others are held against."""
    explore: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of the log's users who get a random page of all arms' first items; 0: no estimates off a log."""
    power: float = Field(default=0.8, gt=0.05, lt=1.0)
    """Power at which the minimum detectable effect is given."""
    returning: ReturnModel = ReturnModel()
    """How likely users come back (`rate`, `satisfaction`, `watched`): a choice, not a measurement."""

    @field_validator("recommenders")
    @classmethod
    def _two(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) < 2 or len(set(value)) < len(value):
            raise ValueError("takes two or more different recommenders, for example ease,pop")
        return value

    @model_validator(mode="after")
    def _of_all(self) -> ABConfig:
        for key in ("recommender", "recommender_config"):
            if self.rehearsal.get(key):
                raise ValueError(f"{key} is no setting of these rehearsals: name the arms in recommenders")
        return self

    @property
    def opened(self) -> tuple[str, ...]:
        return self.recommenders


class AB:
    name = "ab"
    question = "Do recommenders differ for the same users, by how much, and would a log have told?"
    config_type = ABConfig

    async def carry_out(self, config: ABConfig, workshop: Workshop) -> Result:
        control, names = config.recommenders[0], folders(config.recommenders)
        for seed in config.all_seeds:
            asked = config.settings(recommender=control, seed=seed)
            for arm, folder in names.items():
                await workshop.rehearse(f"{folder}-seed{seed}", asked.model_copy(update={"recommender": arm}))
            other = asked.model_copy(update={"chance": asked.luck + OTHER_CHANCE})
            await workshop.rehearse(f"{AGAIN}-seed{seed}", other)
            if config.explore:
                options = {"arms": list(config.recommenders), "epsilon": config.explore, "size": asked.page_size}
                logged = {"recommender": EXPLORE, "recommender_config": options, "pages": 1, "refit_every": 0}
                await workshop.rehearse(f"{LOG}-seed{seed}", config.settings(**logged, seed=seed))
        arms = [_arm(config, workshop, arm, folder) for arm, folder in names.items()]
        again = _arm(config, workshop, f"{control} again", AGAIN)
        tests = Tests(arms, again, config.power)
        judged: list[Judged] = []
        cases = {"sessions": [row for arm in (*arms, again) for row in arm.rows()]}
        if config.explore:
            log = read_log(config.all_seeds, lambda seed: workshop.opened(f"{LOG}-seed{seed}"))
            judged = [judge(log, arm, seed=config.seed) for arm in arms]
            cases["log"] = log.rows()
        return Result(
            verdict=tests.verdict(),
            rows=[*tests.rows(), *log_rows(judged, arms)],
            cases=cases,
            plots=[*tests.plots(), *log_plots(judged)],
            notes=_notes(config, workshop, tests),
        )


def folders(recommenders: Sequence[str]) -> dict[str, str]:
    """Arm -> the beginning of its rehearsals' folder names: a number, and what of its name a folder can hold."""
    return {
        arm: f"{i}-{re.sub(r'[^A-Za-z0-9]+', '-', arm).strip('-')[-40:] or 'arm'}" for i, arm in enumerate(recommenders)
    }


def _arm(config: ABConfig, workshop: Workshop, label: str, folder: str) -> Arm:
    runs, luck = {}, {}
    for seed in config.all_seeds:
        with workshop.opened(f"{folder}-seed{seed}") as run:
            runs[seed] = facts(run)
            chance = run.manifest.config.get("chance")
            luck[seed] = seed if chance is None else int(chance)
    return read_arm(label, runs, luck, config.returning)


class Tests:
    """Every arm against the control on every measure, corrected together (Holm over arms x measures); and the control
    against itself, corrected over its own measures."""

    def __init__(self, arms: Sequence[Arm], again: Arm, power: float = 0.8) -> None:
        self.control, self.arms, self.again, self.power = arms[0], arms[1:], again, power
        self.effects = {
            (arm.label, measure): effect(arm.per_user(measure, against=self.control), power=power)
            for arm in (*self.arms, again)
            for measure in MEASURES
        }
        self.adjusted = self._holm(self.arms) | self._holm([again])

    def _holm(self, arms: Sequence[Arm]) -> dict[tuple[str, str], float]:
        tested = {
            (arm.label, measure): p
            for arm in arms
            for measure in MEASURES
            if (p := self.effects[arm.label, measure].p) is not None
        }
        return dict(zip(tested, holm(list(tested.values())), strict=True))

    def holds(self, arm: str, measure: str) -> bool:
        """Whether a difference was found that stands the correction."""
        return self.adjusted.get((arm, measure), 1.0) < LEVEL

    @property
    def quiet(self) -> bool:
        """Whether the A/A arm shows nothing, as it must."""
        return not any(self.holds(self.again.label, measure) for measure in MEASURES)

    def verdict(self) -> str:
        """One line for a decision."""
        parts = []
        for arm in self.arms:
            found = [
                (measure, value)
                for measure in MEASURES
                if self.holds(arm.label, measure) and (value := self.effects[arm.label, measure].value) is not None
            ]
            words = ", ".join(f"{MEASURES[m][0].lower()} {_gap(v, m)}" for m, v in found)
            unknown = [MEASURES[m][0].lower() for m in MEASURES if self.effects[arm.label, m].p is None]
            if len(unknown) == len(MEASURES):
                played = any(self.effects[arm.label, m].n for m in MEASURES)
                words = "too few users to tell anything" if played else "nothing is known of it in these rehearsals"
            elif unknown:  # nothing was shown to anybody, say: that is no equality
                words = f"{words or 'no difference found'} (nothing can be said of {', '.join(unknown)})"
            parts.append(f"{arm.label} against {self.control.label}: {words or 'no difference found'}")
        if not self.quiet:
            loud = [MEASURES[m][0].lower() for m in MEASURES if self.holds(self.again.label, m)]
            parts.append(
                f"but {self.control.label} differs from itself under other chance ({', '.join(loud)}): do not trust it"
            )
        return "; ".join(parts)

    def rows(self) -> list[Row]:
        """Per measure: the control's own mean, every arm's difference to it, the control's difference to itself."""
        rows = []
        for measure, (label, unit) in MEASURES.items():
            rows.append(
                mean_row(
                    f"{measure}/{self.control.label}",
                    f"{label}: {self.control.label}",
                    self.control.per_user(measure),
                    unit,
                    Baseline(None, "the control"),
                    empty="nothing is known of it in these rehearsals",
                )
            )
            rows += [self._row(arm, measure) for arm in (*self.arms, self.again)]
        return rows

    def _row(self, arm: Arm, measure: str) -> Row:
        label = MEASURES[measure][0]
        found, itself = self.effects[arm.label, measure], self.effects[self.again.label, measure]
        rivals = [Baseline(0.0, "if they were alike")]
        if arm is not self.again:
            if itself.value is not None:
                rivals.insert(0, Baseline(itself.value, f"{self.control.label} against itself, other chance"))
        else:
            rivals = [Baseline(0.0, "as nothing differs but chance")]
        return Row(
            f"{measure}/{arm.label}",
            f"{label}: {arm.label} − {self.control.label}",
            found.value,
            _unit(measure),
            found.low,
            found.high,
            found.n,
            "users",
            tuple(rivals),
            self.sentence(arm.label, measure),
        )

    def sentence(self, arm: str, measure: str) -> str:
        """What the test of one arm on one measure says."""
        found = self.effects[arm, measure]
        if found.n == 0:
            return "nothing is known of it in these rehearsals"
        if found.p is None or found.low is None:
            return "too few users for a test"
        if not found.spread:
            return "no difference: equal for every user" if not found.value else "the same difference for every user"
        said = (
            "a difference"
            if self.holds(arm, measure)
            else "a difference alone, none among so many"
            if found.p < LEVEL
            else "no difference found"
        )
        return (
            f"{said}; d {found.d or 0.0:+.2f}, p {found.p:.2g}, Holm {self.adjusted[arm, measure]:.2g}, "
            f"least that is found {_gap(found.least, measure).lstrip('+')}"
        )

    def plots(self) -> list[Plot]:
        """Effect sizes of all arms and of the A/A arm, measure by measure."""
        series = [self._series(arm) for arm in (*self.arms, self.again)]
        return [
            Plot(
                "effects",
                f"Difference to {self.control.label}, in standard deviations of users' differences",
                "dots",
                [label for label, _ in MEASURES.values()],
                series,
                axis="d, 95 % interval",
                reference=(0.0, "no difference"),
            )
        ]

    def _series(self, arm: Arm) -> Series:
        found = [self.effects[arm.label, measure] for measure in MEASURES]

        def scaled(effect: Effect, value: float | None) -> float | None:
            return value / effect.spread if value is not None and effect.spread else None

        return Series(
            arm.label,
            [scaled(e, e.value) for e in found],
            [scaled(e, e.low) for e in found],
            [scaled(e, e.high) for e in found],
        )


def _unit(measure: str) -> Unit:
    """The unit of a difference."""
    unit = MEASURES[measure][1]
    return "pp" if unit == "share" else unit


def _gap(value: float | None, measure: str) -> str:
    """A difference with its sign."""
    sign = "+" if (value or 0.0) > 0 and _unit(measure) != "pp" else ""
    return f"{sign}{show(value, _unit(measure))}"


def _notes(config: ABConfig, workshop: Workshop, tests: Tests) -> list[str]:
    model = config.returning
    notes = [
        f"the same users and the same chance in every arm; {config.seeds} seeds, a user drawn under several is one case",
        "intervals: paired bootstrap over users, 95 %; p: sign-flip test; Holm over "
        f"{len(tests.arms)} arms x {len(MEASURES)} measures; least that is found: by so many users, with "
        f"{100 * config.power:g} % power, at the 5 % level before Holm",
        f"{tests.again.label}: the control under other chance; "
        + ("nothing found, as it must be" if tests.quiet else "a difference was found where there is none")
        + " (of such checks one in twenty finds something)",
        "coming back is no measurement: P = sigmoid("
        f"logit {model.rate:g} + {model.satisfaction:g} (satisfaction − 5.5) + {model.watched:g} (share watched − 0.4)), chosen",
    ]
    if not config.explore:
        notes.append(
            "no estimates off a log: without exploration every propensity is 1 and the control's log shows nothing of what"
            " the others would (explore = 0)"
        )
    else:
        notes.append(
            f"the log: one page per user, {100 * config.explore:g} % of the users a random page of all arms' items, else"
            f" {tests.control.label}'s; per item shown; what an item earns is taken not to depend on its neighbours"
        )
    return [*notes, *who_played(workshop)]
