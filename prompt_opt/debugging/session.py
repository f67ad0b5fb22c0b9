"""What one debugs a search with, kept beside it in `debug.json`: breakpoints, and the step one looks at. No part of its digest."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ...runs import DiskFull
from ...runs.manifest import write_atomic
from .errors import DebugError
from .fields import condition
from .views import Breakpoint

FILE = "debug.json"
MOST = 1 << 20
"""Bytes beyond which the file is none of ours."""

_in_memory: dict[Path, Session] = {}
"""Sessions of folders that cannot be written, for as long as this process lives."""


class Session:
    """Breakpoints and place. Every change is on disk when it returns; where the folder cannot be written it stays in memory,
    and `note` says so. A file that cannot be read is left as it is until the next change, and told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.breakpoints: list[Breakpoint] = []
        self.step: int | None = None
        self.note = ""

    @classmethod
    def of(cls, path: Path) -> Session:
        """The session of the run at `path`."""
        if (kept := _in_memory.get(path.absolute())) is not None:
            return kept
        session = cls(path)
        session._load()
        return session

    def add(self, when: str) -> Breakpoint:
        """A new breakpoint. Raises `ConditionError`."""
        condition(when)
        made = Breakpoint(max((each.id for each in self.breakpoints), default=0) + 1, when.strip())
        self.breakpoints.append(made)
        self._save()
        return made

    def clear(self, id: int | None = None) -> None:
        """Take out one breakpoint, or all. Raises `DebugError` for one that there is not."""
        if id is None:
            self.breakpoints = []
        else:
            del self.breakpoints[self._index(id)]
        self._save()

    def switch(self, id: int, on: bool) -> Breakpoint:
        """Turn a breakpoint on or off. Raises `DebugError` for one that there is not."""
        at = self._index(id)
        self.breakpoints[at] = replace(self.breakpoints[at], on=on)
        self._save()
        return self.breakpoints[at]

    def look_at(self, step: int) -> None:
        """Keep the step one looks at."""
        self.step = step
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
            said: Any = json.loads(file.read_text(encoding="utf-8"))
            for each in said["breakpoints"]:
                if not (isinstance(each["id"], int) and isinstance(each["on"], bool)):
                    raise ValueError("a breakpoint of another shape")
                condition(each["when"])
                self.breakpoints.append(Breakpoint(each["id"], each["when"], each["on"]))
            self.step = None if said["step"] is None else int(said["step"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, DebugError) as error:
            self.breakpoints, self.step = [], None
            why = str(error).split("\n")[0][:200] or type(error).__name__
            self.note = f"{file} could not be read ({why}): breakpoints and place begin anew"

    def _save(self) -> None:
        said = {"format": 1, "step": self.step, "breakpoints": [asdict(each) for each in self.breakpoints]}
        try:
            write_atomic(self.path / FILE, (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode())
            self.note = ""
        except (OSError, DiskFull) as error:
            why = getattr(error, "strerror", "") or str(error).split("\n")[0]
            self.note = f"{self.path} cannot be written ({why}): breakpoints and place are kept in memory"
            _in_memory[self.path.absolute()] = self
