"""What one debugs with, kept beside the run in `debug.json`: breakpoints, and the place one looks at. No part of its digest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from ...runs import DiskFull
from ...runs.manifest import write_atomic
from .errors import DebugError
from .views import Breakpoint, Place

try:
    import fcntl
except ImportError:  # no such locks on this system
    fcntl = None

FILE = "debug.json"
FORMAT = 1
MOST = 1 << 20
"""Bytes beyond which the file is none of ours."""

_in_memory: dict[Path, Session] = {}
"""Sessions of folders that cannot be written, for as long as this process lives."""


class Session:
    """Breakpoints and place of one run. Every change is on disk when it returns; where the folder cannot be written it
    stays in memory, and `note` says so. A file that cannot be read is left as it is until the next change, and told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.breakpoints: list[Breakpoint] = []
        self.place: Place | None = None
        self.note = ""
        self._next = 1

    @classmethod
    def of(cls, path: Path) -> Self:
        """The session of the run at `path`."""
        if (kept := _in_memory.get(path.absolute())) is not None:
            return kept  # type: ignore[return-value]
        session = cls(path)
        session._load()
        return session

    def add(self, when: str, against: str = "") -> Breakpoint:
        """A new breakpoint. Raises `ConditionError`."""
        from .fields import check_against, condition

        check_against(condition(when), against)
        with self._change():
            made = Breakpoint(self._next, when.strip(), against)
            self._next += 1
            self.breakpoints.append(made)
        return made

    def clear(self, id: int | None = None) -> None:
        """Take out one breakpoint, or all. Raises `DebugError` for one that there is not."""
        with self._change():
            if id is None:
                self.breakpoints = []
            else:
                del self.breakpoints[self._index(id)]

    def switch(self, id: int, on: bool) -> Breakpoint:
        """Turn a breakpoint on or off. Raises `DebugError` for one that there is not."""
        with self._change():
            at = self._index(id)
            self.breakpoints[at] = replace(self.breakpoints[at], on=on)
        return self.breakpoints[at]

    def inherit(self, parent: Session) -> None:
        """Begin with another run's breakpoints: a fork stops where its parent would."""
        if not parent.breakpoints:
            return
        with self._change():
            for each in parent.breakpoints:
                there = parent.path / each.against
                against = str(there.resolve()) if each.against and there.exists() else each.against
                self.breakpoints.append(replace(each, against=against))
            self._next = parent._next

    def look_at(self, place: Place) -> None:
        """Keep the place one looks at."""
        with self._change():
            self.place = place

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Around a change: what another process has changed since is there before it, and it is on disk after it."""
        with _alone(self.path):
            if _in_memory.get(self.path.absolute()) is not self:
                self.breakpoints, self.place, self._next = [], None, 1
                self._load()
            yield
            self._save()

    def _index(self, id: int) -> int:
        for at, each in enumerate(self.breakpoints):
            if each.id == id:
                return at
        have = ", ".join(str(each.id) for each in self.breakpoints) or "none"
        raise DebugError(f"there is no breakpoint {id}\n  there are: {have}")

    def _load(self) -> None:
        file = self.path / FILE
        try:
            if not file.is_file():
                return
            if file.stat().st_size > MOST:
                raise ValueError(f"more than {MOST:,} bytes")
            self._take(json.loads(file.read_text(encoding="utf-8")))
        except Exception as error:  # it may hold anything
            self.breakpoints, self.place, self._next = [], None, 1
            self.note = f"{file} could not be read ({_one_line(error)}): breakpoints and place begin anew"

    def _take(self, said: dict[str, Any]) -> None:
        from .fields import condition

        if said["format"] != FORMAT:
            raise ValueError(f"format {said['format']!r}, not {FORMAT}")
        for each in said["breakpoints"]:
            id, when, against, on = each["id"], each["when"], each["against"], each["on"]
            if not (isinstance(id, int) and isinstance(against, str) and isinstance(on, bool)):
                raise ValueError("a breakpoint of another shape")
            condition(when)  # raises for what cannot be asked
            self.breakpoints.append(Breakpoint(id, when, against, on))
        if said["place"] is not None:
            agent, page, node = said["place"]
            if not (isinstance(agent, str) and isinstance(page, int) and isinstance(node, str)):
                raise ValueError("a place of another shape")
            self.place = Place(agent, page, node)
        self._next = max([int(said["next"]), *(each.id + 1 for each in self.breakpoints)])

    def _save(self) -> None:
        said = {
            "format": FORMAT,
            "next": self._next,
            "breakpoints": [
                {"id": each.id, "when": each.when, "against": each.against, "on": each.on} for each in self.breakpoints
            ],
            "place": self.place,
        }
        try:
            write_atomic(self.path / FILE, (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode())
            self.note = ""
        except (OSError, DiskFull) as error:
            self.note = f"{self.path} cannot be written ({_one_line(error)}): breakpoints and place are kept in memory"
            _in_memory[self.path.absolute()] = self


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Others who change the session of this folder meanwhile wait, where the system has such locks."""
    try:
        held = os.open(folder, os.O_RDONLY) if fcntl is not None else None
    except OSError:
        held = None
    try:
        if fcntl is not None and held is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        if held is not None:
            os.close(held)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).split("\n")[0][:200] or type(error).__name__
