"""Which actions a page offers: films (skip, watch) and a shop ship; a new domain writes its own set.

PODCASTS = ActionSet("podcasts", (
    ActionSpec("skip", "pass it over"),
    ActionSpec("play", "listen to it", positive=True, effect=add_to("played")),
    ActionSpec("subscribe", "follow the show", positive=True),
))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Effect: TypeAlias = Callable[[dict[str, Any], str], None]
"""`effect(state, item)` changes the user's JSON-able state in place. A plain function, applied once, at commit time."""


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One thing a user can do with an item. `doc` is shown to the model.

    `positive`: it counts as acceptance (watch rate, training data). `wants_rating`: a rating goes with it.
    """

    name: str
    doc: str
    positive: bool = False
    wants_rating: bool = False
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class ActionSet:
    """The actions a page offers, weakest first.

    Raises `ValueError` for repeated or empty names, and when there is nothing to accept or nothing to pass over with.
    """

    name: str
    actions: tuple[ActionSpec, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", tuple(self.actions))
        names = self.names
        if len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise ValueError(f"action set '{self.name}': every action needs a name of its own, got {', '.join(names)}")
        if not any(a.positive for a in self.actions) or all(a.positive for a in self.actions):
            raise ValueError(
                f"action set '{self.name}' needs at least one positive action and one that is not "
                "(mark acceptance with positive=True; add a 'skip')"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(action.name for action in self.actions)

    @property
    def negative(self) -> ActionSpec:
        """What doing nothing is called: the first action that is not positive."""
        return next(action for action in self.actions if not action.positive)

    @property
    def positive(self) -> ActionSpec:
        """The plainest acceptance: the first positive action."""
        return next(action for action in self.actions if action.positive)

    def __getitem__(self, name: str) -> ActionSpec:
        for action in self.actions:
            if action.name == name:
                return action
        raise KeyError(f"action set '{self.name}' has no action '{name}' (it has {', '.join(self.names)})")

    def describe(self) -> str:
        """The actions as prompt lines, one each."""
        return "\n".join(f"- {a.name}: {a.doc}" + (", and rate it" if a.wants_rating else "") for a in self.actions)

    def commit(self, state: dict[str, Any], action: str, item: str) -> None:
        """Apply the effect of `action` on `item` to the user's state, if it has one."""
        effect = self[action].effect
        if effect is not None:
            effect(state, item)


def add_to(place: str) -> Effect:
    """An effect that keeps `item` in the list `state[place]`, once."""

    def effect(state: dict[str, Any], item: str) -> None:
        kept = state.setdefault(place, [])
        if item not in kept:
            kept.append(item)

    return effect


def _buy(state: dict[str, Any], item: str) -> None:
    if item in state.get("cart", []):
        state["cart"].remove(item)
    add_to("bought")(state, item)


FILMS = ActionSet(
    "films",
    (
        ActionSpec("skip", "pass it over"),
        ActionSpec("watch", "watch it", positive=True, wants_rating=True, effect=add_to("watched")),
    ),
)
"""The default: watch and rate, or skip."""

SHOP = ActionSet(
    "shop",
    (
        ActionSpec("view", "see it in the list and move on"),
        ActionSpec("click", "open its page", positive=True),
        ActionSpec("cart", "put it into the cart", positive=True, effect=add_to("cart")),
        ActionSpec("buy", "buy it", positive=True, effect=_buy),
    ),
)
"""A shop's funnel, weakest first. Everything from a click on counts as acceptance."""

ACTION_SETS: dict[str, ActionSet] = {actions.name: actions for actions in (FILMS, SHOP)}


def action_set(name: str) -> ActionSet:
    """A shipped action set by name. Raises `ValueError` naming those there are."""
    if name not in ACTION_SETS:
        raise ValueError(
            f"no action set '{name}': there are {', '.join(ACTION_SETS)}; or pass an ActionSet of your own"
        )
    return ACTION_SETS[name]
