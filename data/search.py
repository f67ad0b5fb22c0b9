"""What a search engine is judged by: queries, documents, and grades of pairs. Frozen, checked, the same for everyone above."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from .errors import DataError
from .report import ReadReport


@dataclass(frozen=True, slots=True, eq=False)
class Documents:
    """What can be found: ids (strings, the truth), and for each a title and a text (either may be empty)."""

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.titles) == len(self.texts):
            raise DataError(f"{len(self.ids)} documents with {len(self.titles)} titles and {len(self.texts)} texts")
        if len(set(self.ids)) != len(self.ids):
            raise DataError("two documents have the same id\n  ids must be unique")

    def __len__(self) -> int:
        return len(self.ids)

    def full(self, place: int) -> str:
        """Title and text of the document at this place, as they are indexed and shown."""
        return ". ".join(part for part in (self.titles[place], self.texts[place]) if part)


class SearchSplit(NamedTuple):
    """Parts of a set with no query in common; all have the whole of its documents."""

    train: SearchSet
    valid: SearchSet
    test: SearchSet


@dataclass(frozen=True, eq=False)
class SearchSet:
    """Queries (id -> text), documents, and judgements (query id -> document id -> grade; higher is better, 0 not relevant).

    `whole`: unjudged documents count as not relevant and the whole collection is searched; False: each query's judged
    documents are put in order (pools of product data, where most of the collection was never looked at).
    """

    name: str
    licence: str
    queries: Mapping[str, str]
    documents: Documents
    judgements: Mapping[str, Mapping[str, float]]
    whole: bool = True
    report: ReadReport | None = None
    hash: str = ""
    phrasings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Query id -> other wordings of it, where the data has them."""
    families: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Query id -> the family of each of its phrasings (`typo`, `synonym`, ...), in their order; "" where it is not told."""

    @cached_property
    def place(self) -> dict[str, int]:
        """Document id -> its place in `documents`."""
        return {document: place for place, document in enumerate(self.documents.ids)}

    @cached_property
    def highest(self) -> float:
        """The highest grade given."""
        return max((grade for pool in self.judgements.values() for grade in pool.values()), default=1.0)

    def pool(self, query: str) -> tuple[str, ...]:
        """The documents that are put in order for this query: all, or those judged for it."""
        return self.documents.ids if self.whole else tuple(self.judgements.get(query, ()))

    def subset(self, queries: Iterable[str]) -> SearchSet:
        """The same set with these queries only. Raises `DataError` for an unknown one."""
        wanted = list(queries)
        if unknown := [each for each in wanted if each not in self.queries]:
            raise DataError(f"{self.name} has no query {unknown[0]!r}")
        return SearchSet(
            self.name,
            self.licence,
            {each: self.queries[each] for each in wanted},
            self.documents,
            {each: self.judgements.get(each, {}) for each in wanted},
            self.whole,
            self.report,
            self.hash,
            {each: self.phrasings[each] for each in wanted if each in self.phrasings},
            {each: self.families[each] for each in wanted if each in self.families},
        )
