"""Persona-robust: a prompt that holds for every kind of user, and does not serve the average one alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...llm.fence import fence
from ...llm.types import Outcome
from ..candidate import Candidate
from ..steps import Ask
from .contract import Brief, Operator, fenced_prompt, load

KINDS = (
    "a newcomer with two or three choices on record",
    "someone with one narrow taste",
    "someone who chooses across everything",
    "someone whose taste has changed lately",
    "someone who follows what is popular",
    "someone who looks for what few others know",
)
"""Ours, for tasks whose cases have no groups."""

FEW = 5
"""A group with fewer known cases is not told about."""


class Persona(Operator):
    """Tells how the prompt does on each group of cases (worst first), or names kinds of users where there are no groups."""

    name: ClassVar[str] = "persona"
    temperature: ClassVar[float] = 0.7

    def requests(self, brief: Brief) -> list[Ask]:
        asks = []
        for i in range(brief.count):
            name = brief.component(i)
            messages = load("persona").render(
                **brief.about(name),
                prompt=fenced_prompt(brief.parent.texts[name]),
                kinds=fence(_kinds(brief, i), "users", 1500),
            )
            asks.append(brief.ask(self.name, i, messages, self.temperature))
        return asks

    def read(self, brief: Brief, outcomes: Sequence[Outcome[Any]]) -> list[Candidate]:
        made = (brief.rewritten(i, outcome, self.name) for i, outcome in enumerate(outcomes))
        return [candidate for candidate in made if candidate]


def _kinds(brief: Brief, i: int) -> str:
    context = brief.context
    groups: dict[str, list[str]] = {}
    for case in context.search:
        groups.setdefault(context.cases[case].group, []).append(case)
    rows = []
    for group, cases in groups.items():
        values = context.scores.values(brief.parent.id, cases)
        values = values[~np.isnan(values)]
        if group and len(values) >= FEW:
            rows.append(
                (float(values.mean()), f"{group}: {context.metric} {values.mean():.2f} over {len(values)} cases")
            )
    if len(rows) >= 2:
        return "\n".join(text for _, text in sorted(rows))
    first = (brief.round + i) % len(KINDS)
    return "\n".join((*KINDS[first:], *KINDS[:first])[:3])
