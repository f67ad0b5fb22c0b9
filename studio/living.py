"""What goes on in runs: each in a thread with an event loop of its own, so that the page is answered meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from .errors import Refused

What = Literal["go-on", "replay"]
NOTES_KEPT = 20
"""Lines of a work's notes: the last ones."""
BETWEEN = 0.2
"""Seconds between two tellings of progress."""


class Work:
    """Something that goes on in a run; a `Progress`. Told of by `told(work)` from its thread, at most five times a second."""

    def __init__(self, run: str, what: What, told: Callable[[Work], None]) -> None:
        self.run, self.what = run, what
        self._told, self._last = told, 0.0
        self._stage, self._done, self._total = "starting", 0, 0
        self._notes: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._stopping = False
        self._guard = threading.Lock()

    def stage(self, name: str, total: int) -> None:
        self._stage, self._done, self._total = name, 0, total
        self._tell(at_once=True)

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        self._tell()

    def note(self, text: str) -> None:
        self._notes = [*self._notes, text][-NOTES_KEPT:]
        self._tell(at_once=True)

    def shown(self) -> dict[str, Any]:
        """How far it is, for the page."""
        stage = "stopping at the last whole page" if self._stopping else self._stage
        return {
            "run": self.run,
            "what": self.what,
            "stage": stage,
            "done": self._done,
            "total": self._total,
            "notes": self._notes,
        }

    def stop(self) -> None:
        """Cancel it; it leaves its run paused at the last whole page. From any thread, before it has begun too."""
        with self._guard:
            self._stopping = True
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._tell(at_once=True)

    def carry_out(self, work: Callable[[Work], Awaitable[Any]]) -> Any:
        """The work's result; to be called in its thread. Raises what the work raises, `CancelledError` when stopped."""

        async def carried() -> Any:
            with self._guard:
                self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
                if self._stopping:
                    raise asyncio.CancelledError
            try:
                return await work(self)
            finally:
                with self._guard:
                    self._loop = self._task = None

        return asyncio.run(carried())

    def _tell(self, at_once: bool = False) -> None:
        now = time.monotonic()
        if at_once or now - self._last >= BETWEEN:
            self._last = now
            self._told(self)


class Crew:
    """The works under way, at most one per run. `told(event, data)` is called in the server's loop."""

    def __init__(self, told: Callable[[str, dict[str, Any]], None]) -> None:
        self._told = told
        self._works: dict[str, Work] = {}
        self._threads: dict[str, asyncio.Future[Any]] = {}
        self.last: dict[str, dict[str, Any]] = {}
        """By run: how what went on there last ended, as the page is told."""

    def of(self, run: str) -> Work | None:
        """What goes on in a run."""
        return self._works.get(run)

    def all(self) -> list[Work]:
        """All that goes on."""
        return list(self._works.values())

    def start(self, run: str, what: What, work: Callable[[Work], Awaitable[Any]]) -> tuple[Work, asyncio.Future[Any]]:
        """Begin; the future is done when the work is. Raises `Refused` (409) where something goes on in this run."""
        if run in self._works:
            raise Refused(409, "something goes on in this run already", "wait for it, or stop it")
        loop = asyncio.get_running_loop()

        def told(work: Work) -> None:
            loop.call_soon_threadsafe(self._told, "living", work.shown())

        begun = self._works[run] = Work(run, what, told)
        end: asyncio.Future[Any] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            self._works.pop(run, None)
            self._threads.pop(run, None)
            if end.cancelled():
                return
            if error is None:
                end.set_result(result)
            elif isinstance(error, asyncio.CancelledError):
                end.cancel()
            else:
                end.set_exception(error)

        def carry_out() -> None:
            result, trouble = None, None
            try:
                result = begun.carry_out(work)
            except BaseException as error:  # handed to whoever waits for it
                trouble = error
            loop.call_soon_threadsafe(settle, result, trouble)

        self._threads[run] = end
        # A daemon: a second Ctrl-C ends the process at once, and what is committed is safe.
        threading.Thread(target=carry_out, name=f"{what} {run or '.'}", daemon=True).start()
        return begun, end

    async def close(self) -> None:
        """Stop all, and wait until their runs stand."""
        ends = list(self._threads.values())
        for work in self.all():
            work.stop()
        await asyncio.gather(*ends, return_exceptions=True)
