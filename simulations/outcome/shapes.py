"""The shapes behind the pictures: points with intervals, histograms side by side, behaviour by group, work by node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a place of an axis, its 95 % interval, and the number of cases it stands on. None: no case."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Counts over the same labels, one series per name; `total` of a series is what its shares are of."""

    labels: tuple[str, ...]
    series: dict[str, tuple[float, ...]]

    def total(self, name: str) -> float:
        return sum(self.series[name])

    def shares(self, name: str) -> tuple[float | None, ...]:
        """The series as shares of its total; None throughout where the total is 0."""
        total = self.total(name)
        return tuple(value / total if total else None for value in self.series[name])


@dataclass(frozen=True, slots=True)
class Group:
    """Users of one activity level. `target`: the watch rate they were set to, where a setting decided it."""

    name: str
    users: int
    pages: Point
    watch_rate: Point
    target: float | None
    rating: Point
    satisfaction: Point


@dataclass(frozen=True, slots=True)
class Work:
    """What one step of the agent's graph took. `cost` None: unknown price (`unpriced` calls of `calls`). Seconds per call."""

    node: str
    calls: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    unpriced: int
    latency: float
    latency_p95: float


@dataclass(frozen=True, slots=True)
class Failed:
    """How often a step's call gave no usable answer, by what went wrong."""

    node: str
    status: str
    count: int
