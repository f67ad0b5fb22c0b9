"""One chat answer from llama.cpp's server, in this process: one slot, nothing cached between calls, so equal calls answer equally."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..providers.base import BadAnswer, ChatRequest, ConfigProblem, RawAnswer, Rejected, Unsupported
from ..types import Usage
from .crew import Cancelled
from .extra import runtime

CELLS = 4096
"""Tokens of prompt and answer together."""


class Generator:
    """A server with one slot and one processor thread. Not for two threads at once."""

    def __init__(self, path: Path, control_texts: Sequence[str]) -> None:
        llama = runtime("xllamacpp")
        params = llama.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.n_gpu_layers = CELLS, 1, 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = params.n_threads_http = 1
        params.warmup = params.fit_params = params.ui = params.endpoint_slots = False
        params.cache_ram_mib, params.verbosity = 0, -1
        # The library also listens on a port of this machine, which nobody is told of: a key nobody has keeps it shut.
        params.api_keys = [secrets.token_urlsafe(32)]
        try:
            self._server = llama.Server(params)
        except Exception as error:
            raise ConfigProblem(f"{path} cannot be read as a GGUF model ({error})\n  give another file") from error
        self._control = re.compile("|".join(map(re.escape, control_texts))) if control_texts else None

    def chat(self, request: ChatRequest, name: str, cancelled: threading.Event | None = None) -> RawAnswer:
        """One attempt. Raises `Rejected` (too long, malformed), `Unsupported` for a schema that has no grammar here."""
        body = self._body(request)
        answer: dict[str, Any] = {"text": [], "finish": "stop", "usage": {}, "error": None}

        def take(piece: Mapping[str, Any]) -> bool:
            _add(answer, piece)
            return cancelled is not None and cancelled.is_set()

        try:
            if request.tools:  # a tool call comes whole only without streaming
                whole = self._server.handle_chat_completions(body)
                if not isinstance(whole, Mapping) or "choices" not in whole:
                    raise _failure((whole or {}).get("error"))
                return _whole(whole, name)
            self._server.handle_chat_completions(
                {**body, "stream": True, "stream_options": {"include_usage": True}}, take
            )
        except ValueError as error:
            if request.json_schema is not None and "schema" in str(error).lower():
                raise Unsupported(f"no grammar for this schema: {error}", "json_schema", here=True) from error
            raise Rejected(f"llama.cpp turned the call down: {error}") from error
        if cancelled is not None and cancelled.is_set():
            raise Cancelled
        if answer["error"] is not None:
            raise _failure(answer["error"])
        return RawAnswer("".join(answer["text"]), answer["finish"], _usage(answer["usage"]), 0.0, name)

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": [self._plain(message) for message in request.messages],
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "cache_prompt": False,
        }
        if request.json_schema is not None:
            schema = {"name": "answer", "schema": dict(request.json_schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif request.json_object:
            body["response_format"] = {"type": "json_object"}
        for key, value in (("stop", list(request.stop)), ("seed", request.seed)):
            if value not in (None, []):
                body[key] = value
        if request.tools:
            body["tools"] = [dict(tool) for tool in request.tools]
            if request.tool_choice is not None:
                body["tool_choice"] = request.tool_choice
        return body

    def _plain(self, value: Any) -> Any:
        """A message whose text cannot be read as a control token: an invisible joiner breaks the spelling."""
        if isinstance(value, str):
            return self._control.sub(_broken, value) if self._control else value
        if isinstance(value, Mapping):
            return {key: self._plain(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(part) for part in value]
        return value

    def close(self) -> None:
        del self._server


def _broken(match: re.Match[str]) -> str:
    text = match.group()
    return f"{text[0]}\u2060{text[1:]}"


def _add(answer: dict[str, Any], piece: Mapping[str, Any]) -> None:
    if "error" in piece:
        answer["error"] = piece["error"]
    if piece.get("usage"):
        answer["usage"] = piece["usage"]
    for choice in piece.get("choices") or ():
        text = (choice.get("delta") or {}).get("content")
        if text:
            answer["text"].append(text)
        answer["finish"] = choice.get("finish_reason") or answer["finish"]


def _whole(answer: Mapping[str, Any], name: str) -> RawAnswer:
    choice = answer["choices"][0]
    message = choice["message"]
    return RawAnswer(
        message.get("content") or "",
        choice.get("finish_reason") or "stop",
        _usage(answer.get("usage") or {}),
        0.0,
        name,
        tool_calls=tuple(message.get("tool_calls") or ()),
    )


def _usage(usage: Mapping[str, Any]) -> Usage:
    return Usage(int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))


def _failure(error: Any) -> Exception:
    problem = error if isinstance(error, Mapping) else {"message": str(error or "no answer")}
    message = str(problem.get("message"))
    if problem.get("type") == "exceed_context_size_error":
        tokens = problem.get("n_prompt_tokens", "too many")
        return Rejected(f"the messages are {tokens} tokens, the local model reads {CELLS}: shorten the prompt")
    kind: Callable[[str], Exception] = Rejected if problem.get("code") == 400 else BadAnswer
    return kind(f"llama.cpp: {message}")
