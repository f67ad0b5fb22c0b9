"""What an endpoint's error answers mean: one table from status, code and words to the typed failures of `base`."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ..redact import redact
from .address import bare
from .base import (
    BadAnswer,
    ConfigProblem,
    ConnectionLost,
    Overloaded,
    ProviderError,
    RateLimited,
    Refused,
    Rejected,
    ServerError,
    TimedOut,
    Unsupported,
)

REFUSAL_CODES = ("content_filter", "content_policy_violation", "responsibleaipolicyviolation")
SCHEMA_WORDS = ("response_format", "json_schema", "json schema", "structured output", "guided", "grammar")
PARAMETERS = ("max_tokens", "temperature", "top_logprobs", "logprobs", "seed", "stop", "parallel_tool_calls")
NO_MODEL = ("model_not_found", "invalid model", "unknown model", "no such model", "not found", "does not exist")
TURNED_DOWN = ("not support", "unsupported", "unrecognized", "unknown", "unexpected", "not permitted", "not allowed",
               "unavailable", "extra inputs", "extra fields", "not available", "deprecated")  # fmt: skip


def failure(
    status: int, headers: Mapping[str, str], body: bytes, sent: Mapping[str, Any], where: str, secrets: tuple[str, ...]
) -> ProviderError:
    """The failure that an HTTP answer stands for. `sent` is the request body, `where` the endpoint without secrets."""
    message, code = error_words(body)
    words = f"{code} {message}".lower()
    said = redact(f"{where} answered {status}: {message or 'no reason given'}", *secrets)
    if status in (400, 422):
        if any(word in words for word in REFUSAL_CODES):
            return Refused(said)
        if (part := unsupported(words, said, sent)) is not None:
            return part
        wrong_model = "model" in words and any(word in words for word in NO_MODEL)
        return ConfigProblem(f"{said}\n  check the model's name") if wrong_model else Rejected(said)
    if status in (401, 403):
        return ConfigProblem(
            f"{said}\n  check the key: OPENAI_API_KEY with openai/NAME (and --base-url for an endpoint of your own), or api_key="
        )
    if status == 402 or (status == 429 and "insufficient_quota" in words):
        return ConfigProblem(f"{said}\n  the account has no credit left")
    if status in (404, 405):
        return ConfigProblem(f"{said}\n  check the model's name and the address (it usually ends in /v1)")
    if status == 429:
        return RateLimited(said, retry_after(headers))
    if status == 408:
        return TimedOut(said)
    if status in (503, 529):
        return Overloaded(said, retry_after(headers))
    if status >= 500 or status in (409, 425):
        return ServerError(said, retry_after(headers))
    if 300 <= status < 400:
        to = redact(bare(headers.get("location", "")).removesuffix("/chat/completions"), *secrets)
        final = f"give that address: {to}" if "://" in to else "give the final address"
        return ConfigProblem(f"{where} answered {status}: it has moved\n  {final}")
    return Rejected(said)


def unsupported(words: str, said: str, sent: Mapping[str, Any]) -> Unsupported | None:
    """Which part of the request a 400 complains of, if it is one that the door can do without."""
    form = sent.get("response_format")
    if form and any(word in words for word in SCHEMA_WORDS):
        feature = form["type"]
        return Unsupported(said, feature, here=feature == "json_schema" and "invalid schema" in words)
    if any(word in words for word in TURNED_DOWN):
        for name in PARAMETERS:
            other = name == "max_tokens" and "max_completion_tokens" not in words and "unsupported" not in words
            if name in sent and name in words and not other:
                return Unsupported(said, name)
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the endpoint asks to wait; both forms of the header, and the millisecond one."""
    milliseconds = headers.get("retry-after-ms")
    value = headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        pass
    try:
        from datetime import UTC, datetime

        until = parsedate_to_datetime(value or "")
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def connection_failure(problem: BaseException, where: str, secrets: tuple[str, ...]) -> ProviderError:
    """No connection, or a broken one. A certificate that is not trusted, and TLS where none is spoken, no retry mends."""
    said = f"no connection to {where}"
    below = getattr(problem, "os_error", None) or getattr(problem, "certificate_error", None)
    if isinstance(below, ssl.SSLCertVerificationError):
        why = redact(below.verify_message, *secrets)
        return ConfigProblem(
            f"{said}: its certificate is not trusted ({why})\n  name its authority's file in SSL_CERT_FILE"
        )
    if isinstance(below, ssl.SSLError) and below.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return ConfigProblem(f"{said}: it does not speak TLS\n  write http:// instead of https://")
    # aiohttp's own words are about sockets
    plain = os.strerror(below.errno).lower() if isinstance(below, OSError) and below.errno and below.errno > 0 else ""
    if isinstance(below, socket.gaierror):
        plain = "no host of this name is known"
    return ConnectionLost(f"{said}: {redact(plain or str(problem) or type(problem).__name__, *secrets)}")


def bad_answer(where: str, body: bytes, secrets: tuple[str, ...]) -> BadAnswer:
    shown = redact(body[:120].decode("utf-8", "replace"), *secrets)
    return BadAnswer(f"{where} answered 200 with something that is no chat completion: {shown!r}")


def error_words(body: bytes) -> tuple[str, str]:
    """Message and codes of an error body, in any of the shapes that endpoints give it."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body[:300].decode("utf-8", "replace"), ""
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return str(error), ""
    inner = error.get("innererror")
    codes = [
        error.get("code"),
        error.get("type"),
        error.get("param"),
        inner.get("code") if isinstance(inner, dict) else None,
    ]
    message = error.get("message") or error.get("detail") or json.dumps(error)
    return str(message), " ".join(str(code) for code in codes if code)
