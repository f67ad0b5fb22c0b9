"""The planted task's model and proposer behind doors: free, without latency, the same answer to the same question.

    model = planted_door(PlantedModel(task), budget=budget)        # ranks as well as the instructions let it
    proposer = planted_door(PlantedProposer(task), budget=budget)  # writes prompts

Both answer by schema, in DSPy's marked fields, and in plain text, so that our optimizers and DSPy's meet the same model. What
they know lies in `planted_task.py`, which is frozen; how they word it does not matter to the truth and may change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import planted_prompts as engine
from planted_task import BYTES_PER_TOKEN, TOPICS, PlantedTask, instructions_in
from recloop.agents.randomness import generator, shuffled
from recloop.llm import Abilities, Budget, Cassette, Door, Outcome, Place, Price, Usage
from recloop.llm.line import Line
from recloop.llm.providers.base import ChatRequest, RawAnswer, RawScores, ScoreRequest

OPENS = "[[ ## {} ## ]]"
"""How DSPy marks a field."""
DONE = OPENS.format("completed")
REASONS = re.compile(r"reason|remedy|why|cause|change|explain|observ|diagnos|analysis|summary|tip")
"""Names of fields that ask for words about prompts, not for a prompt."""


class _Planted:
    """What the two providers share."""

    name = "planted"
    remote = False
    splits_score = False
    concurrency: int | None = None

    def __init__(self, task: PlantedTask) -> None:
        self.task = task

    @property
    def abilities(self) -> Abilities:
        return Abilities(deterministic=True)

    async def score(self, request: ScoreRequest) -> RawScores:
        raise NotImplementedError("a planted model writes; it gives no likelihoods")

    async def check(self) -> None: ...

    async def close(self) -> None: ...


class PlantedModel(_Planted):
    """Ranks the candidates that the last message names, as well as the instructions before them let it."""

    name = "planted/model"

    async def chat(self, request: ChatRequest) -> RawAnswer:
        found = re.findall(r"\bs(\d+)i(\d+)\b", str(request.messages[-1]["content"]))
        if not found:
            return _answer(request, "Which session?")
        number = int(found[-1][0])
        ids = list(dict.fromkeys(f"s{session}i{item}" for session, item in found if int(session) == number))
        text = instructed(request)
        target = f"s{number}i0"
        others = [id_ for id_ in ids if id_ != target]
        order = shuffled(len(others), engine.SEED, "others", number, " ".join(instructions_in(text)))
        ranking = [others[int(i)] for i in order]
        ranking.insert(self.task.rank(text, number) - 1, target)
        shown = _shown(request)
        if DONE in shown:
            return _answer(request, "\n\n".join([*_fields(request, lambda name: json.dumps(ranking)), DONE]))
        return _answer(request, json.dumps({"ranking": ranking}))


class PlantedProposer(_Planted):
    """Writes prompts out of those that it is shown, see `PlantedTask.propose`, and words about why they fail."""

    name = "planted/proposer"

    async def chat(self, request: ChatRequest) -> RawAnswer:
        shown = _shown(request)
        rng = generator(engine.SEED, "proposer", self.task.seed, shown, request.seed or 0)
        if request.json_schema is not None:
            return _answer(request, json.dumps(self._filled(request.json_schema, shown, rng)))
        if DONE in shown:
            return _answer(request, "\n\n".join([*_fields(request, lambda name: self._text(name, shown, rng)), DONE]))
        text = self.task.propose(shown, rng)
        return _answer(request, f"```\n{text}\n```" if "```" in shown else text)

    def _text(self, name: str, shown: str, rng: np.random.Generator) -> str:
        if not REASONS.search(name):
            return self.task.propose(shown, rng)
        hints = re.findall(r"seems blind to: (\w+)", shown) or list(TOPICS)
        return f"The prompt seems blind to: {hints[int(rng.integers(len(hints)))]}."

    def _filled(self, schema: Mapping[str, Any], shown: str, rng: np.random.Generator, name: str = "") -> Any:
        """An instance of a closed schema; lists have two parts where they may."""
        if "enum" in schema or "const" in schema:
            return schema.get("const", schema.get("enum", [None])[0])
        if schema.get("anyOf"):
            return self._filled(schema["anyOf"][0], shown, rng, name)
        match schema.get("type"):
            case "object":
                parts = schema.get("properties", {})
                return {part: self._filled(below, shown, rng, part) for part, below in parts.items()}
            case "array":
                count = min(schema.get("maxItems", 2), max(2, schema.get("minItems", 0)))
                return [self._filled(schema.get("items", {}), shown, rng, name) for _ in range(count)]
            case "integer" | "number":
                return schema.get("minimum", 0)
            case "boolean":
                return True
            case _:
                return self._text(name, shown, rng)


def instructed(request: ChatRequest) -> str:
    """The prompt under search out of a request: its system message, or what DSPy put behind its own words in there.
    So equal instructions are equal prompts, whoever wraps them."""
    system = "\n".join(str(message["content"]) for message in request.messages if message["role"] == "system")
    if DONE in system:
        system = system.rsplit("your objective is:", 1)[-1]
    return system.strip()


def _shown(request: ChatRequest) -> str:
    return "\n".join(str(message["content"]) for message in request.messages)


def _fields(request: ChatRequest, text: Any) -> Sequence[str]:
    """The output fields that DSPy asks for in the last message, each filled with `text(name)`."""
    last = str(request.messages[-1]["content"])
    asked = last.rsplit("Respond with", 1)[-1]
    names = [name for name in re.findall(r"\[\[ ## (\w+) ## \]\]", asked) if name != "completed"]
    return [f"{OPENS.format(name)}\n{text(name)}" for name in names]


def _answer(request: ChatRequest, text: str) -> RawAnswer:
    asked = len(_shown(request).encode())
    return RawAnswer(
        text, usage=Usage(-(-asked // BYTES_PER_TOKEN), -(-len(text.encode()) // BYTES_PER_TOKEN)), cost=0.0
    )


class SamplingDoor(Door):
    """A door that makes a place's sample the seed of its call: repeated draws differ, and a resumed search draws them again."""

    async def complete(
        self, messages: Any, *, at: Place = Place(), seed: int | None = None, **more: Any
    ) -> Outcome[Any]:
        return await super().complete(messages, at=at, seed=at.sample if seed is None else seed, **more)

    async def exchange(
        self, messages: Any, *, at: Place = Place(), seed: int | None = None, **more: Any
    ) -> Outcome[Any]:
        return await super().exchange(messages, at=at, seed=at.sample if seed is None else seed, **more)


def planted_door(
    provider: PlantedModel | PlantedProposer,
    *,
    cassette: Cassette | None = None,
    budget: Budget | None = None,
    concurrency: int = 16,
    price: Price | None = None,
) -> Door:
    """A door to a planted model. Calls cost nothing (or `price`) and take no time, but count."""
    line = Line(
        provider, budget=budget, price=lambda: price, concurrency=concurrency, timeout=60.0, attempts=1, backoff=0.0
    )
    return SamplingDoor(line, cassette=cassette)
