"""The place in a rehearsal that the debugger's commands mean: named by flags or looked at before, its page, its call."""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING, Any

from .output import CommandError

if TYPE_CHECKING:
    from ..simulations.debugging import Debugger, Place


def place_named(debugger: Debugger, agent: str | None, page: int | None, node: str) -> Place | None:
    """The place named by flags, the rest of it from where one is."""
    from ..simulations.debugging import Place

    here = debugger.place
    if agent is None and here is None:
        if page is not None or node:
            raise CommandError("nobody is looked at yet\n  name an agent: --agent ID")
        return None
    who = agent if agent is not None else here.agent if here else ""
    same = here is not None and agent in (None, here.agent)
    which = page if page is not None else here.page if here is not None and same else 0
    at = node or (here.node if here is not None and same and page in (None, here.page) else "")
    return Place(who, which, at)


def place_here(debugger: Debugger) -> Place:
    """Where one is. Raises `CommandError` where nobody is looked at yet."""
    if (here := debugger.place) is None:
        name = shlex.quote(str(debugger.path))
        raise CommandError(f"nobody is looked at yet\n  go somewhere:  recloop debug {name} go AGENT PAGE")
    return here


def page_at(debugger: Debugger, place: Place) -> Any:
    """The page of a place. Raises `CommandError` where the agent has none such, naming those there are."""
    pages = {view.page: view for view in debugger.timeline(place.agent)}
    if place.page not in pages:
        have = f"pages {min(pages)} to {max(pages)}" if pages else "no pages yet"
        raise CommandError(f"agent {place.agent} has no page {place.page}\n  there are {have}")
    return pages[place.page]


def call_here(debugger: Debugger) -> str:
    """The call of the place one looks at: of its node, or the page's first."""
    here = place_here(debugger)
    lived = asyncio.run(debugger.moments(here.agent, here.page))
    found = [call for moment in lived if here.node in ("", moment.place.node) for call in moment.calls]
    if not found:
        raise CommandError(f"no call was made at {here}\n  go to a node with one, or give a call's key")
    return found[0].key
