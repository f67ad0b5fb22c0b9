"""From a raw answer to a value: refusals seen, JSON found wherever the model put it, everything validated."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from .providers.base import RawAnswer
from .schemas import Schema, UnfitAnswer

_BRACKET = re.compile(r"[{}\[\]]")
_MANY = 50
"""Stop looking for JSON after so many failures or finds: an answer of brackets only must not cost quadratic time."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer turned out to be."""

    status: Literal["ok", "parse_fail", "refusal"]
    value: Any = None
    error: str = ""


def read(answer: RawAnswer, schema: Schema | None) -> Reading:
    """Judge an answer: a refusal, an instance of `schema`, the text itself (without schema), or a parse failure."""
    if answer.refusal or answer.finish_reason == "content_filter":
        return Reading("refusal", error=answer.refusal or "stopped by the endpoint's content filter")
    if schema is None:
        if answer.text.strip():
            return Reading("ok", answer.text)
        return Reading("parse_fail", error=f"the answer is empty (finish reason {answer.finish_reason})")
    validate = schema.model_validate_json if isinstance(schema, type) else schema.read
    error = "the answer is empty" if not answer.text.strip() else "no JSON object in the answer"
    for candidate in candidates(answer.text):
        try:
            return Reading("ok", validate(candidate))
        except ValidationError as problem:
            if not _is_syntax(problem):
                error = _in_words(problem)
        except (ValueError, RecursionError) as problem:
            error = str(problem) if isinstance(problem, UnfitAnswer) else f"not readable as JSON: {problem}"
    if answer.finish_reason == "length":
        error += " (the answer was cut at its token limit)"
    return Reading("parse_fail", error=error)


def candidates(text: str) -> Iterator[str]:
    """The whole text; else every outermost JSON object or list inside it, the last first: models think, then answer.

    A value inside an outer bracket that does not decode is never taken: half of a broken answer is not an answer.
    """
    yield text.strip()
    decoder = json.JSONDecoder()
    found: list[str] = []
    position = depth = tries = 0
    while tries < _MANY and (bracket := _BRACKET.search(text, position)):
        position = bracket.end()
        if bracket.group() in "}]":
            depth = max(0, depth - 1)
        elif depth:
            depth += 1
        else:
            tries += 1
            try:
                _, position = decoder.raw_decode(text, bracket.start())
                found.append(text[bracket.start() : position])
            except (ValueError, RecursionError):
                depth = 1
    yield from (part for part in reversed(found) if part != text.strip())


def _is_syntax(problem: ValidationError) -> bool:
    return any(error["type"] == "json_invalid" for error in problem.errors(include_url=False, include_input=False))


def _in_words(problem: ValidationError) -> str:
    errors = problem.errors(include_url=False, include_input=False, include_context=False)
    shown = [f"{'.'.join(map(str, error['loc'])) or 'answer'}: {error['msg']}" for error in errors[:5]]
    more = f"; and {len(errors) - 5} more" if len(errors) > 5 else ""
    return "; ".join(shown) + more
