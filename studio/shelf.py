"""The runs that the page may name: the one that was opened and the forks below it, by address. Each is opened once.

A request names no path. An address is names of forks joined by slashes, and each must be a real folder `forks/<name>` of
the run before it: no link, nothing above or beside.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..runs import Manifest, is_run
from ..simulations.debugging import Debugger
from .errors import Refused
from .opening import open_run

FORKS = "forks"
"""Where a run keeps its forks."""
OPEN_AT_ONCE = 24
"""Debuggers that stay open while nobody uses them: each holds some files."""
DEEPEST = 16
"""Names in an address; more than a chain of forks may have."""
_FILES = ("log.sqlite", "log.sqlite-wal", "manifest.json")


@dataclass
class _Open:
    debugger: Debugger
    identity: tuple[int, int]
    manifest: tuple[int, int]
    users: int = 0


class Shelf:
    """The run at `root`, and the forks below it."""

    def __init__(self, root: Path, api_key: str | None = None) -> None:
        self.root = root.resolve()
        self._api_key = api_key
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._lock = threading.Lock()
        self._start = secrets.token_hex(4)

    def path(self, address: str) -> Path:
        """The folder of an address. Raises `Refused`: 404 for one that is no fork here, 410 where it has gone."""
        names = address.split("/") if address else []
        path = self.root
        for name in names:
            if not name or name.startswith(".") or any(sign in name for sign in "\\:\0") or len(names) > DEEPEST:
                raise Refused(404, f"no fork has the address {address!r}", "reload the tree of forks")
            path = path / FORKS / name
            if path.is_symlink() or path.parent.is_symlink():
                raise Refused(404, f"the fork {address!r} is a link, which no fork is", "it was not followed")
        if not is_run(path):
            if names:
                raise Refused(404, f"there is no fork {address!r}, or not any more", "reload the tree of forks")
            raise Refused(410, f"the run {path} is no longer there", "put it back, or end this server (Ctrl-C)")
        return path

    def address(self, path: Path) -> str | None:
        """The address of a run's folder; None where it is none of these."""
        try:
            parts = path.resolve().relative_to(self.root).parts
        except ValueError:
            return None
        return "/".join(parts[1::2]) if not len(parts) % 2 and set(parts[::2]) <= {FORKS} else None

    def writable(self) -> bool:
        """Whether anything can be kept beside the run: breakpoints, forks."""
        return os.access(self.root, os.W_OK)

    def walk(self) -> Iterator[str]:
        """The addresses of all runs there are, parents first."""
        waiting = [""]
        while waiting:
            address = waiting.pop(0)
            yield address
            folder = (
                self.root.joinpath(*(part for name in address.split("/") if name for part in (FORKS, name))) / FORKS
            )
            try:
                names = sorted(each.name for each in os.scandir(folder) if each.is_dir(follow_symlinks=False))
            except OSError:
                continue
            below = [f"{address}/{name}" if address else name for name in names if not name.startswith(".")]
            waiting += [each for each in below if is_run(folder / each.rpartition("/")[2])]

    def version(self, address: str) -> str:
        """Changes with every commit to the run, or to one that it stands on; and from one server to the next."""
        path = self.path(address)
        marks: list[tuple[int, int]] = []
        while True:
            marks += [_mark(path / name) for name in _FILES]
            if path == self.root:
                return f"{self._start}{hash(tuple(marks)) & (1 << 64) - 1:x}"
            path = path.parent.parent

    @contextmanager
    def debugger(self, address: str) -> Iterator[Debugger]:
        """The run's debugger, which other threads may be using, too. Raises what opening it raises."""
        path = self.path(address)
        identity, manifest = _identity(path / "log.sqlite"), _mark(path / "manifest.json")
        with self._lock:
            held = self._open.get(address)
            if held is None or held.identity != identity:  # another run lies there now
                if held is not None:
                    self._retire(address)
                held = self._open[address] = _Open(open_run(path, self._api_key), identity, manifest)
            elif held.manifest != manifest:  # its status has changed
                held.debugger.run.manifest, held.manifest = Manifest.read(path), manifest
            self._open.move_to_end(address)
            held.users += 1
        try:
            yield held.debugger
        finally:
            with self._lock:
                held.users -= 1
                if self._open.get(address) is not held and not held.users:
                    held.debugger.close()
                for each in [name for name, one in self._open.items() if not one.users][:-OPEN_AT_ONCE]:
                    self._retire(each)

    def _retire(self, address: str) -> None:
        held = self._open.pop(address)
        if not held.users:
            held.debugger.close()

    def close(self) -> None:
        """Close all that nobody uses."""
        with self._lock:
            for address in list(self._open):
                self._retire(address)


def _mark(path: Path) -> tuple[int, int]:
    """When a file was written last, and its size. An empty one is as good as none: readers leave an empty WAL."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size) if found.st_size else (0, 0)


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)
