"""Where runs live: names for new ones, and the list of those there are."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .errors import NotARun, NotWritable, RunError
from .lock import LOCK, holder
from .log import LOG, check_header, holds_nothing
from .manifest import MANIFEST, Manifest
from .overlay import FORKS, layers_of

ROOT = Path("recloop-runs")
"""Where runs go unless told otherwise: below the folder one works in."""
_UNFINISHED = frozenset((LOCK, f".{MANIFEST}.tmp", LOG, *(f"{LOG}-{end}" for end in ("journal", "wal", "shm"))))
"""What is in a run's folder before its manifest is."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as a list shows it. `problem` says what is wrong with one that cannot be opened (then `manifest` may be None).

    `pid` is the process that is writing it (0: not known which), None where nobody is. `size` is in bytes.
    """

    path: Path
    manifest: Manifest | None
    size: int
    pid: int | None = None
    problem: str = ""

    @property
    def status(self) -> str:
        """running, paused, finished, failed; "killed" for a run that says running while nobody writes it; "unreadable"."""
        if self.manifest is None or self.problem:
            return "unreadable"
        return "killed" if self.manifest.status == "running" and self.pid is None else self.manifest.status


def new_run_path(root: str | Path | None = None, name: str = "run") -> Path:
    """A free path `<root>/<YYYY-MM-DD>-<name>`, with -2, -3, … where taken. Makes nothing.

    `root` is ./recloop-runs unless given; what cannot stand in a folder's name becomes a dash.
    """
    root = Path(root) if root is not None else ROOT
    plain = re.sub(r"[^\w.+-]+", "-", name).strip("-.")[:80] or "run"
    path = first = root / f"{date.today().isoformat()}-{plain}"
    number = 2
    while path.exists():
        path = first.with_name(f"{first.name}-{number}")
        number += 1
    return path


def is_run(path: str | Path) -> bool:
    """Whether a folder claims to be a run (it may still be damaged)."""
    return (Path(path) / MANIFEST).is_file()


def leftovers(path: Path) -> list[Path] | None:
    """What the making of a run that was cut off left in a folder, the log first; None where anything else is in it too.

    A log that something was committed to is no leftover, even where its manifest is lost: it can be saved.
    """
    found = sorted(path.iterdir())
    ours = all(each.name in _UNFINISHED and each.is_file() and not each.is_symlink() for each in found)
    return sorted(found, key=lambda each: each.name != LOG) if ours and holds_nothing(path) else None


def check_vacant(path: str | Path) -> None:
    """Look whether a new run's folder can be made here; leaves nothing behind, so it is asked before anything is paid for.

    What the making of a run that was cut off left is in nobody's way. Raises `NotARun` where something else is there, `NotWritable` where this process may not make it.
    """
    path = Path(path)
    if path.is_dir() and not is_run(path) and (pid := holder(path)) is not None:
        raise NotARun(
            f"{path} was taken by {f'process {pid}' if pid else 'another process'}",
            "give another folder for the new run",
        )
    if path.exists() and (not path.is_dir() or leftovers(path) is None):
        go_on = f", or go on with this run: recloop resume {path}" if is_run(path) else ""
        what = "exists and is not empty" if path.is_dir() else "is a file"
        raise NotARun(f"{path} {what}", f"give another folder for the new run{go_on}")
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir():
        raise NotWritable(f"{path} cannot be made: {there} is a file", "give another folder for the new run")
    try:
        with tempfile.TemporaryDirectory(prefix=".recloop-", dir=there):
            pass
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise NotWritable(
            f"{path} cannot be made: nothing can be written in {there} ({why})",
            "give another folder, or change its permissions",
        ) from None


def run_info(path: str | Path) -> RunInfo:
    """How a run's folder looks from outside. Opens no log and never raises for a damaged run."""
    path = Path(path)
    manifest, problem = None, ""
    try:
        manifest = Manifest.read(path)
        check_header(path / LOG)
        layers_of(path, manifest.fork)
    except (RunError, OSError) as error:
        problem = str(error)
    return RunInfo(path, manifest, folder_size(path), holder(path), problem)


def list_runs(root: str | Path | None = None) -> list[RunInfo]:
    """The runs right below a folder (default ./recloop-runs), oldest first; damaged ones too, with their problem."""
    root = Path(root) if root is not None else ROOT
    if not root.is_dir():
        return []
    infos = [run_info(path) for path in sorted(root.iterdir()) if is_run(path)]
    return sorted(infos, key=lambda info: (info.manifest.created if info.manifest else "", info.path.name))


def family(path: str | Path) -> Iterator[tuple[int, RunInfo]]:
    """A run and all of its forks, parents first, each with how many forks lie between it and the run."""
    yield 0, run_info(path)
    for fork in forks_of(path):
        yield from ((depth + 1, info) for depth, info in family(fork))


def forks_of(path: str | Path) -> list[Path]:
    """The forks right below a run, oldest first; their own forks lie below them. Links are left out."""
    home = Path(path) / FORKS
    if home.is_symlink() or not home.is_dir():
        return []
    found = [
        each for each in home.iterdir() if not each.name.startswith(".") and not each.is_symlink() and is_run(each)
    ]
    return sorted(found, key=lambda each: (_created(each), each.name))


def _created(path: Path) -> str:
    try:
        return Manifest.read(path).created
    except (RunError, OSError):
        return ""


def folder_size(path: Path) -> int:
    """Bytes of all files below a run's folder, without those of its forks."""
    total = 0
    for folder, inner, files in os.walk(path):
        if Path(folder) == path and FORKS in inner:
            inner.remove(FORKS)
        for name in files:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except OSError:
                continue  # gone between listing and looking
    return total
