"""What a user agent is between pages: plain JSON, small, and the only thing that is checkpointed."""

from __future__ import annotations

from typing import Any, TypedDict

from .actions import Slate
from .personas import Persona
from .satisfaction import START


class UserState(TypedDict, total=False):
    """Channels of the user's graph. The persona is not among them: it never changes and lives in the run's log.

    `slate` and `record` belong to the page in progress: what is shown, and what has come of it so far.
    """

    user: str
    page: int
    """The simulated clock: the page being browsed, from 0."""
    slate: dict[str, Any]
    record: dict[str, Any]
    memory: dict[str, Any]
    satisfaction: float
    """Running estimate, 1 to 10."""
    watched: int
    """Items acted on positively so far."""
    bad_pages: int
    """Pages in a row without a usable answer."""
    left: bool


def new_state(persona: Persona) -> UserState:
    """A user who has not seen anything yet."""
    return {
        "user": persona.user,
        "page": -1,
        "slate": {},
        "record": {},
        "memory": {},
        "satisfaction": START,
        "watched": 0,
        "bad_pages": 0,
        "left": False,
    }


def page_input(slate: Slate) -> UserState:
    """What the graph is given to live one page: the slate; everything else is carried over."""
    return {"user": slate.agent, "page": slate.page, "slate": slate.json(), "record": {}}
