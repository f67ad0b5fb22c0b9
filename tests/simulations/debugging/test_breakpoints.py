"""Breakpoints hold where a plain walk over the log says they hold, first things first; steps go where they say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recloop.runs import Event, Run
from recloop.runs.jsonform import dumps, pack
from recloop.runs.progress import Silent
from recloop.simulations.debugging import Debugger, Hit, Place
from recloop.simulations.debugging.breakpoints import BreakpointWatch
from recloop.simulations.debugging.errors import ConditionError, DebugError
from recloop.simulations.debugging.fields import BY_NAME, FIELDS, Facts, condition, describe_fields
from recloop.simulations.rehearsal import resume
from rehearsing import STAY, rehearse, settings


def every_hit(debugger: Debugger, when: str, **options: Any) -> list[Hit]:
    """All hits, one after the other."""
    found: list[Hit] = []
    while (hit := debugger.find(when, after=found[-1].place if found else None, **options)) is not None:
        found.append(hit)
        assert len(found) < 1000
    return found


def pages(debugger: Debugger) -> list[Event]:
    return list(debugger.run.events(kind="page"))


# What holds where


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("satisfaction < 6", lambda e, _: e.data["decision"]["satisfaction"] < 6),
        ("left", lambda e, _: not e.data["decision"]["next"]),
        ('decision == "leave" and page > 0', lambda e, _: not e.data["decision"]["next"] and e.page > 0),
        ("rating == 1", lambda e, _: 1 in [a["rating"] for a in e.data["actions"]]),
        ("5 in ratings", lambda e, _: 5 in [a["rating"] for a in e.data["actions"]]),
        ('"watch" in actions', lambda e, _: "watch" in [a["action"] for a in e.data["actions"]]),
        ("chosen == []", lambda e, _: not any(a["positive"] for a in e.data["actions"])),
        ("liked", lambda e, _: any(a["liked"] for a in e.data["actions"])),
        ('"m7" in shown', lambda e, _: "m7" in [x["item"] for x in e.data["exposures"]]),
        ("fatigue > 0.2", lambda e, _: e.data["decision"]["fatigue"] > 0.2),
        ("failures > 0", lambda e, _: len(e.data["failures"]) > 0),
        ("interview >= 5", lambda e, _: ((e.data.get("interview") or {}).get("satisfaction") or 0) >= 5),
        ('memories has "passed over"', lambda e, _: any("passed over" in m["text"] for m in e.data["memories"])),
        ('reason has "the"', lambda e, _: "the" in e.data["decision"]["reason"].lower()),
        ('"parse_fail" in status', lambda e, calls: any(c.status == "parse_fail" for c in calls)),
        ("repaired", lambda e, calls: any(c.sample >= 1000 for c in calls)),
        ("node != none", lambda e, _: False),
    ],
)
@pytest.mark.parametrize("name", ["faithful", "scripted"])
def test_a_page_is_hit_where_the_log_says_so_and_in_its_order(
    look: Callable[[str], Debugger], name: str, when: str, holds: Callable[..., bool]
) -> None:
    debugger = look(name)
    if when.startswith("node"):
        nodes = [h.place for h in every_hit(debugger, when)]
        assert len(nodes) == sum(len(asyncio.run(debugger.moments(e.agent, e.page))) for e in pages(debugger))
        return
    calls = list(debugger.run.calls.all(whole=False))
    expected = [
        Place(e.agent, e.page)
        for e in pages(debugger)
        if holds(e, [c for c in calls if (c.agent, c.page) == (e.agent, e.page)])
    ]
    assert [hit.place for hit in every_hit(debugger, when)] == expected
    if name == "faithful" and when not in ("liked", "fatigue > 0.2"):
        assert expected, f"{when} holds nowhere: the test says nothing"


@pytest.mark.parametrize("name", ["watched", "bad_pages", "calls", "tokens", "cost", "spent"])
def test_what_adds_up_from_page_to_page_is_added_up(look: Callable[[str], Debugger], name: str) -> None:
    debugger = look("faithful")
    hits = {h.place: h.values[name] for h in every_hit(debugger, f"{name} == {name}")}
    assert len(hits) == len(pages(debugger))
    calls, watched, bad = list(debugger.run.calls.all(whole=False)), dict[str, int](), dict[str, int]()
    for event in pages(debugger):
        agent, page = event.agent, event.page
        own = [c for c in calls if c.agent == agent and c.page <= page]
        watched[agent] = watched.get(agent, 0) + sum(a["positive"] for a in event.data["actions"])
        bad[agent] = 0 if event.data["actions"] else bad.get(agent, 0) + 1
        expected = {
            "watched": watched[agent],
            "bad_pages": bad[agent],
            "calls": len(own),
            "tokens": sum(c.prompt_tokens + c.completion_tokens for c in own),
            "cost": None,
            "spent": None,
        }
        assert hits[Place(agent, page)] == expected[name]


def test_money_is_added_up_where_a_price_is_known(tmp_path: Path, fake_llm: Any) -> None:
    config = settings(tmp_path, model="openai/f", base_url=fake_llm(script=STAY).base_url, users=4, price="in=1,out=2")
    with Debugger(rehearse(config, tmp_path / "run")) as debugger:
        total = debugger.run.calls.totals().cost
        last = every_hit(debugger, "spent > 0 and cost > 0")[-1]
        assert last.values["spent"] == pytest.approx(total)
        theirs = sum(c.cost or 0.0 for c in debugger.run.calls.all(whole=False) if c.agent)  # the check is nobody's
        assert sum(h.values["cost"] for h in every_hit(debugger, "page == 2 and cost > 0")) == pytest.approx(theirs)
        assert debugger.overview().cost == pytest.approx(total)


def test_at_nodes_values_are_those_after_each_node(look: Callable[[str], Debugger]) -> None:
    debugger = look("faithful")
    agent = next(e.agent for e in pages(debugger) if e.page == 2)
    hits = {
        h.place.node: h.values
        for h in every_hit(
            debugger,
            f'node == node and agent == "{agent}" and page == 2 and satisfaction == satisfaction and memories == memories '
            "and decision == decision and chosen == chosen and calls == calls",
        )
    }
    moments = asyncio.run(debugger.moments(agent, 2))
    assert list(hits) == [m.place.node for m in moments]
    made = sum(1 for c in debugger.run.calls.all(agent=agent, whole=False) if c.page < 2)
    for moment in moments:
        made += len(moment.calls)
        said, record = hits[moment.place.node], moment.after["record"]
        assert said["satisfaction"] == moment.after["satisfaction"]
        assert said["memories"] == [m["text"] for m in record["memories"]]
        assert said["calls"] == made
        assert (said["decision"] is None) == ("decision" not in record)
    assert hits["observe"]["chosen"] == [] != hits["react"]["chosen"]


def test_a_tool_that_was_called_is_found() -> None:
    from recloop.simulations.debugging.fields import CallFacts

    facts = Facts("u", 0, None, {}, {}, calls=[CallFacts(0, "ok", 1, None, ("search",))])
    assert condition('"search" in tool').holds({"tool": BY_NAME["tool"].of(facts)})


def test_only_pages_that_can_still_hold_are_lived_again(
    look: Callable[[str], Debugger], monkeypatch: pytest.MonkeyPatch
) -> None:
    from recloop.simulations.debugging import breakpoints

    lived: list[tuple[str, int]] = []
    inner = breakpoints.Scan._lived

    def counted(self: Any, event: Any) -> Any:
        lived.append((event.agent, event.page))
        return inner(self, event)

    monkeypatch.setattr(breakpoints.Scan, "_lived", counted)
    debugger = look("faithful")
    agent = next(e.agent for e in pages(debugger) if e.page == 1)
    hits = every_hit(debugger, f'node == "reflect" and agent == "{agent}" and page == 1')
    assert [h.place for h in hits] == [Place(agent, 1, "reflect")]
    assert set(lived) == {(agent, 1)}


def test_the_first_of_several_breakpoints_stops_and_after_goes_beyond(copy: Callable[[str], Path]) -> None:
    with Debugger(copy("faithful")) as debugger:
        event = next(e for e in pages(debugger) if e.page == 1)
        late = debugger.break_at(f'agent == "{event.agent}" and page == 1')
        early = debugger.break_at(f'node == "remember" and agent == "{event.agent}" and page == 1')
        first = debugger.find()
        assert first is not None
        assert (first.breakpoint, first.place) == (early, Place(event.agent, 1, "remember"))
        second = debugger.find(after=first.place)
        assert second is not None
        assert (second.breakpoint, second.place) == (late, Place(event.agent, 1))
        assert debugger.find(after=second.place) is None
        debugger.switch(early.id, False)
        assert debugger.find() == second
        debugger.switch(late.id, False)
        with pytest.raises(DebugError, match="no breakpoint that is on"):
            debugger.find()


def test_find_in_a_long_population_takes_about_a_second(tmp_path: Path) -> None:
    path = many_pages(tmp_path / "many", agents=10_000, pages=5)
    with Debugger(path) as debugger:
        began = time.perf_counter()
        agents = debugger.agents()
        looked = time.perf_counter()
        hit = debugger.find("satisfaction < 3")
        found = time.perf_counter()
    assert len(agents["agent"]) == 10_000
    assert set(agents["pages"]) == {5}
    assert hit is not None
    assert hit.place == Place("u9999", 4)  # the very last moment
    print(f"agents {looked - began:.2f} s, find {found - looked:.2f} s")
    assert looked - began < 5  # about 1 s where nothing else runs
    assert found - looked < 5


def many_pages(path: Path, agents: int, pages: int) -> Path:
    """A log as scripted users write it, in which the last moment alone is one of little satisfaction."""
    exposures = [
        {"item": f"m{i}", "slot": i, "shown_at": i, "score": 0.1, "propensity": 1.0, "policy": "ease-1"}
        for i in range(4)
    ]
    acted = {"action": "watch", "rating": 4.0, "liked": True, "fits": None, "margin": 0.5, "probability": 0.6}
    actions = [{"item": f"m{i}", **acted, "feeling": "", "call": "", "positive": True} for i in range(4)]
    config = settings(path.parent, model="scripted", users=agents, pages=pages).model_dump(mode="json")
    with Run.create(path, kind="simulate", config=config) as run:
        people = [Event("persona", agent=f"u{i}", data={"user": f"u{i}", "activity": 1}) for i in range(agents)]
        run.commit(0, events=[Event("reference", data={"titles": {}}), *people])
        for page in range(pages):
            events = []
            for i in range(agents):
                last = page == pages - 1 and i == agents - 1
                decision = {"next": True, "reason": "scripted", "satisfaction": 2.0 if last else 6.5 + i / agents}
                decision |= {"fatigue": 0.1, "call": "", "invalid": False, "source": "code"}
                data = {"exposures": exposures, "recalled": [], "actions": actions, "memories": [], "failures": []}
                events.append(Event("page", agent=f"u{i}", page=page, data={**data, "decision": decision}))
            run.commit(page + 1, events=events)
        run.set_status("finished")
    return path


# Against another run


def test_a_run_does_not_diverge_from_itself_and_does_from_another(look: Callable[[str], Debugger], made: Any) -> None:
    debugger = look("faithful")
    assert every_hit(debugger, "diverged", against=str(made["faithful"])) == []
    theirs = {(e.agent, e.page): e.data["actions"] for e in pages(look("fused"))}
    hits = every_hit(debugger, "diverged", against=str(made["fused"]))
    agents = [h.place.agent for h in hits]
    assert len(agents) == len(set(agents)), "an agent diverges once: at its first other page"
    for hit in hits:
        for page in range(hit.place.page):
            mine = next(e for e in pages(debugger) if (e.agent, e.page) == (hit.place.agent, page))
            told = [(a["item"], a["rating"]) for a in theirs[hit.place.agent, page]]
            assert told == [(a["item"], a["rating"]) for a in mine.data["actions"]]


def test_the_first_other_page_is_found_and_later_ones_follow_from_it(tmp_path: Path) -> None:
    a = many_pages(tmp_path / "a", agents=5, pages=3)
    b = many_pages(tmp_path / "b", agents=5, pages=3)
    with Run.open(b, write=True) as run:
        for event in list(run.events(kind="page")):
            data: Any = event.data
            data["decision"]["call"] = "other"  # the same answer of another call is no other page
            if event.agent == "u2" and event.page >= 1:
                data["decision"]["satisfaction"] = 1.5
            with run.log.transaction() as db:
                db.execute("UPDATE events SET data = ? WHERE seq = ?", (pack(dumps(data)), event.seq))
    with Debugger(a) as debugger:
        hits = every_hit(debugger, "diverged", against=str(b))
        assert [h.place for h in hits] == [Place("u2", 1)]
        assert debugger.find("diverged and page > 1", against=str(b)) is None


def test_diverged_needs_a_run_to_be_held_against(look: Callable[[str], Debugger]) -> None:
    with pytest.raises(ConditionError, match="against"):
        look("faithful").find("diverged")
    with pytest.raises(ConditionError, match="against"):
        look("faithful").break_at("diverged")
    assert look("faithful").breakpoints() == []


# Conditions over fields


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("satisfacton < 3", "did you mean satisfaction"),
        ('decision == "exit"', "it is next, leave"),
        ('node == "reakt"', "it is observe, react"),
        ('"failed" in status', "it is ok, parse_fail"),
        ('satisfaction == "low"', "satisfaction is a number"),
        ("left > 2", "not left"),
        ('chosen == "m1"', '"m1" in chosen'),
    ],
)
def test_what_never_holds_is_told_at_its_place(look: Callable[[str], Debugger], when: str, says: str) -> None:
    with pytest.raises(ConditionError) as told:
        look("scripted").break_at(when)
    assert says in str(told.value)
    assert "^" in str(told.value)


def test_every_field_is_documented_and_can_be_asked(look: Callable[[str], Debugger], made: Any) -> None:
    table = describe_fields()
    for field in FIELDS:
        assert f"| `{field.name}` | {field.kind} |" in table
        look("faithful").find(f"{field.name} == {field.name} and page == 0", against=str(made["fused"]))
        look("scripted").find(f"not ({field.name} == {field.name})", against=str(made["scripted"]))


# Live


def test_a_run_that_goes_on_is_paused_where_a_breakpoint_holds(tmp_path: Path, fake_llm: Any) -> None:
    config = settings(tmp_path, model="openai/f", base_url=fake_llm(script=STAY).base_url, users=6, pages=4)
    whole = rehearse(config, tmp_path / "whole")
    with Debugger(whole) as debugger:
        whole_hits = [every_hit(debugger, when)[0] for when in ("satisfaction <= 3 and page > 0", "watched > 4")]
        digest = debugger.run.digest()
    for hit in whole_hits:
        path = tmp_path / f"cut{hit.breakpoint.when[:3]}"
        rehearse(config.model_copy(update={"budget": "calls=7"}), path)  # pauses on page 0: six calls and the check
        with Debugger(path) as debugger:
            debugger.break_at(hit.breakpoint.when)
            watch = BreakpointWatch(debugger.breakpoints())
        asyncio.run(resume(path, budget="calls=1000", api_key="x", watch=watch))
        with Debugger(path) as debugger:
            assert watch.hit is not None
            assert (watch.hit.place, watch.hit.values) == (hit.place, hit.values)
            assert debugger.run.status == "paused"
            assert debugger.run.manifest.reason == f"breakpoint 1: {hit.breakpoint.when}, at {hit.place}"
            assert debugger.run.barrier == hit.place.page + 1
        asyncio.run(resume(path, api_key="x"))
        with Debugger(path) as debugger:
            assert debugger.run.status == "finished"
            assert debugger.run.digest() == digest


def test_a_live_step_is_a_page_for_everybody(tmp_path: Path) -> None:
    path = stands_before_its_first_page(tmp_path)
    for page in (1, 2):
        with Debugger(path) as debugger:
            stop = asyncio.run(debugger.go_on(pages=1))
        assert (stop.status, stop.page, stop.hit) == ("paused", page, None)
    with Debugger(path) as debugger:
        stop = asyncio.run(debugger.go_on())
    assert (stop.status, stop.page) == ("finished", 4)


def stands_before_its_first_page(folder: Path) -> Path:
    """A scripted run that was interrupted when everybody was there."""

    class Interrupted(Silent):
        def stage(self, name: str, total: int) -> None:
            if name == "browsing":
                raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        rehearse(settings(folder, model="scripted", pages=4), folder / "run", progress=Interrupted())
    return folder / "run"


# Steps


def test_steps_by_node_pass_every_moment_once_in_the_order_of_the_log(copy: Callable[[str], Path]) -> None:
    with Debugger(copy("faithful")) as debugger:
        walked: list[Place] = []
        while (place := debugger.step("node")) is not None:
            walked.append(place)
        expected = [m.place for e in pages(debugger) for m in asyncio.run(debugger.moments(e.agent, e.page))]
        assert walked == expected
        assert debugger.place == walked[-1]
        assert debugger.step("node") is None
        assert debugger.place == walked[-1], "at the end one stays where one is"


def test_longer_strides_go_to_pages_agents_and_rounds(copy: Callable[[str], Path]) -> None:
    with Debugger(copy("scripted")) as debugger:
        order = [[e.agent for e in pages(debugger) if e.page == page] for page in range(5)]
        on, off = order[1][0], next(a for a in order[0] if a not in order[1])
        debugger.go_to(on, 0)
        assert debugger.step("page") == Place(on, 1, "page")
        debugger.go_to(on, 0)
        assert debugger.step("round") == Place(on, 1, "page")
        debugger.go_to(off, 0)
        assert debugger.step("page") is None
        assert debugger.step("round") == Place(order[1][0], 1, "page")
        debugger.go_to(order[0][3], 0)
        assert debugger.step("agent") == Place(order[0][4], 0, "page")
        debugger.go_to(order[0][-1], 0)
        assert debugger.step("agent") == Place(order[1][0], 1, "page")
        with pytest.raises(DebugError, match="has no node 'reflect'"):
            debugger.go_to(on, 0, "reflect")


# A run that is written meanwhile


def test_a_live_run_is_read_page_by_page_while_it_is_written(tmp_path: Path) -> None:
    whole = many_pages(tmp_path / "whole", agents=30, pages=4)
    with Run.open(whole) as run:
        rows = list(run.events())
    path = tmp_path / "live"
    with Run.create(path, kind="simulate", config=run.manifest.config) as writer, Debugger(path) as debugger:
        assert debugger.agents()["agent"] == []
        assert debugger.find("satisfaction < 3") is None
        for barrier in range(5):
            writer.commit(barrier, events=[each for each in rows if each.barrier == barrier])
            assert debugger.overview().page == barrier
            assert set(debugger.agents()["pages"]) == {barrier}
            assert debugger.overview().status == "running"
            assert (debugger.find("satisfaction < 3") is not None) == (barrier == 4)
        assert len(debugger.timeline("u3")) == 4
