"""`Baskets`: who met what, as far as a baseline may know it, and the rankers that need no prompt."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import sqrt

from ..task import Case
from .items import names_of

_WORD = re.compile(r"\w{3,}")
_EMPTY_WORDS = frozenset(
    [
        "and",
        "the",
        "for",
        "with",
        "from",
        "into",
        "over",
        "out",
        "off",
        "its",
        "are",
        "was",
        "has",
        "not",
        "but",
        "you",
        "your",
        "our",
        "all",
        "any",
    ]
)


class Baskets:
    """Sets of items that somebody met together: training sessions, or users' training rows.

    Each basket has an owner, and a case is never judged with baskets of its own owner: the interaction that is to be
    guessed stands in them.
    """

    def __init__(self, baskets: Iterable[tuple[str, Iterable[str]]] = ()) -> None:
        of_item: dict[str, set[int]] = defaultdict(set)
        of_owner: dict[str, set[int]] = defaultdict(set)
        number = -1
        for number, (owner, items) in enumerate(baskets):
            of_owner[owner].add(number)
            for item in items:
                of_item[item].add(number)
        self._of_item, self._of_owner = dict(of_item), dict(of_owner)
        self.count = number + 1

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of who met what: other baskets make other baselines."""
        told = hashlib.sha256()
        for item in sorted(self._of_item):
            told.update(f"{item}\0{len(self._of_item[item])}\0".encode("utf-8", "surrogatepass"))
            told.update(",".join(map(str, sorted(self._of_item[item]))).encode())
        return told.hexdigest()

    def _with(self, item: str, owner: str) -> set[int]:
        found, own = self._of_item.get(item, set()), self._of_owner.get(owner)
        return found - own if own else found

    def popularity(self, items: Sequence[str], owner: str) -> list[float]:
        """In how many baskets of others each item is."""
        return [float(len(self._with(item, owner))) for item in items]

    def together(self, items: Sequence[str], history: Sequence[str], owner: str) -> list[float]:
        """Cosine of each item with each of the history over the baskets of others, summed (item-item neighbours)."""
        past = [self._with(item, owner) for item in dict.fromkeys(history)]
        values = []
        for item in items:
            own = self._with(item, owner)
            shared = ((len(own & other), len(own) * len(other)) for other in past)
            values.append(sum(both / sqrt(size) for both, size in shared if both))
        return values

    @cached_property
    def most_popular(self) -> tuple[str, ...]:
        """Items by falling popularity, equal ones by id."""
        return tuple(sorted(self._of_item, key=lambda item: (-len(self._of_item[item]), item)))


def title_overlap(case: Case) -> list[float]:
    """Jaccard index of each candidate's words (title and detail) with those of every item of the history, averaged."""
    past = [_words(row) for row in case.shown["history"]]
    values = []
    for row in case.shown["candidates"]:
        own = _words(row)
        shared = [len(own & other) / len(own | other) for other in past if own | other]
        values.append(sum(shared) / len(past) if past else 0.0)
    return values


def rivals(case: Case, baskets: Baskets) -> Mapping[str, list[float]]:
    """Scores of the candidates, in the order shown, by the baseline's name. "as shown" is the shuffled order itself: it
    tells nothing but the luck of the draw, and a prompt that equals it copies."""
    truth = case.truth
    items = [truth["items"][name] for name in names_of(case)]
    found: dict[str, list[float]] = {}
    if baskets.count:
        found["popularity"] = baskets.popularity(items, truth["owner"])
        found["co-occurrence"] = baskets.together(items, truth["history"], truth["owner"])
    found["title overlap"] = title_overlap(case)
    found["as shown"] = [float(-place) for place in range(len(items))]
    return found


def _words(row: Mapping[str, str]) -> frozenset[str]:
    return frozenset(_WORD.findall(f"{row['title']} {row['detail']}".lower())) - _EMPTY_WORDS
