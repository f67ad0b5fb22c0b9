"""Mesa decides who acts and in what order; thinking is concurrent; commits are seeded; subclasses are welcome."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import mesa
import pytest
from langgraph.graph import END, START, StateGraph
from recloop.agents import ScriptedPopulation
from recloop.runs import Run
from recloop.simulations import Population, Prepared, SimulateError, SimUser, prepare, replay, resume, simulate
from recloop.simulations.minds import ScriptedMind
from recloop.simulations.population import PageRecord, Turn
from rehearsing import digest, events, rehearse, settings, status


def people(
    folder: Path, kind: type[Population] = Population, seed: int = 1, **options: Any
) -> tuple[Population, Prepared]:
    """Thirty scripted users, four pages; nobody is tired."""
    given = {"model": "scripted", "users": 30, "pages": 4, "fatigue": 0.0, "seed": seed}
    prepared = prepare(settings(folder, **given | options))
    scripted = ScriptedPopulation(prepared.split.train, prepared.personas, seed=seed)
    mind = ScriptedMind(prepared.world, scripted)
    config = prepared.config
    return (
        kind(prepared.personas, prepared.policy, mind, prepared.world.actions, pages=config.pages, seed=config.seed),
        prepared,
    )


async def live(population: Population) -> list[list[tuple[str, PageRecord]]]:
    """All pages; returns what was committed, page by page."""
    await population.policy.open()
    pages = []
    while not population.finished:
        pages.append(await population.astep())
    return pages


def order(page: Sequence[tuple[str, PageRecord]]) -> list[str]:
    return [user for user, _ in page]


# -- order


async def test_the_order_of_commits_is_seeded_and_another_on_every_page(tmp_path: Path) -> None:
    one = await live(people(tmp_path)[0])
    assert [order(page) for page in one] == [order(page) for page in await live(people(tmp_path)[0])]
    stayed = [user for user in order(one[0]) if all(user in order(page) for page in one)]
    assert len(stayed) > 5
    orders = {tuple(user for user in order(page) if user in stayed) for page in one}
    assert len(orders) == 4, "the same people, four pages, four orders"
    other, same = people(tmp_path)[0], people(tmp_path)[0]
    other.base_seed = 2
    both = [order(page) for population in (same, other) for page in [(await live(population))[0]]]
    assert sorted(both[0]) == sorted(both[1])
    assert both[0] != both[1], "the same page of the same people under another seed"


def test_the_order_of_commits_does_not_depend_on_which_answer_came_first(
    tmp_path: Path, fake_llm: Callable[..., Any]
) -> None:
    orders, arrivals = [], []
    for latency in ("none", "uniform:1:40", "lognormal:10:1:100"):
        server = fake_llm(latency=latency)
        path = rehearse(settings(tmp_path, model="openai/fake", base_url=server.base_url), tmp_path / latency[:3])
        orders.append([(event.page, event.agent) for event in events(path)])
        with Run.open(path) as run:
            arrivals.append([call.key for call in run.calls.all()])
    assert orders[0] == orders[1] == orders[2]
    assert len({tuple(keys) for keys in arrivals}) == 3, "and the answers did come in other orders"


# -- subclasses


class Evening(SimUser):
    """Two films are an evening."""

    def act(self) -> None:
        super().act()
        if self.chosen >= 2:
            self.active = False


class EveningPopulation(Population):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, user_class=Evening)


class Alternating(Population):
    """Half of the users browse on even pages, the other half on odd ones."""

    def active_users(self) -> list[SimUser]:
        return [user for user in super().active_users() if user.unique_id % 2 == self.page % 2]


async def test_a_user_class_of_ones_own_decides_when_to_stop(tmp_path: Path) -> None:
    population, _ = people(tmp_path, EveningPopulation)
    pages = await live(population)
    for user in population.agents:
        seen = [record for page in pages for who, record in page if who == user.user]
        before = sum(a["action"] == "watch" for record in seen[:-1] for a in record["actions"])
        assert before < 2, "nobody goes on after two films"
    assert any(user.chosen >= 2 for user in population.agents)


@pytest.mark.parametrize("kind", [EveningPopulation, Alternating])
async def test_a_population_of_ones_own_is_rehearsed_resumed_and_replayed(
    tmp_path: Path, fake_llm: Callable[..., Any], kind: type[Population]
) -> None:
    server = fake_llm()
    asked = settings(tmp_path, model="openai/fake", base_url=server.base_url, pages=4)
    whole = await simulate(asked, out=tmp_path / "whole", api_key="x", population=kind)
    plain = await simulate(asked, out=tmp_path / "plain", api_key="x")
    assert digest(whole) != digest(plain), "the subclass is what was run"
    with Run.open(whole) as run:
        needed = len(run.calls)
    path = await simulate(
        asked.model_copy(update={"budget": f"calls={needed - 2}"}), out=tmp_path / "run", api_key="x", population=kind
    )
    assert status(path)[0] == "paused"
    assert status(path)[2] >= 1
    with pytest.raises(SimulateError, match="population is not what this run began with"):
        await resume(path, budget="calls=1000", api_key="x")
    assert status(path)[0] == "paused"
    await resume(path, budget="calls=1000", api_key="x", population=kind)
    assert digest(path) == digest(whole)
    assert await replay(path, out=tmp_path / "again", population=kind) == (digest(whole), digest(whole))


async def test_users_may_come_and_go(tmp_path: Path) -> None:
    population, _ = people(tmp_path, Alternating)
    pages = await live(population)
    assert len(pages) == 4
    for user in population.agents:
        seen = [number for number, page in enumerate(pages) if user.user in order(page)]
        assert seen
        assert {number % 2 for number in seen} == {user.unique_id % 2}
        shown = [e["item"] for page in pages for who, record in page if who == user.user for e in record["exposures"]]
        assert len(set(shown)) == len(shown) == 4 * len(seen)


# -- in a live loop


async def test_a_step_runs_inside_a_live_event_loop(tmp_path: Path) -> None:
    population, _ = people(tmp_path)
    await population.policy.open()
    records = await population.astep()
    assert len(records) == 30
    assert population.page == 1
    with pytest.raises(RuntimeError, match=r"await population\.astep"):
        population.step()


class Visit(TypedDict, total=False):
    pages: int
    shown: int


async def test_a_step_runs_inside_a_node_of_a_graph(tmp_path: Path) -> None:
    population, _ = people(tmp_path)
    await population.policy.open()

    async def browse(state: Visit) -> Visit:
        records = await population.astep()
        return {"pages": state["pages"] + 1, "shown": state["shown"] + sum(len(r["exposures"]) for _, r in records)}

    builder = StateGraph(Visit)
    builder.add_node("browse", browse)
    builder.add_edge(START, "browse")
    builder.add_conditional_edges("browse", lambda state: END if population.finished else "browse")
    out = await builder.compile().ainvoke({"pages": 0, "shown": 0})
    alone = await live(people(tmp_path)[0])
    assert out == {"pages": len(alone), "shown": sum(len(r["exposures"]) for page in alone for _, r in page)}


# -- what Mesa collects


async def test_collected_frames_say_what_was_committed(tmp_path: Path) -> None:
    population, _ = people(tmp_path)
    pages = await live(population)
    model = population.datacollector.get_model_vars_dataframe()
    assert list(model["page"]) == list(range(len(pages)))
    assert list(model["users"]) == [len(page) for page in pages]
    assert list(model["shown"]) == [sum(len(r["exposures"]) for _, r in page) for page in pages]
    watched = [sum(a["action"] == "watch" for _, r in page for a in r["actions"]) for page in pages]
    assert list(model["chosen"]) == watched
    assert list(model["left"]) == [sum(not r["decision"]["next"] for _, r in page) for page in pages]
    agents = population.datacollector.get_agent_vars_dataframe()
    assert sorted(set(agents.index.get_level_values("Step"))) == list(range(1, len(pages) + 1))
    assert len(agents) == 30 * len(pages)
    for step in range(1, len(pages) + 1):
        now = agents.xs(step, level="Step").set_index("user")
        assert now["chosen"].sum() == sum(watched[:step]), "chosen counts up"
        last = {user: r["decision"] for page in pages[:step] for user, r in page}
        assert {user: bool(now["active"][user]) for user in last} == {user: d["next"] for user, d in last.items()}
        assert {user: now["satisfaction"][user] for user in last} == {u: d["satisfaction"] for u, d in last.items()}


# -- effects

SEEN = """
from recloop.agents import ActionSet, ActionSpec, add_to
SEEN = ActionSet("seen", (ActionSpec("pass", "no"), ActionSpec("play", "yes", positive=True, effect=add_to("played"))))
"""


class Watched(Population):
    """Keeps itself within reach of the test."""

    last: ClassVar[Population]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        Watched.last = self

    @property
    def shelves(self) -> dict[str, list[str]]:
        return {user.user: user.shelf.get("played", []) for user in self.agents}


async def test_effects_change_the_shelf_when_the_page_is_committed_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "seen_set.py").write_text(SEEN)
    population, _ = people(tmp_path, Watched, actions=f"{tmp_path / 'seen_set.py'}:SEEN")
    assert isinstance(population, Watched)
    during: list[dict[str, list[str]]] = []
    think = population.mind.think

    async def looking(page: int, turns: Sequence[Turn], *, progress: Callable[[], None]) -> list[PageRecord]:
        records = await think(page, turns, progress=progress)
        during.append({user: list(items) for user, items in population.shelves.items()})
        return records

    monkeypatch.setattr(population.mind, "think", looking)
    pages = await live(population)
    played: dict[str, list[str]] = {user.user: [] for user in population.agents}
    for number, page in enumerate(pages):
        assert during[number] == played, "what is thought is not yet done"
        for user, record in page:
            played[user] += [a["item"] for a in record["actions"] if a["action"] == "play"]
    assert population.shelves == played
    assert any(played.values())


async def test_a_resumed_population_has_the_shelves_and_frames_of_an_unbroken_one(
    tmp_path: Path, fake_llm: Callable[..., Any]
) -> None:
    asked = settings(tmp_path, model="openai/fake", base_url=fake_llm().base_url, budget="calls=22")
    path = await simulate(asked, out=tmp_path / "run", api_key="x", population=Watched)
    stood, _, barrier = status(path)
    assert stood == "paused"
    assert 1 <= barrier < 3
    await resume(path, budget="calls=1000", api_key="x", population=Watched)
    resumed = Watched.last
    whole = asked.model_copy(update={"budget": ""})
    await simulate(whole, out=tmp_path / "whole", api_key="x", population=Watched)
    assert {user.user: user.shelf for user in resumed.agents} == {user.user: user.shelf for user in Watched.last.agents}
    assert any(user.shelf for user in resumed.agents)
    for frame in ("get_model_vars_dataframe", "get_agent_vars_dataframe"):
        mine, theirs = (getattr(p.datacollector, frame)() for p in (resumed, Watched.last))
        assert mine.equals(theirs)


# -- beside others


async def test_two_populations_in_one_process_do_not_disturb_each_other(tmp_path: Path) -> None:
    alone = [await live(people(tmp_path, seed=seed)[0]) for seed in (1, 2)]
    one, two = people(tmp_path, seed=1)[0], people(tmp_path, seed=2)[0]
    await asyncio.gather(one.policy.open(), two.policy.open())
    together: list[list[Any]] = [[], []]
    while not (one.finished and two.finished):
        for pages, population in zip(together, (one, two), strict=True):
            if not population.finished:
                pages.append(await population.astep())
    assert together == alone
    assert alone[0] != alone[1]


def test_rehearsals_of_one_process_can_run_at_once(tmp_path: Path, fake_llm: Callable[..., Any]) -> None:
    server = fake_llm(latency="uniform:1:20")
    asked = [settings(tmp_path, model="openai/fake", base_url=server.base_url, seed=seed, users=5) for seed in (1, 2)]

    async def both() -> list[Path]:
        runs = (simulate(one, out=tmp_path / f"b{one.seed}", api_key="x") for one in asked)
        return await asyncio.gather(*runs)

    alone = [digest(rehearse(one, tmp_path / f"a{one.seed}")) for one in asked]
    assert [digest(path) for path in asyncio.run(both())] == alone


def test_mesa_is_left_as_it_is() -> None:
    import recloop.simulations.population
    import recloop.simulations.rehearsal  # noqa: F401

    for owner in (mesa.Agent, mesa.Model, mesa.agent.AgentSet):
        for name, member in vars(owner).items():
            function = getattr(member, "__func__", member)
            if callable(function) and hasattr(function, "__code__"):
                assert "/mesa/" in function.__code__.co_filename, f"{owner.__name__}.{name} was replaced"


class Forgotten(Population):
    alive: ClassVar[weakref.WeakSet[Population]] = weakref.WeakSet()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        Forgotten.alive.add(self)


def test_a_finished_rehearsal_is_let_go(tmp_path: Path) -> None:
    """Mesa counts agents per model in a dictionary of its own, which would keep users, data and recommender for good."""
    for n in range(3):
        rehearse(settings(tmp_path, model="scripted", seed=n), tmp_path / str(n), population=Forgotten)
    gc.collect()
    assert not list(Forgotten.alive)
