"""How tired a user is of browsing: a formula of pages seen and activity, nothing else.

The exit page of an agent that is told how tired it is mostly repeats the telling. So fatigue can be taken out
(`strength=0`), and every use of it goes through this file.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat


class FatigueConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (2.5, 4.5, 8.0)
    """Pages after which a user of activity 1, 2, 3 is half tired. A choice, not a measurement: rating logs hold no sessions."""
    strength: float = Field(default=1.0, ge=0.0, le=1.0)
    """Greatest fatigue there can be; 0 takes fatigue out."""


DEFAULT = FatigueConfig()


def fatigue(
    pages_seen: npt.ArrayLike, activity: npt.ArrayLike, config: FatigueConfig = DEFAULT
) -> npt.NDArray[np.float64]:
    """Fatigue in 0..1: strength * (1 - 2^(-pages_seen / half_life[activity])). Broadcasts; activity is 1, 2 or 3."""
    half_life = np.asarray(config.half_life)[np.asarray(activity, dtype=np.int64) - 1]
    seen = np.maximum(np.asarray(pages_seen, dtype=np.float64), 0.0)
    return np.asarray(config.strength * -np.expm1(-np.log(2.0) * seen / half_life))


def fatigue_at(page: int, activity: int, config: FatigueConfig = DEFAULT) -> float:
    """Fatigue at the end of page `page` (counted from 0, so page + 1 pages have been seen)."""
    return _after(page + 1, activity, config.half_life, config.strength)


@lru_cache(maxsize=4096)
def _after(seen: int, activity: int, half_life: tuple[float, float, float], strength: float) -> float:
    return float(fatigue(seen, activity, FatigueConfig(half_life=half_life, strength=strength)))


_TEXTS: tuple[tuple[float, str], ...] = (
    (0.25, "You feel fresh."),
    (0.50, "You have been looking for a little while."),
    (0.75, "You have been looking for a while and feel some tiredness."),
    (1.01, "You have been looking for a long time and feel tired."),
)


def tiredness_text(page: int, activity: int, config: FatigueConfig = DEFAULT) -> str:
    """Fatigue at the end of `page` as a sentence for a prompt; empty where fatigue is taken out."""
    if config.strength == 0:
        return ""
    level = fatigue_at(page, activity, config)
    return next(text for bound, text in _TEXTS if level < bound)
