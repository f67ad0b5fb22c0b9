"""Calls as they are written to a cassette and read back, and what to say when a replay finds none."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from ..runs.records import CallRecord
from .cassette import Cassette
from .errors import ReplayDiverged
from .keys import canonical, key_of
from .line import Sent
from .providers.base import RawAnswer, RawScores
from .types import Place, Usage

_SHOWN = 160


def make_record(
    key: str,
    at: Place,
    model: str,
    kind: str,
    request: dict[str, Any],
    status: str,
    response: dict[str, Any] | None,
    error: str,
    sent: Sent[Any],
) -> CallRecord:
    """The record of a call that came to an end."""
    return CallRecord(
        key=key,
        agent=at.agent,
        page=at.page,
        node=at.node,
        sample=at.sample,
        model=model,
        kind=kind,
        request=request,
        status=status,
        response=response,
        error=error,
        prompt_tokens=sent.usage.prompt,
        completion_tokens=sent.usage.completion,
        cost=sent.cost,
        latency=sent.latency,
        attempts=sent.attempts,
        at=round(time.time(), 3),
    )


def answer_to(answer: RawAnswer) -> dict[str, Any]:
    response: dict[str, Any] = {"text": answer.text, "finish_reason": answer.finish_reason, "model": answer.model}
    if answer.usage.total:  # of this answer alone; the record's own counts hold the tries before it
        response["usage"] = [answer.usage.prompt, answer.usage.completion]
    if answer.refusal:
        response["refusal"] = answer.refusal
    if answer.tool_calls:
        response["tool_calls"] = [dict(call) for call in answer.tool_calls]
    return response


def answer_from(response: Mapping[str, Any]) -> RawAnswer:
    return RawAnswer(
        response["text"],
        response.get("finish_reason", "stop"),
        usage=Usage(*response.get("usage", ())),
        model=response.get("model", ""),
        refusal=response.get("refusal", ""),
        tool_calls=tuple(response.get("tool_calls", ())),
    )


def scores_to(scores: RawScores) -> dict[str, Any]:
    response: dict[str, Any] = {"values": scores.values, "floored": scores.floored, "model": scores.model}
    if scores.usage.total:
        response["usage"] = [scores.usage.prompt, scores.usage.completion]
    return response


def scores_from(response: Mapping[str, Any]) -> RawScores:
    return RawScores(
        response["values"],
        usage=Usage(*response.get("usage", ())),
        model=response.get("model", ""),
        floored=response.get("floored", 0),
    )


def diverged(cassette: Cassette | None, at: Place, model: str, kind: str, request: Mapping[str, Any]) -> ReplayDiverged:
    """The error of a replay that asked for what was not recorded, with the nearest recorded call of that place."""
    place = f"agent {at.agent!r}, page {at.page}, node {at.node!r}, sample {at.sample}"
    look = getattr(cassette, "all", None)
    if look is None:
        return ReplayDiverged(f"no recorded {kind} call for {place} (model {model})")
    records = [r for r in look(agent=at.agent, page=at.page) if (r.node, r.sample) == (at.node, at.sample)]
    if not records:
        return ReplayDiverged(f"nothing was recorded for {place}; the replay took another path before this call")
    record = max(records, key=lambda record: record.kind == kind)
    now = {"model": model, "kind": kind, **request}
    then = {"model": record.model, "kind": record.kind, **record.request}
    names = [name for name in {**then, **now} if canonical(then.get(name)) != canonical(now.get(name))]
    lines = [f"{name}: {_difference(then.get(name), now.get(name))}" for name in names]
    return ReplayDiverged(f"the call for {place} differs from the recorded one in {'; '.join(lines)}")


def named_rightly(record: CallRecord, request: bytes) -> None:
    """Raises `ReplayDiverged` where a recorded call has not the key of its request (canonical): it was changed since."""
    at = Place(record.agent, record.page, record.node, record.sample)
    if key_of(at, record.model, record.kind, request) != record.key:
        raise ReplayDiverged(
            f"the recorded {record.kind} call for agent {at.agent!r}, page {at.page}, node {at.node!r}, sample {at.sample} "
            f"was changed after it was made: its key {record.key[:12]} is not that of its request"
        )


def _difference(then: Any, now: Any) -> str:
    """Both values, from a little before the first character in which they differ."""
    texts = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in (then, now)]
    same = next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    start = max(0, same - 40)
    cut = ["…" * bool(start) + text[start : start + _SHOWN] + "…" * (len(text) > start + _SHOWN) for text in texts]
    return f"recorded {cut[0]!r}, now {cut[1]!r}"
