"""The user's graph: one page as one node or five, checkpointed with the run, resumed, forked; small whatever happens."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from recloop.agents import GenerateAsker, ScoreAsker, ScoreReader, page_graph
from recloop.agents.calibration import HeldIn, fit_calibration
from recloop.agents.rating_calibration import RatingCalibration
from recloop.agents.user_steps import STEPS
from recloop.llm import MemoryCassette, open_model
from recloop.runs import Event, Run
from stage import TITLES, Visit, endpoint, good, person, slate, world, yes_no

PAGES = 5


def score_asker(model: Any, shared: Any, users: tuple[str, ...] = ("ann",), **options: Any) -> ScoreAsker:
    """A calibrated asker over yes/no answers; the calibration is made up, the same for everybody."""
    margins = {user: HeldIn(positives=(0.0, 0.4, 0.8), negatives=(-0.8, -0.4, 0.1)) for user in users}
    levels = (1.0, 2.0, 3.0, 4.0, 5.0)
    ratings = RatingCalibration(
        levels=levels,
        distributions={},
        pooled=(0.1, 0.15, 0.25, 0.3, 0.2),
        centres={},
        pooled_centre=0.5,
        reference=(-0.05, -0.02, 0.0, 0.02, 0.05),
        spearman=None,
        n=5,
    )
    calibration = fit_calibration(margins, dict.fromkeys(users, 2))
    reader = ScoreReader(model, shared, signal="yesno")
    return ScoreAsker(reader, calibration, None if shared.rated is None else ratings, **options)


async def both_paths(make: Any, url: str) -> list[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """States after each page, and what the cassette holds, by the fast path and by the fine one."""
    found = []
    for fine in (False, True):
        cassette = MemoryCassette()
        async with open_model(f"{url}#m", cassette=cassette) as door:
            states = await Visit(make(door), fine=fine).pages(PAGES)
        requests = {key: (record.request, record.response) for key, record in cassette.records.items()}
        found.append((states, requests))
    return found


@pytest.mark.parametrize("plan", ["fused", "faithful"])
async def test_one_node_and_five_nodes_live_the_same_pages_with_a_model_that_writes(fake_llm: Any, plan: Any) -> None:
    shared = world()
    fast, fine = await both_paths(lambda door: GenerateAsker(door, shared, plan=plan), fake_llm().base_url)
    assert fast == fine
    states, requests = fast
    assert [s["page"] for s in states] == list(range(PAGES))
    assert all(s["record"]["actions"] for s in states)
    assert len(requests) == (PAGES if plan == "fused" else 2 * PAGES + reflections(states))
    assert reflections(states) >= 1


def reflections(states: list[dict[str, Any]]) -> int:
    return sum(memory["kind"] == "emotional" for s in states for memory in s["record"]["memories"])


async def test_one_node_and_five_nodes_live_the_same_pages_with_a_model_that_is_read() -> None:
    shared = world()
    async with endpoint(yes_no) as asked:
        fast, fine = await both_paths(lambda door: score_asker(door, shared), asked.url)
    assert fast == fine
    states, requests = fast
    assert len(requests) == PAGES
    assert {a["action"] for s in states for a in s["record"]["actions"]} == {"skip", "watch"}


@pytest.mark.parametrize("fine", [False, True])
def test_the_graph_is_flat(fine: bool) -> None:
    graph = page_graph(fine=fine)
    names = [step.__name__ for step in STEPS] if fine else ["page"]
    assert [name for name in graph.get_graph().nodes if not name.startswith("__")] == names
    assert list(graph.get_subgraphs()) == []


async def test_a_state_is_small_and_stops_growing_once_memory_is_full(fake_llm: Any) -> None:
    long = {item: "An endless title " * 6000 if item == "f1" else title for item, title in TITLES.items()}
    me = person(tastes=("You like the word persimmon.",), history=tuple(TITLES))
    async with open_model(f"{fake_llm().base_url}#m", cassette=MemoryCassette()) as door:
        visit = Visit(GenerateAsker(door, world(long)), me)
        sizes = []
        for page in range(150):
            state = await visit.page(slate(page, items=[f"f{(4 * page + i) % 48}" for i in range(4)]))
            sizes.append(len(json.dumps(state)))
    assert len(state["memory"]["records"]) == 200
    before, after = sum(sizes[100:125]), sum(sizes[125:])
    assert after < 1.08 * before  # without forgetting it would be 1.2
    assert max(sizes) < 200 * 150
    assert sizes[0] < 5_000
    assert "persimmon" not in json.dumps(state)
    assert set(state) == {"user", "page", "slate", "record", "memory", "satisfaction", "watched", "bad_pages", "left"}


async def test_a_run_closed_and_opened_again_goes_on_as_an_unbroken_one(fake_llm: Any, tmp_path: Any) -> None:
    url = f"{fake_llm().base_url}#m"
    shared = world()
    async with open_model(url) as door:
        unbroken = await Visit(GenerateAsker(door, shared)).pages(4)
    states = []
    Run.create(tmp_path / "run", kind="k").close()
    for page in range(4):
        with Run.open(tmp_path / "run", write=True) as run:
            async with open_model(url, cassette=run.calls) as door:
                visit = Visit(GenerateAsker(door, shared), checkpointer=run.saver())
                states += await visit.pages(1, first=page)
                run.commit(page, [Event("page", "ann", page)])
    assert states == unbroken


async def test_a_page_that_was_not_committed_is_lived_again_for_nothing(fake_llm: Any, tmp_path: Any) -> None:
    llm = fake_llm()
    shared = world()
    Run.create(tmp_path / "run", kind="k").close()
    lost = []
    for attempt in range(2):  # the first is killed before it commits its second page
        with Run.open(tmp_path / "run", write=True) as run:
            async with open_model(f"{llm.base_url}#m", cassette=run.calls) as door:
                visit = Visit(GenerateAsker(door, shared), checkpointer=run.saver())
                if attempt == 0:
                    await visit.pages(1)
                    run.commit(0)
                before = (await visit.graph.aget_state(visit.config)).values
                assert before["page"] == 0
                lost += await visit.pages(1, first=1)
    assert lost[0] == lost[1]
    assert llm.stats()["requests"] == 2


async def test_a_page_can_be_forked_between_its_steps(fake_llm: Any, tmp_path: Any) -> None:
    llm = fake_llm()
    with Run.create(tmp_path / "run", kind="k") as run:
        async with open_model(f"{llm.base_url}#m", cassette=run.calls) as door:
            visit = Visit(GenerateAsker(door, world(), plan="faithful"), checkpointer=run.saver(), fine=True)
            visit.durability = "async"
            first, second = await visit.pages(2)
            made = llm.stats()["requests"]
            history = [h async for h in visit.graph.aget_state_history(visit.config)]
            reacted = next(h for h in history if h.next == ("remember",) and h.values["page"] == 1)
            assert reacted.values["memory"]["records"][: len(first["memory"]["records"])]
            record = json.loads(json.dumps(reacted.values["record"]))
            for action in record["actions"]:
                action |= {"action": "watch", "rating": 1.0, "liked": False}
            fork = await visit.graph.aupdate_state(reacted.config, {"record": record}, as_node="react")
            forked = await visit.graph.ainvoke(None, fork, context=visit.context)
            whole = await visit.graph.ainvoke(None, reacted.config, context=visit.context)
    factual = next(m for m in forked["record"]["memories"] if m["kind"] == "factual")
    assert factual["text"].count("(rated 1)") == 4
    assert forked["satisfaction"] != second["satisfaction"] or forked["memory"] != second["memory"]
    assert forked["page"] == 1
    assert forked["record"]["exposures"] == second["record"]["exposures"]
    # Replayed from the same place without an edit it is the page that was, and its calls are not made again.
    assert whole == second
    assert llm.stats()["requests"] <= made + 2  # what the edited page asked: perhaps a reflection, and a decision


async def test_a_later_page_can_start_from_an_earlier_one(fake_llm: Any, tmp_path: Any) -> None:
    Run.create(tmp_path / "run", kind="k").close()
    with Run.open(tmp_path / "run", write=True) as run:
        async with open_model(f"{fake_llm().base_url}#m", cassette=run.calls) as door:
            asker = GenerateAsker(door, world())
            visit = Visit(asker, checkpointer=run.saver())
            states = []
            for page in range(3):
                states += await visit.pages(1, first=page)
                run.commit(page)
            history = [h async for h in visit.graph.aget_state_history(visit.config)]
            assert [h.values["page"] for h in history] == [2, 1, 0]  # one checkpoint a page is kept
            end_of_first = history[-1]
            fork = await visit.graph.aupdate_state(end_of_first.config, {"satisfaction": 1.0}, as_node="page")
            given = {"user": "ann", "page": 1, "slate": slate(1, items=["f30", "f31"]).json(), "record": {}}
            other = await visit.graph.ainvoke(given, fork, context=visit.context, durability="exit")
    assert [e["item"] for e in other["record"]["exposures"]] == ["f30", "f31"]
    kept = [r[0] for r in states[0]["memory"]["records"]]
    assert [r[0] for r in other["memory"]["records"]][: len(kept)] == kept
    assert states[2]["page"] == 2  # the visit that was forked is what it was


async def test_what_a_user_is_shown_does_not_depend_on_who_else_is_there() -> None:
    async def live(users: list[str], **options: Any) -> dict[str, Any]:
        async with asked.door(**options) as door:
            visits = [Visit(GenerateAsker(door, shared), person(user)) for user in users]
            done = await asyncio.gather(*(visit.pages(3) for visit in visits))
        return dict(zip(users, done, strict=True))

    shared = world()
    async with endpoint(lambda body: good(body, lambda keys: keys[len(asked.text()) % 4 :])) as asked:
        alone = await live(["ann"])
        crowd = await live(["bob", "ann", "cat", "dan"])
        queue = await live(["dan", "cat", "ann", "bob"], concurrency=1)
    assert crowd["ann"] == alone["ann"]
    assert crowd == queue
    assert any(crowd[user] != crowd["ann"] for user in crowd)
