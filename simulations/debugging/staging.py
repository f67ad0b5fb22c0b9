"""What a fork and its edits make of a rehearsal's parts: who is shown what, who answers for whom, who only does what they did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...agents.actions import Slate
from ...agents.ask import Asker, World
from ...agents.personas import Persona
from ...agents.user_steps import UserContext
from ...llm import Door, Price, Prompt, open_model
from ...runs import Event, Run
from ..config import SimulateConfig, checked
from ..minds import ScriptedMind
from ..players import recast, scripted_mind
from ..policy import Shows
from ..population import Mind, PageRecord, Turn
from ..preparation import Prepared, world_of
from ..stopping import WatchStopped
from .in_force import Edits
from .reading import page_events


class Staging:
    """The parts of one rehearsal as a fork has them. `source`: the run whose fork and edits these are, which a replay
    (`replayed`) only reads. All of it is a function of agent and page, so that a replay sees what was seen."""

    def __init__(
        self,
        source: Run,
        prepared: Prepared,
        door: Door | None,
        prompts: Mapping[str, Prompt],
        *,
        api_key: str | None = None,
        replayed: bool = False,
    ) -> None:
        self.source, self.prepared, self.door, self.prompts = source, prepared, door, prompts
        self.edits = Edits.of(source)
        self._api_key = api_key
        self._asker: Asker | None = None
        self._askers: dict[Any, Asker] = {}
        self._worlds: dict[Any, World] = {}
        self._configs: dict[str, SimulateConfig] = {}
        self._doors: dict[str, Door] = {}
        self._replayed = replayed
        fork = None if replayed else source.fork
        self.touched = frozenset(fork.agents) if fork is not None and fork.agents else None
        """Those who live; None: everybody."""
        self._others = None if fork is None or self.touched is None else Others(Run.open(fork.parent))
        self.policy: Shows = prepared.policy if replayed else ForkedPolicy(self, prepared.policy)

    async def close(self) -> None:
        """Close the parent, and the doors to models that edits named."""
        if self._others is not None:
            self._others.run.close()
        for door in self._doors.values():
            await door.close()

    # Who does what they did

    @property
    def others(self) -> Others | None:
        """The pages of those who do what they did; None where everybody lives."""
        return self._others

    def own(self, records: list[tuple[str, PageRecord]]) -> list[tuple[str, PageRecord]]:
        """The pages that were lived here; those of all others are the parent's, and not written again."""
        return records if self.touched is None else [each for each in records if each[0] in self.touched]

    def mind(self, mind: Mind) -> Mind:
        """Thinks for those who live; for all others it gives back what they did."""
        return mind if self._others is None or self.touched is None else ForkedMind(mind, self.touched, self._others)

    # Who answers, on which page

    def cast(self, asker: Asker) -> None:
        """Take note of who answers where no edit says otherwise."""
        self._asker = asker

    def context(self, persona: Persona, page: int) -> UserContext:
        """What a user's steps look at on this page."""
        assert self._asker is not None
        config = self.config(persona.user, page)
        world = self.world(config)
        texts = self.edits.prompts(persona.user, page)
        model = self.edits.model(persona.user, page)
        asker = self._asker
        if world is not self.prepared.world or texts or model or config.say != self.prepared.config.say:
            key = (id(world), tuple(sorted(texts.items())), model, config.say)
            if key not in self._askers:
                prompts = {
                    n: p.with_text(texts[n], f"edit of {n}") if n in texts else p for n, p in self.prompts.items()
                }
                self._askers[key] = recast(asker, self._door(model), world, prompts, say=config.say)
            asker = self._askers[key]
        return UserContext(self.edits.persona(persona, page), world, asker)

    def config(self, agent: str, page: int) -> SimulateConfig:
        """The settings in force for an agent on a page."""
        other = self.edits.settings(agent, page)
        if not other:
            return self.prepared.config
        key = repr(sorted(other.items()))
        if key not in self._configs:
            self._configs[key] = checked({**self.prepared.config.model_dump(mode="json"), **other})
        return self._configs[key]

    def world(self, config: SimulateConfig) -> World:
        """What users share under these settings."""
        now = self.prepared.config

        def seen(each: SimulateConfig) -> Any:
            return each.fatigue, each.show_mean, each.memory, each.luck, each.pages

        if seen(config) == seen(now):
            return self.prepared.world
        if seen(config) not in self._worlds:
            self._worlds[seen(config)] = world_of(config, self.prepared.split.train, self.prepared.world.actions)
        return self._worlds[seen(config)]

    def _door(self, model: str | None) -> Door:
        """The run's door, or one to another model, which pays from the same budget into the same cassette."""
        door, config = self.door, self.prepared.config
        assert door is not None
        if model is None or model == door.name:
            return door
        if model not in self._doors:
            # A key, and an address given apart from the name, go to where they were meant for and nowhere else.
            same = _endpoint(model) == _endpoint(config.model)
            self._doors[model] = open_model(
                model,
                cassette=door.cassette,
                budget=door.line.budget,
                concurrency=config.concurrency,
                timeout=config.timeout,
                api_key=self._api_key if same else None,
                base_url=config.base_url if same else None,
                price=Price.parse(config.price) if same else None,
                replay_only=door.replay_only,
            )
        return self._doors[model]

    # Scripted users

    def scripted(self) -> Mind:
        """Scripted users, as edits have them."""
        return EditedScript(self)

    # Replays

    def reference(self) -> dict[str, Any]:
        """What a replay's results are held against, as the run began: who recommends may be another one by now."""
        found = self.prepared.reference
        return {**found, "recommender": self.edits.begun("recommender", found["recommender"])}

    def as_recorded(self, barrier: int, events: list[Event]) -> list[Event]:
        """A replay's events with the edits that were made there, in the recording's own order (what a fork shares with its
        parent comes first); outside a replay as they are."""
        if not self._replayed:
            return events
        rows = self.source.log.rows("SELECT kind, agent, seq FROM events WHERE barrier = ?", (barrier,))
        place = {(kind, agent): seq for kind, agent, seq in rows if kind != "edit"}
        made = [each for each in self.source.events(kind="edit") if each.barrier == barrier]
        placed = [(place.get((each.kind, each.agent), 1 << 62), each) for each in events]
        placed += [(each.seq, each) for each in made]
        return [each for _, each in sorted(placed, key=lambda pair: pair[0])]


def _endpoint(model: str) -> str:
    """Where a model is asked, by its name: the address, or the provider."""
    return model.partition("#")[0] if model.startswith(("http://", "https://")) else model.partition("/")[0]


class Others:
    """What those who do what they did have done, page by page, from the parent's log."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._page: tuple[int, dict[str, PageRecord]] = (-1, {})

    def page(self, page: int) -> dict[str, PageRecord]:
        """Agent -> record. Raises `WatchStopped` where the parent has not got that far."""
        if self.run.barrier <= page:
            raise WatchStopped(
                f"those who do what they did have lived {self.run.barrier} pages in {self.run.path}: go on there first "
                f"(recloop resume {self.run.path}), or fork everybody"
            )
        if self._page[0] != page:
            self._page = page, {event.agent: event.data for event in page_events(self.run, page, page)}
        return self._page[1]


class ForkedMind:
    """Thinks for those who live on; all others do what they did."""

    def __init__(self, mind: Mind, touched: frozenset[str], others: Others) -> None:
        self.inner, self.touched, self.others = mind, touched, others

    async def think(self, page: int, turns: Sequence[Turn], *, progress: Callable[[], None]) -> list[PageRecord]:
        own = [turn for turn in turns if turn.persona.user in self.touched]
        lived = iter(await self.inner.think(page, own, progress=progress) if own else ())
        records = []
        for turn in turns:
            if turn.persona.user in self.touched:
                records.append(next(lived))
            else:
                records.append(self.others.page(page)[turn.persona.user])
                progress()
        return records


class ForkedPolicy:
    """What a fork shows: slates put in by hand, else those of the policy; others are shown what they were shown."""

    def __init__(self, staging: Staging, policy: Shows) -> None:
        self.staging, self.inner = staging, policy

    @property
    def policy_id(self) -> str:
        return self.inner.policy_id

    @property
    def problems(self) -> list[str]:
        return self.inner.problems

    async def open(self) -> None:
        await self.inner.open()

    async def page(self, page: int, users: Sequence[str]) -> dict[str, Slate]:
        touched, others = self.staging.touched, self.staging.others
        own = [user for user in users if touched is None or user in touched]
        given = {user: slate for user in own if (slate := self.staging.edits.slate(user, page)) is not None}
        slates = {**await self.inner.page(page, own), **given}
        if others is not None and len(own) < len(users):
            did = others.page(page)
            for user in set(users) - set(own) & did.keys():
                slates[user] = Slate.from_json({"agent": user, "page": page, "exposures": did[user]["exposures"]})
        return slates

    def more(self, slate: Slate) -> bool:
        if self.staging.touched is not None and slate.agent not in self.staging.touched:
            return True  # nothing is asked of them
        return self.inner.more(slate)

    def shown(self, slate: Slate, chosen: Iterable[tuple[str, float | None]]) -> None:
        self.inner.shown(slate, chosen)


class EditedScript:
    """Scripted users whose traits, satisfaction and settings are those in force on each page."""

    def __init__(self, staging: Staging) -> None:
        self.staging = staging
        self._minds: dict[tuple[int, int], ScriptedMind] = {}

    async def think(self, page: int, turns: Sequence[Turn], *, progress: Callable[[], None]) -> list[PageRecord]:
        edits, alike = self.staging.edits, dict[int, tuple[SimulateConfig, list[int]]]()
        given = [t._replace(satisfaction=edits.satisfaction(t.persona.user, page, t.satisfaction)) for t in turns]
        for i, turn in enumerate(given):
            config = self.staging.config(turn.persona.user, page)
            alike.setdefault(id(config), (config, []))[1].append(i)
        records: dict[int, PageRecord] = {}
        for config, rows in alike.values():
            lived = await self._mind(config, page).think(page, [given[i] for i in rows], progress=progress)
            records.update(zip(rows, lived, strict=True))
        return [records[i] for i in range(len(turns))]

    def _mind(self, config: SimulateConfig, page: int) -> ScriptedMind:
        prepared, edits = self.staging.prepared, self.staging.edits
        key = edits.epoch(page), id(config)
        if key not in self._minds:
            people = [edits.persona(each, page) for each in prepared.personas]
            under = replace(prepared, config=config, world=self.staging.world(config))
            self._minds[key] = scripted_mind(under, people)
        return self._minds[key]
