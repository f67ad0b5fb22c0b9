"""The door as a DSPy language model."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import dspy
from dspy.lm15 import Message, RefusalPart, Request, Response, TextPart, ToolCallPart, ToolResultPart, Usage

from .asking import as_asked
from .door import Door
from .errors import ModelFailed
from .providers.base import RawAnswer
from .sync import wait_for
from .types import Outcome, Place

DRAWS = 1000
"""Samples of one rollout, in the numbering of a place's samples."""

NOT_TAKEN = ("top_p", "top_k", "reasoning", "frequency_penalty", "presence_penalty", "logprobs")
"""Settings that would change an answer and that the door does not pass on."""

_FINISH = {"stop": "stop", "length": "length", "tool_calls": "tool_call", "content_filter": "content_filter"}


def dspy_lm(door: Door, place: Place = Place(node="dspy"), **options: Any) -> dspy.LM:
    """A `dspy.LM` whose calls pass through `door` at `place`. DSPy's own cache is off: the cassette is the cache.

    Draws that DSPy wants apart (`n`, `rollout_id`) are apart in the cassette too. History and usage say what was paid: a
    recorded answer costs nothing.
    """
    engine = _AsyncEngine(door, place)
    return DoorLM(door.name, engine=_Engine(engine), async_engine=engine, cache=False, num_retries=0, **options)


_draws: ContextVar[tuple[int, Iterator[int]]] = ContextVar("draws")
"""Of the LM call under way: its rollout, and a count of the answers drawn for it."""


class DoorLM(dspy.LM):
    """What `dspy_lm` makes: a `dspy.LM` that knows what its door can do and what its calls cost."""

    @property
    def door(self) -> Door:
        """The door that all calls pass."""
        return self._engine_spec.engine.door  # type: ignore[union-attr]

    @property
    def supports_function_calling(self) -> bool:
        return self.door.provider.remote

    @property
    def supports_reasoning(self) -> bool:
        return False

    @property
    def supports_response_schema(self) -> bool:
        return self.door.abilities.schema

    @property
    def supported_params(self) -> set[str]:
        return {"temperature", "max_tokens", "stop", "seed", "response_format", "tools", "tool_choice"}

    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        with self._drawing(kwargs):
            return super().__call__(prompt, messages=messages, **kwargs)

    async def acall(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        with self._drawing(kwargs):
            return await super().acall(prompt, messages=messages, **kwargs)

    def update_history(self, entry: dict[str, Any]) -> None:
        responses = entry["response"] if isinstance(entry["response"], tuple) else (entry["response"],)
        costs: list[float | None] = [(response.provider_data or {}).get("cost") for response in responses]
        entry["cost"] = None if None in costs else sum(cost or 0.0 for cost in costs)
        entry.pop("cost_details", None)
        super().update_history(entry)

    @contextmanager
    def _drawing(self, kwargs: dict[str, Any]) -> Iterator[None]:
        rollout = kwargs.get("rollout_id", self.kwargs.get("rollout_id")) or 0
        token = _draws.set((int(rollout), itertools.count()))
        try:
            yield
        finally:
            _draws.reset(token)


class _AsyncEngine:
    def __init__(self, door: Door, place: Place) -> None:
        self.door, self.place = door, place

    def __deepcopy__(self, memo: dict[int, Any]) -> _AsyncEngine:
        return self  # programs are copied by optimizers; the door stays the one there is

    async def complete(self, request: Request) -> Response:
        return await self.answer(request, self.here())

    def here(self) -> Place:
        """The place of the answer to be drawn next, in the context of the LM call."""
        rollout, counted = _draws.get((0, itertools.repeat(0)))
        return replace(self.place, sample=self.place.sample + DRAWS * rollout + next(counted))

    async def answer(self, request: Request, at: Place) -> Response:
        config = request.config
        for name in NOT_TAKEN:
            if getattr(config, name) is not None:
                raise TypeError(f"the door takes no {name}; leave it out of the LM's options")
        outcome = await self.door.exchange(
            _messages(request),
            tools=[_tool(tool) for tool in request.tools],
            tool_choice=_choice(config.tool_choice),
            at=at,
            temperature=config.temperature if config.temperature is not None else 0.0,
            max_tokens=config.max_tokens or 1024,
            stop=config.stop,
            seed=config.seed,
            **as_asked(config.response_format),
        )
        if outcome.value is None:
            raise ModelFailed(outcome)
        return _response(self.door.name, outcome.value, outcome)

    async def aclose(self) -> None:
        """The door belongs to whoever opened it."""


class _Engine:
    def __init__(self, engine: _AsyncEngine) -> None:
        self.engine = engine

    def __deepcopy__(self, memo: dict[int, Any]) -> _Engine:
        return self

    def complete(self, request: Request) -> Response:
        return wait_for(self.engine.answer(request, self.engine.here()))

    def close(self) -> None:
        """The door belongs to whoever opened it."""


def _messages(request: Request) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if request.system:
        messages.append({"role": "system", "content": _text(request.system)})
    for message in request.messages:
        if message.role == "tool":
            for part in (part for part in message.parts if isinstance(part, ToolResultPart)):
                messages.append({"role": "tool", "tool_call_id": part.id, "content": _text(part.content)})
            continue
        role = "system" if message.role == "developer" else message.role
        calls = [
            {"id": p.id, "type": "function", "function": {"name": p.name, "arguments": json.dumps(p.input)}}
            for p in message.parts
            if isinstance(p, ToolCallPart)
        ]
        texts = [part for part in message.parts if not isinstance(part, ToolCallPart)]
        messages.append({"role": role, "content": _text(texts), **({"tool_calls": calls} if calls else {})})
    return messages


def _text(parts: Any) -> str:
    """The text of parts. The door takes text only: anything else is refused, not dropped."""
    if isinstance(parts, str):
        return parts
    for part in parts:
        if not hasattr(part, "text"):
            raise TypeError(f"the door takes text, not a {type(part).__name__}")
    return "\n".join(part.text for part in parts)


def _tool(tool: Any) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description or "", "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _choice(choice: Any) -> Any:
    if choice is None:
        return None
    if len(choice.allowed) == 1:
        return {"type": "function", "function": {"name": choice.allowed[0]}}
    return choice.mode


def _response(name: str, raw: RawAnswer, outcome: Outcome[Any]) -> Response:
    parts: list[Any] = [TextPart(raw.text)] if raw.text else []
    for call in raw.tool_calls:
        arguments = json.loads(call["function"]["arguments"] or "{}")
        parts.append(ToolCallPart(call.get("id") or "call", call["function"]["name"], arguments))
    if raw.refusal:
        parts.append(RefusalPart(raw.refusal))
    usage = Usage(input_tokens=0, output_tokens=0, total_tokens=0) if outcome.recorded else _usage(outcome)
    cost = 0.0 if outcome.recorded else outcome.cost
    return Response(
        id=outcome.key[:16],
        model=raw.model or name,
        message=Message.assistant(parts or [TextPart("")]),
        finish_reason=_FINISH.get(raw.finish_reason, "stop"),  # type: ignore[arg-type]
        usage=usage,
        provider_data={"cost": cost, "call": outcome.key, "recorded": outcome.recorded},
    )


def _usage(outcome: Outcome[Any]) -> Usage:
    usage = outcome.usage
    return Usage(input_tokens=usage.prompt, output_tokens=usage.completion, total_tokens=usage.total)
