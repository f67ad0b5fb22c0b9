"""Breakpoints and place outlive the process, never half written; what cannot be read or kept is told."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from recloop.runs import Run
from recloop.simulations.debugging import Breakpoint, Debugger, Place
from recloop.simulations.debugging.errors import DebugError
from recloop.simulations.debugging.session import Session, _in_memory


def test_breakpoints_and_place_are_there_the_next_time(copy: Callable[[str], Path]) -> None:
    path = copy("scripted")
    with Run.open(path) as run:
        digest = run.digest()
    with Debugger(path) as debugger:
        first, second = debugger.break_at("satisfaction < 3"), debugger.break_at('  "m1" in chosen ', "")
        debugger.switch(first.id, False)
        agent = debugger.agents()["agent"][2]
        debugger.go_to(agent, 0)
    with Debugger(path) as debugger:
        assert debugger.breakpoints() == [
            Breakpoint(1, "satisfaction < 3", on=False),
            Breakpoint(second.id, '"m1" in chosen'),
        ]
        assert debugger.place == Place(agent, 0)
        assert debugger.run.digest() == digest
        debugger.clear(1)
        assert debugger.break_at("left").id == 3, "a number that was given is not given again"
        debugger.clear(3)
    with Debugger(path) as debugger:
        assert debugger.break_at("left").id == 4
        debugger.clear()
        assert debugger.breakpoints() == []
        assert debugger.note == ""
        with pytest.raises(DebugError, match="no breakpoint 1\n  there are: none"):
            debugger.clear(1)


def test_a_fork_begins_with_its_runs_breakpoints_and_stops_at_those_who_live_on_otherwise(
    copy: Callable[[str], Path],
) -> None:
    path = copy("scripted")
    with Debugger(path) as debugger:
        _, second = debugger.break_at("satisfaction < 1"), debugger.break_at("page >= 2")
        debugger.switch(1, False)
        columns = debugger.agents()
        who = next(agent for agent, pages in zip(columns["agent"], columns["pages"], strict=True) if pages > 3)
        first = debugger.find("page == 2")
        assert first is not None
        assert first.place.agent != who, "somebody else comes first on the page"
        made = debugger.fork(2, ["state satisfaction=9"], agents=[who])
    with Debugger(made) as fork:
        assert fork.breakpoints() == [Breakpoint(1, "satisfaction < 1", on=False), second]
        stop = asyncio.run(fork.go_on())
        assert stop.hit is not None
        assert stop.hit.place == Place(who, 2), "all others do what they did"
        fork.clear()
    with Debugger(path) as debugger:
        assert len(debugger.breakpoints()) == 2, "they are the fork's own"


ADDING = """
import sys
from pathlib import Path
from recloop.simulations.debugging.session import Session
for number in range(20):
    Session.of(Path(sys.argv[1])).add(f"page == {number}")
"""


def test_several_processes_at_once_lose_no_breakpoint(copy: Callable[[str], Path]) -> None:
    path = copy("scripted")
    adding = [subprocess.Popen([sys.executable, "-c", ADDING, path]) for _ in range(3)]
    assert [each.wait(60) for each in adding] == [0, 0, 0]
    with Debugger(path) as debugger:
        assert [each.id for each in debugger.breakpoints()] == list(range(1, 61))


def test_a_breakpoint_that_cannot_be_changes_nothing(copy: Callable[[str], Path]) -> None:
    path = copy("scripted")
    with Debugger(path) as debugger:
        debugger.break_at("left")
        before = (path / "debug.json").read_bytes()
        for wrong in ("satisfacton < 3", "(" * 10_000, "diverged"):
            with pytest.raises(DebugError):
                debugger.break_at(wrong)
        assert (path / "debug.json").read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "[]",
        '{"format": 9}',
        '{"format": 1, "next": 1, "breakpoints": [{"id": 1, "when": "nonsense", "against": "", "on": true}], "place": null}',
        '{"format": 1, "next": 1, "breakpoints": 7, "place": null}',
        '{"format": 1, "next": 1, "breakpoints": [], "place": ["u1", "x", 3]}',
        '{"format": 1, "next": 1e999, "breakpoints": [], "place": null}',
        "x" * (1 << 21),
        "\udcff",
    ],
)
def test_a_damaged_session_is_told_and_begins_anew(copy: Callable[[str], Path], text: str) -> None:
    path = copy("scripted")
    file = path / "debug.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with Debugger(path) as debugger:
        assert debugger.breakpoints() == []
        assert debugger.place is None
        assert "debug.json could not be read" in debugger.note
        assert debugger.note in debugger.overview().notes
        assert len(debugger.note) < 500
        assert file.read_bytes() == text.encode("utf-8", "surrogateescape"), "looking changes nothing"
        debugger.break_at("left")
        assert debugger.note == ""
    assert json.loads(file.read_text())["breakpoints"] == [{"id": 1, "when": "left", "against": "", "on": True}]


@pytest.mark.parametrize(
    "place", [["nobody", 0, ""], ["AGENT", 99, ""], ["AGENT", 10**30, ""], ["AGENT", 0, "nowhere"]]
)
def test_a_kept_place_that_is_none_of_the_runs_is_as_none(copy: Callable[[str], Path], place: list[object]) -> None:
    path = copy("scripted")
    with Debugger(path) as debugger:
        first = debugger.step()
        assert first is not None
        kept = [first.agent if part == "AGENT" else part for part in place]
        said = {"format": 1, "next": 1, "breakpoints": [], "place": kept}
        (path / "debug.json").write_text(json.dumps(said))
        assert debugger.place is None
        assert debugger.step() == first


def test_a_session_cut_short_while_it_is_written_is_the_old_one(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy("scripted")
    with Debugger(path) as debugger:
        debugger.break_at("left")

        def cut(*args: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "replace", cut)
        with pytest.raises(KeyboardInterrupt):
            debugger.break_at("page > 1")
        monkeypatch.undo()
        assert debugger.breakpoints() == [Breakpoint(1, "left")]


def test_where_nothing_can_be_written_it_is_kept_in_memory_and_told(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy("scripted")

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Tests may run as root, whom no permission holds back.
    monkeypatch.setattr("recloop.simulations.debugging.session.write_atomic", refuse)
    try:
        with Debugger(path) as debugger:
            debugger.break_at("left")
            debugger.break_at("page > 1")
            assert "kept in memory" in debugger.note
            assert "Permission denied" in debugger.note
        assert not (path / "debug.json").exists()
        with Debugger(path) as debugger:
            assert [each.when for each in debugger.breakpoints()] == ["left", "page > 1"]
            assert debugger.find() is not None
            assert debugger.step() is not None
            assert debugger.place is not None
    finally:
        _in_memory.clear()


def test_a_link_in_place_of_the_session_is_not_written_through(copy: Callable[[str], Path], tmp_path: Path) -> None:
    path, other = copy("scripted"), tmp_path / "other.json"
    other.write_text("mine")
    (path / "debug.json").symlink_to(other)
    Session.of(path).add("left")
    assert other.read_text() == "mine"
    assert not (path / "debug.json").is_symlink()
