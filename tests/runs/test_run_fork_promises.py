"""What a fork promises: what it costs, what it pays, what it leaves alone, and what happens when its parent or its making is spoilt."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from recloop.runs import (
    BarrierOrder,
    CallRecord,
    CorruptRun,
    Event,
    ForkOf,
    NotARun,
    PrunedAway,
    Run,
    RunError,
    RunInUse,
    family,
    fork_run,
    forks_of,
    prune,
    run_info,
)
from recloop.runs.overlay import DEEPEST

AGENTS = [f"u{number}" for number in range(20)]


def page_of(barrier: int, agents: Any = AGENTS) -> list[Event]:
    return [Event("page", agent, barrier, data={"saw": [agent, barrier], "text": "t" * 200}) for agent in agents]


def live(path: Path, until: int, agents: Any = AGENTS) -> None:
    """Commit what every run of these tests does at each barrier, one paid call per agent and page."""
    with Run.open(path, write=True) as run:
        for barrier in range(run.barrier + 1, until + 1):
            for agent in agents:
                key = f"{agent}/{barrier}"
                if run.calls.get(key) is None:
                    request = {"system": f"You are {agent}. " * 20, "page": barrier}
                    run.calls.put(
                        CallRecord(key, agent, barrier, request=request, response="yes" * 50, cost=0.5, prompt_tokens=9)
                    )
                run.saver().keep_state(agent, {"page": barrier, "mood": f"{agent} at {barrier} " * 60}, barrier)
            run.commit(barrier, page_of(barrier, agents), {"clock": {"page": barrier}})


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    Run.create(tmp_path / "root", kind="walk", config={"users": 20, "pages": 6}, seed=3).close()
    live(tmp_path / "root", 5)
    return tmp_path / "root"


def bytes_of(path: Path) -> dict[str, bytes]:
    """What a run's own files hold; a log that is open has an index and an empty WAL beside it."""
    files = {
        each.name: each.read_bytes() for each in path.iterdir() if each.is_file() and not each.name.endswith("-shm")
    }
    return {name: data for name, data in files.items() if data}


def digest(path: Path) -> str:
    with Run.open(path) as run:
        return run.digest()


def test_a_fork_lived_to_its_end_without_edits_has_its_parents_digest_and_pays_nothing(parent: Path) -> None:
    fork = fork_run(parent, 2)
    live(fork, 5)
    with Run.open(fork) as run, Run.open(parent) as above:
        assert run.digest() == above.digest()
        assert all(run.agent_digest(agent) == above.agent_digest(agent) for agent in AGENTS)
        assert run.calls.totals() == above.calls.totals()
        assert run.calls.spent().cost == run.calls.spent().calls == 0
        assert len(run.calls) == 120


def test_agents_that_a_fork_does_not_touch_do_what_they_did_and_are_not_stored_again(parent: Path) -> None:
    fork = fork_run(parent, 2, agents=["u3", "u5"], events=[Event("edit", "u3", data={"trait": "activity"})])
    with Run.open(fork, write=True) as run:
        for barrier in (3, 4):
            run.commit(barrier, [Event("page", agent, barrier, data={"saw": "other"}) for agent in ("u3", "u5")])
    with Run.open(fork) as run, Run.open(parent) as above:
        assert [e.barrier for e in run.events(kind="page", agent="u3")] == [0, 1, 2, 3, 4]
        assert [e.data["saw"] for e in run.events(kind="page", agent="u4")][3:] == [["u4", 3], ["u4", 4]]
        assert run.log.row("SELECT count(*) FROM main.events") == (5,)
        live(fork, 5, agents=["u3", "u5"])
        assert [agent for agent in AGENTS if run.agent_digest(agent) != above.agent_digest(agent)] == ["u3", "u5"]


def test_a_fork_says_what_it_is_a_fork_of(parent: Path) -> None:
    fork = fork_run(parent, 3, name="bored", agents=["u1"], config={"pages": 9}, notes=["activity 1"])
    deeper = fork_run(fork, 1)
    with Run.open(fork) as run, Run.open(deeper) as below:
        assert (run.kind, run.manifest.seed, run.manifest.config) == ("walk", 3, {"users": 20, "pages": 9})
        assert run.fork == ForkOf(parent, 3, ("u1",), 1)
        assert below.fork == ForkOf(fork, 1, (), 2)
        assert (run.status, run.barrier, below.barrier) == ("paused", 3, 1)
    with Run.open(parent) as above:
        assert above.fork is None
    assert forks_of(parent) == [fork]
    assert [(depth, info.path) for depth, info in family(parent)] == [(0, parent), (1, fork), (2, deeper)]
    assert run_info(parent).size < 2 * (parent / "log.sqlite").stat().st_size


def test_a_parent_is_never_written(parent: Path) -> None:
    before = bytes_of(parent)
    for agents in ((), ("u1",)):
        fork = fork_run(parent, 2, agents=agents)
        live(fork, 5, agents or AGENTS)
        prune(fork)
        digest(fork)
    assert bytes_of(parent) == before


UNPRIVILEGED = """
import os, sys
from recloop.runs import Event, Run, RunError, fork_run
parent, fork = sys.argv[1:]
assert not os.access(parent, os.W_OK)
with Run.open(fork, write=True) as run:
    assert len(list(run.events())) == 60
    run.commit(3, [Event("page", "u1", 3)])
    print(len(list(run.events())))
try:
    fork_run(parent, 2, name="late")
except RunError as error:
    print(error)
"""


def test_a_fork_of_a_read_only_parent_goes_on(parent: Path) -> None:
    fork = fork_run(parent, 2)
    for aside in parent.glob("log.sqlite-*"):
        aside.unlink()
    (parent / "forks").chmod(0o555)
    parent.chmod(0o555)

    def bound_by_permissions() -> None:  # root is not, unless it lays these two capabilities down
        libc = ctypes.CDLL(None)
        for capability in (1, 2):
            libc.prctl(24, capability, 0, 0, 0)

    try:
        command = [sys.executable, "-c", UNPRIVILEGED, str(parent), str(fork)]
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=bound_by_permissions, check=False)
    finally:
        parent.chmod(0o755)
        (parent / "forks").chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("61\n")
    assert "no fork can be made in" in done.stdout


def test_calls_are_adopted_from_any_ancestor_and_an_answer_put_in_by_hand_hides_them(parent: Path) -> None:
    child = fork_run(parent, 1)
    with Run.open(child, write=True) as run:
        run.calls.put(CallRecord("u2/4", "u2", 4, response="edited"))
    grandchild = fork_run(child, 1)
    with Run.open(grandchild) as reading:
        assert reading.calls.get("u1/4") is None, "who only reads takes nothing over"
    with Run.open(grandchild, write=True) as run:
        found = run.calls.get("u1/4")
        assert found
        assert found.request == {"system": "You are u1. " * 20, "page": 4}
        edited = run.calls.get("u2/4")
        assert edited
        assert edited.response == "edited"
        assert run.calls.get("nobody asked this") is None
        assert run.log.row("SELECT count(*) FROM main.calls") == (0,)
        run.calls.put(CallRecord("u1/4", "u1", 4, response="by hand"))
        assert [call.response for call in run.calls.all(agent="u1", page=4)] == ["by hand"]
    with Run.open(grandchild) as run:
        again = run.calls.get("u1/4")
        assert again
        assert again.response == "by hand"
    with Run.open(parent) as run:
        first = run.calls.get("u1/4")
        assert first
        assert first.response == "yes" * 50


def test_a_failure_is_adopted_unless_its_page_is_still_open_in_the_parent(tmp_path: Path) -> None:
    with Run.create(tmp_path / "r", kind="walk") as run:
        run.commit(0)
        run.calls.put(CallRecord("lived with", status="timeout"))
        run.commit(1)
        run.calls.put(CallRecord("open", status="timeout"))
    with Run.open(fork_run(tmp_path / "r", 0), write=True) as run:
        run.calls.retry_failures = True
        for _ in range(2):
            settled = run.calls.get("lived with")
            assert settled
            assert settled.status == "timeout"
            assert run.calls.get("open") is None
        run.calls.put(CallRecord("mine", status="timeout"))
        assert run.calls.get("mine") is None
        assert run.calls.spent().attempts == 1


def test_a_replay_of_a_fork_can_be_forked_in_turn(parent: Path, tmp_path: Path) -> None:
    """A new run may take over a fork's calls with their ids, which then lie beyond its own: the next fork's lie beyond those."""
    fork = fork_run(parent, 4)
    with Run.open(fork, write=True) as run:
        run.calls.put(CallRecord("new", request={"system": "a new text " * 50}, response="new"))
        with Run.create(tmp_path / "again", kind="walk", config=run.manifest.config) as again:
            again.calls.adopt(run.calls)
            again.commit(0)
            assert again.calls.digest() == run.calls.digest()
    with Run.open(fork_run(tmp_path / "again", 0), write=True) as run:
        run.calls.put(CallRecord("newer", request={"system": "a newer text " * 50}, response="newer"))
        requests = {call.key: call.request for call in run.calls.all()}
    assert requests["newer"] == {"system": "a newer text " * 50}


def test_a_graph_goes_on_from_where_the_fork_leaves(parent: Path) -> None:
    from typing import TypedDict

    from langgraph.graph import END, START, StateGraph

    class State(TypedDict):
        page: int
        mood: str

    def turn(state: State) -> dict[str, Any]:
        return {"page": state["page"] + 1, "mood": f"after {state['page']}"}

    def edited(saver: Any) -> None:
        saver.keep_state("u2", {"page": 100, "mood": "edited"}, 3)

    plain = StateGraph(State)
    plain.add_node("turn", turn)
    plain.add_edge(START, "turn")
    plain.add_edge("turn", END)
    fork = fork_run(parent, 3, agents=["u1", "u2"], checkpoints=edited)
    with Run.open(fork, write=True) as run:
        graph = plain.compile(checkpointer=run.saver())
        for agent, page in (("u1", 3), ("u2", 100)):
            config: Any = {"configurable": {"thread_id": agent}}
            assert graph.get_state(config).values["page"] == page
            assert graph.invoke({}, config)["page"] == page + 1  # type: ignore[arg-type]
        run.commit(4)
        assert {row[0] for row in run.log.rows("SELECT thread FROM main.checkpoints")} == {"u1", "u2"}
    with Run.open(fork) as run:
        values = {agent: run.saver().get_tuple({"configurable": {"thread_id": agent}}) for agent in ("u1", "u2", "u3")}
        assert {agent: v and v.checkpoint["channel_values"]["page"] for agent, v in values.items()} == {
            "u1": 4,
            "u2": 101,
            "u3": 4,
        }


def test_pruning_keeps_what_forks_stand_on(parent: Path) -> None:
    forks = [fork_run(parent, 3), fork_run(parent, 3, agents=["u1"])]
    live(forks[1], 5, ["u1"])
    deeper = fork_run(forks[0], 2)
    whole = {path: digest(path) for path in (parent, *forks, deeper)}
    with Run.open(forks[0], write=True), Run.open(parent, write=True) as run, pytest.raises(RunInUse):
        prune(run)
    results = prune(parent)
    assert [result.path for result in results] == [deeper, *forks, parent]
    assert not any(result.skipped for result in results)
    assert {path: digest(path) for path in whole} == whole
    with Run.open(deeper) as run:
        assert run.state("clock") == {"page": 2}
    with pytest.raises(PrunedAway):
        fork_run(parent, 1)
    with pytest.raises(RunError, match="at-2"):
        prune(forks[0], delete=True)
    with pytest.raises(RunError, match="forks that stand on it"):
        prune(parent, delete=True)
    for path in (deeper, forks[0], forks[1]):
        prune(path, delete=True)
    assert prune(parent)[0].dropped["checkpoints"] == 60
    assert digest(parent) == whole[parent]


def _other(parent: Path) -> None:
    shutil.copytree(parent / "forks", parent.parent / "aside")
    shutil.rmtree(parent)
    Run.create(parent, kind="walk").close()
    shutil.copytree(parent.parent / "aside", parent / "forks")


def _pruned(parent: Path) -> None:
    shutil.move(parent / "forks", parent.parent / "aside")
    prune(parent)
    shutil.move(parent.parent / "aside", parent / "forks")


def _shorter(parent: Path) -> None:
    with Run.open(parent, write=True) as run, run.log.transaction() as db:
        db.execute("DELETE FROM barriers WHERE barrier > 1")


SPOILT = {
    "no parent": (lambda parent: (parent / "manifest.json").unlink(), CorruptRun, "is no run"),
    "no log": (lambda parent: (parent / "log.sqlite").unlink(), CorruptRun, "log.sqlite is missing"),
    "half a log": (lambda parent: os.truncate(parent / "log.sqlite", 9000), CorruptRun, "cut short"),
    "another run": (_other, CorruptRun, "is not a fork of"),
    "pruned": (_pruned, PrunedAway, "was pruned up to barrier 5"),
    "shorter": (_shorter, CorruptRun, "has not reached"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_fork_whose_parent_is_spoilt_is_refused_clearly(parent: Path, how: str) -> None:
    spoil, error, says = SPOILT[how]
    fork = fork_run(parent, 3, name="f")
    spoil(parent)
    before = bytes_of(fork)
    for write in (False, True):
        with pytest.raises(error, match=says) as caught:
            Run.open(fork, write=write)
        assert caught.value.next_step
    assert bytes_of(fork) == before


def revise(path: Path, **changes: Any) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["fork"] = changes.pop("fork", {**manifest["fork"], **changes})
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_a_foreign_forks_manifest_does_no_harm(parent: Path) -> None:
    before, whole = bytes_of(parent), digest(parent)
    fork = fork_run(parent, 3)
    attack = ["x'); DROP TABLE p1.events; --", "x') OR 1 --", 'x"', "x\x00y"]
    revise(fork, agents=attack)
    with Run.open(fork, write=True) as run:
        assert run.fork
        assert list(run.fork.agents) == attack
        run.commit(4)
        assert len(list(run.events())) == 100
    for field, value in (
        ("barrier", "3) OR (1"),
        ("barrier", -1),
        ("barrier", 1 << 70),
        ("range", "1; DROP TABLE events"),
        ("range", 1 << 30),
        ("agents", ["\ud800"]),
    ):
        good = (fork / "manifest.json").read_text()
        revise(fork, **{field: value})
        with pytest.raises(CorruptRun, match=field):
            Run.open(fork)
        (fork / "manifest.json").write_text(good)
    revise(fork, fork=None)
    with pytest.raises(CorruptRun, match="do not agree"):
        Run.open(fork)
    assert (bytes_of(parent), digest(parent)) == (before, whole)


def test_links_and_moved_folders_are_no_forks(parent: Path, tmp_path: Path) -> None:
    fork = fork_run(parent, 3)
    (parent / "forks" / "link").symlink_to(fork)
    assert forks_of(parent) == [fork]
    (tmp_path / "elsewhere").symlink_to(fork)
    assert digest(tmp_path / "elsewhere") == digest(fork)
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "forks").symlink_to(parent / "forks")
    assert forks_of(tmp_path / "stranger") == []
    shutil.copytree(fork, tmp_path / "moved")
    with pytest.raises(CorruptRun, match="does not lie in the folder 'forks'"):
        Run.open(tmp_path / "moved")
    assert "does not lie" in run_info(tmp_path / "moved").problem
    (tmp_path / "evil").mkdir()
    shutil.copy(parent / "manifest.json", tmp_path / "evil")
    (tmp_path / "evil" / "log.sqlite").symlink_to(parent / "log.sqlite")
    shutil.copytree(parent / "forks" / fork.name, tmp_path / "evil" / "forks" / "f")
    with pytest.raises(RunError, match="symbolic link"):
        Run.open(tmp_path / "evil" / "forks" / "f")


def test_what_cannot_be_forked_is_refused_in_words(parent: Path) -> None:
    with pytest.raises(BarrierOrder, match="its last one is 5"):
        fork_run(parent, 6)
    fork = fork_run(parent, 2, name="once")
    with pytest.raises(NotARun, match="already"):
        fork_run(parent, 2, name="once")
    for name in ("../out", ".hidden", "a/b", "x" * 200, "\U00020000" * 80):
        with pytest.raises(RunError, match="name of a fork"):
            fork_run(parent, 2, name=name)
    assert forks_of(parent) == [fork]
    for _ in range(DEEPEST - 1):
        fork = fork_run(fork, 2)
    live(fork, 5)
    assert digest(fork) == digest(parent)
    with pytest.raises(RunError, match=f"{DEEPEST} forks away"):
        fork_run(fork, 2)


DYING = """
import os, signal, sys
from recloop.runs import Event, fork_run
from recloop.runs import fork, log, manifest
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
where = {"folder": (fork, "RunLock"), "log": (log.LogFile, "create"), "manifest": (manifest.os, "replace"),
         "rows": (fork, "store"), "rename": (fork.os, "rename"), "after": (fork, "sync_folder")}
if sys.argv[2] == "after":
    calls = []
    where_, real = where["after"], fork.sync_folder
    def second(path):
        calls.append(path)
        return die() if len(calls) == 2 else real(path)
    fork.sync_folder = second
else:
    setattr(*where[sys.argv[2]], die)
fork_run(sys.argv[1], 3, name="f", events=[Event("edit", data={"n": n}) for n in range(50)])
"""


@pytest.mark.parametrize("moment", ["folder", "log", "manifest", "rows", "rename", "after"])
def test_a_fork_whose_making_was_killed_is_none_or_whole(parent: Path, moment: str) -> None:
    done = subprocess.run([sys.executable, "-c", DYING, str(parent), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    if moment == "after":
        (fork,) = forks_of(parent)
        with Run.open(fork, write=True) as run:
            assert len(list(run.events(kind="edit"))) == 50
            assert run.log.rows("PRAGMA main.integrity_check") == [("ok",)]
        return
    assert forks_of(parent) == []
    (left,) = (parent / "forks").iterdir()
    os.utime(left, (0, 0))
    fork = fork_run(parent, 3, name="f")
    assert [each for each in (parent / "forks").iterdir() if each != fork] == []


def test_a_fork_is_made_of_a_run_that_is_being_written_and_both_go_on(tmp_path: Path) -> None:
    with Run.create(tmp_path / "r", kind="walk") as parent:
        parent.commit(0, page_of(0))
        parent.commit(1, page_of(1))
        forks = [fork_run(tmp_path / "r", 1), fork_run(tmp_path / "r", 1, agents=["u0"])]
        seen: list[str] = []

        def write(path: Path, agents: list[str]) -> None:
            with Run.open(path, write=True) as run:
                for barrier in range(2, 30):
                    run.commit(barrier, page_of(barrier, agents))

        def read() -> None:
            with Run.open(forks[0]) as run:
                while run.barrier < 29:
                    last = run.barrier
                    rows = [event.barrier for event in run.events(until_barrier=last)]
                    if rows != [barrier for barrier in range(last + 1) for _ in AGENTS]:
                        seen.append(f"{last}: {rows}")

        threads = [
            threading.Thread(target=write, args=(forks[0], AGENTS)),
            threading.Thread(target=write, args=(forks[1], ["u0"])),
            threading.Thread(target=read),
        ]
        for thread in threads:
            thread.start()
        for barrier in range(2, 30):
            parent.commit(barrier, page_of(barrier))
        for thread in threads:
            thread.join()
        assert seen == []
        expected = parent.digest()
    assert digest(forks[0]) == expected
    with Run.open(forks[1]) as run, Run.open(tmp_path / "r") as above:
        assert {run.agent_digest(agent) == above.agent_digest(agent) for agent in AGENTS} == {True}


LOOKUPS = [
    "SELECT * FROM calls WHERE key = ?",
    "SELECT * FROM calls WHERE key > ? ORDER BY key LIMIT 512",
    "SELECT * FROM calls WHERE id > ? ORDER BY id LIMIT 512",
    "SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT 512",
    "SELECT * FROM events WHERE seq > 5 AND kind = 'page' AND agent = ? ORDER BY seq LIMIT 512",
    "SELECT * FROM states WHERE name = ? AND barrier <= 3 ORDER BY barrier DESC LIMIT 1",
    "SELECT * FROM checkpoints WHERE thread = ? AND ns = '' ORDER BY id DESC LIMIT 1",
    "SELECT * FROM writes WHERE thread = ? AND ns = '' AND checkpoint = 'c'",
    "SELECT * FROM blobs WHERE id = ?",
    "SELECT * FROM texts WHERE hash = ?",
]


@pytest.mark.parametrize("sql", LOOKUPS)
def test_what_is_looked_up_through_a_fork_is_found_by_indexes_on_both_sides(parent: Path, sql: str) -> None:
    child = fork_run(parent, 3, agents=["u1"])
    with Run.open(fork_run(child, 3)) as run:
        steps = [row[3] for row in run.log.rows(f"EXPLAIN QUERY PLAN {sql}", ("u1",))]
    tables = [step for step in steps if step.startswith(("SEARCH", "SCAN"))]
    assert len(tables) >= 3
    slow = [step for step in tables if step.startswith("SCAN") and "touched" not in step]
    assert slow == [], steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
