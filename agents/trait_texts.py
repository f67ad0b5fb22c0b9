"""What a level of a trait says about a person, in one moderate sentence each, as a prompt shows it.

The table is the place to change wording: `TRAIT_TEXTS[trait][level]`, levels 1..3 as `traits.py` computes them. The
sentences describe a leaning and give no orders: a text that tells a person to leave would fix the exit page by itself.
"""

from __future__ import annotations

from typing import Protocol

TRAIT_TEXTS: dict[str, dict[int, str]] = {
    "activity": {
        1: "You look for something only now and then, and a short visit is usually enough for you.",
        2: "You look for something fairly regularly and give a visit a reasonable amount of time.",
        3: "You are here often and like to look through a good part of what is on offer.",
    },
    "conformity": {
        1: "Your ratings are mostly close to what other people give.",
        2: "Your ratings partly follow the common opinion and partly your own.",
        3: "Your ratings often differ from what most people give, in either direction.",
    },
    "diversity": {
        1: "You mostly stay with a few kinds of titles that you know you like.",
        2: "You have some favourite kinds and sometimes try others.",
        3: "You enjoy many different kinds and are open to something new.",
    },
}
"""Trait -> level -> sentence. Level 1 is low activity, a follower (small deviation from item means), few genres."""

TRAIT_NAMES: dict[str, dict[int, str]] = {
    "activity": {1: "occasional", 2: "regular", 3: "frequent"},
    "conformity": {1: "follower", 2: "balanced", 3: "independent"},
    "diversity": {1: "focused", 2: "mixed", 3: "broad"},
}
"""Trait -> level -> the one word that tables and pictures show."""


class HasTraits(Protocol):
    """Whatever carries the three levels; None where the data cannot tell."""

    @property
    def activity(self) -> int: ...
    @property
    def conformity(self) -> int | None: ...
    @property
    def diversity(self) -> int | None: ...


def trait_lines(person: HasTraits) -> tuple[str, ...]:
    """The sentences of the traits that are known, in the order activity, conformity, diversity."""
    levels = {"activity": person.activity, "conformity": person.conformity, "diversity": person.diversity}
    return tuple(TRAIT_TEXTS[trait][level] for trait, level in levels.items() if level is not None)


def persona_text(person: HasTraits) -> str:
    """The trait sentences as a prompt takes them: one per line."""
    return "\n".join(trait_lines(person))
