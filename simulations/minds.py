"""Who thinks for a page's users: LangGraph agents over a model, or scripted users in one vectorised sweep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..agents.actions import Action, Decision
from ..agents.ask import Asker, World, lost
from ..agents.memory import Memory
from ..agents.personas import Persona
from ..agents.satisfaction import START
from ..agents.scripted import ScriptedPopulation
from ..agents.user_state import new_state, page_input
from ..agents.user_steps import UserContext, whole_page
from .population import PageRecord, Turn
from .settling import all_settled

if TYPE_CHECKING:
    from ..runs.saver import LogSaver
    from .debugging.staging import Staging

AT_ONCE = 256
"""Users who think at once, unless told otherwise. More than calls in flight; a user who only waits takes 100 kB."""


class StepMind:
    """The steps of an agent-page one after the other; what a user is between pages is kept in memory."""

    def __init__(self, world: World, asker: Asker, *, at_once: int = AT_ONCE, staging: Staging | None = None) -> None:
        self.world, self.asker, self.at_once, self.staging = world, asker, at_once, staging
        self._states: dict[str, dict[str, Any]] = {}

    async def think(self, page: int, turns: Sequence[Turn], *, progress: Callable[[], None]) -> list[PageRecord]:
        seats = asyncio.Semaphore(self.at_once)

        async def one(turn: Turn) -> PageRecord:
            async with seats:
                record = await self._page(turn)
            progress()
            return record

        return await all_settled(one(turn) for turn in turns)

    async def _page(self, turn: Turn) -> PageRecord:
        context = UserContext(turn.persona, self.world, self.asker)
        if self.staging is not None:
            context = self.staging.context(turn.persona, turn.slate.page)
        given: dict[str, Any] = {**page_input(turn.slate)}
        if turn.satisfaction is None:
            given = {**new_state(context.persona), **given}
        if self.staging is not None and self.staging.edits.changes_state(turn.slate.agent, turn.slate.page):
            before = {**await self._before(turn.slate.agent), **given}
            given |= self.staging.edits.state(turn.slate.agent, turn.slate.page, before, context.world.embed)
        state = await self._live(given, context)
        if (state["left"] or turn.interview) and not lost(state["record"]):
            return await interviewed(context.persona, state, context.asker)
        return dict(state["record"])

    async def _before(self, user: str) -> dict[str, Any]:
        """The user's state after the page before; empty on the first."""
        return self._states.get(user, {})

    async def _live(self, given: dict[str, Any], context: UserContext) -> dict[str, Any]:
        """The user's state after this page."""
        user = context.persona.user
        before = {**self._states.get(user, {}), **given}
        state = {**before, **await whole_page(before, context)}
        self._states[user] = state
        return state


async def interviewed(persona: Persona, state: dict[str, Any], asker: Asker) -> PageRecord:
    """The page's record with the interview after it. It is no step of the graph: nothing of it is remembered."""
    memories = [record.text for record in Memory.from_json(state["memory"]).records]
    said = await asker.interview(persona, memories, state)
    told = {"satisfaction": said.satisfaction, "text": said.text, "source": said.source, "call": said.call}
    failures = state["record"]["failures"] + [f.json() for f in said.failures]
    return {**state["record"], "interview": told, "failures": failures}


class GraphMind(StepMind):
    """One LangGraph run per agent-page; an agent's state is its graph's checkpoint (thread = user id)."""

    def __init__(
        self,
        world: World,
        asker: Asker,
        checkpointer: Any,
        *,
        fine: bool = False,
        at_once: int = AT_ONCE,
        staging: Staging | None = None,
    ) -> None:
        from ..agents.user_graph import page_graph  # LangGraph takes half a second, and scripted users need none

        super().__init__(world, asker, at_once=at_once, staging=staging)
        self.graph = page_graph(checkpointer, fine=fine)

    async def _before(self, user: str) -> dict[str, Any]:
        return dict((await self.graph.aget_state({"configurable": {"thread_id": user}})).values)

    async def _live(self, given: dict[str, Any], context: UserContext) -> dict[str, Any]:
        return await self.graph.ainvoke(
            given,
            {"configurable": {"thread_id": context.persona.user}, "recursion_limit": 25},
            context=context,
            durability="exit",
        )


class ReplayMind(StepMind):
    """The steps of the graph without the graph around them, which takes longer than a recorded answer: for replays.

    What is kept of a user is what the graph would have kept (the digest holds the two equal).
    """

    def __init__(self, world: World, asker: Asker, saver: LogSaver, *, staging: Staging | None = None) -> None:
        super().__init__(world, asker, staging=staging)
        self.saver = saver

    async def _live(self, given: dict[str, Any], context: UserContext) -> dict[str, Any]:
        state = await super()._live(given, context)
        self.saver.keep_state(context.persona.user, state, step=state["page"])
        return state


class ScriptedMind:
    """Seeded users without a model (baseline, control, scale): the whole page in arrays."""

    def __init__(self, world: World, scripted: ScriptedPopulation) -> None:
        self.world, self.scripted = world, scripted
        self._place = {user: place for place, user in enumerate(scripted.users)}

    async def think(self, page: int, turns: Sequence[Turn], *, progress: Callable[[], None]) -> list[PageRecord]:
        records: list[PageRecord | None] = [None] * len(turns)
        by_size: dict[int, list[int]] = {}
        for i, turn in enumerate(turns):
            by_size.setdefault(len(turn.slate.exposures), []).append(i)
        for rows in by_size.values():  # one sweep per slate length: nearly always a single one
            for i, record in zip(rows, self._sweep(page, [turns[i] for i in rows]), strict=True):
                records[i] = record
                progress()
        return [r for r in records if r is not None]

    def _sweep(self, page: int, turns: Sequence[Turn]) -> list[PageRecord]:
        index = self.world.catalogue.ids.index
        users = np.array([self._place[t.persona.user] for t in turns])
        items = np.array([[index(e.item) for e in t.slate.exposures] for t in turns])
        shown_at = np.array([[e.shown_at for e in t.slate.exposures] for t in turns])
        reacted = self.scripted.react(users, page, items, shown_at)
        before = np.array([START if t.satisfaction is None else t.satisfaction for t in turns], dtype=np.float64)
        decided = self.scripted.decide(users, page, reacted, before)
        positive, passing = self.world.actions.positive, self.world.actions.negative
        rated = positive.wants_rating and self.world.scale is not None
        records = []
        for i, turn in enumerate(turns):
            actions = []
            for j, exposure in enumerate(turn.slate.exposures):
                chosen = bool(reacted.watch[i, j])
                rating = float(reacted.rating[i, j]) if chosen and rated else None
                actions.append(
                    Action(
                        item=exposure.item,
                        action=positive.name if chosen else passing.name,
                        rating=rating,
                        liked=bool(reacted.liked[i, j]) if rated else chosen,
                        margin=float(reacted.margin[i, j]),
                        probability=float(reacted.probability[i, j]),
                    ).json()
                )
            go_on, satisfaction = bool(decided.next[i]), float(decided.satisfaction[i])
            decision = Decision(go_on, "scripted", satisfaction, float(decided.fatigue[i]), source="code")
            record: PageRecord = {
                "exposures": [e.json() for e in turn.slate.exposures],
                "recalled": [],
                "actions": actions,
                "memories": [],
                "decision": decision.json(),
                "failures": [],
            }
            if turn.interview or not go_on:
                record["interview"] = {"satisfaction": satisfaction, "text": "", "source": "code", "call": ""}
            records.append(record)
        return records
