"""Folders that a crash, a disk or a stranger has spoilt are taken up again or refused clearly, and reach nothing outside."""

import os
import signal
import subprocess
import sys

import pytest
from recloop.runs import NotARun, Run, check_vacant
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
