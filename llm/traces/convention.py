"""OpenInference's names for what language models and agents do, and a recorded call in them.

The names are written here, so that nothing has to be installed for them; a test holds them against the published package.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ...runs import CallRecord
from .span import Value

PROJECT = "openinference.project.name"
KIND = "openinference.span.kind"
AGENT, CHAIN, LLM, TOOL = "AGENT", "CHAIN", "LLM", "TOOL"
SESSION, USER, AGENT_NAME, NODE, METADATA = "session.id", "user.id", "agent.name", "graph.node.id", "metadata"
INPUT, INPUT_TYPE, OUTPUT, OUTPUT_TYPE = "input.value", "input.mime_type", "output.value", "output.mime_type"
TEXT, JSON = "text/plain", "application/json"
MODEL, PARAMETERS, TOOLS = "llm.model_name", "llm.invocation_parameters", "llm.tools"
ASKED, ANSWERED = "llm.input_messages", "llm.output_messages"
ROLE, CONTENT, CALLS, CALL_ID = "message.role", "message.content", "message.tool_calls", "message.tool_call_id"
FUNCTION, ARGUMENTS, FUNCTION_ID = "tool_call.function.name", "tool_call.function.arguments", "tool_call.id"
SCHEMA, TOOL_NAME, TOOL_ARGUMENTS = "tool.json_schema", "tool.name", "tool.parameters"
TOKENS_IN, TOKENS_OUT = "llm.token_count.prompt", "llm.token_count.completion"
TOKENS, COST = "llm.token_count.total", "llm.cost.total"

_CONTENT_OF_REQUEST = frozenset({"messages", "tools", "prompt", "questions"})
"""Parts of a request that are said to the model; the others are parameters."""


def facts_of(call: CallRecord) -> dict[str, Value]:
    """What a call took and where it was made; nothing that was said."""
    found: dict[str, Value] = {KIND: LLM, MODEL: call.model, NODE: call.node or call.kind}
    found |= {TOKENS_IN: call.prompt_tokens, TOKENS_OUT: call.completion_tokens}
    found[TOKENS] = call.prompt_tokens + call.completion_tokens
    if call.cost is not None:
        found[COST] = call.cost
    place = {"key": call.key, "page": call.page, "sample": call.sample, "kind": call.kind}
    found[METADATA] = dumps({**place, "status": call.status, "attempts": call.attempts})
    return found


def parameters_of(call: CallRecord) -> str:
    """Temperature, length, schema and the rest of how it was asked, as JSON."""
    request = call.request if isinstance(call.request, Mapping) else {}
    kept = {name: value for name, value in request.items() if name not in _CONTENT_OF_REQUEST}
    return dumps({name: value for name, value in kept.items() if value not in (None, (), [], False)})


def content_of(call: CallRecord) -> dict[str, Value]:
    """What was said to the model and by it."""
    request = call.request if isinstance(call.request, Mapping) else {}
    response = call.response if isinstance(call.response, Mapping) else {}
    found: dict[str, Value] = {PARAMETERS: parameters_of(call)}
    messages = request.get("messages") or (
        [{"role": "user", "content": request["prompt"]}] if request.get("prompt") else []
    )
    for i, message in enumerate(messages):
        found |= _message(f"{ASKED}.{i}", message)
    for i, tool in enumerate(request.get("tools") or ()):
        found[f"{TOOLS}.{i}.{SCHEMA}"] = dumps(tool)
    if messages:
        found |= {INPUT: text_of(messages[-1].get("content")), INPUT_TYPE: TEXT}
    if "values" in response:  # of a scoring call: nats per question and label
        asked = [{"after": each[0], "labels": each[1]} for each in request.get("questions") or ()]
        scored = [{**one, "logprobs": values} for one, values in zip(asked, response["values"], strict=False)]
        found |= {OUTPUT: dumps(scored), OUTPUT_TYPE: JSON}
    elif response:
        said = {"role": "assistant", "content": response.get("text"), "tool_calls": response.get("tool_calls") or ()}
        found |= _message(f"{ANSWERED}.0", said)
        found |= {OUTPUT: text_of(response.get("text")), OUTPUT_TYPE: JSON if request.get("schema") else TEXT}
    return found


def tools_of(call: CallRecord) -> Iterator[tuple[str, dict[str, Value], dict[str, Value]]]:
    """The tool calls of an answer: name, facts, content."""
    response = call.response if isinstance(call.response, Mapping) else {}
    for each in response.get("tool_calls") or ():
        function = each.get("function") or {}
        name, arguments = str(function.get("name", "")), text_of(function.get("arguments"))
        yield name, {KIND: TOOL, TOOL_NAME: name}, {TOOL_ARGUMENTS: arguments, INPUT: arguments, INPUT_TYPE: JSON}


def _message(prefix: str, message: Mapping[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {f"{prefix}.{ROLE}": str(message.get("role", ""))}
    if message.get("content") is not None:
        found[f"{prefix}.{CONTENT}"] = text_of(message["content"])
    if message.get("tool_call_id"):
        found[f"{prefix}.{CALL_ID}"] = str(message["tool_call_id"])
    for i, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        found[f"{prefix}.{CALLS}.{i}.{FUNCTION}"] = str(function.get("name", ""))
        found[f"{prefix}.{CALLS}.{i}.{ARGUMENTS}"] = text_of(function.get("arguments"))
        if call.get("id"):
            found[f"{prefix}.{CALLS}.{i}.{FUNCTION_ID}"] = str(call["id"])
    return found


def text_of(value: Any) -> str:
    """A content as text: itself where it is text, else its JSON."""
    return value if isinstance(value, str) else "" if value is None else dumps(value)


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
