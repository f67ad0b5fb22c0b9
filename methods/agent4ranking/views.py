"""The views of a query: as it was given, as others would put it; which of them are learnt from, and which only tested with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...evaluators.stability import RAW
from .errors import RankError


@dataclass(frozen=True, eq=False)
class Views:
    """Query id -> form -> text; every query has the form `raw`, and any of the others or none.

    `learnt`: the forms a ranker learns from, `raw` first; at most one expert each. `held_out`: forms it never sees in
    training, of any query, and that its steadiness is measured on. `fell_back`: (query, form) whose text is the raw query
    because nothing better was found. `also`: (query, form) -> the texts over which a ranker that averages over phrasings
    averages when it is given that form: what a rewriter would make of it. Learnt forms have none: they are rewrites already.
    """

    texts: Mapping[str, Mapping[str, str]]
    learnt: tuple[str, ...]
    held_out: tuple[str, ...]
    fell_back: frozenset[tuple[str, str]] = frozenset()
    also: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.learnt or self.learnt[0] != RAW or len(set(self.learnt)) != len(self.learnt):
            raise RankError(f"views to learn from begin with {RAW!r} and are all different, got {self.learnt}")
        if both := set(self.learnt) & set(self.held_out):
            raise RankError(f"{', '.join(sorted(both))} cannot be learnt from and held out\n  choose one")
        if without := next((query for query, forms in self.texts.items() if RAW not in forms), None):
            raise RankError(f"query {without!r} has no text of its own")

    def text(self, query: str, form: str) -> str:
        """The query in this form; as it was given where it has no such form."""
        forms = self.texts[query]
        return forms.get(form, forms[RAW])

    def missing(self, query: str, form: str) -> bool:
        """Whether this form is but the raw query: none was made, or it fell back."""
        return form not in self.texts[query] or (query, form) in self.fell_back

    def fallback_rate(self, forms: Sequence[str]) -> float:
        """Share of (query, form) that are but the raw query."""
        asked = [(query, form) for query in self.texts for form in forms if form != RAW]
        return sum(self.missing(*each) for each in asked) / len(asked) if asked else 0.0

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of what is learnt from: held-out forms may be others at every measurement."""
        plain = [
            sorted((query, [self.text(query, form) for form in self.learnt]) for query in self.texts),
            self.learnt,
            sorted(each for each in self.fell_back if each[1] in self.learnt),
        ]
        return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def views_of(
    queries: Mapping[str, str],
    learnt: Sequence[str],
    held_out: Sequence[str],
    rewrite: Callable[[str, str, str], str | None],
) -> Views:
    """Views by a rewriter without memory: `rewrite(query id, text, form)` gives a text, or None where the form has nothing to say."""
    texts: dict[str, dict[str, str]] = {}
    also: dict[tuple[str, str], tuple[str, ...]] = {}
    for query, raw in queries.items():
        forms = {RAW: raw}
        forms |= {form: text for form in (*learnt, *held_out) if (text := rewrite(query, raw, form))}
        texts[query] = forms
        for form, text in forms.items():
            if form in learnt:
                continue
            others = [other for name in learnt if (other := rewrite(query if form == RAW else "", text, name))]
            also[query, form] = (text, *others)
    return Views(texts, (RAW, *learnt), tuple(held_out), frozenset(), also)
