"""Making, opening, writing and reading a run's folder, and what it says when it cannot."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.runs import (
    BarrierOrder,
    CallRecord,
    CorruptRun,
    DiskFull,
    Event,
    NotARun,
    NotJson,
    NotWritable,
    OtherVersion,
    Run,
    RunError,
    RunInUse,
    is_run,
    list_runs,
    new_run_path,
    redact,
    run_info,
    scrub,
)


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path / "r", kind="walk", name="a walk", config={"users": 3}, seed=7, hashes={"data": "ab12"})
    yield run
    run.close()


def a_page(page, agents=3):
    events = [Event("page", str(a), page, "react", {"items": [a, page], "score": a / 7}) for a in range(agents)]
    return events, {f"agent/{a}": {"page": page, "fatigue": page / (a + 1)} for a in range(agents)}


def test_a_run_reads_back_what_was_committed(run):
    assert run.barrier == -1
    assert list(run.events()) == []
    for page in range(3):
        run.commit(page, *a_page(page))
    run.close()
    with Run.open(run.path) as again:
        events = list(again.events())
        assert [event.seq for event in events] == list(range(9))
        assert [event.barrier for event in events] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert events[4] == Event("page", "1", 1, "react", {"items": [1, 1], "score": 1 / 7}, 4, 1)
        assert again.barrier == 2
        assert again.manifest.seed == 7
        assert again.manifest.hashes == {"data": "ab12"}
        assert again.state("agent/2") == {"page": 2, "fatigue": 2 / 3}
        assert again.state("nobody") is None


def test_states_are_found_at_any_barrier(run):
    run.commit(0, states={"a": 1, "b": [1]})
    run.commit(2, states={"a": 2})
    run.commit(5, states={"c": None})
    assert run.states() == {"a": 2, "b": [1], "c": None}
    assert run.states(1) == {"a": 1, "b": [1]}
    assert run.states(-1) == {}
    assert run.state("a", 4) == 2
    assert run.state("a", 1) == 1
    assert run.state("c", 4) is None


def test_a_state_that_did_not_change_takes_no_space_and_is_still_there(run):
    run.commit(0, states={"still": "x" * 500, "moves": 0})
    run.commit(1, states={"still": "x" * 500, "moves": 1})
    assert run.log.row("SELECT count(*) FROM states") == (3,)
    assert run.states(1) == {"still": "x" * 500, "moves": 1}


def test_events_are_filtered_and_followed(run):
    run.commit(0, [Event("page", "a"), Event("exit", "a"), Event("page", "b")])
    run.commit(1, [Event("page", "a", 1)])
    assert [event.seq for event in run.events(kind="page", agent="a")] == [0, 3]
    assert [event.seq for event in run.events(since=1)] == [2, 3]
    assert [event.seq for event in run.events(until_barrier=0)] == [0, 1, 2]


def test_reading_streams_over_more_events_than_a_chunk(run):
    run.commit(0, (Event("tick", data={"n": n}) for n in range(1500)), {f"s{n:04}": n for n in range(1500)})
    assert [event.data["n"] for event in run.events()] == list(range(1500))
    assert list(run.iter_states()) == [(f"s{n:04}", n) for n in range(1500)]


def test_barriers_only_rise(run):
    run.commit(3, [Event("x")])
    for barrier in (3, 2, -1):
        with pytest.raises(BarrierOrder, match=r"run\.barrier"):
            run.commit(barrier, [Event("y")])
    assert [event.kind for event in run.events()] == ["x"]


def test_numpy_numbers_are_json_and_other_things_are_refused_by_place(run):
    run.commit(0, [Event("x", data={"a": np.float32(0.5), "b": np.arange(3), "c": np.int64(4), "d": (1, 2)})])
    assert next(run.events()).data == {"a": 0.5, "b": [0, 1, 2], "c": 4, "d": [1, 2]}
    with pytest.raises(NotJson, match=r"agent a7, page 2: data\.rows\[1\]\.when is a datetime"):
        run.commit(1, [Event("x", "a7", 2, data={"rows": [{}, {"when": datetime.now()}]})])
    with pytest.raises(NotJson, match="state 's'"):
        run.commit(1, states={"s": {1, 2}})
    assert run.barrier == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=20,
)


def test_every_json_value_comes_back_with_its_order_and_its_bits(tmp_path):
    with Run.create(tmp_path / "r", kind="k") as run:

        @given(json_values)
        def check(value):
            page = run.barrier + 1
            padded = {"v": value, "long": [value] * 12}  # long enough to be packed
            run.commit(page, [Event("e", data=padded)], {"s": value})
            (event,) = run.events(since=page - 1)
            assert repr(event.data) == repr(padded)
            assert repr(run.state("s")) == repr(value)

        check()


def test_broken_unicode_of_a_model_is_kept(run):
    run.commit(0, [Event("x", data={"text": "half \ud83d a pair" * 20, "end": "\udfff"})])
    assert next(run.events()).data == {"text": "half \ud83d a pair" * 20, "end": "\udfff"}
    assert len(run.digest()) == 64


def test_a_reader_sees_the_run_while_it_is_written(run):
    run.commit(0, [Event("x")])
    with Run.open(run.path) as reader:
        assert reader.barrier == 0
        assert not reader.writable
        run.commit(1, [Event("y")])
        assert reader.barrier == 1
        assert [event.kind for event in reader.events()] == ["x", "y"]
        for change in (
            lambda: reader.commit(2),
            lambda: reader.set_status("paused"),
            lambda: reader.calls.put(CallRecord("k")),
        ):
            with pytest.raises(NotWritable, match="write=True"):
                change()
    run.commit(2, [Event("z")])


def test_a_second_writer_is_told_who_holds_the_run(run):
    with pytest.raises(RunInUse, match=f"process {os.getpid()}") as caught:
        Run.open(run.path, write=True)
    assert caught.value.pid == os.getpid()
    code = f"from recloop.runs import Run\nRun.open({str(run.path)!r}, write=True)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"RunInUse: the run {run.path} is being written by process {os.getpid()}" in other.stderr
    run.close()
    Run.open(run.path, write=True).close()


def test_threads_may_write_calls_at_once(run):
    def work(name):
        for n in range(50):
            run.calls.put(CallRecord(f"{name}-{n}", agent=name, response="r" * 300))

    threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(run.calls) == 200
    assert len(list(run.calls.all(agent="t2"))) == 50


async def test_commit_works_inside_a_running_loop(run):
    run.commit(0, *a_page(0))
    run.calls.put(CallRecord("k"))
    assert run.barrier == 0
    assert "k" in run.calls


def test_a_folder_with_something_in_it_is_not_made_a_run(tmp_path, run):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    with pytest.raises(NotARun, match="not empty"):
        Run.create(tmp_path / "full", kind="k")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    with pytest.raises(NotARun, match="recloop resume"):
        Run.create(run.path, kind="k")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotARun):
        Run.create(tmp_path / "file", kind="k")
    (tmp_path / "empty").mkdir()
    Run.create(tmp_path / "empty", kind="k").close()


def mark(log, name):
    with closing(sqlite3.connect(log)) as db:
        db.execute(f"PRAGMA {name} = 9")


def damage(path, how):
    """Cases of damage: returns the bytes of every file afterwards, to show that opening changed none of them."""
    manifest, log = path / "manifest.json", path / "log.sqlite"
    asked = json.loads(manifest.read_text()) if manifest.exists() else {}
    cases = {
        "no folder": lambda: [file.unlink() for file in path.iterdir()] and path.rmdir(),
        "no manifest": manifest.unlink,
        "no log": log.unlink,
        "half a manifest": lambda: manifest.write_text(manifest.read_text()[:50]),
        "odd manifest": lambda: manifest.write_text(json.dumps(asked | {"status": "dancing"})),
        "newer manifest": lambda: manifest.write_text(json.dumps(asked | {"format": 9})),
        "empty log": lambda: log.write_bytes(b""),
        "half a log": lambda: log.write_bytes(log.read_bytes()[: log.stat().st_size // 2]),
        "log of zeros": lambda: log.write_bytes(bytes(log.stat().st_size)),
        "zeros in the log": lambda: log.write_bytes(log.read_bytes()[:4096] + bytes(log.stat().st_size - 4096)),
        "newer log": lambda: mark(log, "user_version"),
        "another log": lambda: mark(log, "application_id"),
    }
    cases[how]()
    return {file.name: file.read_bytes() for file in path.iterdir()} if path.exists() else {}


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ("no folder", NotARun, "does not exist"),
        ("no manifest", NotARun, "no manifest.json"),
        ("no log", CorruptRun, "log.sqlite is missing"),
        ("half a manifest", CorruptRun, "manifest.json is damaged"),
        ("odd manifest", CorruptRun, "status"),
        ("newer manifest", OtherVersion, "format 9"),
        ("empty log", CorruptRun, "no SQLite file"),
        ("half a log", CorruptRun, "cut short"),
        ("log of zeros", CorruptRun, "no SQLite file"),
        ("zeros in the log", CorruptRun, "damaged"),
        ("newer log", OtherVersion, "version 9"),
        ("another log", NotARun, "another program"),
    ],
)
def test_a_damaged_run_is_refused_clearly_and_left_alone(run, how, error, says):
    run.commit(0, *a_page(0, agents=200))
    run.close()
    before = damage(run.path, how)
    with pytest.raises(error, match=re.escape(says)) as caught:
        Run.open(run.path, write=True)
    assert caught.value.next_step
    if before:
        assert {file.name: file.read_bytes() for file in run.path.iterdir()} == before
        if how != "zeros in the log" and is_run(run.path):
            assert run_info(run.path).status == "unreadable"
            assert says in run_info(run.path).problem


def test_damage_met_while_reading_is_named(run):
    run.commit(0, *a_page(0, agents=2000))
    run.close()
    damage(run.path, "zeros in the log")
    with pytest.raises(CorruptRun, match=r"\.recover"), Run.open(run.path) as reader:
        list(reader.events())


def limit_size(run, extra_pages=0):
    """Make SQLite run out of space for real, at the file's present size."""
    pages = run.log.db.execute("PRAGMA page_count").fetchone()[0]
    run.log.db.execute(f"PRAGMA max_page_count = {pages + extra_pages}")


def test_a_full_disk_loses_nothing_committed_and_the_run_goes_on_later(run):
    run.commit(0, *a_page(0))
    run.calls.put(CallRecord("paid", response="x" * 10))
    digest = run.digest()
    limit_size(run)
    events = [Event("page", str(a), 1, data={"noise": os.urandom(400).hex()}) for a in range(100)]
    with pytest.raises(DiskFull, match="resume") as caught:
        run.commit(1, events, {"s": 1})
    assert "nothing committed is lost" in caught.value.next_step
    with pytest.raises(DiskFull):
        run.calls.put(CallRecord("big", response=os.urandom(20_000).hex()))
    assert run.barrier == 0
    assert run.digest() == digest
    run.close()
    with Run.open(run.path, write=True) as again:
        assert again.digest() == digest
        again.commit(1, events, {"s": 1})
        again.calls.put(CallRecord("big", response="now"))
        assert again.barrier == 1
        assert len(list(again.events(since=2))) == 100


def test_a_full_disk_keeps_the_old_manifest(run, monkeypatch):
    import errno

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = (run.path / "manifest.json").read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        run.set_status("paused", "lunch")
    assert (run.path / "manifest.json").read_bytes() == before
    assert sorted(path.name for path in run.path.glob(".*")) == []


def test_credentials_never_reach_the_folder(tmp_path):
    secrets = ["sk-proj-9f8e7d6c5b4a39281706", "hunter2hunter2", "tok_live_1122334455", "dXNlcjpwYXNzd29yZA=="]
    key, password, token, basic = secrets
    config = {
        "model": {"name": "openai/x", "api_key": key, "base_url": f"https://me:{password}@host/v1?api_key={token}&n=1"},
        "headers": [{"Authorization": f"Basic {basic}"}],
        "hfToken": token,
        "PASSWORD": password,
        "max_tokens": 512,
        "api_key_env": "OPENAI_API_KEY",
        "key_column": "uid",
        "eos_token": "</s>",
        "note": f"called with Bearer {token}",
    }
    with Run.create(tmp_path / "r", kind="k", config=config, notes=[f"used {key}"]) as run:
        run.calls.put(CallRecord("c", status="transport", error=f"401 for key {key} at https://a:{password}@h/"))
        run.revise({"budget": {"usd": 1, "secret": token}}, f"key was {key}")
        run.set_status("failed", f"refused: Authorization: Bearer {token}")
        kept = run.manifest.config
    written = b"".join(path.read_bytes() for path in (tmp_path / "r").iterdir())
    for secret in secrets:
        assert secret.encode() not in written
    assert kept["model"]["base_url"] == "https://[redacted]@host/v1?api_key=[redacted]&n=1"
    assert (kept["max_tokens"], kept["api_key_env"], kept["key_column"], kept["eos_token"]) == (
        *(512, "OPENAI_API_KEY"),
        *("uid", "</s>"),
    )
    assert config["model"]["api_key"] == key  # the caller's own is untouched


def test_ordinary_text_is_not_taken_for_a_credential():
    plain = {
        "path": "runs/2026-key/x",
        "text": "mail me @home; see https://host/a@b",
        "model": "sk-learn-pipeline-model",
    }
    assert redact(plain) == plain
    assert scrub("https://host:8080/v1?k=3") == "https://host:8080/v1?k=3"


def test_the_manifest_says_what_ran_where(run):
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert manifest["format"] == 1
    assert manifest["kind"] == "walk"
    assert manifest["status"] == "running"
    assert manifest["versions"]["python"] == sys.version.split()[0]
    assert {"numpy", "pydantic", "langgraph"} <= set(manifest["versions"])
    assert manifest["revision"] is None or re.fullmatch(r"[0-9a-f]{40,64}", manifest["revision"])
    run.note("provider is not deterministic")
    run.note("provider is not deterministic")
    assert run.manifest.notes == ["provider is not deterministic"]


def test_an_error_that_leaves_a_run_marks_it(tmp_path):
    for error, status in ((ValueError("the key is sk-1"), "failed"), (KeyboardInterrupt(), "paused")):
        path = tmp_path / status
        with pytest.raises(type(error)), Run.create(path, kind="k"):
            raise error
        with Run.open(path) as run:
            assert (run.status, run.manifest.reason) == (status, type(error).__name__)
    with Run.create(tmp_path / "fine", kind="k") as run:
        run.set_status("finished")
    with pytest.raises(ZeroDivisionError), Run.open(tmp_path / "fine", write=True) as run:
        _ = 1 / 0
    assert Run.open(tmp_path / "fine").status == "finished"


def test_new_runs_get_a_dated_free_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = new_run_path(name="my run/of ../things")
    assert first.parts == ("recloop-runs", f"{date.today()}-my-run-of-..-things")
    assert not first.exists()
    Run.create(first, kind="k").close()
    second = new_run_path(name="my run/of ../things")
    second.mkdir()
    assert second.name == f"{first.name}-2"
    assert new_run_path(name="my run/of ../things").name == f"{first.name}-3"
    assert new_run_path(tmp_path / "x", "...").name.endswith("-run")


def test_the_list_of_runs_tells_the_living_from_the_killed(tmp_path):
    alive = Run.create(tmp_path / "a", kind="k")
    killed = Run.create(tmp_path / "b", kind="k")
    killed.close()
    with Run.create(tmp_path / "c", kind="k") as done:
        done.set_status("finished")
    broken = Run.create(tmp_path / "d", kind="k")
    broken.close()
    (tmp_path / "d" / "log.sqlite").unlink()
    (tmp_path / "no run").mkdir()
    infos = list_runs(tmp_path)
    assert [(info.path.name, info.status) for info in infos] == [
        *(("a", "running"), ("b", "killed")),
        *(("c", "finished"), ("d", "unreadable")),
    ]
    assert infos[0].pid == os.getpid()
    assert infos[1].pid is None
    assert all(info.size > 0 for info in infos)
    assert list_runs(tmp_path / "nowhere") == []
    alive.close()


def test_a_run_can_be_read_where_nothing_can_be_written(run):
    run.commit(0, *a_page(0))
    run.close()
    names = {path.name for path in run.path.iterdir()}
    with Run.open(run.path) as reader:
        assert len(list(reader.events())) == 3
    assert {path.name for path in run.path.iterdir()} <= names | {"log.sqlite-wal", "log.sqlite-shm"}


def test_importing_the_floor_is_light():
    code = (
        "import sys, recloop.runs; heavy = {'pandas', 'pyarrow', 'langgraph', 'langchain_core', 'scipy', 'mesa', 'litellm',"
        "'openai', 'aiohttp'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_error_of_a_run_says_what_to_do(tmp_path):
    with pytest.raises(RunError) as caught:
        Run.open(tmp_path)
    what, step = str(caught.value).split("\n")
    assert "manifest.json" in what
    assert step.startswith("  `recloop runs list`")


def test_the_documented_examples_run(tmp_path):
    page = Path(__file__).parents[2] / "docs" / "runs.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    check = "\nwith Run.open(run.path) as again:\n    assert again.table('likes').to_pylist()[2] == {'agent': 'u1', 'item': '42'}"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks) + check], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(blocks) == 3
    first, fork, *seen = done.stdout.splitlines()
    assert re.fullmatch(r"recloop-runs/[\d-]+-try [0-9a-f]{64}", first)
    assert re.fullmatch(r"ForkOf\(parent=.*walked'\), barrier=1, agents=\('u1',\), depth=1\)", fork)
    assert seen == [
        "[('u1', 0), ('u2', 0), ('u1', 1), ('u2', 1), ('u2', 2), ('u1', 2)] 0.0",
        "[PosixPath('walked/forks/bored')]",
    ]
