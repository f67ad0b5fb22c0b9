"""Who thinks for a page's users: LangGraph agents over a model, or scripted users in one vectorised sweep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..agents.actions import Action, Decision, Slate
from ..agents.ask import Asker, BudgetReached, World
from ..agents.memory import Memory
from ..agents.personas import Persona
from ..agents.scripted import ScriptedPopulation
from ..agents.user_graph import user_graph, whole_page
from ..agents.user_state import UserState, new_state, page_input
from ..agents.user_steps import UserContext
from .population import PageRecord, Turn

if TYPE_CHECKING:
    from ..runs.saver import LogSaver


class GraphMind:
    """One LangGraph run per agent-page; an agent's state is its graph's checkpoint (thread = user id)."""

    def __init__(self, world: World, asker: Asker, checkpointer: Any, *, fine: bool = False) -> None:
        self.world, self.asker = world, asker
        self.graph = user_graph(checkpointer, fine=fine)

    async def think(
        self, page: int, turns: Sequence[Turn], *, last: bool, progress: Callable[[], None]
    ) -> list[PageRecord]:
        async def one(persona: Persona, slate: Slate) -> PageRecord:
            record = await self._page(persona, slate, last)
            progress()
            return record

        # No task is cancelled because another failed: a call already paid for must settle and be recorded.
        done = await asyncio.gather(*(one(t.persona, t.slate) for t in turns), return_exceptions=True)
        problems = [d for d in done if isinstance(d, BaseException)]
        if problems:
            raise next((p for p in problems if not isinstance(p, BudgetReached)), problems[0])
        return [d for d in done if not isinstance(d, BaseException)]

    async def _page(self, persona: Persona, slate: Slate, last: bool) -> PageRecord:
        given = page_input(slate)
        if slate.page == 0:
            given = {**new_state(persona), **given}
        state = await self._live(given, UserContext(persona, self.world, self.asker))
        record = dict(state["record"])
        if state["left"] or last:
            memories = [record.text for record in Memory.from_json(state["memory"]).records]
            said = await self.asker.interview(persona, memories, state)
            record["interview"] = {
                "satisfaction": said.satisfaction,
                "text": said.text,
                "source": said.source,
                "call": said.call,
            }
            record["failures"] = record["failures"] + [f.json() for f in said.failures]
        return record


    async def _live(self, given: UserState, context: UserContext) -> UserState:
        """The user's state after this page."""
        return await self.graph.ainvoke(
            given,
            {"configurable": {"thread_id": context.persona.user}, "recursion_limit": 25},
            context=context,
            durability="exit",
        )


class ReplayMind(GraphMind):
    """The steps of the graph without the graph around them, which takes longer than a recorded answer: for replays.

    What is kept of a user is what the graph would have kept (the digest holds the two equal).
    """

    def __init__(self, world: World, asker: Asker, saver: LogSaver) -> None:
        self.world, self.asker, self.saver = world, asker, saver
        self._states: dict[str, UserState] = {}

    async def _live(self, given: UserState, context: UserContext) -> UserState:
        user = context.persona.user
        before: UserState = {**self._states.get(user, {}), **given}
        state: UserState = {**before, **await whole_page(before, context)}
        self._states[user] = state
        self.saver.keep_state(user, state, step=state["page"])
        return state


class ScriptedMind:
    """Seeded users without a model (baseline, control, scale): the whole page in arrays."""

    def __init__(self, world: World, scripted: ScriptedPopulation) -> None:
        self.world, self.scripted = world, scripted
        self._place = {user: place for place, user in enumerate(scripted.users)}

    async def think(
        self, page: int, turns: Sequence[Turn], *, last: bool, progress: Callable[[], None]
    ) -> list[PageRecord]:
        records: list[PageRecord | None] = [None] * len(turns)
        by_size: dict[int, list[int]] = {}
        for i, turn in enumerate(turns):
            by_size.setdefault(len(turn.slate.exposures), []).append(i)
        for rows in by_size.values():  # one sweep per slate length: nearly always a single one
            for i, record in zip(rows, self._sweep(page, [turns[i] for i in rows], last), strict=True):
                records[i] = record
                progress()
        return [r for r in records if r is not None]

    def _sweep(self, page: int, turns: Sequence[Turn], last: bool) -> list[PageRecord]:
        index = self.world.catalogue.ids.index
        users = np.array([self._place[t.persona.user] for t in turns])
        items = np.array([[index(e.item) for e in t.slate.exposures] for t in turns])
        shown_at = np.array([[e.shown_at for e in t.slate.exposures] for t in turns])
        reacted = self.scripted.react(users, page, items, shown_at)
        before = None if page == 0 else np.array([t.satisfaction for t in turns], dtype=np.float64)
        decided = self.scripted.decide(users, page, reacted, before)
        positive, passing = self.world.actions.positive, self.world.actions.negative
        records = []
        for i, (_, slate, _) in enumerate(turns):
            actions = []
            for j, exposure in enumerate(slate.exposures):
                chosen = bool(reacted.watch[i, j])
                rating = float(reacted.rating[i, j]) if chosen and positive.wants_rating and self.world.scale else None
                actions.append(
                    Action(
                        item=exposure.item,
                        action=positive.name if chosen else passing.name,
                        rating=rating,
                        liked=bool(reacted.liked[i, j]),
                        margin=float(reacted.margin[i, j]),
                        probability=float(reacted.probability[i, j]),
                    ).json()
                )
            go_on, satisfaction = bool(decided.next[i]), float(decided.satisfaction[i])
            decision = Decision(go_on, "scripted", satisfaction, float(decided.fatigue[i]), source="code")
            record: PageRecord = {
                "exposures": [e.json() for e in slate.exposures],
                "recalled": [],
                "actions": actions,
                "memories": [],
                "decision": decision.json(),
                "failures": [],
            }
            if last or not go_on:
                record["interview"] = {"satisfaction": satisfaction, "text": "", "source": "code", "call": ""}
            records.append(record)
        return records
