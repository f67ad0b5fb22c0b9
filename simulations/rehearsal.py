"""The run loop: start, pause, resume and replay a rehearsal over one run folder."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ..llm import Budget, Door, Price, open_model
from ..llm.records import named_rightly
from ..methods.recommenders.open import check_address
from ..runs import Manifest, Run, check_vacant, new_run_path
from ..runs.progress import Progress, Silent
from .collecting import set_aside
from .config import SimulateConfig, SimulateError, checked
from .course import Course
from .players import can_play, mode_of, prompts_of
from .population import Population
from .preparation import Prepared, prepare
from .sameness import as_begun, check_same, hashes_of
from .shared import Shared
from .stopping import Watch
from .tables import KIND

NOTE = "spending"
"""The file of a run's folder that says what calls in flight may cost; it is there while they are made, and after a kill."""
PLUMBING = "plumbing-grade model: results show the machinery, not people"


async def simulate(
    config: SimulateConfig,
    *,
    out: Path | None = None,
    progress: Progress | None = None,
    api_key: str | None = None,
    population: type[Population] = Population,
    shared: Shared | None = None,
) -> Path:
    """Rehearse from the beginning; returns the run folder. Raises before any agent moves for what cannot work.

    A budget that runs out, a lost endpoint and a cancelled task leave the run paused; `resume` goes on from there.
    `population`: your own subclass of the Mesa model; pass it to `resume` and `replay` as well.
    `shared`: what other rehearsals of this process have made already, and their common budget.
    """
    progress = progress or Silent()
    path = out if out is not None else new_run_path(Path("recloop-runs"), config.name)
    check_vacant(path)
    check_address(config.recommender)  # before it is printed
    films = config.actions == "films" and not re.search(r"movie|\bml-", config.data, re.IGNORECASE)
    progress.note(
        f"preparing {config.data} and {config.recommender}"
        + ("; its items are called films (--actions names another set)" if films else "")
    )
    async with _door(config, api_key=api_key, shared=shared) as door:
        prompts = prompts_of(config, mode_of(config, door))
        prepared = await _ready(config, shared)
        if door is not None:
            await door.check()
            can_play(config, door)
        notes = [PLUMBING] if door is not None and door.abilities.plumbing_grade else []
        if door is not None and not door.abilities.deterministic:
            notes.append("the provider is not deterministic: a new run may differ; a replay of this one does not")
        with Run.create(
            path,
            kind=KIND,
            name=config.name,
            config=config.model_dump(mode="json"),
            seed=config.seed,
            hashes=hashes_of(prepared, prompts, population),
            notes=notes,
        ) as run:
            if door is not None:
                door.record_in(run.calls)
            async with _noted(door, run, shared):
                await Course(run, prepared, door, prompts, progress, population).carry_out()
    return path


async def resume(
    path: Path,
    *,
    budget: str | None = None,
    concurrency: int | None = None,
    base_url: str | None = None,
    price: str | None = None,
    pages: int | None = None,
    progress: Progress | None = None,
    api_key: str | None = None,
    population: type[Population] = Population,
    shared: Shared | None = None,
    watch: Watch | None = None,
) -> Path:
    """Go on from the last page barrier. Recorded calls are not repeated.

    A finished run is returned as it is, or with more `pages` continued: whoever had not left goes on, and the interview
    after what was the last page stands (`interviews`). `budget`, `concurrency`, `base_url` and `price` replace what the run
    began with. `watch` may pause it after any page. What was shown stands even where the recommender has changed, and a note
    says so. Raises `SimulateError` when
    the data or a prompt has changed; the run then stays as it was.
    """
    progress = progress or Silent()
    if pages is None and Manifest.read(path).status == "finished":
        return path
    with Run.open(path, write=True) as run:
        if run.status == "running":  # and nobody holds its lock
            run.set_status("paused", "killed")
        given = {"budget": budget, "concurrency": concurrency, "base_url": base_url, "price": price}
        changes = {name: value for name, value in given.items() if value is not None} | _continued(run, pages)
        config = checked({**run.manifest.config, **changes})
        async with _door(config, api_key=api_key, run=run, shared=shared) as door, _noted(door, run, shared):
            with as_begun(run, config):
                prompts = prompts_of(config, mode_of(config, door))
                prepared = await _ready(config, shared)
            check_same(run, hashes_of(prepared, prompts, population))
            if run.fork is not None:
                from .debugging.answering import put_answers

                put_answers(run)
            run.calls.retry_failures = True
            run.set_status("running", "")
            if changes:
                run.revise(changes, "resumed with " + ", ".join(f"{k}={v}" for k, v in changes.items()))
            course = Course(run, prepared, door, prompts, progress, population, watch=watch, api_key=api_key)
            await course.carry_out()
    return path


def _continued(run: Run, pages: int | None) -> dict[str, Any]:
    """The settings that change when a run goes on to `pages`. Raises `SimulateError` where it has got that far already."""
    if pages is None:
        return {}
    if pages <= run.barrier:
        raise SimulateError(
            f"{run.path} has {run.barrier} pages already\n  --pages takes the pages it shall have in all, so more than that"
        )
    fork, config = run.fork, checked(run.manifest.config)
    if fork is not None and fork.agents and pages > (there := Manifest.read(fork.parent).config["pages"]):
        raise SimulateError(
            f"{run.path} is a fork of some agents, and those who do what they did have {there} pages at most\n"
            f"  give its parent more pages first: recloop resume {fork.parent} --pages {pages}"
        )
    after = {config.pages} if run.barrier >= config.pages else set()  # everybody was interviewed there
    return {"pages": pages, "interviews": sorted({*config.interviews, *after})}


async def replay(
    path: Path, *, out: Path, progress: Progress | None = None, population: type[Population] = Population
) -> tuple[str, str]:
    """Run the whole rehearsal again from its recorded calls, without a model, into `out`; returns both digests.

    Raises `ReplayDiverged` naming the first call that the recording does not hold.
    """
    progress = progress or Silent()
    with set_aside(), Run.open(path) as old:
        if old.barrier < 0:
            raise SimulateError(
                f"{path} stopped before its first page: there is nothing to replay\n  go on with it: recloop resume {path}"
            )
        config = checked(old.manifest.config)
        async with _door(config, cassette=old.calls, replay_only=True) as door:
            with as_begun(old, config):
                prepared = prepare(config, recording=old)
                prompts = prompts_of(config, mode_of(config, door))
            check_same(
                old, {**old.manifest.hashes, "data": prepared.data.hash}
            )  # a prompt shows by the first call it changes
            old.calls.digest(named_rightly)  # the digest is needed anyway, so looking at the requests costs little
            manifest = old.manifest
            with Run.create(
                out,
                kind=KIND,
                name=manifest.name,
                config=manifest.config,
                seed=manifest.seed,
                hashes=manifest.hashes,
                notes=manifest.notes,
            ) as new:
                await Course(new, prepared, door, prompts, progress, population, recording=old).carry_out()
                return old.digest(), new.digest()


async def _ready(config: SimulateConfig, shared: Shared | None = None) -> Prepared:
    """`prepare`, and everybody's first ranking: what is wrong with a recommender shows before anything is paid or written."""
    prepared = prepare(config, shared)
    await prepared.policy.open()
    return prepared


@asynccontextmanager
async def _door(
    config: SimulateConfig,
    *,
    api_key: str | None = None,
    run: Run | None = None,
    cassette: Any = None,
    replay_only: bool = False,
    shared: Shared | None = None,
) -> AsyncIterator[Door | None]:
    """The door to the model, closed at the end; None for scripted users. What a resumed `run` has spent counts, unless
    the budget is one that it shares: that one knows."""
    if config.scripted:
        yield None
        return
    common = None if shared is None else shared.budget
    budget = common or Budget.parse(config.budget)  # without limits too: it knows what calls in flight may cost
    if budget is not common and run is not None:
        spent = run.calls.spent()
        tokens = spent.prompt_tokens + spent.completion_tokens
        before = {"calls": spent.attempts, "tokens": tokens, "usd": spent.cost, "seconds": spent.seconds}
        budget.resume({"spent": before})
    door = open_model(
        config.model,
        cassette=cassette if run is None else run.calls,
        budget=budget,
        concurrency=config.concurrency,
        timeout=config.timeout,
        api_key=api_key,
        base_url=config.base_url,
        price=Price.parse(config.price),
        replay_only=replay_only,
    )
    try:
        yield door
    finally:
        await door.close()


@asynccontextmanager
async def _noted(door: Door | None, run: Run, shared: Shared | None) -> AsyncIterator[None]:
    """While calls are made, a note in the run's folder says what those in flight may cost, so that they count after a
    kill; a budget that is shared has its note elsewhere."""
    budget = None if door is None or (shared is not None and shared.budget) else door.line.budget
    if budget is None:
        yield
        return
    budget.keep(run.path / NOTE)
    try:
        yield
    finally:
        budget.let_go(run.calls.spent().attempts)
