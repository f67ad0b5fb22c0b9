"""Which of two items a user prefers: by formula, by likelihood, or asked outright."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from ..llm.fence import fence, one_line
from ..llm.prompts import Prompt
from ..llm.types import Model, Outcome, Place
from .ask import World, sampling_seed
from .ask_generate import PROMPTS
from .ask_score import ItemScores, ScoreReader
from .personas import Persona
from .trait_texts import persona_text

NODE = "prefer"


class Preference(BaseModel):
    """The letter of the item that the person would rather have."""

    better: Literal["A", "B"]


async def ask_preference(
    model: Model, world: World, user: Persona, first: str, second: str, *, number: int = 0
) -> Outcome[Preference]:
    """Ask a chat model which of two items (shown as A and B in this order) it would rather take up. One call; `number`
    tells a user's pairs apart. Never raises for a model's failure."""
    at = Place(user.user, number, NODE)
    lines = [f"[{letter}] {world.line(item)}" for letter, item in (("A", first), ("B", second))]
    messages = Prompt.load(PROMPTS / f"{NODE}.md").render(
        service=world.service,
        act=world.actions.positive.name,
        traits=persona_text(user),
        tastes=fence("\n".join(map(one_line, user.tastes)) or "No particular tastes are known.", "tastes"),
        items=fence("\n".join(lines), "items"),
    )
    return await model.complete(
        messages, schema=Preference, at=at, temperature=0.0, max_tokens=40, seed=sampling_seed(world.seed, at)
    )


async def read_preferences(
    reader: ScoreReader, user: Persona, pairs: Sequence[tuple[str, str]]
) -> tuple[Outcome[list[list[float]]], list[bool]]:
    """Whether the first of each pair suits the user better, by the margins of one scoring batch over all of them; none
    where the call failed."""
    items = list(dict.fromkeys(item for pair in pairs for item in pair))
    outcome, scores = await reader.read(user, items, at=Place(user.user, -1, NODE))
    margin: dict[str, ItemScores] = dict(zip(items, scores, strict=False))
    return outcome, [margin[a].margin >= margin[b].margin for a, b in pairs] if scores else []
