"""Columns and pages say what the log's own tables say; what cannot be shown is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from recloop.runs import CorruptRun, Run
from recloop.simulations.debugging import Debugger
from recloop.simulations.debugging.errors import DebugError
from rehearsing import STAY, rehearse, settings


@pytest.mark.parametrize("name", ["fused", "faithful", "scripted"])
def test_columns_are_those_of_the_tables(look: Callable[[str], Debugger], name: str) -> None:
    debugger = look(name)
    columns = debugger.agents()
    assert len({len(column) for column in columns.values()}) == 1
    actions = debugger.run.table("actions").to_pandas()
    decisions = debugger.run.table("decisions").to_pandas()
    calls = debugger.run.table("calls").to_pandas()
    personas = debugger.run.table("personas").to_pandas().set_index("agent")
    assert list(columns["agent"]) == list(personas.index)
    for i, agent in enumerate(columns["agent"]):
        of = {column: values[i] for column, values in columns.items()}
        did, went, asked = (each[each.agent == agent] for each in (actions, decisions, calls))
        assert of["pages"] == len(went)
        assert of["satisfaction"] == went.satisfaction.iloc[-1]
        assert of["status"] == ("left" if went.decision.iloc[-1] == "exit" else "stopped")
        assert of["chosen"] == did.positive.sum()
        assert of["mean_rating"] == pytest.approx(did.rating.mean(), nan_ok=True) or did.rating.isna().all()
        assert of["calls"] == len(asked)
        assert of["tokens"] == asked.prompt_tokens.sum() + asked.completion_tokens.sum()
        assert (of["cost"], of["edited"]) == (None, False)
        assert of["activity"] == personas.activity[agent]
    events = list(debugger.run.events(kind="page"))
    assert sum(columns["shown"]) == sum(len(e.data["exposures"]) for e in events)
    assert sum(columns["failures"]) == sum(len(e.data["failures"]) for e in events)
    assert {"left", "stopped"} == set(columns["status"])


@pytest.mark.parametrize("name", ["fused", "scripted"])
def test_a_page_shows_what_was_shown_done_and_said(look: Callable[[str], Debugger], name: str) -> None:
    debugger = look(name)
    reference = next(debugger.run.events(kind="reference")).data
    for agent in debugger.agents()["agent"]:
        pages = debugger.timeline(agent)
        events = list(debugger.run.events(kind="page", agent=agent))
        assert [page.page for page in pages] == [event.page for event in events]
        for page, event in zip(pages, events, strict=True):
            data = event.data
            assert [x["shown_at"] for x in page.exposures] == list(range(len(data["exposures"])))
            assert {x["item"]: x["rank"] for x in page.exposures} == {x["item"]: x["slot"] for x in data["exposures"]}
            assert all(x["title"] == reference["titles"][x["item"]] for x in page.exposures)
            done = {a["item"]: a for a in data["actions"]}
            for shown in page.exposures:
                action = done.get(shown["item"], {})
                assert (shown["action"], shown["rating"]) == (action.get("action"), action.get("rating"))
                assert shown["reason"] == action.get("feeling", "")
            assert page.decision == data["decision"]
            assert page.interview == data.get("interview")
            recorded = debugger.run.calls.all(agent=agent, page=event.page)
            assert list(page.calls) == [c.key for c in recorded]


def test_the_run_at_a_glance(look: Callable[[str], Debugger]) -> None:
    debugger = look("faithful")
    seen, totals = debugger.overview(), debugger.run.calls.totals()
    assert (seen.status, seen.kind, seen.model, seen.recommender) == ("finished", "simulate", "openai/fake", "ease")
    assert (seen.agents, seen.browsing, seen.page, seen.pages) == (8, 0, 3, 3)
    assert (seen.calls, seen.cost) == (totals.calls, None)
    assert seen.failed == totals.calls - totals.by_status["ok"] > 0
    assert (seen.parent, seen.barrier, seen.edits) == (None, None, ())
    scripted = look("scripted").overview()
    assert (scripted.calls, scripted.cost, scripted.agents) == (0, 0.0, 20)


def test_a_paused_run_says_who_still_browses_and_why_it_stands(tmp_path: Path, fake_llm: Any) -> None:
    server = fake_llm(script=STAY)
    config = settings(tmp_path, model="openai/f", base_url=server.base_url, users=4, pages=3, budget="calls=10")
    with Debugger(rehearse(config, tmp_path / "run")) as debugger:
        seen = debugger.overview()
        assert (seen.status, seen.page, seen.browsing) == ("paused", 2, 4)
        assert "budget" in seen.reason
        assert set(debugger.agents()["status"]) == {"browsing"}


def test_who_was_left_without_anything_to_show_has_stopped(tmp_path: Path) -> None:
    small = tmp_path / "ratings.csv"
    rows = ["user,item,rating,timestamp,title,genres"]
    rows += [f"u{u},m{i},{1 + (u + i) % 5},{1_600_000_000 + i},T{i},Drama" for u in range(6) for i in range(u % 3, 12)]
    small.write_text("\n".join(rows) + "\n")
    config = settings(tmp_path, model="scripted", users=6, pages=9, fatigue=0.0)
    with Debugger(rehearse(config, tmp_path / "run")) as debugger:
        columns = debugger.agents()
        assert max(columns["pages"]) < 9
        assert "browsing" not in columns["status"]


def test_a_failed_page_and_its_call_are_shown_with_what_went_wrong(tmp_path: Path, fake_llm: Any) -> None:
    refused = {"match": r"Nothing yet", "status": 400}
    server = fake_llm(script=[{**refused, "times": 1}, *STAY])
    config = settings(tmp_path, model="openai/f", base_url=server.base_url, users=4, pages=2, concurrency=1)
    with Debugger(rehearse(config, tmp_path / "run")) as debugger:
        hit = debugger.find("failures > 0")
        assert hit is not None
        page = debugger.timeline(hit.place.agent)[hit.place.page]
        (failure,) = page.failures
        call = debugger.call(failure["call"])
        assert (call.status, call.raw, call.parsed) == (failure["status"], "", None)
        assert call.status in ("refusal", "transport")
        assert call.error
        assert page.calls == [call.key]
        assert all(shown["action"] is None for shown in page.exposures)
        moments = asyncio.run(debugger.moments(hit.place.agent, hit.place.page))
        assert [m.place.node for m in moments if m.failures] == ["react"]


def test_a_run_of_another_kind_is_refused_with_a_hint(tmp_path: Path) -> None:
    Run.create(tmp_path / "study", kind="study").close()
    with Debugger(tmp_path / "study") as debugger:
        for look in (
            debugger.agents,
            debugger.overview,
            lambda: debugger.find("page > 0"),
            lambda: debugger.timeline("u"),
        ):
            with pytest.raises(DebugError, match=r"is a run of kind 'study'.*\n  give a rehearsal"):
                look()


def test_an_event_that_is_none_of_ours_is_told_as_damage(copy: Callable[[str], Path]) -> None:
    path = copy("scripted")
    with Run.open(path, write=True) as run, run.log.transaction() as db:
        db.execute("UPDATE events SET data = '{\"exposures\": 3}' WHERE seq = (SELECT max(seq) FROM events)")
    with Debugger(path) as debugger:
        for look in (debugger.agents, lambda: debugger.find("satisfaction < 0")):
            with pytest.raises(CorruptRun, match="is damaged"):
                look()


def test_what_comes_from_anywhere_is_an_unknown_agent_page_or_call(look: Callable[[str], Debugger]) -> None:
    debugger = look("fused")
    agent = debugger.agents()["agent"][0]
    for wrong in ("\ud800", "x" * 100_000, "'; DROP TABLE events; --", ""):
        with pytest.raises(DebugError) as told:
            debugger.timeline(wrong)
        assert len(str(told.value)) < 600
        with pytest.raises(DebugError):
            debugger.call(wrong)
    for page in (-1, 3, 1 << 70):
        with pytest.raises(DebugError, match="has no page"):
            debugger.go_to(agent, page)
        with pytest.raises(DebugError):
            debugger.memory(agent, page if page != 3 else 4)


def test_many_threads_that_look_at_once_count_a_page_once(look: Callable[[str], Debugger]) -> None:
    debugger = look("scripted")
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: debugger.agents()["pages"], range(32)))
    expected = [len(list(debugger.run.events(kind="page", agent=agent))) for agent in debugger.agents()["agent"]]
    assert all(pages == expected for pages in seen)
