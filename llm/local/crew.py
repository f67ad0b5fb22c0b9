"""Worker threads that each own an engine: first come, first served, and never the event loop's time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar


class Engine(Protocol):
    def close(self) -> None: ...


E = TypeVar("E", bound=Engine)
R = TypeVar("R")


class Cancelled(Exception):
    """Raised inside a job whose caller went away."""


class Crew(Generic[E]):
    """Up to `size` threads; each makes its engine when its first job comes and keeps it. llama.cpp lets go of the
    interpreter while it computes, so threads scale like processes and share the model's weights."""

    def __init__(self, make: Callable[[], E], size: int, name: str) -> None:
        self.make, self.size, self.name = make, size, name
        self._mine = threading.local()
        self._engines: list[E] = []
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    async def run(self, job: Callable[[E, threading.Event], R]) -> R:
        """Run `job(engine, cancelled)` on the next free thread. A cancelled caller takes its job off the queue, or sets
        `cancelled`, at which a running job should stop."""
        cancelled = threading.Event()
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.size, thread_name_prefix=self.name)
            future = self._pool.submit(self._do, job, cancelled)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def _do(self, job: Callable[[E, threading.Event], R], cancelled: threading.Event) -> R:
        engine: E | None = getattr(self._mine, "engine", None)
        if engine is None:
            engine = self._mine.engine = self.make()
            with self._lock:
                self._engines.append(engine)
        if cancelled.is_set():
            raise Cancelled
        return job(engine, cancelled)

    def close(self) -> None:
        """Wait for what runs, then free the engines. The crew can be used again: threads and engines are then new."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            engines, self._engines = self._engines, []
            self._mine = threading.local()
        for engine in engines:
            engine.close()
