"""Errors of the data floor: each says what was found and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class DataError(ValueError):
    """A dataset cannot be read or used as asked. `what` is the finding, `hint` the next step (may be several lines)."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = what, hint
        super().__init__(what + "".join(f"\n  {line}" for line in hint.splitlines()))


class LeakError(DataError):
    """Ground truth would pass from what an LLM has been shown into what it is measured against. Names the pair."""


def near(word: str, known: Iterable[str], n: int = 3) -> str:
    """A short "did you mean a, b?" from `known`, or an empty string."""
    hits = get_close_matches(word, list(known), n=n, cutoff=0.5)
    return f"did you mean {', '.join(hits)}?" if hits else ""
