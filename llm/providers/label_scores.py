"""Log-likelihoods of labels from the likeliest next tokens that a chat endpoint lists."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .base import NoAbility

TOP = 20
"""The most that OpenAI-compatible endpoints list."""

FLOOR_GAP = 0.01
"""Nats below the least likely listed token: what a label that is not listed gets, as an upper bound."""


def listed_tokens(value: Mapping[str, Any]) -> list[tuple[str, float]] | None:
    """The listed next tokens of a chat completion with their log-probabilities; None where there are none."""
    logprobs = value["choices"][0].get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not content:
        return None
    first = content[0]
    listed = first.get("top_logprobs") or [first]
    return [(entry["token"], float(entry["logprob"])) for entry in listed]


def label_scores(labels: Sequence[str], listed: Sequence[tuple[str, float]]) -> tuple[list[float], int]:
    """Log-likelihood (nats) of each label's beginning and how many labels were not listed.

    A listed token speaks for the label that begins with it; tokens of one label add up (" Yes", "yes"). Blanks around
    tokens do not count, nor does case where the labels differ without it. Raises `NoAbility` when a listed token
    begins two labels: the next token alone cannot tell them apart.
    """
    names = [label.strip() for label in labels]
    fold = len({name.lower() for name in names}) == len(names)
    names = [name.lower() if fold else name for name in names]
    if len(set(names)) < len(names) or not all(names):
        raise NoAbility(f"labels {list(labels)} cannot be told apart by their text; give different, non-blank labels")
    found: list[list[float]] = [[] for _ in names]
    for token, logprob in listed:
        start = token.strip().lower() if fold else token.strip()
        if not start or not math.isfinite(logprob):
            continue
        spoken_for = [number for number, name in enumerate(names) if name == start]
        spoken_for = spoken_for or [number for number, name in enumerate(names) if name.startswith(start)]
        if len(spoken_for) > 1:
            two = " and ".join(repr(labels[number]) for number in spoken_for[:2])
            raise NoAbility(
                f"labels {two} begin with the same token {token!r}: over an endpoint give labels that differ in their first token"
            )
        for number in spoken_for:
            found[number].append(logprob)
    floor = min(logprob for _, logprob in listed if math.isfinite(logprob)) - FLOOR_GAP
    return [_log_sum(values) if values else floor for values in found], sum(not values for values in found)


def _log_sum(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))
