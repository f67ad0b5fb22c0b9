"""How content a user is, as a running estimate from what they did, and how likely they are to leave.

A page is worth what it gave against what this user expects of a page:

    p = 5.5 + 4.5 * tanh(gain * (watch_rate - expected_rate) + rating_gain * (mean_rating - own_mean) / span)
    s' = s + learning * (p - s)

`watch_rate` is the share of the page acted on positively, `expected_rate` the user's usual share, `mean_rating` the mean
of the ratings given on the page (its term is 0 where there are none), `span` the width of the scale. s and p lie in
1..10, and s starts in the middle, at 5.5.

    P(leave) = sigmoid(base + fatigue_weight * fatigue - satisfaction_weight * (s - 5.5) / 4.5 + activity_shift[activity])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat

if TYPE_CHECKING:
    from .actions import Action
    from .ask import World
    from .personas import Persona

FloatArray = npt.NDArray[np.float64]

START = 5.5
"""Nobody has an opinion before the first page."""

TARGET_LOW, TARGET_HIGH = 0.25, 0.55


def target_rate(activity: int, low: float = TARGET_LOW, high: float = TARGET_HIGH) -> float:
    """Share of a mixed page that a user of this activity (1..3) accepts: `low`, the middle, `high`.

    A choice, not a measurement: rating logs record what was rated and not what was shown, so no acceptance rate can
    be read from them. The range is put around the half-liked, half-unknown mixture that calibration uses.
    """
    return low + (high - low) * (activity - 1) / 2


class SatisfactionConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    gain: NonNegativeFloat = 1.5
    """Weight of the watch rate against the expected one."""
    rating_gain: NonNegativeFloat = 2.0
    """Weight of the page's mean rating against the user's usual one, in spans of the scale."""
    learning: float = Field(default=0.4, gt=0.0, le=1.0)
    """Share of the newest page in the running estimate."""


class ExitConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    base: float = -2.2
    """Log-odds of leaving at middle satisfaction, without fatigue: about one page in ten."""
    fatigue_weight: NonNegativeFloat = 2.5
    """Log-odds that full fatigue adds."""
    satisfaction_weight: NonNegativeFloat = 2.0
    """Log-odds that the best (worst) satisfaction takes away (adds)."""
    activity_shift: tuple[float, float, float] = (0.4, 0.0, -0.4)
    """Log-odds by activity 1, 2, 3."""


def page_value(
    watch_rate: npt.ArrayLike,
    expected_rate: npt.ArrayLike,
    rating_lift: npt.ArrayLike = 0.0,
    config: SatisfactionConfig = SatisfactionConfig(),
) -> FloatArray:
    """What one page was worth, 1..10. `rating_lift`: (mean rating of the page - own mean) / span of the scale."""
    surprise = config.gain * (np.asarray(watch_rate, dtype=np.float64) - np.asarray(expected_rate, dtype=np.float64))
    return 5.5 + 4.5 * np.tanh(surprise + config.rating_gain * np.asarray(rating_lift, dtype=np.float64))


def running(
    previous: npt.ArrayLike, value: npt.ArrayLike, config: SatisfactionConfig = SatisfactionConfig()
) -> FloatArray:
    """The running estimate, 1..10, after a page worth `value`."""
    before = np.asarray(previous, dtype=np.float64)
    after = before + config.learning * (np.asarray(value, dtype=np.float64) - before)
    return np.minimum(np.maximum(after, 1.0), 10.0)  # np.clip, which for one user takes five times as long


def next_satisfaction(
    previous: float,
    actions: Sequence[Action],
    world: World,
    persona: Persona,
    config: SatisfactionConfig = SatisfactionConfig(),
) -> float:
    """The running estimate after a page of `actions`; a page without any usable action leaves it as it was."""
    if not actions:
        return previous
    chosen = [a for a in actions if world.actions[a.action].positive]
    ratings = [a.rating for a in chosen if a.rating is not None]
    lift = 0.0
    if ratings and world.scale is not None and persona.mean_rating is not None:
        lift = (sum(ratings) / len(ratings) - persona.mean_rating) / (world.scale.high - world.scale.low)
    value = page_value(len(chosen) / len(actions), target_rate(persona.activity), lift, config)
    return float(running(previous, value, config))


def exit_probabilities(
    satisfaction: npt.ArrayLike, fatigue: npt.ArrayLike, activity: npt.ArrayLike, config: ExitConfig = ExitConfig()
) -> FloatArray:
    """P(leave) of many users: falls with satisfaction (1..10), rises with fatigue (0..1). Broadcasts."""
    shift = np.asarray(config.activity_shift)[np.asarray(activity, dtype=np.int64) - 1]
    content = (np.asarray(satisfaction, dtype=np.float64) - 5.5) / 4.5
    odds = config.base + config.fatigue_weight * np.asarray(fatigue, dtype=np.float64) + shift
    return 1.0 / (1.0 + np.exp(config.satisfaction_weight * content - odds))


def exit_probability(satisfaction: float, fatigue: float, activity: int, config: ExitConfig = ExitConfig()) -> float:
    """P(leave) of one user after a page."""
    return float(exit_probabilities(satisfaction, fatigue, activity, config))


def satisfaction_text(satisfaction: float, chosen: int, shown: int) -> str:
    """An emotional memory written by code: how the last page felt."""
    mood = "pleased" if satisfaction >= 7 else "let down" if satisfaction < 4 else "neither pleased nor let down"
    return f"Feeling {mood}: {chosen} of {shown} on the last page suited."
