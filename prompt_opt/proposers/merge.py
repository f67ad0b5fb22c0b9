"""Merge: one prompt out of two that are good at different cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...llm.types import Outcome
from ..candidate import Candidate
from ..steps import Ask
from .contract import Brief, Operator, fenced_prompt, load
from .errors import show


class Merge(Operator):
    """Needs two parents that differ in their texts. Tells how often each was better, with a case that each lost."""

    name: ClassVar[str] = "merge"
    parents: ClassVar[int] = 2
    temperature: ClassVar[float] = 0.5

    def fits(self, brief: Brief) -> bool:
        return super().fits(brief) and bool(_differing(brief))

    def requests(self, brief: Brief) -> list[Ask]:
        first, second = brief.parents[:2]
        ahead, behind = _lost(brief, second, first), _lost(brief, first, second)
        asks = []
        for i in range(brief.count):
            name = brief.component(i)
            messages = load("merge").render(
                **brief.about(name),
                first=fenced_prompt(first.texts[name]),
                second=fenced_prompt(second.texts[name]),
                first_wins=len(ahead),
                second_wins=len(behind),
                first_lost=_example(brief, first, behind, i),
                second_lost=_example(brief, second, ahead, i),
            )
            asks.append(brief.ask(self.name, i, messages, self.temperature))
        return asks

    def read(self, brief: Brief, outcomes: Sequence[Outcome[Any]]) -> list[Candidate]:
        made = (brief.rewritten(i, outcome, self.name, parents=2) for i, outcome in enumerate(outcomes))
        return [candidate for candidate in made if candidate]


def _differing(brief: Brief) -> list[str]:
    first, second = brief.parents[:2]
    return [name for name in brief.context.components if first.texts[name] != second.texts[name]]


def _lost(brief: Brief, loser: Candidate, winner: Candidate) -> list[str]:
    """Search cases on which `winner` did better, those with the largest difference first."""
    cases = list(brief.context.search)
    ahead = np.nan_to_num(brief.context.scores.difference(winner.id, loser.id, cases))
    return [cases[i] for i in np.argsort(-ahead, kind="stable") if ahead[i] > 0]


def _example(brief: Brief, loser: Candidate, lost: Sequence[str], i: int) -> str:
    return show(brief.context, loser, lost[i % len(lost)]) if lost else "None."
