"""How a structured answer is asked for where the endpoint takes no schema, and how a broken one is sent back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .providers.base import ChatRequest

REPAIR_SAMPLE = 1000
"""A repair is made at the same place with this much added to `sample`."""

_LONGEST_ECHO = 4000


def as_asked(response_format: Mapping[str, Any] | None) -> dict[str, Any]:
    """A `response_format`, in OpenAI's shape or with the schema at its top, as options of `Door.exchange`."""
    kind = response_format.get("type") if response_format else "text"
    if response_format is None or kind == "text":
        return {}
    if kind == "json_object":
        return {"json_object": True}
    return {"json_schema": response_format.get("schema") or response_format["json_schema"]["schema"]}


def with_schema_in_words(request: ChatRequest, json_object: bool) -> ChatRequest:
    """The same request with its schema written into the last message; `json_object` still asks for some JSON object."""
    words = (
        "Answer with one JSON value that fits the JSON Schema below. Write nothing else: no explanation, no code fence.\n"
        + json.dumps(request.json_schema, ensure_ascii=False)
    )
    messages = [dict(message) for message in request.messages]
    if messages and messages[-1].get("role") == "user":
        messages[-1]["content"] = f"{messages[-1]['content']}\n\n{words}"
    else:
        messages.append({"role": "user", "content": words})
    return replace(request, messages=messages, json_schema=None, json_object=json_object)


def repair(request: ChatRequest, text: str, error: str, cut: bool) -> ChatRequest:
    """Ask once more, showing the model its own answer and what is wrong with it; twice the room if it was cut."""
    messages: list[Mapping[str, Any]] = list(request.messages)
    if text.strip():
        messages.append({"role": "assistant", "content": text[:_LONGEST_ECHO]})
    advice = "It was cut off: be much shorter. " if cut else ""
    wish = f"That answer cannot be used: {error}. {advice}Answer again with the corrected JSON only."
    messages.append({"role": "user", "content": wish})
    return replace(request, messages=messages, max_tokens=request.max_tokens * 2 if cut else request.max_tokens)
