"""A door to a model that is a function in this process: for searches whose every answer the test knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recloop.llm import Abilities, Budget, Door, MemoryCassette, Usage
from recloop.llm.line import Line
from recloop.llm.providers.base import ChatRequest, Provider, RawAnswer, RawScores, ScoreRequest

Answer = Callable[[ChatRequest], str]


class FunctionProvider(Provider):
    """Answers each call with `answer(request)`; four characters are a token."""

    name, remote = "test/function", False

    def __init__(self, answer: Answer, cost: float = 0.0) -> None:
        self.answer, self.cost, self.calls = answer, cost, 0

    @property
    def abilities(self) -> Abilities:
        return Abilities(schema=True, deterministic=True)

    async def chat(self, request: ChatRequest) -> RawAnswer:
        self.calls += 1
        text = self.answer(request)
        asked = sum(len(message["content"]) for message in request.messages)
        return RawAnswer(text, usage=Usage(asked // 4, len(text) // 4), cost=self.cost)

    async def score(self, request: ScoreRequest) -> RawScores:
        raise NotImplementedError

    async def check(self) -> None: ...

    async def close(self) -> None: ...


def open_function(
    answer: Answer, *, budget: Budget | None = None, cassette: Any = None, attempts: int = 1, cost: float = 0.0
) -> Door:
    """A door before a function, with a cassette of its own unless one is given. `cost`: dollars a call."""
    line = Line(
        FunctionProvider(answer, cost),
        budget=budget,
        price=lambda: None,
        concurrency=64,
        timeout=10,
        attempts=attempts,
        backoff=0.001,
    )
    return Door(line, cassette=MemoryCassette() if cassette is None else cassette)


def asked(request: ChatRequest) -> str:
    """All that was asked, as one text."""
    return "\n".join(str(message["content"]) for message in request.messages)
