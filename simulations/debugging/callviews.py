"""Recorded calls as people read them: the prompt, the answer as it came and as JSON, what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...llm.answers import candidates
from ...runs import CallRecord, Run
from .errors import DebugError
from .reading import edits, sayable
from .views import CallView

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

MOST_PROBLEMS = 20
"""Problems of one answer that are told; a broken one may have one for every item."""
SHOWN = 5
"""Keys named where a beginning fits several."""


def call_view(run: Run, key: str) -> CallView:
    """A recorded call, by its key or an unambiguous beginning of it. Raises `DebugError` for none, or several."""
    record = run.calls.get(full_key(run, key))
    if record is None:  # of a run that is being written: a failure that gives way to an answer right now
        raise DebugError(f"the call {key[:64]!r} is being made again\n  look once more when it is settled")
    by_hand = any(edit.get("key") == record.key for edit in edits(run))
    return view_of(record, edited=by_hand)


def full_key(run: Run, key: str) -> str:
    """The key that begins so. Raises `DebugError`."""
    key = sayable(key)
    found = [
        each
        for (each,) in run.log.rows(
            "SELECT key FROM calls WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
            (key, key + "\U0010ffff", SHOWN + 1),
        )
    ]
    if key in found or len(found) == 1:
        return found[0]
    if not found:
        raise DebugError(
            f"no call of {run.path} has a key that begins with {key[:64]!r}\n  keys stand with each page's calls"
        )
    more = ", …" if len(found) > SHOWN else ""
    some = ", ".join(each[:12] for each in found[:SHOWN]) + more
    raise DebugError(f"several calls have a key that begins with {key[:64]!r}\n  give more of it: {some}")


def view_of(record: CallRecord, edited: bool = False) -> CallView:
    """What a record says, for people."""
    request, response = _mapping(record.request), _mapping(record.response)
    scored = record.kind == "score"
    raw = "" if scored else str(response.get("text") or "")
    schema = request.get("schema")
    parsed = _parsed(raw, schema)
    if scored:
        messages: Sequence[Mapping[str, Any]] = [{"role": "text", "content": request.get("prompt", "")}]
    else:
        messages = [_mapping(each) for each in request.get("messages") or ()]
    return CallView(
        key=record.key,
        agent=record.agent,
        page=record.page,
        node=record.node,
        sample=record.sample,
        model=record.model,
        kind=record.kind,
        status=record.status,
        error=record.error,
        messages=messages,
        schema=schema,
        raw=raw,
        parsed=parsed,
        problems=tuple(_problems(parsed, schema, raw)) if schema and response else (),
        questions=_questions(request, response) if scored else (),
        tools=[_tool(each) for each in response.get("tool_calls") or ()],
        prompt_tokens=record.prompt_tokens,
        completion_tokens=record.completion_tokens,
        cost=record.cost,
        latency=record.latency,
        attempts=record.attempts,
        edited=edited,
    )


def fits(raw: str, schema: Any) -> bool:
    """Whether an answer keeps to its schema; to none it always does."""
    return not schema or not _problems(_parsed(raw, schema), schema, raw)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _parsed(raw: str, schema: Any) -> Any:
    """The answer as JSON, wherever in its text the model put it; of several, the first that fits the schema."""
    found = []
    for candidate in candidates(raw):
        try:
            found.append(json.loads(candidate))
        except (ValueError, RecursionError):
            continue
    if len(found) > 1 and schema:
        return next((each for each in found if not _problems(each, schema, raw)), found[0])
    return found[0] if found else None


def _problems(parsed: Any, schema: Any, raw: str) -> list[Mapping[str, Any]]:
    """Where an answer breaks its schema. Of alternatives (`anyOf`), what is wrong with the nearest one."""
    if parsed is None:
        return [{"path": "", "message": "the answer is empty" if not raw.strip() else "no JSON in the answer"}]
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # An empty registry: the schema came with the recording, and what it refers to elsewhere is not fetched.
    try:
        validator = Draft202012Validator(schema, registry=Registry())
        errors = [near for error in validator.iter_errors(parsed) for near in _nearest(error)]
    except Exception:  # it may be anything; checking it first would take ten times as long as all the rest
        return [{"path": "", "message": "the schema itself cannot be read"}]
    told = sorted(errors, key=lambda error: [str(part).zfill(6) for part in error.absolute_path])[:MOST_PROBLEMS]
    return [{"path": ".".join(map(str, each.absolute_path)), "message": each.message[:500]} for each in told]


def _nearest(error: ValidationError) -> list[ValidationError]:
    """What is wrong with the alternative that was most likely meant: that of which the fixed words are right."""
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        return [error]
    branches: dict[Any, list[ValidationError]] = {}
    for each in error.context:
        branches.setdefault(each.schema_path[0], []).extend(_nearest(each))
    return min(branches.values(), key=lambda wrong: (sum(w.validator in ("enum", "const") for w in wrong), len(wrong)))


def _questions(request: Mapping[str, Any], response: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    values = response.get("values") or []
    found = []
    asked: list[Any] = list(request.get("questions") or ())
    for at, (suffix, labels, *alone) in enumerate(asked):
        logprobs = values[at] if at < len(values) else []
        found.append({"suffix": suffix, "labels": labels, "logprobs": logprobs, "alone": bool(alone)})
    return found


def _tool(call: Any) -> Mapping[str, Any]:
    function = _mapping(_mapping(call).get("function") or call)
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):  # else shown as it came
            arguments = json.loads(arguments)
    return {"name": str(function.get("name", "")), "arguments": arguments}
