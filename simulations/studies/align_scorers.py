"""Who judges the pages: the agents, in whichever way they answer, and baselines that know the same training rows.

Each gives one list of scores per page, in the page's order, or None where a call failed; an agent that answers yes or no
gives 1 and 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ...agents.actions import Exposure, Slate
from ...agents.ask import Failure, World, failure
from ...agents.ask_generate import GenerateAsker
from ...agents.ask_score import ScoreReader
from ...agents.embedding import Embed, hashed_words
from ...agents.fatigue import FatigueConfig
from ...agents.llm_tastes import NODE as TASTES
from ...agents.llm_tastes import llm_tastes
from ...agents.personas import Persona, build_personas
from ...agents.randomness import keys, uniforms
from ...agents.scripted import ScriptedConfig, ScriptedPopulation
from ...llm.types import Place
from ..config import SimulateConfig
from ..preparation import open_actions, world_of
from ..settling import all_settled
from ..stopping import LOST
from .align_pages import TastePage
from .study import StudyError
from .workshop import Halted

if TYPE_CHECKING:
    from ...data import Dataset
    from ...llm import Door, Prompt
    from ...methods.recommenders import Recommender
    from ...runs.progress import Progress

Scores: TypeAlias = list[list[float] | None]

DIGITS = 6


def scripted_scores(
    config: SimulateConfig, train: Dataset, personas: Sequence[Persona], pages: Sequence[TastePage], swapped: bool
) -> Scores:
    """Log-odds of taking each item up, before attention and fatigue. `swapped`: those of the next user, a control."""
    low, high = config.watch_rate
    rules = ScriptedConfig(rate_low=low, rate_high=high, fatigue=FatigueConfig(strength=0.0))
    population = ScriptedPopulation(train, personas, rules, seed=config.seed)
    place = {persona.user: i for i, persona in enumerate(personas)}
    who = np.array([(place[page.user] + swapped) % len(personas) for page in pages])
    items = np.stack([train.items.indices(page.items) for page in pages])
    return population.react(who, 0, items, np.zeros_like(items)).margin.tolist()


async def model_scores(
    config: SimulateConfig,
    mode: str,
    door: Door,
    prompts: Mapping[str, Prompt],
    train: Dataset,
    pages: Sequence[TastePage],
    progress: Progress,
    *,
    swapped: bool = False,
    in_parts: int = 1,
) -> Scores:
    """The model's margins (score mode, nats) or its answers (generate mode, 1 and 0), from personas of training rows.

    Raises `BudgetReached`, and `StudyError` where most calls were lost: the study then stands where it was.
    """
    users = list(dict.fromkeys(page.user for page in pages))
    personas = build_personas(train, users)
    if config.tastes == "llm":
        told = (llm_tastes(p, train, door, seed=config.seed, prompt=prompts[TASTES]) for p in personas)
        personas = await all_settled(told)
    others = [*personas[1:], *personas[:1]] if swapped else personas
    who = dict(zip(users, others, strict=True))
    # Nothing is rated here and nobody tires: the question is what they would take up.
    world = replace(world_of(config, train, open_actions(config.actions)), fatigue=0.0, pages=1)
    if mode == "score":
        return await _read(config, door, prompts, replace(world, scale=None), who, pages, progress)
    return await _answered(config, door, prompts, world, who, pages, progress, in_parts)


async def _read(
    config: SimulateConfig,
    door: Door,
    prompts: Mapping[str, Prompt],
    world: World,
    who: Mapping[str, Persona],
    pages: Sequence[TastePage],
    progress: Progress,
) -> Scores:
    """Each user's items once, whatever pages they stand on: a margin depends on the person and the item."""
    reader = ScoreReader(door, world, prompts, config.reads)
    wanted = _wanted(pages)
    progress.stage("asking", len(wanted))

    failures: list[Failure] = []

    async def one(user: str) -> dict[str, float]:
        at = Place(user, -1, "align")
        outcome, scores = await reader.read(who[user], list(wanted[user]), at=at)
        if not scores:
            failures.append(failure(outcome, at))  # raises where the budget is at its end
        progress.advance()
        return {item: round(score.margin, DIGITS) for item, score in zip(wanted[user], scores, strict=False)}

    margins = dict(zip(wanted, await all_settled(one(user) for user in wanted), strict=True))
    _enough(sum(not found for found in margins.values()), len(margins), failures)
    return [
        [margins[page.user][item] for item in page.items] if margins[page.user] else None  # all of a user's, or none
        for page in pages
    ]


async def _answered(
    config: SimulateConfig,
    door: Door,
    prompts: Mapping[str, Prompt],
    world: World,
    who: Mapping[str, Persona],
    pages: Sequence[TastePage],
    progress: Progress,
    in_parts: int,
) -> Scores:
    asker = GenerateAsker(door, world, plan=config.plan, prompts=prompts)
    progress.stage("asking", len(pages))
    failures: list[Failure] = []

    async def one(page: TastePage) -> list[float] | None:
        taken: dict[str, float] = {}
        size = math.ceil(len(page.items) / in_parts)
        for start in range(0, len(page.items), size):
            part = page.items[start : start + size]
            slate = Slate(page.user, 0, tuple(Exposure(item, slot, slot) for slot, item in enumerate(part)))
            persona = who[page.user]
            reaction = await asker.react(persona.model_copy(update={"user": page.user}), slate, [], {})
            failures.extend(reaction.failures)
            taken |= {a.item: float(world.actions[a.action].positive) for a in reaction.actions}
        progress.advance()
        return [taken[item] for item in page.items] if len(taken) == len(page.items) else None

    found = await all_settled(one(page) for page in pages)
    _enough(sum(each is None for each in found), len(found), failures)
    return found


def _enough(missing: int, asked: int, failures: Sequence[Failure]) -> None:
    """Raises where most questions have no answer: `Halted` where the endpoint was lost, `StudyError` where what it says is
    of no use."""
    if 2 * missing <= asked:
        return
    lost = [each for each in failures if each.status in LOST]
    if 2 * len(lost) > len(failures):
        raise Halted(f"{missing} of {asked} questions got no answer from the model ({lost[0].error})")
    raise StudyError(
        f"{missing} of {asked} questions got no usable answer from the model\n"
        "  ask one that can answer in JSON, in another folder"
    )


def popularity_scores(train: Dataset, pages: Sequence[TastePage]) -> Scores:
    """Training rows of each item, squeezed (log1p)."""
    level = np.log1p(train.popularity())
    return [level[train.items.indices(page.items)].tolist() for page in pages]


def recommender_scores(recommender: Recommender, pages: Sequence[TastePage]) -> Scores:
    """What a fitted recommender thinks of each item; each user is asked for once."""
    known: dict[str, dict[str, float]] = {}
    for user, items in _wanted(pages).items():
        scores = np.asarray(recommender.scores(user, list(items)), dtype=float)
        known[user] = dict(zip(items, scores.tolist(), strict=True))
    return [[known[page.user][item] for item in page.items] for page in pages]


def _wanted(pages: Sequence[TastePage]) -> dict[str, dict[str, None]]:
    """User -> the different items of all their pages, in order."""
    wanted: dict[str, dict[str, None]] = {}
    for page in pages:
        wanted.setdefault(page.user, {}).update(dict.fromkeys(page.items))
    return wanted


def text_scores(train: Dataset, pages: Sequence[TastePage], embed: Embed | None = None) -> Scores:
    """Cosine of an item's text with the mean of those in the user's history: hashed words, or the embedder given."""
    vectors = np.asarray((embed or hashed_words)([train.catalogue.text(item) for item in train.items.ids]), dtype=float)
    profiles: dict[str, np.ndarray] = {}
    for page in pages:
        if page.user not in profiles:
            mean = vectors[train.history(page.user).positions].mean(axis=0)
            profiles[page.user] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return [(vectors[train.items.indices(page.items)] @ profiles[page.user]).tolist() for page in pages]


def chance_scores(train: Dataset, pages: Sequence[TastePage], seed: int) -> Scores:
    """A number drawn for each user and item: what knows nothing."""
    return [uniforms(seed, "chance", page.user, keys(page.items)).tolist() for page in pages]
