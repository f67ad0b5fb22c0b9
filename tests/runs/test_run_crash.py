"""kill -9 at any moment leaves a whole run at its last barrier, with every call that was acknowledged."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from recloop.runs import Run

AGENTS, PAGES = 40, 12

# Does the pages that are missing; calls already recorded are not made again. Says which calls were acknowledged.
WORKER = """
import os, signal, sys
from recloop.runs import CallRecord, Event, Run
path, (die_at, AGENTS, PAGES) = sys.argv[1], map(int, sys.argv[2:])
run = Run.open(path, write=True)
if die_at >= 0:  # kill -9 inside a commit: before its n-th statement
    seen = 0
    def trace(sql):
        global seen
        seen += 1
        if seen > die_at:
            os.kill(os.getpid(), signal.SIGKILL)
print("ready", flush=True)
for page in range(run.barrier + 1, PAGES):
    events, states = [], {}
    for agent in range(AGENTS):
        key = f"{page}/{agent}"
        call = run.calls.get(key)
        if call is None:
            call = CallRecord(key, str(agent), page, request={"p": f"prompt {key} " * 30}, response=f"answer {key}" * 20)
            run.calls.put(call)
            print(key, flush=True)
        events.append(Event("page", str(agent), page, data={"saw": call.response, "rows": list(range(60))}))
        states[f"agent/{agent}"] = {"page": page, "memory": [f"memory {n} of {agent}" for n in range(page * 3)]}
    if die_at >= 0 and page > 2:
        run.log.db.set_trace_callback(trace)
    run.commit(page, events, states)
run.set_status("finished")
"""


def work(path, die_at=-1):
    arguments = [sys.executable, "-c", WORKER, str(path), *map(str, (die_at, AGENTS, PAGES))]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def check_whole(path, acknowledged):
    assert sqlite3.connect(path / "log.sqlite").execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Run.open(path, write=True) as run:
        pages = run.barrier + 1
        events = list(run.events())
        assert [(e.seq, e.barrier, e.agent) for e in events] == [
            (page * AGENTS + agent, page, str(agent)) for page in range(pages) for agent in range(AGENTS)
        ]
        for page in range(pages):
            assert {state["page"] for state in run.states(page).values()} == {page}
            assert len(run.states(page)) == AGENTS
        assert all(key in run.calls for key in acknowledged)
        run.manifest = run.manifest.model_copy(update={"status": "running"})
    return pages


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "unbroken"
    Run.create(path, kind="k", config={"pages": PAGES}, seed=1).close()
    process = work(path)
    process.communicate()
    assert process.returncode == 0
    with Run.open(path) as run:
        assert run.status == "finished"
        assert run.barrier == PAGES - 1
        return run.digest()


def test_a_killed_run_resumes_to_the_same_digest(tmp_path, unbroken):
    path = tmp_path / "r"
    Run.create(path, kind="k", config={"pages": PAGES}, seed=1).close()
    acknowledged: list[str] = []
    rng = random.Random(5)
    kills = 0
    for _ in range(10):
        process = work(path)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().split("\n")
        acknowledged += lines[:-1]  # the last line may be half written
        kills += process.wait() == -signal.SIGKILL
        check_whole(path, acknowledged)
    assert kills >= 2
    process = work(path)
    out, _ = process.communicate()
    assert process.returncode == 0
    asked_again = set(out.split()) & set(acknowledged)
    assert not asked_again
    assert check_whole(path, acknowledged) == PAGES
    with Run.open(path) as run:
        assert run.digest() == unbroken


@pytest.mark.parametrize("die_at", [0, 1, 17, AGENTS, AGENTS + 25, 2 * AGENTS, 2 * AGENTS + 1])
def test_a_kill_inside_commit_leaves_the_barrier_before(tmp_path, unbroken, die_at):
    path = tmp_path / "r"
    Run.create(path, kind="k", config={"pages": PAGES}, seed=1).close()
    process = work(path, die_at)
    out, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert check_whole(path, out.split()[1:]) == 3
    process = work(path)
    process.communicate()
    with Run.open(path) as run:
        assert run.digest() == unbroken


def test_a_killed_writer_holds_no_lock(tmp_path):
    path = tmp_path / "r"
    Run.create(path, kind="k").close()
    code = f"from recloop.runs import Run\nrun = Run.open({str(path)!r}, write=True)\nprint('on', flush=True)\nimport time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "on\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    Run.open(path, write=True).close()
