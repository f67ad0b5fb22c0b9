"""The command line in this process, in an empty folder: fast, and through the same door as the installed command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
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


Cli = Callable[..., Result]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """`cli("runs", "list")` runs `recloop runs list` in `tmp_path`."""
    from recloop.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("RECLOOP_TRACEBACK", "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["recloop", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return run


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


@pytest.fixture
def ratings(tmp_path: Path) -> Callable[..., Path]:
    """`ratings(title="...")` writes a small `ratings.csv` into the folder where commands run."""
    return lambda **options: write_ratings(tmp_path / "ratings.csv", **options)


@pytest.fixture
def small(ratings: Callable[..., Path]) -> list[str]:
    """Flags of a rehearsal that takes a fraction of a second: scripted users over a small table."""
    ratings()
    return ["--data", "ratings.csv", "--columns", COLUMNS, "--model", "scripted", "--recommender", "pop"]
