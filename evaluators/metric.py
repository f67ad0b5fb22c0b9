"""The `Metric` contract: one number for one case. Aggregates, intervals and tests live in `estimate.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from .ranking import Ranking, Truth


class Metric(ABC):
    """Judges one ranking by one truth.

    `per_case` must return a float, NaN where the case leaves the metric undefined (never a silent zero), and must depend
    on its arguments only. `k`: how many items from the top are looked at; None looks at all.
    """

    label: ClassVar[str]

    def __init__(self, k: int | None = 10) -> None:
        if k is not None and k < 1:
            raise ValueError(f"{self.label}: k must be 1 or more, got {k}")
        self.k = k

    @property
    def name(self) -> str:
        return self.label if self.k is None else f"{self.label}@{self.k}"

    @abstractmethod
    def per_case(self, ranking: Ranking, truth: Truth) -> float: ...

    def __repr__(self) -> str:
        return f"<{self.name}>"
