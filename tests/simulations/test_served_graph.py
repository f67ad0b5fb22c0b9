"""Every graph that langgraph.json names is there and lives pages; a thread is one user, page after page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from recloop.agents.user_steps import STEPS
from recloop.simulations import SimulateError, served_graph
from rehearsing import STAY, write_ratings

ROOT = Path(__file__).resolve().parents[2]
GRAPHS: dict[str, str] = json.loads((ROOT / "langgraph.json").read_text(encoding="utf-8"))["graphs"]
THREAD: dict[str, Any] = {"configurable": {"thread_id": "one"}}


def graph(name: str) -> Any:
    """A named graph as a server holds it: made by its factory, with the server's own checkpointer."""
    module, _, factory = GRAPHS[name].partition(":")
    made = getattr(import_module(module), factory)()
    made.checkpointer = InMemorySaver()
    return made


@pytest.fixture
async def worlds(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, served_graph.SmallWorld]]:
    """The worlds that a test's graphs make, closed with it."""
    made: dict[str, served_graph.SmallWorld] = {}
    monkeypatch.setattr(served_graph, "_worlds", made)
    yield made
    for world in made.values():
        await world.close()


@pytest.fixture
def small(tmp_path: Path, fake_llm: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, worlds: Any) -> Any:
    """The environment that names a small world before a server under which everybody stays."""
    server = fake_llm(script=STAY)
    asked = {"model": "openai/fake", "base_url": server.base_url, "data": write_ratings(tmp_path / "ratings.csv")}
    for name, value in (asked | {"users": 3, "pages": 2}).items():
        monkeypatch.setenv(f"{served_graph.PREFIX}{name.upper()}", str(value))
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    return server


@pytest.mark.parametrize("name", [name for name in GRAPHS if name.startswith("user_")])
async def test_a_named_graph_lives_page_after_page_on_its_thread(small: Any, name: str) -> None:
    page = graph(name)
    first = await page.ainvoke({}, THREAD)
    second = await page.ainvoke({}, THREAD)
    assert (first["page"], second["page"]) == (0, 1)
    assert first["user"] == second["user"]
    shown = [[e["item"] for e in state["record"]["exposures"]] for state in (first, second)]
    assert all(shown)
    assert not set(shown[0]) & set(shown[1]), "nothing is shown twice"
    assert all(
        len(state["record"]["actions"]) == len(items) for state, items in zip((first, second), shown, strict=True)
    )
    assert len(second["memory"]["records"]) > len(first["memory"]["records"])
    with pytest.raises(SimulateError, match="nothing to show"):
        await page.ainvoke({}, THREAD)


async def test_all_graphs_live_the_same_page_in_one_world(small: Any) -> None:
    records = [(await graph(name).ainvoke({}, THREAD))["record"] for name in ("user_page", "user_page_fine")]
    assert records[0] == records[1]
    assert len(served_graph._worlds) == 1


async def test_the_fine_graph_can_be_stopped_looked_at_and_forked_at_every_step(small: Any) -> None:
    page = graph("user_page_fine")
    await page.ainvoke({}, THREAD, interrupt_before=["react"])
    stands = await page.aget_state(THREAD)
    assert stands.next == ("react",)
    assert stands.values["record"]["exposures"]
    await page.ainvoke(None, THREAD)
    stations = [snapshot.next async for snapshot in page.aget_state_history(THREAD)]
    assert stations == [(), *((step.__name__,) for step in reversed(STEPS)), ("show",), ("__start__",)]
    before = next(iter([s async for s in page.aget_state_history(THREAD) if s.next == ("decide",)]))
    fork = await page.aupdate_state(before.config, {"watched": 40})
    assert (await page.ainvoke(None, fork))["watched"] == 40
    assert before.values["watched"] != 40


async def test_a_user_is_named_in_the_input_and_keeps_the_thread(small: Any) -> None:
    page = graph("user_page")
    everybody = next(iter(served_graph._worlds.values()))
    await everybody.open()
    users = list(everybody._personas)
    assert (await page.ainvoke({"user": users[2]}, THREAD))["user"] == users[2]
    with pytest.raises(SimulateError, match="this thread is user"):
        await page.ainvoke({"user": users[0]}, THREAD)
    with pytest.raises(SimulateError, match="there are " + ", ".join(users)):
        await page.ainvoke({"user": "nobody"}, {"configurable": {"thread_id": "two"}})


async def test_who_has_left_is_not_shown_another_page(small: Any) -> None:
    page = graph("user_page")
    await page.ainvoke({}, THREAD)
    await page.aupdate_state(THREAD, {"left": True})
    with pytest.raises(SimulateError, match="has left"):
        await page.ainvoke({}, THREAD)


def test_a_wrong_setting_in_the_environment_is_named() -> None:
    with pytest.raises(SimulateError, match="recomender: no such setting"):
        served_graph.settings({"RECLOOP_GRAPH_RECOMENDER": "pop"})
    with pytest.raises(SimulateError, match="scripted users have no graph"):
        served_graph.settings({"RECLOOP_GRAPH_MODEL": "scripted"})
    assert served_graph.settings({"RECLOOP_GRAPH_USERS": "7", "OTHER": "1"}).users == 7
    assert served_graph.settings({}).model == "local/smollm2"


@pytest.mark.local
async def test_without_any_setting_the_embedded_model_lives_a_page(model_file: str, worlds: Any) -> None:
    state = await graph("user_page_fine").ainvoke({}, THREAD)
    assert state["record"]["actions"]
    assert state["record"]["decision"]["reason"]
