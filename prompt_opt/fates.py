"""What became of each candidate of a search: one answer for the list, the page and the counts of the summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from .candidate import Candidate
from .history import History

Fate = Literal["winner", "best so far", "accepted", "seed", "tried", "eliminated", "refused"]
FATES: Mapping[Fate, tuple[str, str]] = {
    "winner": ("★", "the search stands by it"),
    "best so far": ("☆", "leads so far; the search has not ended"),
    "accepted": ("●", "was the incumbent for a while"),
    "seed": ("◆", "where the search began"),
    "tried": ("○", "scored, and not chosen"),
    "eliminated": ("✕", "worse than another beyond doubt, or beyond its share of the budget"),
    "refused": ("⊘", "not let in by the guards, or refused by a person"),
}
"""Fate -> its sign, and what it means. In the order of merit."""

LOST = frozenset({"eliminated", "not better", "not accepted"})
"""Notes of optimizers and selectors by which a candidate is out."""


class Fates:
    """What became of each candidate, and why: by the choice, the decisions, and the optimizer's notes."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.best = history.best.id
        self.chosen = history.choice is not None
        self.accepted = {each.accepted: each for each in history.decisions if each.accepted is not None}
        self.turned_down = {each.candidate: each for each in history.decisions if each.accepted is None}
        self.edited = {each.candidate: each.accepted for each in history.decisions if each.accepted != each.candidate}
        self.fallen = {each.instead_of: each.accepted for each in history.decisions if each.accepted is not None}

    def of(self, candidate: Candidate) -> tuple[Fate, str]:
        name, notes = candidate.id, self.history.notes.get(candidate.id, ())
        out = next((note for note in reversed(notes) if note.what in LOST), None)
        if name == self.best:
            return ("winner", str((self.history.choice or {})["why"])) if self.chosen else ("best so far", "")
        if name == self.history.seed_candidate.id:
            return "seed", "" if (over := self.fallen.get(name)) is None else f"gave way to {over}"
        if name in self.turned_down:
            said = self.turned_down[name]
            return "refused", f"refused by a {said.by} ({said.why})"
        if (decision := self.accepted.get(name)) is not None:
            later = "" if (over := self.fallen.get(name)) is None else f"; gave way to {over}"
            return "accepted", f"{decision.why}{later}"
        if (edited := self.edited.get(name)) is not None:
            return "tried", f"a person edited it at its approval: {edited}"
        if out is not None:
            return "eliminated", f"{out.what}: {out.why}"
        if notes:
            return "tried", f"{notes[-1].what}: {notes[-1].why}"
        if not self.history.scores.of(name):
            return "tried", "never scored"
        return "tried", "others were chosen" if self.chosen else "nothing is decided yet"
