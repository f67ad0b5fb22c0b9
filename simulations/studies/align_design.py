"""What `align` asks, and the names of its arms."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveInt, field_validator

from ...agents.unmet import Negatives
from ..config import SimulateConfig
from .align_rules import Criterion
from .study import StudyConfig

AGENTS, POPULARITY, TEXT, CHANCE = "agents", "popularity", "text", "chance"
SWAPPED, MASKED = "agents, personas swapped", "agents, titles masked"
HELD_OUT = 0.4
"""Share of rows held out where the settings say nothing: half of a page at 1:1 are held-out items, so many are needed."""
LEAST_USERS = 4
"""Test users, and validation users, at least."""


class AlignConfig(StudyConfig):
    """Settings of `align`."""

    seeds: PositiveInt = 1
    """Pages a user has of each kind and ratio, drawn with seeds `seed`, `seed` + 1, …; a user's values are their mean."""
    items: int = Field(default=20, ge=4, le=60)
    """Items on a page."""
    ratios: tuple[PositiveInt, ...] = (1, 2, 3, 9)
    """Unmet items per held-out one, each on a page of its own."""
    negatives: tuple[Negatives, ...] = ("random", "popular", "matched")
    """Where unmet items come from: any (`random`), in proportion to popularity (`popular`), of the same popularity as the
    held-out ones (`matched`)."""
    rivals: tuple[str, ...] = ("itemknn", "ials")
    """Recommenders that judge the same pages, beside popularity, text similarity and chance."""
    validation: PositiveInt = 60
    """Users on whom every scorer's threshold is chosen; they are no part of the numbers."""
    criterion: Criterion = "balanced"
    """What a threshold is chosen by: `balanced` accuracy (the same at every ratio), `f1` or `accuracy`."""
    in_parts: int = Field(default=1, ge=1, le=10)
    """Models that write: a page is asked about in so many calls."""
    masked: bool = True
    """Models: ask again with neutral codes in place of titles and ids, so that what a model knows of titles is taken out."""
    swapped: bool | None = None
    """Ask again with another user's persona, a control. None: scripted users only, whom it costs nothing."""
    on_policy: bool = True
    """Rehearse as well, and hold what is taken up against what the recommender showed."""
    recorded: str = ""
    """A folder of Agent4Rec's recorded run: its choices are judged instead, and nothing is rehearsed."""

    @field_validator("ratios", "negatives")
    @classmethod
    def _some(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value or len(set(value)) < len(value):
            raise ValueError("takes one or more, each once")
        return value

    @property
    def looks_back(self) -> bool:
        return bool(self.recorded)

    @property
    def opened(self) -> tuple[str, ...]:
        return () if self.looks_back else (*super().opened, *self.rivals)

    def settings(self, **changes: Any) -> SimulateConfig:
        return super().settings(**({} if "test" in self.rehearsal else {"test": HELD_OUT}) | changes)
