"""The door as a DSPy language model."""

from __future__ import annotations

import json
from typing import Any

import dspy
from dspy.lm15 import Message, RefusalPart, Request, Response, TextPart, ToolCallPart, ToolResultPart, Usage

from .door import Door
from .errors import ModelFailed
from .providers.base import RawAnswer
from .sync import wait_for
from .types import Outcome, Place

_FINISH = {"stop": "stop", "length": "length", "tool_calls": "tool_call", "content_filter": "content_filter"}


def dspy_lm(door: Door, place: Place = Place(node="dspy"), **options: Any) -> dspy.LM:
    """A `dspy.LM` whose calls pass through `door` at `place`. DSPy's own cache is off: the cassette is the cache."""
    engine = _AsyncEngine(door, place)
    return dspy.LM(door.name, engine=_Engine(engine), async_engine=engine, cache=False, num_retries=0, **options)


class _AsyncEngine:
    def __init__(self, door: Door, place: Place) -> None:
        self.door, self.place = door, place

    async def complete(self, request: Request) -> Response:
        config = request.config
        outcome = await self.door.exchange(
            _messages(request),
            tools=[_tool(tool) for tool in request.tools],
            tool_choice=_choice(config.tool_choice),
            at=self.place,
            temperature=config.temperature if config.temperature is not None else 0.0,
            max_tokens=config.max_tokens or 1024,
            stop=config.stop,
            seed=config.seed,
        )
        if outcome.value is None:
            raise ModelFailed(outcome)
        return _response(self.door.name, outcome.value, outcome)

    async def aclose(self) -> None:
        """The door belongs to whoever opened it."""


class _Engine:
    def __init__(self, engine: _AsyncEngine) -> None:
        self.engine = engine

    def complete(self, request: Request) -> Response:
        return wait_for(self.engine.complete(request))

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
    usage = outcome.usage
    return Response(
        id=outcome.key[:16],
        model=raw.model or name,
        message=Message.assistant(parts or [TextPart("")]),
        finish_reason=_FINISH.get(raw.finish_reason, "stop"),  # type: ignore[arg-type]
        usage=Usage(input_tokens=usage.prompt, output_tokens=usage.completion, total_tokens=usage.total),
    )
