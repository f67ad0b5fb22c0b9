"""The user's graphs with a small world in them, for tools that load a graph by name and run it (`langgraph dev`).

`langgraph.json` names the two functions at the end. A run of such a graph lives one page: its input is `{}` or
`{"user": ID}`; a thread is one user, and each further run on it the next page. Settings are those of `recloop simulate`,
from the environment: `RECLOOP_GRAPH_MODEL=openai/gpt-4o-mini`, `RECLOOP_GRAPH_USERS=20`, `RECLOOP_GRAPH_DATA=ratings.csv`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..agents.actions import Slate
from ..agents.ask import Asker, World
from ..agents.personas import Persona
from ..agents.user_state import UserState, new_state, page_input
from ..agents.user_steps import UserContext
from .config import SimulateConfig, SimulateError, checked

if TYPE_CHECKING:
    from ..llm import Door
    from .at_hand import AtHand

PREFIX = "RECLOOP_GRAPH_"
"""Environment variables of this beginning are settings: the rest of the name in small letters."""
SMALL = {"model": "local/smollm2", "users": 4}
"""What differs from the settings' own defaults: the world is made when the first page is lived, and somebody waits for it."""


def settings(environment: Mapping[str, str]) -> SimulateConfig:
    """The settings of the world that an environment asks for. Raises `SimulateError` for a wrong one, and without a model."""
    given = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    config = checked({**SMALL, **given})
    if config.scripted:
        raise SimulateError(f"scripted users have no graph\n  name a model: {PREFIX}MODEL=local/smollm2")
    return config


class SmallWorld:
    """A few users, what a recommender shows them, and the model that answers for them. Made once, when it is first needed."""

    def __init__(self, config: SimulateConfig) -> None:
        self.config = config
        self._personas: dict[str, Persona] = {}
        self._slates: dict[tuple[str, int], Slate] = {}
        self._answers: tuple[World, Asker] | None = None
        self._making = asyncio.Lock()
        self._door: Door | None = None

    async def open(self) -> None:
        """Load, fit, rank, calibrate: seconds. Raises what `simulate` raises before its first page."""
        async with self._making:
            if self._answers is None:
                self._answers = await self._make()

    async def _make(self) -> tuple[World, Asker]:
        # In a thread: files and modules are read, and a server's event loop must not wait for them.
        parts = await asyncio.to_thread(self._read)
        from .at_hand import answering

        self._door, prepared = parts.door, parts.prepared
        found = await answering(parts)
        assert found is not None  # `settings` refuses scripted users
        users = [persona.user for persona in found.personas]
        for page in range(self.config.pages):  # all that may be shown, so that a page depends on user and number alone
            for user, slate in (await prepared.policy.page(page, users)).items():
                self._slates[user, page] = slate
                prepared.policy.shown(slate, [])
        self._personas = {persona.user: persona for persona in found.personas}
        return prepared.world, found.asker

    def _read(self) -> AtHand:
        from .at_hand import read

        return read(self.config)

    async def show(self, state: UserState) -> dict[str, Any]:
        """The node before all others: who it is, the next page, and what is shown there."""
        await self.open()
        before: dict[str, Any] = {**state}
        user = str(before.get("user") or next(iter(self._personas)))
        if user not in self._personas:
            raise SimulateError(f"there is no user {user!r} here\n  there are {', '.join(self._personas)}")
        slate = before.get("slate") or {}
        if slate and slate["agent"] != user:
            raise SimulateError(f"this thread is user {slate['agent']!r}\n  begin another thread for {user!r}")
        if before.get("left"):
            raise SimulateError(f"user {user!r} has left\n  fork from an earlier checkpoint, or begin another thread")
        page = slate["page"] + 1 if slate else 0
        if (user, page) not in self._slates:
            raise SimulateError(f"there is nothing to show user {user!r} on page {page}\n  begin another thread")
        fresh: dict[str, Any] = {} if slate else {**new_state(self._personas[user])}
        return {**fresh, **page_input(self._slates[user, page])}

    async def close(self) -> None:
        """Hang up on the model."""
        if self._door is not None:
            await self._door.close()

    def context_of(self, state: UserState) -> UserContext:
        """Who looks, and who answers. Only after `show`."""
        assert self._answers is not None
        return UserContext(self._personas[state.get("user", "")], *self._answers)


_worlds: dict[str, SmallWorld] = {}
"""By settings as JSON: every run builds its graph anew, and all live in one world."""


def _graph(fine: bool) -> Any:
    from ..agents.user_graph import page_graph

    config = settings(os.environ)
    world = _worlds.setdefault(config.model_dump_json(), SmallWorld(config))
    return page_graph(fine=fine, show=world.show, context_of=world.context_of)


def user_page() -> Any:
    """One page in one node, as rehearsals run it."""
    return _graph(fine=False)


def user_page_fine() -> Any:
    """One page in its five steps: `observe`, `react`, `remember`, `reflect`, `decide`."""
    return _graph(fine=True)
