"""Reasons: one per cluster of errors, from a few of its cases with the wrong answer and the truth side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from ...llm.types import Outcome
from ..steps import Ask
from .contract import Brief, fenced_prompt, load
from .errors import show_all

CASES = 3
"""Cases of a cluster that are shown."""
TEMPERATURE = 0.3


class Why(BaseModel):
    """Why a prompt fails on cases of one kind, as a proposer answers."""

    reason: str = Field(max_length=600)
    """What in the prompt, or missing from it, leads to these answers."""
    remedy: str = Field(max_length=600)
    """What a prompt should say, in general and without naming an item."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason and its remedy, the cases they were read from, and the calls that read them."""

    text: str
    cases: tuple[str, ...]
    calls: tuple[str, ...]


def requests(brief: Brief, most: int) -> list[Ask]:
    """One question for each of the costliest `most` clusters."""
    asks = []
    for i, cluster in enumerate(brief.errors[:most]):
        name = brief.component(i)
        messages = load("reasons").render(
            **brief.about(name),
            prompt=fenced_prompt(brief.parent.texts[name]),
            kind=cluster.kind,
            cases=show_all(brief.context, brief.parent, cluster.cases[:CASES]),
        )
        asks.append(brief.ask("reasons", i, messages, TEMPERATURE, Why))
    return asks


def read(brief: Brief, outcomes: Sequence[Outcome[Any]]) -> list[Reason]:
    """The reasons in the answers, in order of the clusters."""
    found = []
    for cluster, outcome in zip(brief.errors, outcomes, strict=False):
        if outcome.ok and isinstance(outcome.value, dict):
            text = f"{cluster.kind}: {outcome.value['reason']} {outcome.value['remedy']}"
            found.append(Reason(text, cluster.cases[:CASES], outcome.keys))
    return found
