"""A small world for the runtime's tests: a model in this process that answers better where a prompt holds certain words.

Case `i` has a difficulty; a prompt's skill is the number of magic words in it. The model puts the target at a place that
follows from both, without chance. The proposer model adds the next magic word.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from recloop.llm import Budget
from recloop.llm.door import Door
from recloop.llm.line import Line
from recloop.llm.providers.base import ChatRequest, RawAnswer, RawScores, ScoreRequest, ServerError
from recloop.llm.types import Abilities, Model, Outcome, Place, Usage
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.context import Context
from recloop.prompt_opt.steps import Accept, Ask, Choice, Enter, Evaluate, Note, OutOfBudget, Search, Think
from recloop.prompt_opt.task import MISSING, Case, Component, Diagnosis, Result, Texts

MAGIC = ("intent", "recent", "genre", "rank")
N = 10


class WordProvider:
    """Answers in this process; `calls` counts attempts, `fails(n)` says whether attempt n is lost."""

    remote, splits_score, concurrency = True, False, None

    def __init__(self, fails: Any = None, delay: float = 0.0) -> None:
        self.name, self.calls, self.fails, self.delay = "words/small", 0, fails, delay

    @property
    def abilities(self) -> Abilities:
        return Abilities(deterministic=True)

    async def chat(self, request: ChatRequest) -> RawAnswer:
        self.calls += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.fails is not None and self.fails(self.calls):
            raise ServerError("lost")
        text = str(request.messages[-1]["content"])
        if request.json_schema is not None and "text" in request.json_schema.get("properties", {}):
            answer: dict[str, Any] = {"text": improved(text), "reason": "one more word"}
        else:
            answer = {"place": place(text)}
        return RawAnswer(json.dumps(answer), usage=Usage(len(text) // 4, 5))

    async def score(self, request: ScoreRequest) -> RawScores:
        raise NotImplementedError

    async def check(self) -> None: ...
    async def close(self) -> None: ...


def skill(text: str) -> int:
    return sum(word in text for word in MAGIC)


def place(text: str) -> int:
    """Where the target of the case that the prompt holds comes out, from 1."""
    case = text.rsplit("case ", 1)[1].split()[0]
    hard = int(hashlib.sha256(case.encode()).hexdigest(), 16) % N
    return 1 + max(0, hard - 2 * skill(text.split("case ")[0]))


def improved(text: str) -> str:
    old = text.split("PROMPT:", 1)[1].strip()
    missing = next((word for word in MAGIC if word not in old), "again")
    return old.replace("{{case}}", f"mind the {missing}. {{{{case}}}}")


class Place1(BaseModel):
    place: int


class Written(BaseModel):
    text: str
    reason: str


@dataclass
class WordTask:
    """See the module. `n` cases, no parts."""

    n: int = 120
    name: str = "words"
    metric: str = "mrr"
    start: str = "Order the films. {{case}}"
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    hash: str = "words"

    @property
    def components(self) -> Mapping[str, Component]:
        return {"rank": Component(self.start, "to rank films", {"case": "the case"}, ("case",))}

    @property
    def cases(self) -> Sequence[Case]:
        return [Case(f"c{i}", {"case": f"case c{i} here"}, {"target": i}) for i in range(self.n)]

    async def run(self, texts: Texts, case: Case, model: Model, at: Place) -> Outcome[Any]:
        text = texts["rank"].replace("{{case}}", str(case.shown["case"]))
        return await model.complete([{"role": "user", "content": text}], schema=Place1, at=at)

    def score(self, case: Case, outcome: Outcome[Any]) -> Result:
        tokens = outcome.usage.total
        if outcome.status in MISSING:
            return Result(case.id, outcome.status, tokens=tokens, calls=outcome.keys)
        rank = outcome.value.place if outcome.ok else 0
        values = {"mrr": 1 / rank if rank else 0.0}
        said = Diagnosis("ok" if rank == 1 else "low rank", f"rank {rank}")
        return Result(case.id, outcome.status, values, said, tokens=tokens, calls=outcome.keys)

    def baselines(self, cases: Sequence[Case]) -> Mapping[str, Sequence[float]]:
        floor = sum(1 / i for i in range(1, N + 1)) / N
        return {"random": [floor] * len(cases)}

    def story(self, case: Case) -> str:
        return str(case.shown["case"])


@dataclass
class Climber:
    """A small optimizer that uses every step: score the incumbent, ask for a better text, score, accept."""

    rounds: int = 3
    name: str = "climber"

    def search(self, context: Context) -> Search:
        best = context.seed_candidate
        try:
            yield Evaluate([(best, context.search)])
            for number in range(self.rounds):
                yield Note("round", best.id, f"round {number}")
                asks = [Ask([{"role": "user", "content": f"PROMPT: {best.texts['rank']}"}], Written, "climb", 0)]
                (outcome,) = yield Think(asks)
                if not outcome.ok:
                    continue
                new = Candidate({"rank": outcome.value["text"]}, "refine", (best.id,), outcome.value["reason"])
                entered = yield Enter([new])
                if not entered:
                    continue
                scores = yield Evaluate([(entered[0], context.search)])
                if scores.mean(entered[0].id, context.search) > scores.mean(best.id, context.search):
                    best = (yield Accept(entered[0], best, "a better mean")) or best
            yield Evaluate([(context.seed_candidate, context.selection), (best, context.selection)])
        except OutOfBudget as spent:
            return Choice(best, str(spent))
        return Choice(best, "the climb ended")

    def forecast(self, context: Context) -> Mapping[str, Any]:
        return {"task": (1 + self.rounds) * len(context.search) + 2 * len(context.selection), "proposals": self.rounds}


def door(provider: WordProvider, budget: Budget | None = None, concurrency: int = 8, attempts: int = 1) -> Door:
    line = Line(
        provider,
        budget=budget,
        price=lambda: None,
        concurrency=concurrency,
        timeout=30,
        attempts=attempts,
        backoff=0.01,
    )
    return Door(line)


def answers(run: Any) -> Iterator[str]:
    """Events of a run as short lines, for a look at where two differ."""
    for event in run.events():
        yield f"{event.barrier} {event.kind} {event.agent} {event.page} {event.node}"
