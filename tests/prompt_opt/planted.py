"""Prompts whose sentences have known effects, for searches that run in this process: a sentence helps by so many units.

As in `benchmarks/planted_prompts.py` the target competes with 19 others; a case's difficulty is shared by all prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from driver import Rule, Script
from recloop.agents.randomness import normals
from recloop.prompt_opt.steps import Ask
from recloop.prompt_opt.task import Texts

GOOD = {"Name the topics first.": 0.5, "Mind the last choices.": 0.4}
BAD = {"Be brief.": -0.4, "Trust the order shown.": -0.6, "Think of fame.": 0.0, "Answer at once.": -0.2}
SEED = "Order the candidates for this person. Answer with their ids.\n\n{{case}}"


def effect(text: str, effects: Mapping[str, float]) -> float:
    """The planted effect of a text, in standard deviations of the rivals' scores."""
    return sum(size for sentence, size in effects.items() if sentence in text)


def planted(effects: Mapping[str, float], seed: int = 0) -> Rule:
    """Ranks of the target under texts with these effects; what is left to luck belongs to the text and the case."""

    def rank(texts: Texts, case: str) -> int:
        text = texts["rank"]
        shared, rivals = drawn(seed, case)
        luck = normals(seed, "luck", case, text)
        score = 0.2 + 1.2 * (np.sqrt(0.8) * shared + np.sqrt(0.2) * luck) + effect(text, effects)
        return 1 + int((rivals > score).sum())

    return rank


@lru_cache(maxsize=4096)
def drawn(seed: int, case: str) -> tuple[float, Any]:
    """A case's difficulty and its rivals' scores."""
    return float(normals(seed, "difficulty", case)), normals(seed, "rivals", case, np.arange(19))


def writer(sentences: Mapping[str, float]) -> Script:
    """A proposer that adds one of the sentences, in turns, to the first prompt that it is shown."""
    names = list(sentences)

    def answer(ask: Ask, n: int) -> dict[str, Any]:
        text = ask.messages[-1]["content"]
        if "- reason:" in text:
            return {"reason": "It does not say how to decide.", "remedy": "Say how."}
        old = text.split("<<<prompt\n", 1)[1].split("\n>>>", 1)[0]
        return {"change": "one sentence more", "text": f"{names[n % len(names)]} {old}"}

    return answer
