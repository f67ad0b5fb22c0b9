"""The parts of a rehearsal without a run around them: for tools that live pages themselves (a graph server, Mesa's page)."""

from __future__ import annotations

from typing import NamedTuple

from ..agents.personas import Persona
from ..llm import Door, Price, Prompt, open_model
from ..runs.progress import Silent
from .config import SimulateConfig
from .players import Players, can_play, mode_of, players, prompts_of
from .preparation import Prepared, prepare


class AtHand(NamedTuple):
    """What was read from files and fitted; nobody has been asked anything yet. Scripted users have no `door`."""

    config: SimulateConfig
    prepared: Prepared
    door: Door | None
    prompts: dict[str, Prompt]

    @property
    def personas(self) -> list[Persona]:
        return self.prepared.personas


def read(config: SimulateConfig) -> AtHand:
    """Load, split, fit, build personas, name the model. Takes a second; raises what `simulate` raises before it begins."""
    door = None
    if not config.scripted:
        door = open_model(
            config.model,
            concurrency=config.concurrency,
            timeout=config.timeout,
            base_url=config.base_url,
            price=Price.parse(config.price),
        )
    return AtHand(config, prepare(config), door, prompts_of(config, mode_of(config, door)))


async def answering(parts: AtHand) -> Players | None:
    """Rank for everybody, see that the model answers, calibrate where it scores; None for scripted users, who need none of it."""
    await parts.prepared.policy.open()
    if parts.door is None:
        return None
    await parts.door.check()
    can_play(parts.config, parts.door)
    return await players(parts.prepared, parts.door, parts.prompts, Silent())
