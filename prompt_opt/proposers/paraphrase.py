"""Paraphrase: the same instructions in other words, for models that care how a thing is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ...llm.types import Outcome
from ..candidate import Candidate
from ..steps import Ask
from .contract import Brief, Operator, fenced_prompt, load

STYLES = (
    "short imperative sentences, one a line",
    "a numbered list of steps, in the order in which they are to be done",
    "one flowing paragraph addressed to a colleague",
    "the goal first, then the rules, then the form of the answer",
    "plain words that a twelve-year-old understands",
    "the style of a technical specification",
)


class Paraphrase(Operator):
    """Says the same in another style; styles take turns."""

    name: ClassVar[str] = "paraphrase"
    temperature: ClassVar[float] = 1.0

    def requests(self, brief: Brief) -> list[Ask]:
        asks = []
        for i in range(brief.count):
            name = brief.component(i)
            messages = load("paraphrase").render(
                **brief.about(name),
                prompt=fenced_prompt(brief.parent.texts[name]),
                style=STYLES[(brief.round * brief.count + i) % len(STYLES)],
            )
            asks.append(brief.ask(self.name, i, messages, self.temperature))
        return asks

    def read(self, brief: Brief, outcomes: Sequence[Outcome[Any]]) -> list[Candidate]:
        made = (brief.rewritten(i, outcome, self.name) for i, outcome in enumerate(outcomes))
        return [candidate for candidate in made if candidate]
