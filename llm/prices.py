"""What a token costs, read from the price table that LiteLLM ships, without importing LiteLLM."""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .errors import BudgetError
from .types import Usage


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    prompt: float
    completion: float

    @classmethod
    def parse(cls, text: str) -> Price | None:
        """Read `in=0.2,out=0.6`; None for an empty text. Raises `BudgetError` naming what does not fit."""
        if not text:
            return None
        parts = [tuple(word.strip() for word in part.partition("=")[::2]) for part in text.split(",")]
        try:
            found = {name: float(number) for name, number in parts}
        except ValueError:
            found = {}
        good = set(found) == {"in", "out"} and len(parts) == 2
        if not good or not all(math.isfinite(value) and value >= 0 for value in found.values()):
            raise BudgetError(f"price {text!r}: dollars per million tokens, as in in=0.2,out=0.6")
        return cls(found["in"], found["out"])

    def of(self, usage: Usage) -> float:
        return (usage.prompt * self.prompt + usage.completion * self.completion) / 1e6


@cache
def _table() -> dict[str, Any]:
    package = importlib.util.find_spec("litellm")
    if package is None or package.origin is None:
        return {}
    path = Path(package.origin).parent / "model_prices_and_context_window_backup.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


@cache
def price_of(name: str) -> Price | None:
    """The list price of `provider/NAME`; None where the table has none."""
    provider, _, bare = name.partition("/")
    for candidate in (name, bare):
        row = _table().get(candidate)
        if row and candidate == bare and row.get("litellm_provider") != provider:
            continue
        if row and "input_cost_per_token" in row and "output_cost_per_token" in row:
            return Price(row["input_cost_per_token"] * 1e6, row["output_cost_per_token"] * 1e6)
    return None


@cache
def known_providers() -> frozenset[str]:
    """Every provider that the price table names."""
    return frozenset(row["litellm_provider"] for row in _table().values() if "litellm_provider" in row)
