"""Score every arm on every case: the most expensive answer, and the one that others are held against."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, Field, PositiveFloat

from .contract import Pulls, Selecting
from .shared import Shared


class FullConfig(BaseModel):
    """How a full scoring is judged."""

    z: PositiveFloat = 2.0
    """The best and the second tie unless they are so many paired standard errors apart."""
    max_missing: float = Field(default=0.3, ge=0.0, le=1.0)
    """Share of an arm's cases without an answer above which it is left out as "too many missing"."""


class Full:
    """See the top of this file."""

    name = "full"
    config_type = FullConfig
    shared = True

    def __init__(self, config: FullConfig = FullConfig()) -> None:
        self.config = config

    def select(self, arms: int, cases: int, keep: int, rng: np.random.Generator) -> Selecting:
        field = Shared(arms, keep, self.config.max_missing)
        values = yield Pulls(np.repeat(np.arange(arms), cases), np.tile(np.arange(cases), arms))
        field.take(values.reshape(arms, cases))
        return field.result(self.config.z)
