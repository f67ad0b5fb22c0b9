"""Where a command's words go: terminals, pipes that close, narrow encodings, full disks, folders that are gone."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_world import COLUMNS
from recloop.runs import Run

RECLOOP = f'{shlex.quote(sys.executable)} -c "from recloop.cli import main; main()"'

Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shell(runs: Path) -> Shell:
    """`shell("recloop runs list . | head -1")` runs a line in bash, in a folder of runs; a pipe's code is its last failure."""

    def run(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        script = f'set -o pipefail; recloop() {{ {RECLOOP} "$@"; }}; {line}'
        return subprocess.run(
            ["bash", "-c", script],
            cwd=runs,
            env=os.environ | {"COLUMNS": "80"} | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


LINES = (
    "recloop runs list . | head -1",
    "recloop runs show finished --json | head -1",
    "recloop data describe --json | head -1",
    "recloop --help | head -1",
    "recloop runs show finished | true",
)


@pytest.mark.parametrize("line", LINES)
def test_a_reader_that_has_enough_is_no_error(shell: Shell, line: str) -> None:
    done = shell(line)
    assert done.stderr == ""
    assert done.returncode in (0, 1)
    assert len(done.stdout.splitlines()) <= 1


def test_a_rehearsal_whose_reader_goes_away_leaves_a_whole_run(shell: Shell, runs: Path, shelf: Path) -> None:
    table = shlex.quote(str(shelf / "ratings.csv"))
    flags = f"--data {table} --columns {COLUMNS} --model scripted --users 6 --pages 3"
    assert "Traceback" not in shell(f"recloop simulate {flags} --out piped 2>&1 | head -1").stdout
    with Run.open(runs / "piped") as run:
        assert run.status in ("finished", "paused")
    assert shell("recloop resume piped").returncode in (0, 1)


def test_progress_is_plain_lines_where_nobody_watches(shell: Shell, shelf: Path) -> None:
    table = shlex.quote(str(shelf / "ratings.csv"))
    done = shell(
        f"recloop simulate --data {table} --columns {COLUMNS} --model scripted --users 10 --pages 5 --out plain"
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    steps = [line for line in done.stderr.splitlines() if line.startswith("browsing: ")]
    assert 1 <= len(steps) <= 6, "a line per fifth"
    assert steps[-1] == "browsing: 50/50"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_encoding_of_the_terminal_will_do(shell: Shell, encoding: str) -> None:
    for line in ("recloop data describe", "recloop runs compare finished other"):
        done = shell(f"{line} > out 2> err; code=$?; cat err >&2; exit $code", PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, "")
    done = shell(
        "recloop runs show finished --json > found.json && python3 -m json.tool found.json", PYTHONIOENCODING=encoding
    )
    assert done.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_told_in_a_line(shell: Shell) -> None:
    for line in ("recloop runs show finished > /dev/full", "recloop runs show finished --json > /dev/full"):
        done = shell(line)
        assert done.returncode != 0
        assert "no space left on device" in done.stderr.lower()
        assert "Traceback" not in done.stderr


def test_a_folder_that_is_gone_is_told_in_a_line(shell: Shell) -> None:
    done = shell("mkdir gone && cd gone && rmdir ../gone && recloop runs list", PYTHONSAFEPATH="1")
    assert done.returncode == 2
    assert "the current folder does not exist any more" in done.stderr
    assert "Traceback" not in done.stderr
