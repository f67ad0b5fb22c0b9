"""The Mesa model: who is active, in which order pages are committed, what is collected.

Think together, act in order: all active users think concurrently (no shared state is touched), then Mesa's seeded
order commits them one by one. So nothing depends on which answer came first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import mesa

from ..agents.actions import ActionSet, Slate
from ..agents.personas import Persona
from ..agents.randomness import uniform
from .policy import Shows

PageRecord = dict[str, Any]
"""The JSON of one agent-page: exposures, actions, memories, decision, failures, perhaps an interview."""


class Turn(NamedTuple):
    """One user before one page."""

    persona: Persona
    slate: Slate
    satisfaction: float | None
    """After the page before; None on the first page."""
    interview: bool
    """They are interviewed after this page whatever they decide: it is the last one (the cap, or nothing left to show), or
    one after which everybody is asked."""


class Mind(Protocol):
    """Who thinks for the users of a page."""

    async def think(self, page: int, turns: Sequence[Turn], *, progress: Callable[[], None]) -> list[PageRecord]:
        """One record per turn, in the order given. Raises `BudgetReached` when a call was refused."""
        ...


class SimUser(mesa.Agent):
    """One simulated user: its persona, and what has been committed of it."""

    def __init__(self, model: Population, persona: Persona) -> None:
        super().__init__(model)
        self.persona = persona
        self.user = persona.user
        self.active = True
        self.pages = 0
        self.chosen = 0
        self.satisfaction: float | None = None
        self.shelf: dict[str, Any] = {}
        """What the effects of actions have left behind (watched, cart, bought, ...)."""
        self.turn: tuple[Slate, PageRecord] | None = None

    def act(self) -> None:
        """Commit the page just thought through. Called in Mesa's order; override to add effects of your own."""
        if self.turn is None:
            return
        slate, record = self.turn
        model: Population = self.model  # type: ignore[assignment]
        actions = record["actions"]
        chosen = [(a["item"], a.get("rating")) for a in actions if model.actions[a["action"]].positive]
        model.policy.shown(slate, chosen)
        for action in actions:
            model.actions.commit(self.shelf, action["action"], action["item"])
        self.pages += 1
        self.chosen += len(chosen)
        decision = record["decision"]
        self.satisfaction = decision["satisfaction"]
        self.active = decision["next"]
        model.committed.append((self.user, record))
        self.turn = None


class Population(mesa.Model):
    """Simulated users before one recommender. Subclass to change who is active or what a step does.

    `astep()` runs one page inside a live event loop (a notebook, a LangGraph node, a server); there is no blocking
    `step()`. `committed` holds the page's records in commit order. Frames of the data collector: a model row per page,
    an agent row per user and page (its step is the number of pages seen by then).
    """

    def __init__(
        self,
        personas: Sequence[Persona],
        policy: Shows,
        mind: Mind,
        actions: ActionSet,
        *,
        pages: int,
        seed: int = 0,
        interviews: Collection[int] = (),
        user_class: type[SimUser] = SimUser,
    ) -> None:
        super().__init__(seed=seed)
        self.policy, self.mind, self.actions = policy, mind, actions
        self.pages, self.base_seed, self.interviews = pages, seed, frozenset(interviews)
        self.page = 0
        self.committed: list[tuple[str, PageRecord]] = []
        self.other_past = ""
        """Where `restore` met a page that the recommender would fill otherwise now; in words, empty where it did not."""
        for persona in personas:
            user_class(self, persona)
        self.datacollector = mesa.DataCollector(
            model_reporters={
                "page": lambda m: m.page - 1,
                "users": lambda m: len(m.committed),
                "shown": lambda m: sum(len(r["actions"]) for _, r in m.committed),
                "chosen": lambda m: sum(m.actions[a["action"]].positive for _, r in m.committed for a in r["actions"]),
                "left": lambda m: sum(not r["decision"]["next"] for _, r in m.committed),
            },
            agent_reporters={"user": "user", "active": "active", "chosen": "chosen", "satisfaction": "satisfaction"},
        )

    @property
    def finished(self) -> bool:
        """Nobody is left, or the page cap is reached."""
        return self.page >= self.pages or not self.active_users()

    def active_users(self) -> list[SimUser]:
        """Who browses the coming page, in creation order."""
        return [user for user in self.agents if isinstance(user, SimUser) and user.active]

    async def astep(self, progress: Callable[[], None] = lambda: None) -> list[tuple[str, PageRecord]]:
        """One page: slates, thoughts (concurrent), commits (Mesa's order). Returns the records in commit order."""
        users = self.active_users()
        slates = await self.policy.page(self.page, [u.user for u in users])
        turns = [(u, slates[u.user]) for u in users if u.user in slates]
        seen = self.page + 1
        asked = seen >= self.pages or seen in self.interviews
        given = [Turn(u.persona, slate, u.satisfaction, asked or not self.policy.more(slate)) for u, slate in turns]
        records = await self.mind.think(self.page, given, progress=progress)
        return self._commit({u.user: (slate, record) for (u, slate), record in zip(turns, records, strict=True)})

    async def restore(self, records: Mapping[str, PageRecord]) -> None:
        """Commit one page that is already in the log (resume): the same effects and data collection, no thinking.

        What was shown then is what counts. Where the recommender would show something else by now, `other_past` says so.
        """
        slates = await self.policy.page(self.page, [u.user for u in self.active_users()])
        past = {user: Slate.from_json({"agent": user, "page": self.page, **_shown(r)}) for user, r in records.items()}
        if not self.other_past:
            self.other_past = _first_other(past, slates)
        self._commit({user: (slate, records[user]) for user, slate in past.items()})

    def step(self) -> None:
        """Not there on purpose: a page waits for answers. Raises `RuntimeError`."""
        raise RuntimeError("a population has no blocking step(); inside a coroutine write: await population.astep()")

    def _commit(self, turns: Mapping[str, tuple[Slate, PageRecord]]) -> list[tuple[str, PageRecord]]:
        self.committed = []
        for user in self.active_users():
            user.turn = turns.get(user.user)
            if user.turn is None:  # the recommender has nothing more for this user
                user.active = False
        # The order of a page depends on (seed, page) alone, so a resumed run commits as an unbroken one would.
        self.random.seed(int(uniform(self.base_seed, "order", self.page) * 2**53))
        self.agents.select(lambda a: isinstance(a, SimUser) and a.turn is not None).shuffle_do("act")
        self.page += 1
        self.steps = self.page  # what the collector files agents' values under; Mesa counts calls of step() only
        self.datacollector.collect(self)
        return self.committed


def _shown(record: PageRecord) -> dict[str, Any]:
    return {"exposures": record["exposures"]}


def _first_other(past: Mapping[str, Slate], now: Mapping[str, Slate]) -> str:
    """The first user who would be shown something else than then, in words; empty where nobody would."""
    for user in sorted({*past, *now}):
        then, here = (list(slates[user].items) if user in slates else [] for slates in (past, now))
        if then != here:
            page = (past.get(user) or now[user]).page + 1
            return (
                f"on page {page} user {user} was shown {then or 'nothing'}, and would now be shown {here or 'nothing'}"
            )
    return ""
