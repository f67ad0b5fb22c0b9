"""What the published optimizers share: how a prompt, its fields and a worked case are shown to whoever writes the next one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ...llm.fence import fence
from ...llm.prompts import Prompt
from ...llm.types import Outcome
from ..candidate import Candidate
from ..context import Context
from ..errors import OptimizeError
from ..scores import FloatArray
from ..task import Component

PROMPTS = Path(__file__).parents[1] / "prompts"
LONGEST = 20_000
"""Characters of a prompt that are shown; longer ones break every task's token cap anyway."""

SECTION = re.compile(r"^## (system|user)[ \t]*$", re.MULTILINE)
"""A line that begins one message of a prompt in parts."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Revision(BaseModel):
    """A proposer's answer: the whole new text of one component."""

    model_config = ConfigDict(extra="forbid")
    prompt: Text = Field(description="The complete new prompt, with its {{fields}}, ready to be used as it is.")


def load(name: str) -> Prompt:
    """One of the optimizers' own prompts."""
    return Prompt.load(PROMPTS / f"{name}.md")


def prompt_text(text: str) -> str:
    """A prompt under search, fenced."""
    return fence(text, "prompt", LONGEST)


def fields_text(component: Component) -> str:
    """The fields a component may hold, one per line, which of them must stay, and the parts it is in if there are any."""
    lines = [f"{{{{{name}}}}}: {what}" for name, what in component.fields.items()]
    kept = [" or ".join(f"{{{{{name}}}}}" for name in entry.split("|")) for entry in component.required]
    if kept:
        lines.append("It must keep " + ", ".join(kept) + ".")
    if not lines:
        lines.append("It has none.")
    if heads := [match[0].strip() for match in SECTION.finditer(component.text)]:
        lines.append(
            f"The prompt is in parts, each under a line of its own: {', '.join(heads)}. Keep these lines as they are."
        )
    return "\n".join(lines)


def worked_case(context: Context, candidate: Candidate, case: str, answer: bool = True) -> str:
    """A case, what the model answered under `candidate`, and what was right. `answer=False` leaves the answer out."""
    result = context.result(candidate, case)
    told = result.diagnosis if result is not None else None
    parts = [context.story(context.cases[case])]
    if answer:
        parts.append("The model's answer\n" + fence((told and told.answer) or "(no readable answer)", "answer"))
        if told is not None and told.text:
            parts.append("What came of it\n" + fence(told.text, "outcome"))
    if told is not None and told.truth:
        parts.append("What was right\n" + fence(told.truth, "truth"))
    return "\n\n".join(parts)


def calls_of(outcomes: Sequence[Outcome[Any]]) -> tuple[str, ...]:
    """Keys of the calls that made a candidate."""
    return tuple(key for each in outcomes for key in (each.keys or ((each.key,) if each.key else ())))


def needs_a_writer(context: Context, name: str) -> None:
    """Refuse to start where the proposer model cannot write prompts."""
    if not context.can_write:
        raise OptimizeError(
            f"{name} lets the proposer model write prompts, and {context.proposer or 'this model'} cannot\n"
            "  give one that can with --proposer-model, or take --optimizer racing, which has a bank of edits"
        )


def told_apart(lead: FloatArray) -> bool:
    """Whether leads by case (NaN: unknown) are above zero by two standard errors. A rough check: the verdict on the test
    split is what counts."""
    lead = lead[~np.isnan(lead)]
    return len(lead) > 1 and lead.mean() > 0 and bool(lead.mean() >= 2 * lead.std(ddof=1) / np.sqrt(len(lead)))
