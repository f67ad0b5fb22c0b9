"""What is new in a run, by looking at its files: whoever writes it, this server or another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from ..runs import Manifest
from ..runs.lock import holder
from .errors import Refused, refusal
from .shelf import Shelf

LOOK = 0.25
"""Seconds between two looks at the files of the run."""
LOOK_AROUND = 1.0
"""Seconds between two looks at the tree, and at whether the writer still lives: a killed one changes no file."""


async def follow(shelf: Shelf, run: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Events `state`, `tree`, `session`, `lost` as they come, the first `state` at once. Ends never; costs a few `stat`
    while nothing happens."""
    version, told, lost, session = "", {}, "", None
    tree: dict[str, Any] = {}
    clock, around = asyncio.get_running_loop().time, 0.0
    while True:
        try:
            now, due = shelf.version(run), clock() >= around
            if now != version or due:
                state = await asyncio.to_thread(_state, shelf, run, now)
                if state != told:
                    yield "state", state
                version, told, lost = now, state, ""
            if due:
                around = clock() + LOOK_AROUND
                seen = await asyncio.to_thread(_tree, shelf)
                if tree and seen != tree:
                    yield "tree", {}
                tree = seen
            marked = _session(shelf.path(run))
            if session is not None and marked != session:
                yield "session", {"run": run}
            session = marked
        except Exception as error:
            trouble = refusal(error)
            if trouble.what != lost:
                yield "lost", {"run": run, "error": trouble.what, "hint": trouble.hint}
            version, told, lost = "", {}, trouble.what
            await asyncio.sleep(LOOK_AROUND)
        await asyncio.sleep(LOOK)


def _state(shelf: Shelf, run: str, version: str) -> dict[str, Any]:
    with shelf.debugger(run) as debugger:
        opened = debugger.run
        barrier, calls = opened.barrier, len(opened.calls)
    path = shelf.path(run)
    manifest = Manifest.read(path)
    killed = manifest.status == "running" and holder(path) is None
    return {
        "run": run,
        "version": version,
        "status": "killed" if killed else manifest.status,
        "reason": manifest.reason,
        "barrier": barrier,
        "page": max(0, barrier),
        "calls": calls,
    }


def _tree(shelf: Shelf) -> dict[str, Any]:
    """Every run there is, and how it stands."""
    seen: dict[str, Any] = {}
    for address in shelf.walk():
        try:
            manifest = shelf.path(address) / "manifest.json"
            seen[address] = manifest.stat().st_mtime_ns
        except (OSError, Refused):
            continue  # gone between listing and looking
    return seen


def _session(path: Path) -> tuple[int, int]:
    try:
        found = (path / "debug.json").stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)
