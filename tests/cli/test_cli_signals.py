"""Ctrl-C and SIGTERM, to a process of its own: the run stands at a page, and the printed command finishes it."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_world import COLUMNS, RECLOOP, Started, write_ratings
from recloop.runs import Run

ENDPOINT = ("--model", "openai/fake", "--base-url")
SMALL = ("--data", "ratings.csv", "--columns", COLUMNS, "--recommender", "pop")


@pytest.fixture
def slow(fake_llm: Any) -> list[str]:
    """Flags of a rehearsal over an endpoint that takes its time."""
    return [*SMALL, "--users", "4", "--pages", "6", *ENDPOINT, fake_llm(latency="fixed:150").base_url]


@pytest.fixture
def go_on(cli: Any, slow: list[str], fake_llm: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], None]:
    """`go_on(command)` runs a printed command, over a faster endpoint, and compares with a rehearsal that nothing broke."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-test")
    fast = fake_llm().base_url

    def run(command: list[str]) -> None:
        found = cli(*command, "--base-url", fast, "--json").json
        whole = cli("simulate", *slow[:-1], fast, "--out", "whole", "--json").json
        assert (found["status"], found["digest"]) == ("finished", whole["digest"])

    return run


def command_in(err: str) -> list[str]:
    (line,) = re.findall(r"^go on with:  (.*)$", err, re.MULTILINE)
    return shlex.split(line)[1:]


def state(run: Path) -> tuple[str, str, int]:
    with Run.open(run) as opened:
        return opened.status, opened.manifest.reason, opened.barrier


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ((signal.SIGINT,), 130),
        ((signal.SIGTERM,), 143),
        ((signal.SIGINT, signal.SIGINT), 130),
    ],
    ids=["ctrl-c", "sigterm", "ctrl-c twice"],
)
def test_a_signal_while_browsing_leaves_a_run_that_goes_on_as_if_unbroken(
    start: Callable[..., Started], slow: list[str], go_on: Any, tmp_path: Path, signals: tuple[int, ...], code: int
) -> None:
    started = start("simulate", *slow, "--out", "run")
    started.wait_for("browsing: 4/24")
    started.send(*signals)
    assert started.end() == code
    assert started.out == ""
    status, reason, barrier = state(tmp_path / "run")
    assert (status, reason) == ("paused", "interrupted") or (len(signals) > 1 and status == "running")
    assert 0 <= barrier < 6
    go_on(command_in(started.err))


def test_scripted_users_who_never_wait_are_stopped_too(start: Callable[..., Started], tmp_path: Path) -> None:
    flags = ("--users", 40, "--pages", 10000, "--page-size", 1, "--fatigue", 0, "--watch-rate", "0.5,0.5")
    started = start("simulate", *SMALL, "--model", "scripted", *flags, "--out", "run")
    started.wait_for("browsing: ")
    started.send(signal.SIGINT)
    code = started.end()
    assert code == 130, started.err
    assert state(tmp_path / "run")[:2] == ("paused", "interrupted")


def test_before_the_first_page_ctrl_c_acts_at_once_and_leaves_nothing(
    start: Callable[..., Started], tmp_path: Path
) -> None:
    (tmp_path / "slow_of_mine.py").write_text(
        "import time\nclass Slow:\n    def fit(self, data):\n        print('fitting', flush=True)\n        time.sleep(60)\n"
        "    def top(self, user, k, exclude):\n        return []\n"
    )
    started = start("simulate", *SMALL, "--recommender", "slow_of_mine:Slow", "--model", "scripted")
    started.wait_for("fitting")
    began = time.monotonic()
    started.send(signal.SIGINT)
    assert started.end() == 130
    assert time.monotonic() - began < 30
    assert "interrupted before the first page" in started.err
    assert not (tmp_path / "recloop-runs").exists()


def test_a_killed_run_is_shown_as_killed_and_goes_on(
    start: Callable[..., Started], slow: list[str], go_on: Any, cli: Any
) -> None:
    started = start("simulate", *slow, "--out", "run")
    started.wait_for("browsing: 4/24")
    started.process.kill()
    started.process.wait()
    assert {row["run"]: row["status"] for row in cli("runs", "list", ".", "--json").json} == {"run": "killed"}
    go_on(["resume", "run"])


def test_ctrl_c_on_a_terminal_ends_the_bars_and_says_how_to_go_on(slow: list[str], tmp_path: Path) -> None:
    write_ratings(tmp_path / "ratings.csv")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.environ |= {"OPENAI_API_KEY": "sk-of-a-test", "TERM": "xterm"}
        os.execv(RECLOOP[0], [*RECLOOP, "simulate", *slow, "--out", "run"])
    shown = b""
    try:
        while not re.search(rb"\D(?:[4-9]|1\d)/24", shown):
            shown += os.read(terminal, 4096)
        os.write(terminal, b"\x03")  # what the key sends
        while chunk := _read(terminal):
            shown += chunk
    finally:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(terminal)
    assert code == 130
    text = shown.decode()
    assert re.search(r"\d/24 +0:00:\d\d +left", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)), text
    assert text.rstrip().endswith("go on with:  recloop resume run")
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h"), "the cursor is shown again"
    assert state(tmp_path / "run")[:2] == ("paused", "interrupted")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the process has closed its side
        return b""
