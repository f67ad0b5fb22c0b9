"""The scale ratings are given on: stored with the data, never assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

MOST_LEVELS = 1001
_SLACK = 1e-6  # ratings are stored as float32


@dataclass(frozen=True, slots=True)
class RatingScale:
    """Ratings run from `low` to `high` in steps of `step`. Raises `DataError` for a scale that is none."""

    low: float
    high: float
    step: float = 1.0

    def __post_init__(self) -> None:
        for name in ("low", "high", "step"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if not all(map(math.isfinite, (self.low, self.high, self.step))) or self.low >= self.high or self.step <= 0:
            raise DataError(
                f"not a rating scale: low={self.low:g}, high={self.high:g}, step={self.step:g}",
                "low must be below high and the step above 0, for example RatingScale(1, 5, 1)",
            )

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} in steps of {self.step:g}"

    @property
    def middle(self) -> float:
        """Half way between low and high."""
        return (self.low + self.high) / 2

    @property
    def levels(self) -> tuple[float, ...]:
        """Every rating the scale allows, lowest first (at most 1,001: a finer scale is thinned to its ends)."""
        count = math.floor((self.high - self.low) / self.step + _SLACK) + 1
        if count > MOST_LEVELS:
            return (self.low, self.high)
        return tuple(round(self.low + number * self.step, 6) for number in range(count))

    def __contains__(self, value: float) -> bool:
        return self.low - _SLACK <= value <= self.high + _SLACK

    def unit(self, value: float) -> float:
        """`value` moved to 0..1 (low is 0, high is 1)."""
        return (value - self.low) / (self.high - self.low)

    @classmethod
    def of(cls, scale: RatingScale | tuple[float, ...] | str | None) -> RatingScale | None:
        """A scale from a scale, from (low, high) or (low, high, step), or from text such as "1:5" or "0.5:5:0.5"."""
        if scale is None or isinstance(scale, RatingScale):
            return scale
        try:
            numbers = [float(part) for part in (scale.split(":") if isinstance(scale, str) else scale)]
            if len(numbers) not in (2, 3):
                raise ValueError("two or three numbers")
        except (TypeError, ValueError):
            raise DataError(
                f"not a rating scale: {scale!r}", "write it as low:high or low:high:step, e.g. 1:5:1"
            ) from None
        return cls(*numbers)

    @classmethod
    def infer(cls, values: NDArray[np.float32]) -> RatingScale | None:
        """The scale seen in `values`: least, greatest, and the largest step that leads to every value between them.

        None where fewer than two values differ. Values too fine for 1,001 levels get 1,001 levels: each counts at the nearest.
        """
        levels = np.unique(np.round(values.astype(np.float64), 4))
        if len(levels) < 2 or float(levels[0]) >= float(levels[-1]):
            return None
        low, high = float(levels[0]), float(levels[-1])
        step = int(np.gcd.reduce(np.round(np.diff(levels) * 1e4).astype(np.int64))) / 1e4
        return cls(low, high, max(step, (high - low) / (MOST_LEVELS - 1)))
