"""What comes of one query in the words of one persona."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal[-1, 0, 1]
"""-1 no, 0 cannot tell, 1 yes (Agent4Ranking's scores s0 and s1)."""


@dataclass(frozen=True, slots=True)
class Searcher:
    """A persona who searches: a name, and a description of how such a person puts things. Data, never guessed from a query."""

    name: str
    description: str
    families: tuple[str, ...] = ()
    """Families of rules that put things like that (`rules.ALL`), the likeliest first; empty: all of them."""


class RewriteError(ValueError):
    """Something about a rewriting that a person can mend; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One query in a persona's words.

    `meaning` and `fit`: the judge's majority (same need; in role), None where nobody judged. `similarity`: cosine of query
    and rewrite by text vectors, beside the judge. `rounds`: rewrites tried. `fell_back`: none passed, so `text` is the raw
    query, and `problem` says why. `how`: who wrote it: `model`, `likelihood` (rules proposed, a small model chose), `rules`, `given`.
    """

    query_id: str
    query: str
    persona: str
    text: str
    meaning: Verdict | None = None
    fit: Verdict | None = None
    similarity: float | None = None
    rounds: int = 0
    fell_back: bool = False
    problem: str = ""
    intent: str = ""
    how: Literal["model", "likelihood", "rules", "given"] = "model"
    calls: tuple[str, ...] = ()
    """Keys of the calls behind it, in order."""
