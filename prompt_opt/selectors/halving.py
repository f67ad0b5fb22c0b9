"""Successive halving (Karnin, Koren and Somekh, ICML 2013) on shared cases: half of the arms, twice the cases, each round."""

from __future__ import annotations

import math

import numpy as np
from pydantic import BaseModel, Field, PositiveFloat

from .contract import Selecting
from .shared import Shared


class HalvingConfig(BaseModel):
    """How arms are halved."""

    share: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of the cases that the last round has seen; the rounds before have seen a half, a quarter, … of that."""
    z: PositiveFloat = 2.0
    """The best and the second tie unless they are so many paired standard errors apart."""
    max_missing: float = Field(default=0.3, ge=0.0, le=1.0)
    """Share of an arm's cases without an answer above which it leaves as "too many missing"."""


class Halving:
    """See the top of this file."""

    name = "halving"
    config_type = HalvingConfig
    shared = True

    def __init__(self, config: HalvingConfig = HalvingConfig()) -> None:
        self.config = config

    def select(self, arms: int, cases: int, keep: int, rng: np.random.Generator) -> Selecting:
        order = rng.permutation(cases)
        field = Shared(arms, keep, self.config.max_missing)
        rounds = max(1, math.ceil(math.log2(max(1.0, arms / keep))))
        for number in range(1, rounds + 1):
            until = max(1, round(cases * self.config.share * 2.0 ** (number - rounds)))
            field.take((yield field.next(order, until)))
            if number < rounds:
                field.cut(max(keep, math.ceil(arms / 2**number)))
        return field.result(self.config.z)
