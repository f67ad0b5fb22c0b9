"""Pairs of items that simulated users compare, for learning to rank (Llama4Rec, Luo et al. 2024: random pairs, judged).

Both items lie outside the user's training rows and outside the held-out ones: what is measured later is in no pair.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ...agents.ask_preference import ask_preference, read_preferences
from ...agents.ask_score import NODES as SCORE_NODES
from ...agents.ask_score import ScoreReader
from ...agents.personas import Persona
from ...agents.randomness import keys, uniform
from ...data import Dataset
from ...llm import Door
from ..players import can_play, mode_of, prompts_of, scripted_mind
from ..preparation import Prepared
from ..settling import all_settled

Pair = tuple[str, str, str]
"""user, the first item, the second."""


class Compared(NamedTuple):
    """`triples`: user, the item preferred, the other. `failed`: pairs without a usable answer. `stopped`: why calls were
    not made or lost (budget, endpoint), empty where none were."""

    triples: list[Pair]
    failed: int = 0
    stopped: str = ""


def random_pairs(
    train: Dataset, users: Sequence[str], n: int, seed: int, never: Mapping[str, Collection[str]]
) -> list[Pair]:
    """`n` pairs for each user (fewer where items run out), all of different items, drawn uniformly. `never`: user -> items
    that may be in none of that user's pairs, besides the training rows."""
    pairs = []
    for user in users:
        free = np.ones(len(train.items), dtype=bool)
        free[train.history(user).positions] = False
        free[train.items.indices(never.get(user, ()))] = False
        rng = np.random.default_rng([seed, int(keys([user])[0])])
        order = rng.permutation(np.flatnonzero(free))[: 2 * n].tolist()
        ids = [train.items.ids[place] for place in order]
        pairs += [(user, a, b) for a, b in zip(ids[::2], ids[1::2], strict=False)]
    return pairs


def by_coin(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    """The control: the same pairs, each turned by a coin."""
    return [(u, a, b) if uniform(seed, "coin", u, a, b) < 0.5 else (u, b, a) for u, a, b in pairs]


async def compare(prepared: Prepared, pairs: Sequence[Pair], door: Door | None) -> Compared:
    """Let the simulated users say which item of each pair they prefer; `door` None: scripted users."""
    people = {persona.user: persona for persona in prepared.personas}
    if door is None:
        return _by_formula(prepared, people, pairs)
    can_play(prepared.config, door)
    if mode_of(prepared.config, door) == "score":
        return await _by_likelihood(prepared, people, pairs, door)
    return await _by_asking(prepared, people, pairs, door)


def _by_formula(prepared: Prepared, people: Mapping[str, Persona], pairs: Sequence[Pair]) -> Compared:
    """By the margin of taking each up: rested, first on the first page."""
    if not pairs:
        return Compared([])
    scripted = scripted_mind(prepared, list(people.values())).scripted
    place, index = {user: n for n, user in enumerate(people)}, prepared.split.train.items.index
    items = np.array([[index(a), index(b)] for _, a, b in pairs])
    margin = scripted.react([place[user] for user, _, _ in pairs], 0, items, np.zeros_like(items)).margin
    return Compared(_turned(pairs, (margin[:, 0] >= margin[:, 1]).tolist()))


async def _by_likelihood(
    prepared: Prepared, people: Mapping[str, Persona], pairs: Sequence[Pair], door: Door
) -> Compared:
    """By the margins that score mode reads, one batch per user."""
    prompts = prompts_of(prepared.config, "score")
    reader = ScoreReader(door, prepared.world, {node: prompts[node] for node in SCORE_NODES}, prepared.config.reads)
    own: dict[str, list[Pair]] = {}
    for pair in pairs:
        own.setdefault(pair[0], []).append(pair)
    found = await all_settled(
        read_preferences(reader, people[user], [(a, b) for _, a, b in mine]) for user, mine in own.items()
    )
    triples = [
        t for (_, firsts), mine in zip(found, own.values(), strict=True) if firsts for t in _turned(mine, firsts)
    ]
    return Compared(triples, len(pairs) - len(triples), _stopped([(o.status, o.error) for o, _ in found]))


async def _by_asking(prepared: Prepared, people: Mapping[str, Persona], pairs: Sequence[Pair], door: Door) -> Compared:
    """Which of two, outright. The order on the page is that of the pair, which is random."""
    number: dict[str, int] = {}
    asked = []
    for user, a, b in pairs:
        asked.append(ask_preference(door, prepared.world, people[user], a, b, number=number.get(user, 0)))
        number[user] = number.get(user, 0) + 1
    found = await all_settled(asked)
    answered = [(pair, o.value) for pair, o in zip(pairs, found, strict=True) if o.ok and o.value is not None]
    triples = _turned([pair for pair, _ in answered], [value.better == "A" for _, value in answered])
    return Compared(triples, len(pairs) - len(triples), _stopped([(o.status, o.error) for o in found]))


def _turned(pairs: Sequence[Pair], first: Sequence[bool]) -> list[Pair]:
    return [(u, a, b) if better else (u, b, a) for (u, a, b), better in zip(pairs, first, strict=True)]


def _stopped(ends: Sequence[tuple[str, str]]) -> str:
    """Why the comparing should pause: a spent budget, or an endpoint that lost more than half of the calls."""
    for status, error in ends:
        if status == "budget":
            return error
    lost = [error for status, error in ends if status in ("transport", "timeout")]
    return f"{len(lost)} of {len(ends)} comparisons got no answer ({lost[0]})" if 2 * len(lost) > len(ends) else ""
