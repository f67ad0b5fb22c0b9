"""UCB1 (Auer, Cesa-Bianchi and Fischer, Machine Learning 2002): pull where the mean could be highest. Cases are drawn per arm."""

from __future__ import annotations

import math

import numpy as np
from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from .alone import Alone
from .contract import Pulls, Selecting


class UCB1Config(BaseModel):
    """How arms are pulled."""

    budget: PositiveInt = 512
    """Evaluations in all. Fewer where all arms have seen all cases."""
    batch: PositiveInt = 8
    """Cases of one pull: they run at once."""
    c: NonNegativeFloat = 1.0
    """Weight of sqrt(2 ln t / n), for values in [0, 1]; t and n count cases."""
    z: PositiveFloat = 2.0
    """The best and the second tie unless they are so many standard errors apart."""
    max_missing: float = Field(default=0.3, ge=0.0, le=1.0)
    """Share of an arm's cases without an answer above which it is left out as "too many missing"."""


class UCB1:
    """See the top of this file. Every arm goes through an order of the cases of its own, without repeats."""

    name = "ucb1"
    config_type = UCB1Config
    shared = False

    def __init__(self, config: UCB1Config = UCB1Config()) -> None:
        self.config = config

    def select(self, arms: int, cases: int, keep: int, rng: np.random.Generator) -> Selecting:
        config, tally = self.config, Alone(arms)
        orders = rng.permuted(np.tile(np.arange(cases), (arms, 1)), axis=1)
        while (spent := int(tally.asked.sum())) < config.budget:
            open_ = (tally.asked < cases) & ~((tally.asked >= 2 * config.batch) & tally.unknown(config.max_missing))
            if not open_.any():
                break
            with np.errstate(divide="ignore", invalid="ignore"):
                reach = tally.mean() + config.c * np.sqrt(2.0 * math.log(max(spent, 1)) / tally.known)
            reach = np.where(tally.asked == 0, np.inf, np.where(tally.known == 0, -1.0, reach))
            arm = int(np.argmax(np.where(open_, reach, -np.inf)))
            begin = int(tally.asked[arm])
            chosen = orders[arm, begin : begin + min(config.batch, config.budget - spent)]
            tally.add(arm, (yield Pulls(np.full(len(chosen), arm), chosen)))
        return tally.result(tally.mean(), keep, config.max_missing, config.z)
