"""What the tests of the command line share: results, a small ratings table, runs and what can befall them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as the one JSON document it should be."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    def refused(self) -> str:
        """The message of a command that could not do what it was asked: one, with the next step, and nothing else."""
        assert self.code == 2, (self.code, self.err)
        assert self.out == ""
        assert self.err.count("recloop: ") == 1, self.err
        assert "Traceback" not in self.err
        message = self.err[self.err.index("recloop: ") :]
        assert "\n  " in message, f"no next step: {message}"
        return message

    def usage(self) -> str:
        """The message of a command line that does not parse."""
        assert (self.code, self.out) == (2, ""), (self.code, self.err)
        assert "Usage: recloop" in self.err
        assert "Traceback" not in self.err
        return " ".join(self.err.replace("│", " ").split())


def write_ratings(path: Path, *, users: int = 40, items: int = 60, title: str = "Film {item}") -> Path:
    """A small ratings table with column names of its own: uid, movie, stars, when, name."""
    rng = np.random.default_rng(3)
    rows = ["uid,movie,stars,when,name"]
    for user in range(users):
        liked = (np.arange(items) % 4 == user % 4) * 2.0
        for at, item in enumerate(rng.choice(items, size=24, replace=False, p=(liked + 1) / (liked + 1).sum())):
            stars = int(np.clip(rng.normal(3 + liked[item] / 2, 1), 1, 5))
            name = title.format(item=item).replace('"', '""')
            rows.append(f'u{user},m{item},{stars},{1_600_000_000 + 1000 * at},"{name}"')
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


COLUMNS = "user=uid,item=movie,rating=stars,time=when,title=name"


BOOKKEEPING = ("lock", "log.sqlite-shm", "log.sqlite-wal")
"""What a mere look at a run may touch: SQLite's index of an empty WAL, and the file that the lock is on."""


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder with a hash of its bytes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in BOOKKEEPING)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


RECLOOP = (sys.executable, "-c", "from recloop.cli import main; main()")


class Started:
    """A `recloop` process whose stderr is read line by line."""

    def __init__(self, folder: Path, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [*RECLOOP, *arguments],
            cwd=folder,
            env=os.environ | {"COLUMNS": "80", "OPENAI_API_KEY": "sk-of-a-test"} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.err = ""

    def wait_for(self, text: str) -> None:
        assert self.process.stderr
        while text not in self.err:
            line = self.process.stderr.readline()
            assert line, f"ended without {text!r}:\n{self.err}"
            self.err += line

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.process.send_signal(number)
            time.sleep(0.02)

    def end(self) -> int:
        out, err = self.process.communicate(timeout=60)
        self.out, self.err = out, self.err + err
        assert "Traceback" not in self.err, self.err
        assert "Unclosed" not in self.err, self.err
        return self.process.returncode


class Stop:
    """A progress that interrupts a rehearsal after so many steps, as Ctrl-C would."""

    def __init__(self, after: int) -> None:
        self.left = after

    def stage(self, name: str, total: int) -> None: ...

    def advance(self, steps: int = 1) -> None:
        self.left -= steps
        if self.left <= 0:
            raise KeyboardInterrupt

    def note(self, text: str) -> None: ...


def edit_manifest(run: Path, **changes: Any) -> None:
    """Replace fields of a run's manifest."""
    path = run / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _no_log(run: Path) -> None:
    (run / "log.sqlite").unlink()


def _cut_log(run: Path) -> None:
    log = run / "log.sqlite"
    log.write_bytes(log.read_bytes()[:5000])


def _other_log(run: Path) -> None:
    (run / "log.sqlite").write_bytes(b"no database at all" * 100)


def _cut_manifest(run: Path) -> None:
    (run / "manifest.json").write_text('{"format": 1,')


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no-log": (_no_log, "log.sqlite is missing"),
    "cut-log": (_cut_log, "is damaged"),
    "other-log": (_other_log, "is damaged"),
    "cut-manifest": (_cut_manifest, "is damaged"),
    "newer": (lambda run: edit_manifest(run, format=99), "has run format 99"),
}
"""How a run can be unreadable -> what is said of it."""
