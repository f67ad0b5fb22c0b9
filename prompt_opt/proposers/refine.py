"""Refine: from reasons for errors to a new text; every candidate puts another reason first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ...llm.fence import fence
from ...llm.types import Outcome
from ..candidate import Candidate
from ..steps import Ask, Think
from . import reasons
from .contract import Brief, Operator, Proposed, Proposing, fenced_prompt, load, spent
from .reasons import Reason


class Refine(Operator):
    """Needs errors. Asks for one reason a cluster, then for texts that mend them."""

    name: ClassVar[str] = "refine"
    temperature: ClassVar[float] = 0.7

    def fits(self, brief: Brief) -> bool:
        return super().fits(brief) and bool(brief.errors)

    def requests(self, brief: Brief, why: Sequence[Reason] = ()) -> list[Ask]:
        asks = []
        for i in range(brief.count if why else 0):
            name = brief.component(i)
            told = "\n".join(f"{n}. {reason.text}" for n, reason in enumerate(_turned(why, i), 1))
            messages = load("refine").render(
                **brief.about(name),
                prompt=fenced_prompt(brief.parent.texts[name]),
                reasons=fence(told, "observations", 6000),
            )
            asks.append(brief.ask(self.name, i, messages, self.temperature))
        return asks

    def read(self, brief: Brief, outcomes: Sequence[Outcome[Any]], why: Sequence[Reason] = ()) -> list[Candidate]:
        found = []
        shown = dict.fromkeys(case for reason in why for case in reason.cases)
        for i, outcome in enumerate(outcomes):
            first = _turned(why, i)[0].text if why else ""
            if made := brief.rewritten(i, outcome, self.name, reason=first, shown=shown):
                found.append(made)
        return found

    def propose(self, brief: Brief) -> Proposing:
        said = yield Think(reasons.requests(brief, brief.count))
        why = reasons.read(brief, said)
        if not why:
            return Proposed([], spent(said))
        outcomes = yield Think(self.requests(brief, why))
        return Proposed(self.read(brief, outcomes, why), spent(said) + spent(outcomes))


def _turned(why: Sequence[Reason], i: int) -> list[Reason]:
    """All reasons, the i-th first."""
    first = i % len(why)
    return [why[first], *why[:first], *why[first + 1 :]]
