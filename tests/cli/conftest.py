"""The command line in this process, in an empty folder: fast, and through the same door as the installed command."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_world import BROKEN, COLUMNS, Result, Started, Stop, edit_manifest, write_ratings

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


@pytest.fixture
def ratings(tmp_path: Path) -> Callable[..., Path]:
    """`ratings(title="...")` writes a small `ratings.csv` into the folder where commands run."""
    return lambda **options: write_ratings(tmp_path / "ratings.csv", **options)


@pytest.fixture
def small(ratings: Callable[..., Path]) -> list[str]:
    """Flags of a rehearsal that takes a fraction of a second: scripted users over a small table."""
    ratings()
    return ["--data", "ratings.csv", "--columns", COLUMNS, "--model", "scripted", "--recommender", "pop"]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ratings table and runs over it in every state: finished, other, paused."""
    import asyncio

    from recloop.data import parse_columns
    from recloop.simulations import SimulateConfig, simulate

    folder = tmp_path_factory.mktemp("shelf")
    table = write_ratings(folder / "ratings.csv")
    base = {"data": str(table), "columns": parse_columns(COLUMNS), "model": "scripted", "users": 6, "pages": 3}
    ours = SimulateConfig(**base, recommender="pop", watch_rate=(0.4, 0.6))
    asyncio.run(simulate(ours, out=folder / "finished"))
    asyncio.run(simulate(ours.model_copy(update={"recommender": "random", "seed": 1}), out=folder / "other"))
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(simulate(ours, out=folder / "paused", progress=Stop(9)))
    return folder


@pytest.fixture
def runs(shelf: Path, tmp_path: Path) -> Path:
    """The folder where commands run, with a copy of every run of `shelf`, and what can befall one."""
    for name in ("finished", "other", "paused"):
        shutil.copytree(shelf / name, tmp_path / name)
    for name in ("killed", "failed"):
        shutil.copytree(shelf / "paused", tmp_path / name)
    edit_manifest(tmp_path / "killed", status="running", reason="")
    edit_manifest(tmp_path / "failed", status="failed", reason="ValueError: no")
    return tmp_path


@pytest.fixture
def broken(shelf: Path, tmp_path: Path) -> Path:
    """The folder where commands run, with a copy of a finished run for every way of being unreadable."""
    for name, (damage, _) in BROKEN.items():
        shutil.copytree(shelf / "finished", tmp_path / name)
        for left in ("log.sqlite-wal", "log.sqlite-shm"):
            (tmp_path / name / left).unlink(missing_ok=True)
        damage(tmp_path / name)
    return tmp_path


@pytest.fixture
def no_runs(tmp_path: Path) -> dict[str, Path]:
    """What is no run, by name: an empty folder, a folder of something else, a file, nothing at all."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    return {name: tmp_path / name for name in ("empty", "foreign", "file", "missing")}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """`start("simulate", ...)` begins a command over a small table; what still runs at the end is killed."""
    write_ratings(tmp_path / "ratings.csv")
    with ExitStack() as stack:

        def begin(*arguments: object, **environment: str) -> Started:
            started = Started(tmp_path, [str(argument) for argument in arguments], environment)
            stack.callback(started.process.kill)
            return started

        yield begin
