"""Shorten: the same prompt in fewer words. Cheaper on every case, and long prompts often hold what nobody reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ...llm.types import Outcome
from ..candidate import Candidate
from ..guards import tokens
from ..steps import Ask
from .contract import Brief, Operator, fenced_prompt, load

LEAST = 60
"""Prompts of fewer tokens are left as they are."""

SHARES = (0.7, 0.5, 0.85)
"""How much of the length is to stay, in turns."""


class Shorten(Operator):
    """Asks for a share of the length. Answers that are no shorter are dropped."""

    name: ClassVar[str] = "shorten"
    temperature: ClassVar[float] = 0.3

    def fits(self, brief: Brief) -> bool:
        return super().fits(brief) and tokens(brief.parent.texts) >= LEAST

    def requests(self, brief: Brief) -> list[Ask]:
        asks = []
        for i in range(brief.count):
            name = brief.component(i)
            text = brief.parent.texts[name]
            messages = load("shorten").render(
                **brief.about(name),
                prompt=fenced_prompt(text),
                length=len(text.split()),
                goal=max(10, round(SHARES[i % len(SHARES)] * len(text.split()))),
            )
            asks.append(brief.ask(self.name, i, messages, self.temperature))
        return asks

    def read(self, brief: Brief, outcomes: Sequence[Outcome[Any]]) -> list[Candidate]:
        made = (brief.rewritten(i, outcome, self.name) for i, outcome in enumerate(outcomes))
        return [candidate for candidate in made if candidate and tokens(candidate.texts) < tokens(brief.parent.texts)]
