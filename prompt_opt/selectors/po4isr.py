"""The bandit of PO4ISR (Sun et al., SIGIR 2024), PromptSel: UCB over prompts, every pull on fresh random cases."""

from __future__ import annotations

import math

import numpy as np
from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from .alone import Alone
from .contract import Pulls, Selecting, Selection


class PO4ISRUCBConfig(BaseModel):
    """The paper's settings."""

    steps: PositiveInt = 16
    """Pulls in all."""
    batch: PositiveInt = 32
    """Cases of one pull, drawn anew from all cases each time (fewer where there are fewer)."""
    c: NonNegativeFloat = 2.0
    """Weight of the exploration term sqrt(ln t / (N + 1)), where t counts pulls and N the arm's cases."""
    as_released: bool = False
    """Do as the released code does: each pull adds its summed value divided by *all* the arm's cases to Q, so that Q is no
    mean but grows with the number of pulls (1 + 1/2 + 1/3 + …); the beam's width is fixed, and with fewer prompts than
    that it fails."""
    beam: PositiveInt = 5
    """Beam width that the released code insists on."""
    z: PositiveFloat = 2.0
    """The best and the second tie unless they are so many standard errors apart. The released code knows no ties."""
    max_missing: float = Field(default=0.3, ge=0.0, le=1.0)
    """Share of an arm's cases without an answer above which it is left out as "too many missing". As released, a missing
    answer counts 0."""


class PO4ISRUCB:
    """See the top of this file: arm = argmax Q + c * sqrt(ln t / (N + 1)), Q the arm's mean, or what was released."""

    name = "po4isr"
    config_type = PO4ISRUCBConfig
    shared = False

    def __init__(self, config: PO4ISRUCBConfig = PO4ISRUCBConfig()) -> None:
        self.config = config

    def select(self, arms: int, cases: int, keep: int, rng: np.random.Generator) -> Selecting:
        config, tally, q = self.config, Alone(arms), np.zeros(arms)
        if config.as_released and arms < config.beam:
            raise ValueError(f"as released, {arms} prompts cannot fill a beam of {config.beam}")
        for step in range(1, config.steps + 1):
            reach = q + config.c * np.sqrt(math.log(step) / (tally.asked + 1.0))
            if not config.as_released:  # the first round pulls every arm once, as log(1) = 0 would leave it to chance
                reach = np.where(tally.asked == 0, np.inf, reach)
            arm = int(np.argmax(reach))
            chosen = rng.choice(cases, size=min(config.batch, cases), replace=False)
            values = yield Pulls(np.full(len(chosen), arm), chosen)
            if config.as_released:
                tally.add(arm, np.nan_to_num(values))
                q[arm] += np.nansum(values) / tally.asked[arm]
            else:
                tally.add(arm, values)
                q = np.nan_to_num(tally.mean(), nan=0.0)
        return self._result(tally, q, keep)

    def _result(self, tally: Alone, q: np.ndarray, keep: int) -> Selection:
        if not self.config.as_released:
            return tally.result(tally.mean(), keep, self.config.max_missing, self.config.z)
        order = np.argsort(-q, kind="stable")
        kept = tuple(int(arm) for arm in order[: max(keep, 1)])
        return Selection(kept, False, q, int(tally.asked.sum()))
