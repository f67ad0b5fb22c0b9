"""Processes that rehearse the cells without a model: those only compute, and one process computes on one core.

One JSON line in (a cell and the sweep's folder), one JSON line out (what the sweep's log keeps of it). A process whose
sweep is gone ends at once, wherever it stands: the cell is then at its last page, as after any kill.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import sys
import threading
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import SimulateConfig
from .grid import Cell, SweepError

if TYPE_CHECKING:
    from .carry import Halted

LONGEST_LINE = 2**28
"""Bytes of one answer: a hundred thousand users have room."""


class Crew:
    """Starts a process when none is idle, keeps it for the next cell. Call `close` at the end."""

    def __init__(self) -> None:
        self._idle: list[Process] = []
        self._all: list[Process] = []

    async def carry(self, cell: Cell, folder: Path) -> dict[str, Any] | Halted | Exception:
        """As `carry.carry`, in another process; an error comes back as one, in its words."""
        from .carry import Halted

        process = self._idle.pop() if self._idle else await self._start()
        asked = {"name": cell.name, "arm": cell.arm, "seed": cell.seed, "config": cell.config.model_dump(mode="json")}
        line = await self._exchange(process, {"cell": asked, "folder": str(folder)})
        if not line:
            return SweepError(f"its process ended (exit code {await process.wait()})")
        self._idle.append(process)
        answer = json.loads(line)
        if "halted" in answer:
            return Halted(answer["halted"])
        return SweepError(answer["failed"]) if "failed" in answer else answer["found"]

    async def close(self) -> None:
        """End all processes, also in the middle of a page."""
        for process in self._all:
            if process.stdin is not None:
                process.stdin.close()
        await asyncio.gather(*(process.wait() for process in self._all))

    async def _start(self) -> Process:
        command = [sys.executable, "-P", "-m", __name__]
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE)
        self._all.append(process)
        await self._send(process, sys.path)
        return process

    async def _exchange(self, process: Process, asked: Any) -> bytes:
        await self._send(process, asked)
        assert process.stdout is not None
        return await process.stdout.readline()

    async def _send(self, process: Process, value: Any) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(value).encode() + b"\n")
        with suppress(ConnectionError):  # it has ended: the missing answer says so
            await process.stdin.drain()


def main() -> None:
    """The other side."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the sweep decides what it means
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a recommender prints is no answer
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    sys.path[:] = json.loads(lines.get())
    from ..shared import Shared

    shared = Shared()
    while True:
        answer = asyncio.run(_answer(json.loads(lines.get()), shared))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _listen(lines: queue.Queue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # the sweep is gone


async def _answer(asked: dict[str, Any], shared: Any) -> dict[str, Any]:
    from ...runs.progress import Silent
    from .carry import Halted, carry, told

    given = asked["cell"]
    cell = Cell(given["name"], given["arm"], given["seed"], SimulateConfig(**given["config"]))
    try:
        found = await carry(cell, Path(asked["folder"]), shared, Silent(), None)
    except Exception as error:
        return {"failed": told(error)}
    return {"halted": found.reason} if isinstance(found, Halted) else {"found": found}


if __name__ == "__main__":
    main()
