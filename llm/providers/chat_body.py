"""OpenAI's chat format, both ways: a request to a body, an answer to a `RawAnswer`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

from ..schemas import is_strict
from ..types import Usage
from .base import ChatRequest, RawAnswer


def chat_body(model: str, request: ChatRequest, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The JSON body of a chat completion. `without` names the parameters that the endpoint turned down."""
    body: dict[str, Any] = {"model": model, "messages": list(request.messages)}
    limit = "max_completion_tokens" if "max_tokens" in without else "max_tokens"
    body[limit] = request.max_tokens
    if "temperature" not in without:
        body["temperature"] = request.temperature
    if request.stop and "stop" not in without:
        body["stop"] = list(request.stop)
    if request.seed is not None and "seed" not in without:
        body["seed"] = request.seed
    if request.json_schema is not None:
        schema = request.json_schema
        form = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    elif request.json_object:
        body["response_format"] = {"type": "json_object"}
    if request.tools:
        body["tools"] = list(request.tools)
        if request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice
        if request.parallel_tools is not None and "parallel_tool_calls" not in without:
            body["parallel_tool_calls"] = request.parallel_tools
    return body


def raw_answer(value: Mapping[str, Any], sent: Mapping[str, Any]) -> RawAnswer:
    """The answer in a chat completion. Raises KeyError, TypeError, ValueError or IndexError where it is none."""
    choice = value["choices"][0]
    message = choice["message"]
    text = message.get("content") or ""
    if isinstance(text, list):  # some endpoints answer in parts
        text = "".join(part.get("text", "") for part in text if isinstance(part, dict))
    if not isinstance(text, str):
        raise TypeError("content is no text")
    calls = tuple(_tool_call(call, number) for number, call in enumerate(message.get("tool_calls") or ()))
    return RawAnswer(
        text,
        choice.get("finish_reason") or "stop",
        usage_of(value, sent, text),
        model=str(value.get("model") or ""),
        refusal=message.get("refusal") or "",
        tool_calls=calls,
    )


def _tool_call(call: Mapping[str, Any], number: int) -> dict[str, Any]:
    """One tool call in OpenAI's shape; some endpoints leave its id out, or give the arguments as an object."""
    function = call["function"]
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    name = {"name": str(function["name"]), "arguments": text}
    return {"id": call.get("id") or f"call_{number}", "type": "function", "function": name}


MOST_TOKENS = 10**9
"""An endpoint that counts more in one call, or fewer than none, is not believed."""


def _believed(tokens: Any) -> TypeGuard[int]:
    return isinstance(tokens, int) and 0 <= tokens <= MOST_TOKENS


def usage_of(value: Mapping[str, Any], sent: Mapping[str, Any], text: str) -> Usage:
    """Tokens as the endpoint counted them; a quarter of the bytes where it did not."""
    usage = value.get("usage")
    if isinstance(usage, Mapping):
        asked, said = usage.get("prompt_tokens"), usage.get("completion_tokens") or 0
        if _believed(asked) and _believed(said):  # anything else would mislead the budget
            return Usage(asked, said)
    prompt = sum(len(str(message.get("content") or "").encode("utf-8", "replace")) for message in sent["messages"])
    return Usage(-(-prompt // 4), -(-len(text.encode("utf-8", "replace")) // 4), estimated=True)
