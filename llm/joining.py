"""Several calls told as one: an answer and its repair, the questions of a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .line import Sent
from .providers import base
from .types import Outcome, Usage


def joined(first: Outcome[Any], second: Outcome[Any]) -> Outcome[Any]:
    """The repair's outcome, with what both calls took. A repair that could not be sent leaves that as the outcome."""
    cost = None if first.cost is None or second.cost is None else first.cost + second.cost
    error = second.error if second.ok else f"{first.error}; repair: {second.error}"
    return replace(
        second,
        text=second.text or first.text,
        error=error,
        usage=Usage(
            first.usage.prompt + second.usage.prompt,
            first.usage.completion + second.usage.completion,
            first.usage.estimated or second.usage.estimated,
        ),
        cost=cost,
        latency=first.latency + second.latency,
        attempts=first.attempts + second.attempts,
        recorded=first.recorded and second.recorded,
        keys=(first.key, second.key),
        own=Usage(first.own.prompt + second.own.prompt, first.own.completion + second.own.completion),
    )


def gathered(parts: Sequence[Sent[base.RawScores]]) -> Sent[base.RawScores]:
    """The parts of a score as one: the first failure if any failed, with what all of them took."""
    failed = next((part for part in parts if part.answer is None), None)
    answers = [part.answer for part in parts if part.answer is not None]
    costs = [part.cost for part in parts]
    usage = Usage(
        sum(p.usage.prompt for p in parts),
        sum(p.usage.completion for p in parts),
        any(p.usage.estimated for p in parts),
    )
    whole = None
    if failed is None:
        values = [value for answer in answers for value in answer.values]
        whole = base.RawScores(values, usage, model=answers[0].model, floored=sum(a.floored for a in answers))
    return Sent(
        whole,
        failed.status if failed else "ok",
        failed.error if failed else "",
        usage,
        None if None in costs else sum(cost or 0.0 for cost in costs),
        max(part.latency for part in parts),
        sum(part.attempts for part in parts),
    )
