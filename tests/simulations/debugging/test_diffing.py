"""What a fork did otherwise is found page by page, agent by agent, and in the numbers."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import pytest
from recloop.runs import Run
from recloop.simulations import summarise
from recloop.simulations.debugging import Debugger
from recloop.simulations.debugging.errors import DebugError
from rehearsing import rehearse, settings


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("held")
    return rehearse(settings(folder, model="scripted", users=20, pages=5), folder / "run")


def lived(path: Path, page: int, *edits: str, name: str) -> Path:
    with Debugger(path) as debugger:
        made = debugger.fork(page, edits, name=name)
    with Debugger(made) as debugger:
        asyncio.run(debugger.go_on())
    return made


def digests(path: Path) -> dict[str, str]:
    with Run.open(path) as run:
        return {event.agent: run.agent_digest(event.agent) for event in run.events(kind="persona")}


def test_pages_that_differ_are_told_with_what_was_done_on_both_sides(parent: Path) -> None:
    path = lived(parent, 1, "config watch_rate=[0.05,0.1]", name="seldom")
    with Debugger(path) as fork, Debugger(parent) as run:
        found = fork.diff()
        before = {(a, p.page): p for a in run.agents()["agent"] for p in run.timeline(a)}
        after = {(a, p.page): p for a in fork.agents()["agent"] for p in fork.timeline(a)}
    assert found.a == parent
    assert found.b == path
    told = {(agent, each["page"]): each for agent, pages in found.agents.items() for each in pages}
    assert told
    assert {page for _, page in told} <= {1, 2, 3, 4}
    for place in {*before, *after}:
        one, two = before.get(place), after.get(place)
        if place not in told:
            assert one == two
            continue
        for side, page in (("a", one), ("b", two)):
            said = told[place][side]
            assert (said is None) == (page is None)
            if page is not None:
                assert said["chosen"] == [
                    e["item"] for e in sorted(page.exposures, key=lambda e: e["rank"]) if e["positive"]
                ]
                assert said["satisfaction"] == page.satisfaction
                assert said["decision"] == ("next" if page.decision["next"] else "leave")
                assert said["ratings"] == {e["item"]: e["rating"] for e in page.exposures if e["rating"] is not None}
    assert found.first is not None
    assert found.first["page"] == min(page for _, page in told)
    assert found.first["agent"] in found.agents
    assert found.first["a"] != found.first["b"]


def test_agents_with_the_same_digest_are_counted(parent: Path) -> None:
    path = lived(parent, 1, "config watch_rate=[0.1,0.3]", name="rarer")
    with Debugger(path) as fork:
        found = fork.diff()
    one, two = digests(parent), digests(path)
    assert found.same == sum(one[agent] == two[agent] for agent in one)
    assert 0 < found.same < 20


def test_an_edit_that_changes_nothing_done_is_no_difference_but_another_digest(parent: Path) -> None:
    with Debugger(parent) as run:
        agents = run.agents()
    agent = next(a for a, n, t in zip(agents["agent"], agents["pages"], agents["activity"], strict=True) if n > 1)
    level = agents["activity"][agents["agent"].index(agent)]
    path = lived(parent, 1, f"{agent}: trait activity={level}", name="as-it-was")
    with Debugger(path) as fork:
        found = fork.diff()
    assert (found.first, dict(found.agents), found.same) == (None, {}, 19)


def test_metrics_are_those_of_the_summaries(parent: Path) -> None:
    path = lived(parent, 0, "config watch_rate=[0.05,0.1]", name="metrics")
    with Debugger(path) as fork:
        found = fork.diff()
    with Run.open(parent) as a, Run.open(path) as b:
        one, two = summarise(a), summarise(b)
    timed = {"seconds", "pages_per_second"}
    for key in {row.key for row in one.rows if row.value is not None} - timed:
        assert found.metrics[key]["a"] == pytest.approx(one[key].value)
        assert found.metrics[key]["b"] == pytest.approx(two[key].value)
    rate = found.metrics["watch_rate"]
    assert rate["difference"] == pytest.approx(rate["b"] - rate["a"])
    assert rate["difference"] < 0


def test_any_two_runs_can_be_held_against_each_other(parent: Path, tmp_path: Path) -> None:
    other = rehearse(settings(tmp_path, model="scripted", users=20, pages=5, chance=9), tmp_path / "other")
    with Debugger(other) as debugger:
        assert debugger.diff(parent).first is not None
        with pytest.raises(DebugError, match="is no fork"):
            debugger.diff()
    same = Path(shutil.copytree(parent, tmp_path / "same", ignore=shutil.ignore_patterns("forks")))
    with Debugger(same) as debugger:
        found = debugger.diff(parent)
    assert (found.first, found.same) == (None, 20)


@pytest.mark.timeout(300)
def test_a_thousand_agents_are_compared_quickly(tmp_path: Path) -> None:
    from rehearsing import write_ratings

    write_ratings(tmp_path / "ratings.csv", users=1000, items=120, per_user=24)
    parent = rehearse(settings(tmp_path, model="scripted", users=1000, pages=5), tmp_path / "run")
    path = lived(parent, 2, "config watch_rate=[0.1,0.2]", name="many")
    with Debugger(path) as fork:
        began = time.process_time()
        found = fork.diff()
        took = time.process_time() - began
    assert len(found.agents) > 100
    assert took < 3, "about a second where nothing else runs"
