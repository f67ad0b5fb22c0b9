"""What a user agent needs from whoever answers for it: the `Asker` protocol, its world, and how failed calls surface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..llm.fence import one_line
from ..llm.types import Outcome, Place
from ..runs import FAILURES
from .actions import liked_from
from .randomness import uniform

if TYPE_CHECKING:
    import numpy as np

    from ..data import ItemTable, RatingScale
    from .actions import Action, ActionSet, ActionSpec, Decision, Slate
    from .personas import Persona


SERVICES = {
    "films": ("a film recommendation service", "films", "a film"),
    "shop": ("an online shop", "products", "a product"),
}
"""Shipped action set -> what a `World` calls the service, its items, and one of them."""

LONGEST_TITLE = 120
"""Characters of a title in a memory or a list; an item's own line on a page has room for more."""


class BudgetReached(Exception):
    """The run's budget refused a call: the page is left open and the run pauses at the last barrier."""


@dataclass(frozen=True)
class World:
    """What all users of a rehearsal share: the catalogue they see, the scale they rate on, the rules of the page."""

    catalogue: ItemTable
    scale: RatingScale | None
    actions: ActionSet
    seed: int
    pages: int
    """Page cap of the rehearsal."""
    service: str = "a film recommendation service"
    noun: str = "films"
    one: str = "a film"
    """One of them in words that name none: what a content-free question is about."""
    fatigue: float = 1.0
    """Weight of fatigue, 0 to 1; 0 takes it out of prompts and decisions."""
    mean_ratings: dict[str, float] | None = None
    """Item id -> mean rating to display; None hides it (it leaks the answer)."""
    popular: tuple[str, ...] = ()
    """A few of the most popular items, best first: what a list that is nobody's is made of."""
    embed: Callable[[list[str]], np.ndarray] | None = None
    """Text -> unit row vectors for memory retrieval; None: the built-in hashing embedder."""

    @property
    def rated(self) -> RatingScale | None:
        """The scale that items are rated on; None where the data has none or no action asks for a rating."""
        return self.scale if any(action.wants_rating for action in self.actions.actions) else None

    def liked(self, action: ActionSpec, rating: float | None) -> bool:
        """Whether an item was liked: taken up and, where that asks for a rating, rated in the top fifth of the scale."""
        if not action.positive or self.scale is None or not action.wants_rating:
            return action.positive
        return rating is not None and rating >= liked_from(self.scale)

    def title(self, item: str) -> str:
        """The title as one clean line."""
        return one_line(self.catalogue.title(item), LONGEST_TITLE)

    def line(self, item: str) -> str:
        """An item as people see it, one clean line: title, year, genres; the mean rating only where it is shown on purpose."""
        text = one_line(self.catalogue.text(item))
        mean = (self.mean_ratings or {}).get(item)
        return text if mean is None else f"{text} (mean rating {mean:.1f})"


@dataclass(frozen=True)
class Failure:
    """A call that gave no usable answer: counted and kept, never turned into a choice."""

    node: str
    status: str
    error: str
    call: str = ""

    def json(self) -> dict[str, Any]:
        return {"node": self.node, "status": self.status, "error": self.error[:300], "call": self.call}


@dataclass(frozen=True)
class Reaction:
    """What a user does with one slate. Without an answer `actions` is empty and `failures` says why."""

    actions: tuple[Action, ...] = ()
    feeling: str = ""
    decision: Decision | None = None
    """Present when the same call decided too (call plan "fused")."""
    failures: tuple[Failure, ...] = ()
    call: str = ""


@dataclass(frozen=True)
class Said:
    """A sentence with the call it came from."""

    text: str = ""
    satisfaction: float | None = None
    source: str = "model"
    call: str = ""
    failures: tuple[Failure, ...] = field(default=())


class Asker(Protocol):
    """Who answers for a user: a model that writes (`GenerateAsker`) or one whose likelihoods are read (`ScoreAsker`).

    No method raises for a model's failure; the result carries it as `failures`. `BudgetReached` is the one exception.
    """

    async def react(self, user: Persona, slate: Slate, recalled: list[str], state: dict[str, Any]) -> Reaction: ...
    async def reflect(
        self, user: Persona, recalled: list[str], state: dict[str, Any], reaction: Reaction
    ) -> Said | None: ...
    async def decide(
        self, user: Persona, slate: Slate, recalled: list[str], state: dict[str, Any], reaction: Reaction
    ) -> tuple[Decision, tuple[Failure, ...]]: ...
    async def interview(self, user: Persona, memories: list[str], state: dict[str, Any]) -> Said: ...


def sampling_seed(seed: int, at: Place) -> int:
    """The seed of a call's draw at this place: where the endpoint takes one, its answer is repeatable."""
    return int(uniform(seed, "sampling", at.agent, at.page, at.node) * 2**31)


def lost(record: Mapping[str, Any]) -> bool:
    """Whether a call of this page never got an answer. A page that is not committed is lived again and the call made
    again, so nothing more may be asked where it is missing: it would be asked otherwise the next time."""
    return any(each["status"] in FAILURES for each in record["failures"])


def failure(outcome: Outcome[Any], at: Place) -> Failure:
    """The outcome of a failed call as something to keep. Raises `BudgetReached` when the budget refused it."""
    if outcome.status == "budget":
        raise BudgetReached(outcome.error)
    return Failure(at.node, outcome.status, outcome.error, outcome.key)
