"""Whether a rewrite still asks for the same and is in role: votes of a model that should not be the rewriter's.

A vote answers both at once, apart from one another. The majority counts; where no answer has more votes than every other,
it cannot be told (0). Votes without a usable answer are left out; if none is left, nobody has judged.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from ...llm.fence import fence
from ...llm.prompts import Prompt
from ...llm.types import Model, Place
from ..ask import BudgetReached
from ..randomness import uniform
from .records import Searcher, Verdict

PROMPTS = Path(__file__).parent / "prompts"
NODE = "judge"
VOTE_TEMPERATURE = 0.7
"""Of several votes; a single one is asked for the likeliest answer (0)."""
ANSWER_TOKENS = 160

_MEANING: dict[str, Verdict] = {"same": 1, "different": -1, "unsure": 0}
_FIT: dict[str, Verdict] = {"yes": 1, "no": -1, "unsure": 0}


class Judgement(BaseModel):
    """One vote."""

    model_config = ConfigDict(extra="forbid")

    meaning: Literal["same", "different", "unsure"]
    persona: Literal["yes", "no", "unsure"]
    reason: Annotated[str, StringConstraints(max_length=400)] = ""


@dataclass(frozen=True)
class Judged:
    """What the votes came to. `meaning` and `fit` are None where no vote was usable; `lost` says that the endpoint was why."""

    meaning: Verdict | None = None
    fit: Verdict | None = None
    reason: str = ""
    votes: tuple[tuple[Verdict, Verdict], ...] = ()
    calls: tuple[str, ...] = ()
    error: str = ""
    lost: bool = False


@dataclass
class Judge:
    """A model that votes. `votes`: how often it is asked."""

    model: Model
    votes: int = 1
    seed: int = 0
    prompt: Prompt = field(default_factory=lambda: Prompt.load(PROMPTS / f"{NODE}.md"))

    async def judge(self, query: str, text: str, searcher: Searcher, at: Place) -> Judged:
        """All votes, asked at once. Never raises for a model's failure, `BudgetReached` apart."""
        messages = self.prompt.render(
            query=fence(query, "query"), rewrite=fence(text, "rewrite"), persona=fence(searcher.description, "persona")
        )
        places = [at.at(NODE, number) for number in range(self.votes)]
        outcomes = await asyncio.gather(
            *(
                self.model.complete(
                    messages,
                    schema=Judgement,
                    at=place,
                    temperature=VOTE_TEMPERATURE if self.votes > 1 else 0.0,
                    max_tokens=ANSWER_TOKENS,
                    seed=draw_seed(self.seed, place),
                )
                for place in places
            )
        )
        if spent := next((each for each in outcomes if each.status == "budget"), None):
            raise BudgetReached(spent.error)
        calls = tuple(key for each in outcomes for key in each.keys)
        said = [each.value for each in outcomes if each.ok and isinstance(each.value, Judgement)]
        if not said:
            failed = outcomes[0]
            lost = any(each.status in ("timeout", "transport") for each in outcomes)
            return Judged(calls=calls, error=f"{failed.status}: {failed.error}"[:300], lost=lost)
        votes: tuple[tuple[Verdict, Verdict], ...] = tuple(
            (_MEANING[each.meaning], _FIT[each.persona]) for each in said
        )
        meaning, fit = majority(m for m, _ in votes), majority(f for _, f in votes)
        against = [s.reason for s, vote in zip(said, votes, strict=True) if min(vote) < 0 and s.reason]
        return Judged(meaning, fit, (against or [""])[0], votes, calls)


def majority(votes: Iterable[Verdict]) -> Verdict:
    """The verdict with more votes than every other one; 0 where there is none such."""
    counts = Counter(votes).most_common(2)
    if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
        return 0
    return counts[0][0]


def draw_seed(seed: int, at: Place) -> int:
    """The seed of one draw: where the endpoint takes one, its answer is repeatable, and each vote draws its own."""
    return int(uniform(seed, "sampling", at.agent, at.page, at.node, at.sample) * 2**31)


def verdict_json(judged: Judged) -> dict[str, Any]:
    """What a round's record keeps of it."""
    return {
        "meaning": judged.meaning,
        "fit": judged.fit,
        "reason": judged.reason,
        "votes": [list(vote) for vote in judged.votes],
    }
