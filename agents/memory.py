"""A user's memory: a stream of records in simulated time, retrieved by recency, importance and relevance together.

Agent4Rec (SIGIR'24, section 3.2) keeps factual and emotional memory; retrieval follows generative agents (UIST'23,
section 4.1): score = w_recency * recency + w_importance * importance + w_relevance * relevance, each min-max normalised
over the records considered (all 0 where they are equal).

    recency     decay ** (pages since the record was last recalled or written)
    importance  1..10, given at write
    relevance   cosine of the record's and the query's embedding

The clock is the page counter; nothing reads the wall clock. The state is small JSON: vectors are not in it, they are
computed again from the text (and cached).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt

from .embedding import Embed, cached

Kind: TypeAlias = Literal["factual", "emotional", "navigation"]
"""What was seen and done; how it felt; turning pages and leaving."""


class MemoryConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    k: PositiveInt = 5
    """Records a retrieval returns."""
    recency: NonNegativeFloat = 1.0
    importance: NonNegativeFloat = 1.0
    relevance: NonNegativeFloat = 1.0
    """Weights of the three parts of the score; 0 takes a part out."""
    decay: float = Field(default=0.8, gt=0.0, le=1.0)
    """What is left of recency after each page."""
    capacity: PositiveInt = 200
    """Records kept. Beyond it the one with the lowest importance / 10 + recency goes, the oldest of equals first."""
    reflect_above: NonNegativeFloat = 8.0
    """Importance of factual and navigation records that has to gather for a reflection (about two ordinary pages)."""


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """One memory. `created` and `accessed` are pages; `importance` is 1..10; ids grow and are never used again."""

    id: int
    kind: Kind
    text: str
    importance: int
    created: int
    accessed: int


@dataclass(frozen=True, slots=True)
class Recalled:
    """A record that was retrieved, with its score and the three normalised parts (0..1) behind it."""

    record: MemoryRecord
    score: float
    recency: float
    importance: float
    relevance: float

    @property
    def id(self) -> int:
        return self.record.id

    @property
    def text(self) -> str:
        return self.record.text


class Memory:
    """The memory of one user. `embed` turns texts into vectors; None is the built-in hashing bag of words."""

    def __init__(self, config: MemoryConfig = MemoryConfig(), embed: Embed | None = None) -> None:
        self.config = config
        self.embed = cached(embed)
        self._records: list[MemoryRecord] = []
        self._next_id = 0
        self._gathered = 0
        self._strongest = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def records(self) -> tuple[MemoryRecord, ...]:
        """All records kept, oldest first."""
        return tuple(self._records)

    def write(self, kind: Kind, text: str, *, page: int, importance: int) -> MemoryRecord:
        """Store one record on `page`; importance is clipped to 1..10. May forget one other (see `MemoryConfig.capacity`)."""
        if kind not in get_args(Kind):
            raise ValueError(f"no memory kind '{kind}': choose {', '.join(get_args(Kind))}")
        weight = max(1, min(10, int(importance)))
        record = MemoryRecord(self._next_id, kind, text, weight, page, page)
        self._next_id += 1
        if kind != "emotional":
            self._gathered += weight
            self._strongest = max(self._strongest, weight)
        if len(self._records) >= self.config.capacity:
            self._records.remove(min(self._records, key=lambda r: (self._retention(r, page), r.id)))
        self._records.append(record)
        return record

    def retrieve(
        self,
        query: str,
        *,
        page: int,
        k: int | None = None,
        kinds: Sequence[Kind] | None = None,
        touch: bool = True,
    ) -> list[Recalled]:
        """The k best records for `query` on `page`, best first; of equal scores the newer record comes first.

        A record that is recalled counts as accessed on this page, unless `touch` is False (an interview that must not
        change what it asks about).
        """
        pool = [r for r in self._records if kinds is None or r.kind in kinds]
        wanted = self.config.k if k is None else k
        if not pool or wanted < 1:
            return []
        recency = _normalised([self._recency(r, page) for r in pool])
        importance = _normalised([r.importance for r in pool])
        relevance = _normalised(self._relevance(query, pool))
        config = self.config
        score = [
            config.recency * a + config.importance * b + config.relevance * c
            for a, b, c in zip(recency, importance, relevance, strict=True)
        ]
        # Rounded, so that the last bit of a sum on another machine cannot turn an order over.
        order = sorted(range(len(pool)), key=lambda i: (-round(score[i], 9), -pool[i].id))[:wanted]
        if touch:
            seen = {pool[i].id for i in order}
            self._records = [
                MemoryRecord(r.id, r.kind, r.text, r.importance, r.created, page)
                if r.accessed < page and r.id in seen
                else r
                for r in self._records
            ]
        return [Recalled(pool[i], score[i], recency[i], importance[i], relevance[i]) for i in order]

    def reflection_due(self) -> bool:
        """Whether the importance gathered since the last reflection has passed the threshold."""
        return self._gathered > self.config.reflect_above

    def reflection_importance(self) -> int:
        """Importance of the reflection that is due: one more than the strongest record it sums up."""
        return min(10, self._strongest + 1)

    def reflected(self) -> None:
        """Start gathering anew."""
        self._gathered = self._strongest = 0

    def json(self) -> dict[str, Any]:
        """The state: records without vectors, and what has gathered towards the next reflection."""
        return {
            "records": [[r.id, r.kind, r.text, r.importance, r.created, r.accessed] for r in self._records],
            "next_id": self._next_id,
            "gathered": self._gathered,
            "strongest": self._strongest,
        }

    @classmethod
    def from_json(
        cls, state: Mapping[str, Any], config: MemoryConfig = MemoryConfig(), embed: Embed | None = None
    ) -> Memory:
        """The memory `json` was called on; `{}` is an empty one."""
        memory = cls(config, embed)
        memory._records = [MemoryRecord(*row) for row in state.get("records", ())]
        memory._next_id = state.get("next_id", len(memory._records))
        memory._gathered = state.get("gathered", 0)
        memory._strongest = state.get("strongest", 0)
        return memory

    def _recency(self, record: MemoryRecord, page: int) -> float:
        return self.config.decay ** max(0, page - record.accessed)

    def _retention(self, record: MemoryRecord, page: int) -> float:
        return record.importance / 10 + self._recency(record, page)

    def _relevance(self, query: str, pool: Sequence[MemoryRecord]) -> list[float]:
        if self.config.relevance == 0:
            return [0.0] * len(pool)
        return self.embed.cosines(query, [r.text for r in pool])


def _normalised(values: Sequence[float]) -> list[float]:
    """Scaled to 0..1; all 0 where they are equal. Plain floats: pools are small, and arrays cost more than the sums."""
    low, span = min(values), max(values) - min(values)
    return [(value - low) / span for value in values] if span > 1e-12 else [0.0] * len(values)
