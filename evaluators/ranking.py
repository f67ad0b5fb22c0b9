"""What is judged: an ordered list of items with scores, and the truth about one case."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

UserId: TypeAlias = str
ItemId: TypeAlias = str
FloatArray: TypeAlias = NDArray[np.float32]

Truth: TypeAlias = Mapping[ItemId, float] | Collection[ItemId]
"""Relevant items of one case: ids (each worth 1), or id -> grade (grades of 0 and below are not relevant)."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Items for one user, best first.

    `scores`: float32 (n,), one per item, in the recommender's own unit. `propensities`: float32 (n,), the probability
    with which the policy puts this item into this slot; 1.0 for a deterministic ranker. `fallback`: popularity stood in,
    because the recommender knows nothing about this user.
    """

    items: tuple[ItemId, ...]
    scores: FloatArray
    propensities: FloatArray = field(default_factory=lambda: np.empty(0, np.float32))
    fallback: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(self.items))
        object.__setattr__(self, "scores", np.asarray(self.scores, dtype=np.float32))
        if self.scores.shape != (len(self.items),):
            raise ValueError(f"a ranking of {len(self.items)} items has scores of shape {self.scores.shape}")
        if not len(self.propensities):
            object.__setattr__(self, "propensities", np.ones(len(self.items), np.float32))
        if self.propensities.shape != self.scores.shape:
            raise ValueError(f"a ranking of {len(self.items)} items has {len(self.propensities)} propensities")

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[ItemId]:
        return iter(self.items)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Ranking)
            and self.items == other.items
            and self.fallback == other.fallback
            and np.array_equal(self.scores, other.scores)
            and np.array_equal(self.propensities, other.propensities)
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # arrays inside: equal, but not hashable


def grades(truth: Truth) -> dict[ItemId, float]:
    """Relevant items with their grades, all above 0."""
    if isinstance(truth, Mapping):
        return {item: float(grade) for item, grade in truth.items() if grade > 0}
    return dict.fromkeys(truth, 1.0)
