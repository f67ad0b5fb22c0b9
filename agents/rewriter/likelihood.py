"""A small local model chooses among what rules propose: by how much likelier a persona makes a wording than nobody does.

One call per (query, persona) scores all proposals twice, after the persona and after nobody in particular; the difference
per word is the order in which they are tried. A model of this size is plumbing-grade: the results show the machinery.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ...llm.fence import one_line
from ...llm.prompts import Prompt
from ...llm.types import Model, Place, Question
from ..ask import BudgetReached
from .judge import PROMPTS
from .records import Searcher
from .rules import FAMILIES, Family
from .writers import Fault, Written, nth, proposed

NODE = "choose"


class LikelihoodWriter:
    """Rules propose, the model's likelihoods order, and the n-th round takes the n-th."""

    how: Literal["model", "likelihood", "rules"] = "likelihood"

    def __init__(self, model: Model, seed: int = 0, families: tuple[Family, ...] = FAMILIES) -> None:
        self.model, self.seed, self.families = model, seed, families
        self.prompts = {name: Prompt.load(PROMPTS / f"{name}.md") for name in (NODE, "choose_nobody")}

    async def intent(self, query_id: str, query: str) -> Written:
        return Written()

    async def write(self, state: Mapping[str, Any], searcher: Searcher, fault: Fault) -> Written:
        found = proposed(state["query"], searcher, self.seed, self.families)
        if len(found) < 2:
            return nth(found, state["round"])
        query = one_line(state["query"])
        texts = tuple(" " + text for _, text in found)
        nobody = self._text("choose_nobody", query=query)
        outcome = await self.model.score(
            self._text(NODE, persona=searcher.description, query=query),
            [Question("", texts), Question(nobody, texts, alone=True)],
            at=Place(f"{state['query_id']}/{state['persona']}", 0, NODE),  # a later round finds the same call recorded
        )
        if outcome.status == "budget":
            raise BudgetReached(outcome.error)
        if not outcome.ok or outcome.value is None:
            return Written("", outcome.keys, outcome.status, outcome.error[:300])
        own, free = outcome.value
        gain = [(a - b) / len(text.split()) for a, b, text in zip(own, free, texts, strict=True)]
        order = sorted(range(len(found)), key=lambda i: (-gain[i], i))
        return nth([found[i] for i in order], state["round"], outcome.keys)

    def _text(self, name: str, **fields: str) -> str:
        return self.prompts[name].render(**fields)[-1]["content"].rstrip()
