"""Tastes in a model's words, from a sample of the user's own titles; the deterministic ones where the model fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..llm.fence import fence, one_line
from ..llm.prompts import Prompt
from ..llm.types import Model, Place
from .ask import failure, sampling_seed
from .personas import Persona
from .randomness import shuffled

if TYPE_CHECKING:
    from ..data import Dataset

PROMPT = Path(__file__).parent / "prompts" / "tastes.md"
N_TITLES = 25
"""Titles shown to the model (as in Agent4Rec)."""
NODE = "tastes"

Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=160)]


class Tastes(BaseModel):
    """What the model says of a user: short phrases. (How somebody rates is counted, which is better than guessed.)"""

    model_config = ConfigDict(extra="forbid")

    likes: list[Phrase] = Field(min_length=1, max_length=6)
    dislikes: list[Phrase] = Field(max_length=6)


def taste_lines(persona: Persona, data: Dataset, *, seed: int = 0, n: int = N_TITLES) -> list[str]:
    """Up to n of the user's own train items as prompt lines, with the own rating where there is one.

    Drawn by (seed, user) from the rows that are not withheld; `data` is the train part.
    """
    history = data.history(persona.user)
    hidden = set(persona.withheld)
    rows = [i for i, item in enumerate(history.items) if item not in hidden]
    drawn = sorted(rows[i] for i in shuffled(len(rows), seed, "tastes", persona.user)[:n])
    lines = []
    for i in drawn:
        text = one_line(data.catalogue.text(history.items[i]), 160)
        lines.append(text if data.scale is None else f"{text} | rated {float(str(history.values[i])):g}")
    return lines


async def llm_tastes(
    persona: Persona,
    data: Dataset,
    model: Model,
    *,
    seed: int = 0,
    n: int = N_TITLES,
    prompt: Prompt | None = None,
    max_tokens: int = 400,
) -> Persona:
    """The persona with tastes written by `model` from at most n of the user's own titles.

    Never raises for a model's failure, `BudgetReached` apart: then the deterministic tastes stay and `tastes_source` gives the reason. The call
    is recorded at Place(user, -1, "tastes").
    """
    lines = taste_lines(persona, data, seed=seed, n=n)
    if not lines:
        return persona.model_copy(update={"tastes_source": f"{persona.tastes_source} (no titles to ask a model about)"})
    scale = (
        "no ratings are known"
        if data.scale is None
        else f"from {data.scale.low:g} (worst) to {data.scale.high:g} (best)"
    )
    messages = (prompt or Prompt.load(PROMPT)).render(
        titles=fence("\n".join(lines), "titles", longest=8000), scale=scale
    )
    at = Place(persona.user, -1, NODE)
    draw = sampling_seed(seed, at)
    outcome = await model.complete(messages, schema=Tastes, at=at, temperature=0.2, max_tokens=max_tokens, seed=draw)
    if not outcome.ok or not isinstance(outcome.value, Tastes):
        failure(outcome, at)  # raises where the budget is at its end: a resumed run must ask, not fall back
        return persona.model_copy(
            update={"tastes_source": f"{persona.tastes_source} ({model.name} failed: {outcome.status})"}
        )
    said = outcome.value
    likes, dislikes = (tuple(one_line(x).rstrip(".") for x in phrases) for phrases in (said.likes, said.dislikes))
    return persona.model_copy(
        update={
            "tastes": (*(f"You like {x}." for x in likes), *(f"You do not care for {x}." for x in dislikes)),
            "likes": likes,
            "dislikes": dislikes,
            "tastes_source": f"llm:{model.name}",
        }
    )
