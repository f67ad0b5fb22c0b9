"""Taste alignment (Agent4Rec section 4.1): do agents tell items that a user did meet later from items never met?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt, field_validator

from ...agents.ask import BudgetReached
from ...agents.personas import build_personas
from ...agents.unmet import Negatives
from ...data import PromptGuard
from ...evaluators import paired_difference
from ..config import SimulateConfig
from ..outcome.behaviour import truth_rows
from ..outcome.facts import Bools, Floats, facts
from ..outcome.numbers import Baseline, Row, known, mean_row, resamples, show
from ..outcome.summary import FILMS, OTHERS
from ..players import can_play, mode_of, prompts_of
from ..preparation import embedder
from ..sweep.contrast import holm
from .align_pages import TastePage, draw_pages, judgeable, masked, positives_on
from .align_rules import ANSWER, MEASURES, Criterion, Rule, fit_rule, page_values
from .align_scorers import (
    Scores,
    chance_scores,
    model_scores,
    popularity_scores,
    recommender_scores,
    scripted_scores,
    text_scores,
)
from .study import Plot, Result, Series, StudyConfig, StudyError
from .workshop import Halted, Workshop

AGENTS, POPULARITY, TEXT, CHANCE = "agents", "popularity", "text", "chance"
SWAPPED, MASKED = "agents, personas swapped", "agents, titles masked"

HELD_OUT = 0.4
"""Share of rows held out where the settings say nothing: half of a page at 1:1 are held-out items, so many are needed."""
LEAST_USERS = 4
"""Test users, and validation users, at least."""

LABELS = {
    "accuracy": "Right answers",
    "precision": "Precision of what is taken up",
    "recall": "Recall of held-out items",
    "f1": "F1",
    "auc": "AUC",
}
IN_FULL = ("f1", "auc")
"""Measures that are shown beside every rival; the others beside popularity and chance."""


class AlignConfig(StudyConfig):
    """Settings of `align`."""

    seeds: PositiveInt = 1
    """Pages a user has of each kind and ratio, drawn with seeds `seed`, `seed` + 1, …; a user's values are their mean."""
    items: int = Field(default=20, ge=4, le=60)
    """Items on a page."""
    ratios: tuple[PositiveInt, ...] = (1, 2, 3, 9)
    """Unmet items per held-out one, each on a page of its own."""
    negatives: tuple[Negatives, ...] = ("random", "popular", "matched")
    """Where unmet items come from: any (`random`), in proportion to popularity (`popular`), of the same popularity as the
    held-out ones (`matched`)."""
    rivals: tuple[str, ...] = ("itemknn", "ials")
    """Recommenders that judge the same pages, beside popularity, text similarity and chance."""
    validation: PositiveInt = 60
    """Users on whom every scorer's threshold is chosen; they are no part of the numbers."""
    criterion: Criterion = "balanced"
    """What a threshold is chosen by: `balanced` accuracy (the same at every ratio), `f1` or `accuracy`."""
    in_parts: int = Field(default=1, ge=1, le=10)
    """Models that write: a page is asked about in so many calls."""
    masked: bool = True
    """Models: ask again with neutral codes in place of titles and ids, so that what a model knows of titles is taken out."""
    swapped: bool | None = None
    """Ask again with another user's persona, a control. None: scripted users only, whom it costs nothing."""
    on_policy: bool = True
    """Rehearse as well, and hold what is taken up against what the recommender showed."""
    recorded: str = ""
    """A folder of Agent4Rec's recorded run: its choices are judged instead, and nothing is rehearsed."""

    @field_validator("ratios", "negatives")
    @classmethod
    def _some(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value or len(set(value)) < len(value):
            raise ValueError("takes one or more, each once")
        return value

    def settings(self, **changes: Any) -> SimulateConfig:
        return super().settings(**({} if "test" in self.rehearsal else {"test": HELD_OUT}) | changes)


class Align:
    """Agents and baselines judge the same pages, each with a threshold of its own from validation users.

    Personas and baselines know training rows only; labels come from `PromptGuard`. Users have one page per ratio and kind
    of negatives, and every number is a mean over users.
    """

    name: ClassVar[str] = "align"
    question: ClassVar[str] = "Do agents tell items that their user met later from items the user never met?"
    config_type: ClassVar[type[StudyConfig]] = AlignConfig

    async def carry_out(self, config: AlignConfig, workshop: Workshop) -> Result:
        if config.recorded:
            from .align_recorded import judge_recorded

            return judge_recorded(Path(config.recorded), config.seed)
        settings = config.settings()
        try:
            judged = await _judge(config, settings, workshop)
        except BudgetReached as stop:
            raise Halted(str(stop)) from None
        return _result(config, settings, judged, await _on_policy(config, settings, workshop))


@dataclass
class Judged:
    """Pages (of test users and of validation users), and what each scorer gave them."""

    pages: list[TastePage]
    test: frozenset[str]
    scores: dict[str, Scores]
    answers: bool
    """The agents answer yes or no: no threshold is chosen for them."""
    who: str
    notes: list[str] = field(default_factory=list)


async def _judge(config: AlignConfig, settings: SimulateConfig, workshop: Workshop) -> Judged:
    shared = workshop.shared
    split = shared.split(settings)
    train, seed = split.train, settings.seed
    users = judgeable(split, positives_on(config.items, min(config.ratios)), seed)
    test = max(0, min(settings.users, max(len(users) - config.validation, 2 * len(users) // 3)))
    chosen = users[: test + config.validation]
    if test < LEAST_USERS or len(chosen) - test < LEAST_USERS:
        least = positives_on(config.items, min(config.ratios))
        raise StudyError(
            f"align: only {len(users)} users have {least} held-out rows and a history beside them\n"
            f"  hold more out (rehearsal.test, now {settings.test:g}), or ask about smaller pages (items, now {config.items})"
        )
    guard = PromptGuard(train, split.test)
    personas = build_personas(train, chosen)
    for persona in personas:
        guard.show(persona.user, persona.history)
    asked = (guard, chosen, config.negatives, config.ratios, config.items)
    pages = [page for draw in config.all_seeds for page in draw_pages(split, *asked, draw)]
    if len({(page.kind, page.ratio) for page in pages}) < len(config.negatives) * len(config.ratios):
        raise StudyError(f"align: {train.name} has too few items for pages of {config.items}\n  ask for fewer (items)")
    notes = [
        f"{test} users judged, {len(chosen) - test} others for the thresholds; all have {positives_on(config.items, min(config.ratios))} "
        f"or more held-out rows (of {len(train.users):,} users {len(users):,} do), so they are busier than most",
    ]
    if test < settings.users:
        notes.append(f"{settings.users} users were asked for")
    scores: dict[str, Scores] = {}
    mode = "scripted"
    if settings.scripted:
        scores[AGENTS] = scripted_scores(settings, train, personas, pages, False)
        if config.swapped is not False:
            scores[SWAPPED] = scripted_scores(settings, train, personas, pages, True)
        notes.append(
            "scripted users: shows the machinery, not people; they read no titles, so masking would change nothing"
        )
    else:
        mode = await _ask(config, settings, workshop, pages, scores, notes)
    scores[POPULARITY] = popularity_scores(train, pages)
    for name in config.rivals:
        fitted = shared.recommender(config.settings(recommender=name, recommender_config={}))
        scores[name] = recommender_scores(fitted, pages)
    scores[TEXT] = text_scores(train, pages, embedder(settings.memory))
    scores[CHANCE] = chance_scores(train, pages, seed)
    audit = guard.audit()
    notes.append(
        f"labels came through the guard: {audit.labelled:,} pairs, {audit.positives:,} of them met; none had been shown"
    )
    return Judged(pages, frozenset(chosen[:test]), scores, mode == "generate", settings.model, notes)


async def _ask(
    config: AlignConfig,
    settings: SimulateConfig,
    workshop: Workshop,
    pages: Sequence[TastePage],
    scores: dict[str, Scores],
    notes: list[str],
) -> str:
    """Put the model's scores into `scores`, arm by arm, each kept once it is whole. Returns the mode."""
    train = workshop.shared.split(settings).train
    async with workshop.door(settings) as door:
        can_play(settings, door)
        mode = mode_of(settings, door)
        prompts = prompts_of(settings, mode)

        async def ask(over: Any, asked: Sequence[TastePage], swapped: bool = False) -> Scores:
            return await model_scores(
                settings,
                mode,
                door,
                prompts,
                over,
                asked,
                workshop.progress,
                swapped=swapped,
                in_parts=config.in_parts,
            )

        scores[AGENTS] = await workshop.part(AGENTS, lambda: ask(train, pages))
        if config.swapped:
            scores[SWAPPED] = await workshop.part(SWAPPED, lambda: ask(train, pages, True))
        if config.masked:
            hidden = masked(train, genres_in_title=mode == "score" and settings.reads == "title")
            codes = dict(zip(train.items.ids, hidden.items.ids, strict=True))
            veiled = [page._replace(items=tuple(codes[item] for item in page.items)) for page in pages]
            scores[MASKED] = await workshop.part(MASKED, lambda: ask(hidden, veiled))
        if door.abilities.plumbing_grade:
            notes.append("plumbing-grade model: shows the machinery, not people")
        if mode == "generate":
            notes.append("the agents answer yes or no to the whole page; no threshold is chosen for them")
    lost = sum(each is None for each in scores[AGENTS])
    if lost:
        notes.append(f"{lost} of {len(pages)} pages got no usable answer; those users are left out there, in every arm")
    return mode


async def _on_policy(config: AlignConfig, settings: SimulateConfig, workshop: Workshop) -> list[Row]:
    """Precision among what a rehearsal's users take up, and its lift over what they were shown."""
    if not config.on_policy:
        return []
    await workshop.rehearse("on-policy", settings)
    with workshop.opened("on-policy") as run:
        rows = truth_rows(facts(run), FILMS if settings.actions == "films" else OTHERS)
    return [
        replace(row, key=f"on_policy_{row.key}", label=f"On policy ({settings.recommender}): {row.label}")
        for row in rows
    ]


@dataclass
class Cell:
    """One kind of negatives at one ratio: the test users' values by arm and measure, (users,), NaN where one is lost."""

    kind: Negatives
    ratio: int
    users: list[str]
    values: dict[str, dict[str, Floats]]
    rules: dict[str, Rule]

    @property
    def name(self) -> str:
        return f"{self.kind} 1:{self.ratio}"

    def of(self, arm: str, measure: str) -> Floats:
        """Values over the users whom the agents have answered for: the same ones in every arm."""
        return np.where(np.isnan(self.values[AGENTS]["auc"]), np.nan, self.values[arm][measure])

    def mean(self, arm: str, measure: str) -> float | None:
        """Their mean; None without one."""
        value = self.of(arm, measure)
        value = value[~np.isnan(value)]
        return known(float(value.mean())) if len(value) else None


def _cells(config: AlignConfig, judged: Judged) -> Iterator[Cell]:
    for kind in config.negatives:
        for ratio in config.ratios:
            rows = [i for i, page in enumerate(judged.pages) if (page.kind, page.ratio) == (kind, ratio)]
            pages = [judged.pages[i] for i in rows]
            labels: Bools = np.array([page.labels for page in pages], dtype=bool)
            test = np.array([page.user in judged.test for page in pages])
            owners = [page.user for page in pages if page.user in judged.test]
            cell = Cell(kind, ratio, list(dict.fromkeys(owners)), {}, {})
            place = {user: at for at, user in enumerate(cell.users)}
            who = np.array([place[user] for user in owners])
            for arm, all_scores in judged.scores.items():
                scores = np.array([all_scores[i] or [np.nan] * config.items for i in rows], dtype=float)
                own = judged.answers and arm.startswith(AGENTS)
                rule = ANSWER if own else fit_rule(scores[~test], labels[~test], config.criterion)
                cell.rules[arm] = rule
                values = page_values(scores[test], labels[test], rule)
                cell.values[arm] = {name: _by_user(value, who, len(place)) for name, value in values.items()}
            yield cell


def _by_user(values: Floats, who: npt.NDArray[np.int64], users: int) -> Floats:
    """Mean over each user's pages that have a value: (users,), NaN where none has."""
    there = ~np.isnan(values)
    count = np.bincount(who[there], minlength=users)
    total = np.bincount(who[there], values[there], minlength=users)
    return np.divide(total, count, out=np.full(users, np.nan), where=count > 0)


@dataclass(frozen=True)
class Contrast:
    """The agents against one rival in one cell. `p`: adjusted for all contrasts of a verdict (Holm)."""

    cell: Cell
    rival: str
    value: float
    low: float
    high: float
    n: int
    p: float

    @property
    def says(self) -> str:
        """better, worse, or no difference: where interval and test agree."""
        if self.p < 0.05 and (self.low > 0 or self.high < 0):
            return "better" if self.value > 0 else "worse"
        return "no difference"


def _contrasts(cells: Sequence[Cell], rivals: Sequence[str], measure: str) -> list[Contrast]:
    found = []
    for cell in cells:
        for rival in rivals:
            a = cell.of(AGENTS, measure)
            # What chance is worth on a page is known: a drawn order would only add its own noise.
            b = np.full(len(a), 0.5) if rival == CHANCE else cell.of(rival, measure)
            if np.isnan(a - b).all():
                continue
            found.append((cell, rival, paired_difference(a, b, draws=resamples(len(a)))))
    adjusted = holm([gap.p_value for *_, gap in found])
    return [
        Contrast(cell, rival, gap.mean, gap.low, gap.high, gap.n, p)
        for (cell, rival, gap), p in zip(found, adjusted, strict=True)
    ]


def _result(config: AlignConfig, settings: SimulateConfig, judged: Judged, on_policy: list[Row]) -> Result:
    cells = list(_cells(config, judged))
    controls = [arm for arm in judged.scores if arm in (SWAPPED, MASKED)]
    rivals = [arm for arm in judged.scores if arm != AGENTS and arm not in controls]
    arms = [AGENTS, *rivals, *controls]
    hardest = [cell for cell in cells if cell.ratio == max(config.ratios)]
    measure = "balanced" if judged.answers else "auc"
    contrasts = [
        *_contrasts(hardest, [POPULARITY], measure),
        *_contrasts(hardest, [rival for rival in rivals if rival != POPULARITY], measure),
    ]
    rows = [_gap_row(each, measure) for each in [*contrasts, *_contrasts(hardest, controls, measure)]]
    in_full = {min(config.ratios), max(config.ratios)}
    rows += [row for cell in cells for row in _rows(cell, arms, LABELS if cell.ratio in in_full else IN_FULL)]
    notes = [
        *judged.notes,
        f"{_SAID[measure]} decides the verdict, at 1:{max(config.ratios)}, adjusted over {len(hardest)} looks at popularity and "
        f"{len(contrasts) - len(hardest)} at other rivals (Holm)",
        "an unmet item may be one the user would have liked: nobody reaches 1",
    ]
    return Result(
        verdict=_verdict(contrasts, settings, max(config.ratios)),
        rows=[*rows, *on_policy],
        cases={"pages": list(_cases(cells))},
        plots=list(_plots(config, cells, arms, measure)),
        notes=notes,
        data={"table": [_table(cell) for cell in cells]},
    )


_SAID = {
    "auc": "AUC (the chance that a held-out item is scored above an unmet one)",
    "balanced": "balanced accuracy (a yes or no has no finer order)",
}


def _rows(cell: Cell, arms: Sequence[str], measures: Iterable[str]) -> Iterator[Row]:
    for measure in measures:
        label = LABELS[measure]
        shown = [arm for arm in arms if arm != AGENTS and (measure in IN_FULL or arm in (POPULARITY, CHANCE))]
        yield mean_row(
            f"{cell.kind}_1_{cell.ratio}_{measure}",
            f"{label}, {cell.name}",
            cell.of(AGENTS, measure),
            "" if measure in IN_FULL else "share",
            *(Baseline(cell.mean(arm, measure), arm) for arm in shown),
            empty="no page got a usable answer" if measure != "precision" else "nothing was taken up",
            note="users who took something up" if measure == "precision" else "",
        )


def _gap_row(each: Contrast, measure: str) -> Row:
    own, other = each.cell.mean(AGENTS, measure), each.cell.mean(each.rival, measure)
    words = {"better": "agents are better", "worse": "agents are worse", "no difference": "no difference found"}
    return Row(
        f"{each.cell.kind}_1_{each.cell.ratio}_minus_{each.rival.replace(', ', '_').replace(' ', '_')}",
        f"{measure.upper() if measure == 'auc' else 'Balanced accuracy'}, {each.cell.name}: agents minus {each.rival}",
        each.value,
        "",
        known(each.low),
        known(each.high),
        each.n,
        "users",
        (Baseline(0.0, f"if {each.rival} were as good"),),
        f"{words[each.says]} (p {each.p:.3g}, Holm): {show(own, '')} against {show(other, '')}",
    )


def _verdict(contrasts: Sequence[Contrast], settings: SimulateConfig, ratio: int) -> str:
    """How the agents stand against popularity, and which rivals do better than they."""
    who = "scripted users" if settings.scripted else settings.model
    if not contrasts:
        return f"no page got a usable answer from {who}: nothing can be said"

    def where(says: str, rival: str) -> list[str]:
        return [each.cell.kind for each in contrasts if (each.says, each.rival) == (says, rival)]

    kinds = list(dict.fromkeys(each.cell.kind for each in contrasts))
    blind = [kind for kind in kinds if kind not in where("better", CHANCE)]
    words = {
        "better": "better than popularity",
        "no difference": "no better than popularity",
        "worse": "worse than popularity",
    }
    found = {text: [kind for kind in where(says, POPULARITY) if kind not in blind] for says, text in words.items()}
    # Where popularity points the wrong way, to do better than it is nothing yet.
    found["no better than chance"] = blind
    said = ", ".join(f"{text} ({', '.join(which)})" for text, which in found.items() if which)
    rivals = dict.fromkeys(each.rival for each in contrasts if each.rival not in (POPULARITY, CHANCE))
    ahead = [f"{name} does better than they ({', '.join(which)})" for name in rivals if (which := where("worse", name))]
    return "; ".join([f"at 1:{ratio} the agents ({who}) tell chosen from unmet items {said}", *ahead])


def _cases(cells: Sequence[Cell]) -> Iterator[dict[str, Any]]:
    for cell in cells:
        for arm, values in cell.values.items():
            for at, user in enumerate(cell.users):
                row = {name: known(float(values[name][at])) for name in MEASURES}
                yield {"user": user, "arm": arm, "negatives": cell.kind, "ratio": cell.ratio, **row}


def _table(cell: Cell) -> dict[str, Any]:
    arms = {
        arm: {name: cell.mean(arm, name) for name in MEASURES}
        | {"threshold": cell.rules[arm].threshold, "scale": cell.rules[arm].scale}
        for arm in cell.values
    }
    return {"negatives": cell.kind, "ratio": cell.ratio, "users": len(cell.users), "arms": arms}


def _plots(config: AlignConfig, cells: Sequence[Cell], arms: Sequence[str], measure: str) -> Iterator[Plot]:
    places = [f"1:{ratio}" for ratio in config.ratios]
    pictured: Mapping[str, tuple[str, Callable[[Cell], float | None]]] = {
        measure: ("AUC" if measure == "auc" else "balanced accuracy", lambda cell: 0.5),
        "f1": ("F1", lambda cell: None),
    }
    for kind in config.negatives:
        own = [cell for cell in cells if cell.kind == kind]
        for name, (axis, chance) in pictured.items():
            series = []
            for arm in arms:
                rows = [mean_row("", "", cell.of(arm, name), "", empty="") for cell in own]
                series.append(Series(arm, [r.value for r in rows], [r.low for r in rows], [r.high for r in rows]))
            level = chance(own[0])
            yield Plot(
                f"{name}_{kind}",
                f"{axis}, {kind} negatives",
                "lines",
                places,
                series,
                axis=axis,
                across="held-out : unmet items",
                reference=None if level is None else (level, "chance"),
            )
