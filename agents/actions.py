"""What happens on a page, as data: exposures and slates, actions and decisions. All go to JSON dicts and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from .action_sets import ACTION_SETS, FILMS, SHOP, ActionSet, ActionSpec, Effect, action_set

if TYPE_CHECKING:
    from ..data import RatingScale

__all__ = [
    "ACTION_SETS",
    "FILMS",
    "SHOP",
    "Action",
    "ActionSet",
    "ActionSpec",
    "Decision",
    "Effect",
    "Exposure",
    "Slate",
    "action_set",
    "liked_from",
]

R = TypeVar("R", bound="Record")


@dataclass(frozen=True)
class Record:
    """A flat value that goes to a JSON dict and back."""

    def json(self) -> dict[str, Any]:
        """All fields as a JSON-able dict."""
        return dict(self.__dict__)

    @classmethod
    def from_json(cls: type[R], data: Mapping[str, Any]) -> R:
        """The value `json` was called on. Raises `ValueError` naming missing or unknown fields."""
        blank, needed = _fields(cls)
        if not (data.keys() <= blank.keys() and needed <= data.keys()):
            wrong = sorted((data.keys() - blank.keys()) | (needed - data.keys()))
            raise ValueError(f"not one {cls.__name__.lower()}: missing or unknown {', '.join(wrong)}")
        # As cls(**data), which sets the fields of a frozen class one by one, in four times the time.
        record = object.__new__(cls)
        record.__dict__.update(blank, **data)
        return record

    def replace(self: R, **changes: Any) -> R:
        """The same with some fields changed."""
        return dataclasses.replace(self, **changes)


@cache
def _fields(cls: type[Record]) -> tuple[dict[str, Any], frozenset[str]]:
    """A record's fields with their defaults, in order, and the names of those without one. No default is made anew for
    each record."""
    needed = frozenset(f.name for f in fields(cls) if f.default is dataclasses.MISSING)
    return {f.name: None if f.name in needed else f.default for f in fields(cls)}, needed


@dataclass(frozen=True)
class Exposure(Record):
    """One item put before one user. `slot` is the recommender's place on the page (0 is best), `shown_at` the place at
    which the user met it after shuffling, `propensity` the probability with which the policy shows it there (1 for a
    fixed ranking, None where unknown)."""

    item: str
    slot: int
    shown_at: int
    score: float | None = None
    propensity: float | None = None
    policy: str = ""


@dataclass(frozen=True)
class Slate(Record):
    """One page of one user: its exposures in the recommender's order. `page` counts from 0."""

    agent: str
    page: int
    exposures: tuple[Exposure, ...]

    @property
    def items(self) -> tuple[str, ...]:
        """The item ids in the recommender's order."""
        return tuple(exposure.item for exposure in self.exposures)

    def as_shown(self) -> tuple[Exposure, ...]:
        """The exposures in the order the user meets them."""
        return tuple(sorted(self.exposures, key=lambda exposure: exposure.shown_at))

    def json(self) -> dict[str, Any]:
        return {"agent": self.agent, "page": self.page, "exposures": [e.json() for e in self.exposures]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Slate:
        exposures = tuple(Exposure.from_json(e) for e in data.get("exposures", ()))
        return super().from_json({**data, "exposures": exposures})


@dataclass(frozen=True)
class Action(Record):
    """What a user did with one exposed item, named after an `ActionSpec`.

    `rating` is on the data's scale. `fits` is the user's own word on whether the item suits (Agent4Rec's "align").
    `margin` (log-odds, nats) and `probability` are there where a likelihood or a formula decided. `call` names the
    recorded model call behind it.
    """

    item: str
    action: str
    rating: float | None = None
    liked: bool | None = None
    fits: bool | None = None
    margin: float | None = None
    probability: float | None = None
    feeling: str = ""
    call: str = ""


@dataclass(frozen=True)
class Decision(Record):
    """Next page or leave. `satisfaction` 1..10, None where nobody said; `fatigue` 0..1; `invalid`: no usable answer.

    `source` says who decided: "model" (its answer) or "code" (a formula).
    """

    next: bool
    reason: str = ""
    satisfaction: float | None = None
    fatigue: float = 0.0
    call: str = ""
    invalid: bool = False
    source: str = "model"


@lru_cache(maxsize=64)
def liked_from(scale: RatingScale) -> float:
    """The lowest rating that counts as a like: the top fifth of the scale's levels, at least one (Agent4Rec: 5 of 1..5)."""
    levels = scale.levels
    return levels[-max(1, round(len(levels) / 5))]
