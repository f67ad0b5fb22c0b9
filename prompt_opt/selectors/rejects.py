"""Successive rejects (Audibert, Bubeck and Munos, COLT 2010) on shared cases: the worst arm leaves after each phase."""

from __future__ import annotations

import math

import numpy as np
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt

from .contract import Selecting
from .shared import Shared


class RejectsConfig(BaseModel):
    """How arms are rejected."""

    budget: PositiveInt | None = None
    """Evaluations in all, the n of the paper; None: so many that the last phase has seen all cases."""
    z: PositiveFloat = 2.0
    """The best and the second tie unless they are so many paired standard errors apart."""
    max_missing: float = Field(default=0.3, ge=0.0, le=1.0)
    """Share of an arm's cases without an answer above which it leaves as "too many missing"."""


class Rejects:
    """See the top of this file. Phase k of K - 1 brings every arm left to (n - K) / (logbar(K) * (K + 1 - k)) cases."""

    name = "rejects"
    config_type = RejectsConfig
    shared = True

    def __init__(self, config: RejectsConfig = RejectsConfig()) -> None:
        self.config = config

    def select(self, arms: int, cases: int, keep: int, rng: np.random.Generator) -> Selecting:
        order = rng.permutation(cases)
        field = Shared(arms, keep, self.config.max_missing)
        logbar = 0.5 + sum(1.0 / i for i in range(2, arms + 1))
        phases = max(1, arms - keep)
        # With `keep` arms to stay there are fewer phases; without a budget the last of them sees all cases.
        whole = cases * logbar * (arms + 1 - phases) + arms
        budget = whole if self.config.budget is None else self.config.budget
        for phase in range(1, phases + 1):
            until = max(1, math.ceil((budget - arms) / (logbar * (arms + 1 - phase)) - 1e-9))
            field.take((yield field.next(order, min(until, cases))))
            if phase < phases:
                field.cut(arms - phase)
        return field.result(self.config.z)
