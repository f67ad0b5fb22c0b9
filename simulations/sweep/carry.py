"""Carry a sweep out: start it or go on with it, cell by cell, in one run that remembers which are done.

The cells' folders are the truth: one that is finished is never done again, one that stands at a page barrier is resumed.
The sweep's log takes them in the grid's order, whichever finished first, so equal sweeps have equal digests at any `jobs`.
"""

from __future__ import annotations

import asyncio
import math
import shutil
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...llm import Budget
from ...llm.errors import BudgetError
from ...runs import DiskFull, Event, Manifest, Run, RunError, check_vacant, is_run, new_run_path, redact
from ...runs.calls import PAUSE, CallTotals
from ...runs.progress import Progress, Silent
from ..outcome.numbers import show
from ..rehearsal import NOTE, simulate
from ..rehearsal import resume as resume_cell
from ..shared import Shared
from .checks import check, ours
from .crew import Crew
from .grid import CELL_VOLATILE, Cell, Grid, SweepError, grid_of
from .measures import measured
from .tables import CELL, KIND

SPENT = "budget of "
"""How the reason of a run begins whose budget is spent."""


@dataclass(frozen=True)
class Halted:
    """A cell that stands at a page barrier, and why."""

    reason: str


async def sweep(
    grid: Grid,
    *,
    out: str | Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
    api_key: str | None = None,
) -> Path:
    """Rehearse every cell of the grid; returns the sweep's folder. Raises before the first run for what cannot work.

    Where `out` holds this sweep already, it goes on with it. `jobs` cells are rehearsed side by side: those without a
    model in processes of their own, all others in this one. A spent budget, lost endpoints and a cancelled task leave the
    sweep paused, failed cells leave it failed; `resume` goes on with both.
    """
    progress = progress or Silent()
    path = Path(out) if out is not None else new_run_path(name=grid.name)
    config = {"settings": dict(grid.settings), "grid": dict(grid.axes), "budget": grid.budget, "jobs": jobs}
    if is_run(path):
        _same(path, config)
        now = {key: grid.settings[key] for key in CELL_VOLATILE if key in grid.settings}
        return await resume(path, progress=progress, api_key=api_key, budget=grid.budget or None, jobs=jobs, **now)
    check_vacant(path)
    shared = Shared(Budget.parse(grid.budget))
    checked = await check(grid, shared, progress, api_key=api_key)
    with Run.create(
        path, kind=KIND, name=grid.name, config=config, seed=grid.cells[0].seed, hashes=checked.hashes
    ) as run:
        for record in checked.calls:
            run.calls.put(record)
        await _Round(run, grid, shared, jobs, progress, api_key).go()
    return path


async def resume(
    path: Path,
    *,
    budget: str | None = None,
    concurrency: int | None = None,
    timeout: float | None = None,
    base_url: str | None = None,
    price: str | None = None,
    jobs: int | None = None,
    pages: int | None = None,
    progress: Progress | None = None,
    api_key: str | None = None,
) -> Path:
    """Go on with a sweep: cells that are done stay, paused ones are resumed, failed ones tried again.

    `budget`, `concurrency`, `timeout`, `base_url`, `price` and `jobs` replace what it began with; what was spent counts. Raises
    `SweepError` where data or a prompt has changed, and for more `pages` (a rehearsal can have them, a grid cannot); the
    sweep then stays as it was.
    """
    progress = progress or Silent()
    if pages is not None:
        raise SweepError(
            f"the pages of {path} are part of its grid\n  rehearse another grid, or give one cell more:"
            f" recloop resume {path}/runs/CELL --pages {pages}"
        )
    if Manifest.read(path).status == "finished":
        return path
    with Run.open(path, write=True) as run:
        if run.status == "running":  # and nobody holds its lock
            run.set_status("paused", "killed")
        config = run.manifest.config
        changes = {"concurrency": concurrency, "timeout": timeout, "base_url": base_url, "price": price}
        settings = {
            **config["settings"],
            **{k: v for k, v in changes.items() if v is not None and k in config["settings"]},
        }
        asked = {
            "settings": settings,
            "budget": config["budget"] if budget is None else budget,
            "jobs": config["jobs"] if jobs is None else jobs,
        }
        grid = grid_of({**settings, "budget": asked["budget"], "name": run.manifest.name}, config["grid"])
        done = {event.data["cell"] for event in run.events(kind=CELL)}
        left = replace(grid, cells=tuple(cell for cell in grid.cells if cell.name not in done))
        shared = Shared(_budget(run, grid))
        if left.cells:
            now = (await check(left, shared, progress, api_key=api_key, ask=False)).hashes
            _unchanged(run, now)
        if new := {key: value for key, value in asked.items() if value != config[key]}:
            run.revise(new, "resumed with another " + ", ".join(new))
        await _Round(run, grid, shared, asked["jobs"], progress, api_key).go()
    return path


def _same(path: Path, config: Mapping[str, Any]) -> None:
    """Raises `SweepError` where the folder holds another sweep than the one asked for."""
    manifest = Manifest.read(path)
    other = f"give another folder with --out, or go on with it as it is: recloop resume {path}"
    if manifest.kind != KIND:
        raise SweepError(f"{path} holds a run of kind {manifest.kind!r}, no sweep\n  {other}")
    for part in ("grid", "settings"):
        there, asked = manifest.config[part], redact(dict(config[part]))
        for key in {**there, **asked}:
            if there.get(key) != asked.get(key) and not (part == "settings" and key in CELL_VOLATILE):
                name = f"grid.{key}" if part == "grid" else key
                raise SweepError(
                    f"{path} holds another sweep: {name} was {_told(there.get(key))}, now it is {_told(asked.get(key))}"
                    f"\n  {other}"
                )


def _told(value: Any) -> str:
    return "not given" if value is None else repr(value)


def _unchanged(run: Run, now: Mapping[str, str]) -> None:
    for name, value in now.items():
        if run.manifest.hashes.get(name, value) != value:
            raise SweepError(
                f"{name} is not what this sweep began with; restore it, or start a new sweep with `recloop sweep`"
            )


def _budget(run: Run, grid: Grid) -> Budget:
    """The sweep's budget, with all that was spent so far counted: by every cell, and by asking the models beforehand."""
    budget = Budget.parse(grid.budget)
    totals, spans = _totals(run, grid.cells), []
    if budget.seconds is not None:
        spans = _spans(run)
        for cell in grid.cells:
            with suppress(RunError), Run.open(run.path / cell.path) as opened:
                spans += _spans(opened)
    spent = {
        "calls": sum(each.attempts for each in totals),
        "tokens": sum(each.prompt_tokens + each.completion_tokens for each in totals),
        "usd": sum(each.cost for each in totals),
        "seconds": at_work(spans),
    }
    return budget.resume({"spent": spent})


def _totals(run: Run, cells: Iterable[Cell]) -> list[CallTotals]:
    """What the calls took of the sweep itself, and of each cell that is there."""
    totals = [run.calls.totals()]
    for cell in cells:
        with suppress(RunError), Run.open(run.path / cell.path) as opened:
            totals.append(opened.calls.totals())
    return totals


def _spans(run: Run) -> list[tuple[float, float]]:
    """When each call of a run began and when it was settled, seconds since the epoch."""
    return [(call.at - call.latency, call.at) for call in run.calls.all(whole=False)]


def at_work(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds that calls took together, as `CallTotals.seconds` counts them: what cells did side by side once, the time
    between calls unless it is a pause."""
    seconds, until = 0.0, -math.inf
    for began, at in sorted(spans):
        seconds += max(0.0, at - (began if began - until > PAUSE else until))
        until = max(until, at)
    return seconds


async def carry(
    cell: Cell, folder: Path, shared: Shared, progress: Progress, api_key: str | None
) -> dict[str, Any] | Halted:
    """Rehearse one cell to its end, from wherever it stands; what the sweep's log keeps of it, or why it halted."""
    path = folder / cell.path
    if is_run(path):
        before = Manifest.read(path).config
        now = {name: getattr(cell.config, name) for name in ("budget", "concurrency", "base_url", "price")}
        changes = {name: value for name, value in now.items() if value != before.get(name, "")}
        await resume_cell(path, **changes, progress=progress, api_key=api_key, shared=shared)
    else:
        if path.exists():  # killed before it was a run: nothing is in it
            shutil.rmtree(path)
        await simulate(cell.config, out=path, progress=progress, api_key=api_key, shared=shared)
    with Run.open(path) as run:
        if run.status != "finished":
            return Halted(run.manifest.reason)
        return measured(cell, run)


class _Round:
    """One pass over all cells that are not done."""

    def __init__(
        self, run: Run, grid: Grid, shared: Shared, jobs: int, progress: Progress, api_key: str | None
    ) -> None:
        done = {event.data["cell"] for event in run.events(kind=CELL)}
        self.run, self.shared, self.progress, self.api_key = run, shared, progress, api_key
        self.all, self.left = grid.cells, [cell for cell in grid.cells if cell.name not in done]
        self.queue = deque(self.left)
        self.jobs = max(1, min(jobs, len(self.left)))
        self.crew = Crew() if self.jobs > 1 else None
        self.waiting: dict[str, dict[str, Any]] = {}
        """Finished cells that are not in the log yet, because one before them is not."""
        self.halted: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    async def go(self) -> None:
        """Rehearse, and leave the sweep in a state that says what happened."""
        self.run.set_status("running")
        assert self.shared.budget is not None
        self.shared.budget.keep(self.run.path / NOTE)
        self.progress.stage("sweeping", sum(map(_pages, self.all)))
        self.progress.advance(sum(map(_pages, self.all)) - sum(map(_pages, self.left)))
        workers = [asyncio.create_task(self._work()) for _ in range(self.jobs)]
        try:
            await asyncio.gather(*workers)
        except BaseException as error:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            if isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
                self.run.set_status("paused", "interrupted")
            raise
        finally:
            if self.crew is not None:
                await self.crew.close()
            self.shared.budget.let_go(sum(each.attempts for each in _totals(self.run, self.all)))
        self._log(everything=True)
        self.run.write_tables()
        self._leave()

    async def _work(self) -> None:
        while self.queue:
            await self._one(self.queue.popleft())
            await asyncio.sleep(0)  # scripted cells wait for nothing: here a cancelled sweep stops

    async def _one(self, cell: Cell) -> None:
        pages = _Pages(self.progress, _pages(cell))
        try:
            if self.crew is not None and cell.config.scripted:
                found = await self.crew.carry(cell, self.run.path)
            else:
                found = await carry(cell, self.run.path, self.shared, pages, self.api_key)
        except DiskFull:
            raise
        except BudgetError as error:
            found = Halted(f"{SPENT}{error}" if not str(error).startswith(SPENT) else str(error))
        except Exception as error:
            found = error
        pages.end()
        if isinstance(found, Halted):
            self.halted[cell.name] = found.reason
            if found.reason.startswith(SPENT):  # what asks no model can still be done
                self.queue = deque(each for each in self.queue if each.config.scripted)
            self.progress.note(f"{cell.name}: paused: {found.reason}")
        elif isinstance(found, Exception):
            self.failed[cell.name] = told(found)
            self.progress.note(f"{cell.name}: failed: {told(found)}")
        else:
            self.waiting[cell.name] = found
            self._log()
            self.progress.note(f"{cell.name}: {_in_short(found)}")

    def _log(self, everything: bool = False) -> None:
        """Write finished cells to the log in the grid's order: up to the first that is missing, or all of them."""
        for cell in list(self.left):
            if cell.name in self.waiting:
                self.run.commit(self.run.barrier + 1, [Event(CELL, data=self.waiting.pop(cell.name))])
                self.left.remove(cell)
            elif not everything:
                return

    def _leave(self) -> None:
        """Finished, paused or failed, in words."""
        n = len(self.all)
        failed = "; ".join(f"{name} ({words.splitlines()[0]})" for name, words in self.failed.items())
        failed = f"{len(self.failed)} of {n} cells failed: {failed}" if failed else ""
        if self.halted:
            reason = next((r for r in self.halted.values() if r.startswith(SPENT)), "") or "; ".join(
                f"{name}: {why}" for name, why in self.halted.items()
            )
            done = f"{n - len(self.left)} of {n} cells are done"
            self.run.set_status("paused", "; ".join(filter(None, [reason, done, failed])))
        elif self.failed:
            self.run.set_status("failed", failed)
        else:
            self.run.set_status("finished")


class _Pages:
    """A cell's progress within the sweep's: pages browsed count, the cell's other stages do not show."""

    def __init__(self, progress: Progress, most: int) -> None:
        self.progress, self.left, self.browsing = progress, most, False

    def stage(self, name: str, total: int) -> None:
        self.browsing = name == "browsing"

    def advance(self, steps: int = 1) -> None:
        if self.browsing:
            steps = min(steps, self.left)
            self.left -= steps
            self.progress.advance(steps)

    def note(self, text: str) -> None: ...

    def end(self) -> None:
        """The cell is over, whatever it told."""
        self.progress.advance(self.left)
        self.left = 0


def _pages(cell: Cell) -> int:
    return cell.config.users * cell.config.pages


def told(error: BaseException) -> str:
    """An error as people read it: our own words, or the type and text of what was not foreseen."""
    return str(error) if ours(error) and str(error) else f"{type(error).__name__}: {error}"


def _in_short(found: Mapping[str, Any]) -> str:
    """A finished cell in a few words."""
    numbers = found["numbers"]
    rate, pages = (numbers[key]["value"] for key in ("watch_rate", "pages"))
    return f"{found['words']['rate'].lower()} {show(rate, 'share')}, {show(pages, '')} pages per user"
