"""Folders that a crash, a disk or a stranger has spoilt are taken up again or refused clearly, and reach nothing outside."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from recloop.runs import (
    CallRecord,
    CorruptRun,
    Event,
    NotARun,
    OtherVersion,
    Run,
    RunError,
    check_vacant,
    list_runs,
    prune,
)
from recloop.runs.lock import RunLock

DYING = """
import os, signal, sys
from recloop.runs import Run
from recloop.runs import manifest, run
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
where = {"log": (run.LogFile, "create"), "manifest": (run.Manifest, "new"), "rename": (manifest.os, "replace")}
setattr(*where[sys.argv[2]], die)
Run.create(sys.argv[1], kind="k")
"""


@pytest.mark.parametrize("moment", ["log", "manifest", "rename"])
def test_a_folder_whose_making_was_killed_is_made_anew(tmp_path, moment):
    path = tmp_path / "r"
    done = subprocess.run([sys.executable, "-c", DYING, str(path), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (path / "lock").exists()
    check_vacant(path)
    with Run.create(path, kind="k") as run:
        run.commit(0, states={"a": 1})
    assert not (path / ".manifest.json.tmp").exists()


def test_a_half_made_log_is_made_anew(tmp_path):
    path = tmp_path / "r"
    path.mkdir()
    (path / "log.sqlite").write_bytes(b"SQLite format 3\0" + os.urandom(4080))
    (path / "log.sqlite-journal").write_bytes(os.urandom(600))
    Run.create(path, kind="k").close()


def test_a_folder_being_made_or_with_a_log_worth_saving_is_not_taken(tmp_path):
    made, lost = tmp_path / "made", tmp_path / "lost"
    made.mkdir()
    lock = RunLock(made)
    for take in (check_vacant, lambda path: Run.create(path, kind="k")):
        with pytest.raises(NotARun, match=f"process {os.getpid()}"):
            take(made)
    lock.release()
    with Run.create(lost, kind="k") as run:
        run.commit(0, states={"a": 1})
    (lost / "manifest.json").unlink()
    before = (lost / "log.sqlite").read_bytes()
    with pytest.raises(NotARun, match="not empty"):
        Run.create(lost, kind="k")
    assert (lost / "log.sqlite").read_bytes() == before


def whole(path):
    """A run with a little of everything in its log, and a manifest that says running."""
    with Run.create(path, kind="k") as run:
        saver = run.saver()
        saver.keep_state("t", {"x": "y" * 400}, 0)
        run.calls.put(CallRecord("c", request={"ask": "?" * 400}, response="yes"))
        run.commit(0, [Event("e", data={"a": 1})], {"s": 1})
    return path


def read_all(path):
    with Run.open(path) as run:
        list(run.events())
        run.states()
        list(run.calls.all())
        list(run.saver().list(None))


@pytest.mark.parametrize("value", [b"no zlib", "{half", "[" * 100_000, 7, None])
@pytest.mark.parametrize(
    "column", ["events.data", "states.data", "calls.request", "calls.response", "texts.body", "checkpoints.channels"]
)
def test_a_spoilt_json_value_is_named_with_its_file(tmp_path, column, value):
    spoil(whole(tmp_path / "r"), column, value)
    for read in (read_all, lambda path: Run.open(path).digest()):
        with pytest.raises(CorruptRun, match=r"log\.sqlite is damaged") as caught:
            read(tmp_path / "r")
        assert caught.value.next_step


@pytest.mark.parametrize("value", [b"zno zlib", b"", b"=msgpack\0\xc1", b"=odd\0", "text"])
@pytest.mark.parametrize("column", ["blobs.body", "checkpoints.body", "checkpoints.metadata"])
def test_a_spoilt_checkpoint_is_named_with_its_file(tmp_path, column, value):
    spoil(whole(tmp_path / "r"), column, value)
    with pytest.raises(CorruptRun, match=r"log\.sqlite is damaged"):
        read_all(tmp_path / "r")


def test_an_event_whose_data_is_no_object_and_channels_that_name_nothing_are_damage(tmp_path):
    spoil(whole(tmp_path / "a"), "events.data", "[1]")
    spoil(whole(tmp_path / "b"), "checkpoints.channels", '{"x": "one"}')
    for each in ("a", "b"):
        with pytest.raises(CorruptRun):
            read_all(tmp_path / each)
    with pytest.raises(CorruptRun, match="channels"):
        prune(tmp_path / "b")


def test_a_log_that_lost_a_table_is_refused_before_anything_is_written(tmp_path):
    path = whole(tmp_path / "r")
    with closing(sqlite3.connect(path / "log.sqlite")) as db:
        db.execute("DROP TABLE states")
    before = (path / "manifest.json").read_bytes()
    for write in (False, True):
        with pytest.raises(CorruptRun, match="no table states"):
            Run.open(path, write=write)
    assert (path / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "error"),
    [("[" * 100_000, CorruptRun), ("null", CorruptRun), ('{"format": 1, "kind": [], "versions": [1]}', CorruptRun)]
    + [
        (each, OtherVersion)
        for each in ('{"format": 2, "versions": [1]}', '{"format": {}, "versions": {"recloop": []}}')
    ],
)
def test_an_odd_manifest_spoils_its_own_run_only(tmp_path, text, error):
    whole(tmp_path / "good")
    (whole(tmp_path / "odd") / "manifest.json").write_text(text)
    with pytest.raises(error):
        Run.open(tmp_path / "odd")
    assert {info.path.name: info.status for info in list_runs(tmp_path)} == {"good": "killed", "odd": "unreadable"}


def test_links_in_a_foreign_run_reach_nothing_outside(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "own.parquet").write_text("mine")

    def linked(name, target):
        path = whole(tmp_path / f"{name.strip('.')}-linked")
        (path / name).unlink(missing_ok=True)
        (path / name).symlink_to(target)
        return path

    with Run.open(linked("tables", outside), write=True) as run:
        for reach in (run.write_tables, lambda: prune(run)):
            with pytest.raises(RunError, match="symbolic link"):
                reach()
    for name in ("lock", "log.sqlite"):
        path = linked(name, outside / "own.parquet")
        with pytest.raises(RunError, match=f"{name} is a symbolic link"):
            Run.open(path, write=True)
    with Run.open(linked(".manifest.json.tmp", outside / "own.parquet"), write=True) as run:
        run.set_status("finished")
        (run.path / "tables").mkdir()
        (run.path / "tables" / ".calls.parquet.tmp").symlink_to(outside / "own.parquet")
        run.write_tables()
    assert [file.read_text() for file in outside.iterdir()] == ["mine"]


def test_a_link_to_a_run_is_not_deleted_through(tmp_path):
    path = whole(tmp_path / "r")
    (tmp_path / "link").symlink_to(path)
    before = sorted(each.name for each in path.iterdir())
    with pytest.raises(RunError, match="symbolic link"):
        prune(tmp_path / "link", delete=True)
    assert sorted(each.name for each in path.iterdir()) == before


def spoil(path, column, value):
    """Put a value into a column of every row, whatever the column wants to hold."""
    table, name = column.split(".")
    with closing(sqlite3.connect(path / "log.sqlite")) as db:
        sql = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        if value is None:
            db.execute("PRAGMA writable_schema = ON")
            db.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql.replace(" NOT NULL", ""), table))
            db.commit()
    with closing(sqlite3.connect(path / "log.sqlite")) as db:
        assert db.execute(f"UPDATE {table} SET {name} = ?", (value,)).rowcount
        db.commit()
