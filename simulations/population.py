"""The Mesa model: who is active, in which order pages are committed, what is collected.

Think together, act in order: all active users think concurrently (no shared state is touched), then Mesa's seeded
order commits them one by one. So nothing depends on which answer came first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import mesa

from ..agents.actions import ActionSet, Slate
from ..agents.personas import Persona
from ..agents.randomness import uniform
from .config import SimulateError
from .policy import Policy

PageRecord = dict[str, Any]
"""The JSON of one agent-page: exposures, actions, memories, decision, failures, perhaps an interview."""


class Turn(NamedTuple):
    """One user before one page."""

    persona: Persona
    slate: Slate
    satisfaction: float | None
    """After the page before; None on the first page."""
    last: bool
    """There is no page after this one (the cap, or nothing left to show): the exit interview follows whatever they decide."""


class OtherPast(SimulateError):
    """The log holds pages that this population, before this recommender, would not have seen."""


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
        policy: Policy,
        mind: Mind,
        actions: ActionSet,
        *,
        pages: int,
        seed: int = 0,
        user_class: type[SimUser] = SimUser,
    ) -> None:
        super().__init__(seed=seed)
        self.policy, self.mind, self.actions = policy, mind, actions
        self.pages, self.base_seed = pages, seed
        self.page = 0
        self.committed: list[tuple[str, PageRecord]] = []
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
        last = self.page == self.pages - 1
        given = [Turn(u.persona, slate, u.satisfaction, last or not self.policy.more(slate)) for u, slate in turns]
        records = await self.mind.think(self.page, given, progress=progress)
        return self._commit({u.user: (slate, record) for (u, slate), record in zip(turns, records, strict=True)})

    async def restore(self, records: Mapping[str, PageRecord]) -> None:
        """Commit one page that is already in the log (resume): the same effects and data collection, no thinking.

        Raises `OtherPast` where this population or its recommender would have shown something else.
        """
        slates = await self.policy.page(self.page, [u.user for u in self.active_users()])
        shown = {user: [e["item"] for e in record["exposures"]] for user, record in records.items()}
        here = {user: list(slate.items) for user, slate in slates.items()}
        if here != shown:
            user = min(user for user in {*here, *shown} if here.get(user) != shown.get(user))
            raise OtherPast(
                f"on page {self.page + 1} user {user} was shown {shown.get(user) or 'nothing'}, and now it would be "
                f"{here.get(user) or 'nothing'}"
            )
        self._commit({user: (slates[user], records[user]) for user in slates})

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
