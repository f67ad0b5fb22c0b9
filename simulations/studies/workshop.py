"""`Workshop`: where a study works. Rehearsals are runs of their own below it; computed parts are kept in its log."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from ...llm import Budget, Door, Price, open_model
from ...runs import Event, Manifest, Run, is_run
from ...runs.progress import Progress
from ..config import SimulateConfig
from ..rehearsal import resume, simulate
from ..shared import Shared
from .study import StudyError

PART = "part"


class Halted(StudyError):
    """A rehearsal of the study is paused (budget, lost endpoint): so is the study."""


class Workshop:
    """Hands out rehearsals and keeps what has been computed.

    `run` is the study's own run; every rehearsal is a run at `<study>/runs/<name>`. Data, personas and fitted baselines are
    shared between them (`shared`), and so is the budget.
    """

    def __init__(self, run: Run, progress: Progress, shared: Shared, api_key: str | None = None) -> None:
        self.run, self.progress, self.shared, self.api_key = run, progress, shared, api_key
        self._parts = {event.data["name"]: event.data["value"] for event in run.events(kind=PART)}

    def path(self, name: str) -> Path:
        """The folder of a rehearsal."""
        return self.run.path / "runs" / name

    async def rehearse(self, name: str, config: SimulateConfig) -> Path:
        """Carry a rehearsal out, or go on with it, or take it as it is when it is done. Raises `Halted`."""
        await asyncio.sleep(0)  # scripted users wait for nothing: here a cancelled study stops
        path = self.path(name)
        config = config.model_copy(update={"name": name, "budget": ""})
        if is_run(path) and Manifest.read(path).status == "finished":
            return path
        told = _Told(self.progress, name, whole=config.scripted)
        if is_run(path):
            before = Manifest.read(path).config
            now = {name: getattr(config, name) for name in ("concurrency", "base_url", "price")}
            changes = {name: value for name, value in now.items() if value != before.get(name)}
            await resume(path, **changes, progress=told, api_key=self.api_key, shared=self.shared)
        else:
            if path.exists():  # killed before it was a run: nothing is in it
                shutil.rmtree(path)
            await simulate(config, out=path, progress=told, api_key=self.api_key, shared=self.shared)
        manifest = Manifest.read(path)
        if manifest.status != "finished":
            raise Halted(manifest.reason or manifest.status)
        told.end()
        return path

    @contextmanager
    def opened(self, name: str) -> Iterator[Run]:
        """A rehearsal's run, for reading."""
        with Run.open(self.path(name)) as run:
            yield run

    async def part(self, name: str, work: Callable[[], Any] | Callable[[], Awaitable[Any]]) -> Any:
        """A computed part of the study (JSON): made once, kept in the log, and found there by a study that is gone on with."""
        if name not in self._parts:
            value = work()
            if isinstance(value, Awaitable):
                value = await value
            self.run.commit(self.run.barrier + 1, [Event(PART, data={"name": name, "value": value})])
            self._parts[name] = next(e.data["value"] for e in self.run.events(kind=PART) if e.data["name"] == name)
        return self._parts[name]

    @asynccontextmanager
    async def door(self, config: SimulateConfig) -> AsyncIterator[Door]:
        """A door to the configured model whose calls are kept in the study's own run; for questions outside of rehearsals."""
        door: Door = open_model(
            config.model,
            cassette=self.run.calls,
            budget=self.budget,
            concurrency=config.concurrency,
            timeout=config.timeout,
            api_key=self.api_key,
            base_url=config.base_url,
            price=Price.parse(config.price),
        )
        try:
            await door.check()
            yield door
        finally:
            await door.close()

    @property
    def budget(self) -> Budget | None:
        return self.shared.budget


class _Told:
    """A rehearsal's progress within the study's: one stage under the rehearsal's name, its pages or, `whole`, one step."""

    def __init__(self, progress: Progress, name: str, whole: bool) -> None:
        self.progress, self.name, self.whole, self.browsing = progress, name, whole, False
        if whole:
            progress.stage(name, 1)

    def stage(self, name: str, total: int) -> None:
        self.browsing = name == "browsing" and not self.whole
        if self.browsing:
            self.progress.stage(self.name, total)

    def advance(self, steps: int = 1) -> None:
        if self.browsing:
            self.progress.advance(steps)

    def note(self, text: str) -> None:
        if not text.startswith("preparing "):
            self.progress.note(text)

    def end(self) -> None:
        if self.whole:
            self.progress.advance(1)
