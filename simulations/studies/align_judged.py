"""Who judges the pages of `align`: agents, their controls, and every rival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...agents.personas import build_personas
from ...data import PromptGuard
from ..config import SimulateConfig
from ..outcome.printed import BANNER
from ..players import can_play, mode_of, prompts_of
from ..preparation import embedder
from .align_design import AGENTS, CHANCE, LEAST_USERS, MASKED, POPULARITY, SWAPPED, TEXT, AlignConfig
from .align_pages import TastePage, draw_pages, judgeable, masked, positives_on
from .align_scorers import (
    Scores,
    chance_scores,
    model_scores,
    popularity_scores,
    recommender_scores,
    scripted_scores,
    text_scores,
)
from .honesty import SCRIPTED
from .study import StudyError
from .workshop import Workshop


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


async def judge(config: AlignConfig, settings: SimulateConfig, workshop: Workshop) -> Judged:
    shared = workshop.shared
    split = shared.split(settings)
    train, seed = split.train, settings.seed
    users = judgeable(split, positives_on(config.items, min(config.ratios)), seed)
    test = max(0, min(settings.users, max(len(users) - config.validation, 2 * len(users) // 3)))
    chosen = users[: test + config.validation]
    if min(settings.users, config.validation) < LEAST_USERS:
        raise StudyError(
            f"align: {settings.users} users, and {config.validation} others for thresholds, are too few\n"
            f"  give {LEAST_USERS} or more of both (--users, --option validation=N)"
        )
    if test < LEAST_USERS or len(chosen) - test < LEAST_USERS:
        least = positives_on(config.items, min(config.ratios))
        raise StudyError(
            f"align: only {len(users)} users have {least} held-out rows and a history beside them\n"
            f"  hold more out (--set test=0.5, now {settings.test:g}), or ask about smaller pages (--option items=10, now {config.items})"
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
        notes += [SCRIPTED, "scripted users read no titles, so masking would change nothing"]
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
            notes.append(BANNER)
        if mode == "generate":
            notes.append("the agents answer yes or no to the whole page; no threshold is chosen for them")
    lost = sum(each is None for each in scores[AGENTS])
    if lost:
        notes.append(f"{lost} of {len(pages)} pages got no usable answer; those users are left out there, in every arm")
    return mode
