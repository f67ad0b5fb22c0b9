"""The run loop: start, pause, resume and replay a rehearsal over one run folder."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import mesa

from ..agents.actions import ActionSet
from ..agents.ask import BudgetReached
from ..agents.personas import Persona
from ..data import DataError
from ..llm import Budget, Door, ModelConfigError, Price, Prompt, PromptError, open_model
from ..llm.records import named_rightly
from ..methods.recommenders.open import check_address
from ..runs import DiskFull, Event, Manifest, Run, check_vacant, new_run_path
from ..runs.progress import Progress, Silent
from .collecting import set_aside
from .config import SimulateConfig, SimulateError, checked
from .minds import GraphMind, ReplayMind
from .players import can_play, mode_of, players, prompts_of, scripted_mind
from .population import Mind, PageRecord, Population
from .preparation import Prepared, prepare
from .shared import Shared
from .tables import KIND

NOTE = "spending"
"""The file of a run's folder that says what calls in flight may cost; it is there while they are made, and after a kill."""
PLUMBING = "plumbing-grade model: results show the machinery, not people"
LOST = ("transport", "timeout")
FEW = 3
"""Fewer users than this without an answer are no proof that the endpoint is lost."""


class EndpointLost(SimulateError):
    """Most of a page's calls never reached the model: the run pauses instead of counting everybody as invalid."""


class Watch(Protocol):
    """Looks on while a run is lived."""

    def __call__(self, run: Run) -> str:
        """Called with the open run after each committed page. A reason to pause there, or "" to go on."""
        ...


class WatchStopped(Exception):
    """Whoever watches the run has a reason to pause it."""


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
            hashes=_hashes(prepared, prompts, population),
            notes=notes,
        ) as run:
            if door is not None:
                door.record_in(run.calls)
            async with _noted(door, run, shared):
                await _carry_out(run, prepared, door, prompts, progress, population)
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
            with _as_begun(run, config):
                prompts = prompts_of(config, mode_of(config, door))
                prepared = await _ready(config, shared)
            _same(run, _hashes(prepared, prompts, population))
            run.calls.retry_failures = True
            run.set_status("running", "")
            if changes:
                run.revise(changes, "resumed with " + ", ".join(f"{k}={v}" for k, v in changes.items()))
            await _carry_out(run, prepared, door, prompts, progress, population, watch=watch)
    return path


def _continued(run: Run, pages: int | None) -> dict[str, Any]:
    """The settings that change when a run goes on to `pages`. Raises `SimulateError` where it has got that far already."""
    if pages is None:
        return {}
    if pages <= run.barrier:
        raise SimulateError(
            f"{run.path} has {run.barrier} pages already\n  --pages takes the pages it shall have in all, so more than that"
        )
    config = checked(run.manifest.config)
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
            with _as_begun(old, config):
                prepared = prepare(config, recording=old)
                prompts = prompts_of(config, mode_of(config, door))
            _same(
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
                await _carry_out(new, prepared, door, prompts, progress, population, recording=old)
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


def _hashes(prepared: Prepared, prompts: Mapping[str, Prompt], population: type[Population]) -> dict[str, str]:
    """What must not change while a run is paused: data, prompts, and who is active when (by name, where that is not ours)."""
    hashes = {"data": prepared.data.hash} | {f"prompt:{name}": prompt.hash for name, prompt in prompts.items()}
    return (
        hashes
        if population is Population
        else hashes | {"population": f"{population.__module__}:{population.__qualname__}"}
    )


def _same(run: Run, now: Mapping[str, str]) -> None:
    old = run.manifest.hashes
    for name in sorted({*old, *now}):
        if now.get(name) != old.get(name):
            raise SimulateError(
                f"{name}{_file(run, name)} is not what this run began with: its hash was {_short(old.get(name))}, "
                f"now it is {_short(now.get(name))}\n  restore it, or start a new run with `recloop simulate`"
            )


@contextmanager
def _as_begun(run: Run, config: SimulateConfig) -> Iterator[None]:
    """An error about data or a prompt that is not there says what the run began with, and where it was looked for."""
    try:
        yield
    except (DataError, PromptError) as error:
        of_data = isinstance(error, DataError)
        names = ["data"] if of_data else [f"prompt:{node}" for node in config.prompts]
        known = [f"{name}{_file(run, name)}, hash {_short(run.manifest.hashes.get(name))}" for name in names]
        first, *hints = str(error).splitlines()
        raise SimulateError(
            f"{first}\n  this run began with {'; '.join(known)}\n  relative paths are read from the folder one works in,"
            f" now {Path.cwd()}: go to where the run was begun" + "".join(f"\n{hint}" for hint in hints if not of_data)
        ) from error


def _file(run: Run, name: str) -> str:
    """Where what a hash is of was read from, as the settings have it: ` (ratings.csv)`; nothing for what ships with us."""
    part, _, node = name.partition(":")
    config = run.manifest.config
    path = config.get("data") if part == "data" else (config.get("prompts") or {}).get(node)
    return f" ({path})" if path else ""


def _short(value: str | None) -> str:
    return "none" if value is None else value if ":" in value else value[:12]


async def _carry_out(
    run: Run,
    prepared: Prepared,
    door: Door | None,
    prompts: Mapping[str, Prompt],
    progress: Progress,
    population: type[Population],
    recording: Run | None = None,
    watch: Watch | None = None,
) -> None:
    """Drive to the end (a replay: to the end of its recording) and leave the run in a state that says what happened."""
    try:
        until = None if recording is None else recording.barrier
        await _drive(run, prepared, door, prompts, progress, population, until, watch)
        if recording is not None:
            run.calls.adopt(recording.calls)
        run.write_tables()
        run.set_status("finished", "")
    except (BudgetReached, EndpointLost, WatchStopped) as stop:
        run.set_status("paused", str(stop))
    except (asyncio.CancelledError, KeyboardInterrupt):
        run.set_status("paused", "interrupted")
        raise
    except ModelConfigError as wrong:  # mended outside of the run: a key
        run.set_status("paused", str(wrong))
        raise
    except DiskFull:
        raise  # the run's own exit says so, if there is room to
    except Exception as error:
        run.set_status("failed", f"{type(error).__name__}: {error}")
        raise


async def _drive(
    run: Run,
    prepared: Prepared,
    door: Door | None,
    prompts: Mapping[str, Prompt],
    progress: Progress,
    population_type: type[Population],
    until: int | None,
    watch: Watch | None,
) -> None:
    config = prepared.config
    personas, mind, setup = await _mind(run, prepared, door, prompts, progress)
    if run.barrier < 0:
        events = [Event("reference", data=prepared.reference), *setup]
        events += [Event("persona", agent=p.user, data=p.json_dict()) for p in personas]
        run.commit(0, events=events, states={"clock": {"page": 0}})
    population = population_type(
        personas,
        prepared.policy,
        mind,
        prepared.world.actions,
        pages=config.pages,
        seed=config.seed,
        interviews=config.interviews,
    )
    try:
        await _restore(run, population)
        if population.other_past:
            run.note(f"the recommender has changed: {population.other_past}; what was shown stands")
            progress.note(f"the recommender has changed since: {population.other_past}")
        active = len(population.active_users())
        progress.stage("browsing", population.pages * len(personas))
        progress.advance(population.pages * (len(personas) - active) + population.page * active)
        await _browse(run, population, door, progress, until, watch)
        for line in prepared.policy.problems:  # what was dropped from a recommender's answers is told, not hidden
            run.note(line)
            progress.note(line)
    finally:
        mesa.Agent._ids.pop(population, None)  # Mesa counts agents there, and would keep every model alive


async def _browse(
    run: Run, population: Population, door: Door | None, progress: Progress, until: int | None, watch: Watch | None
) -> None:
    """Page by page to the end, or to the barrier `until`: think, then commit to the log what Mesa has committed."""
    while not population.finished and (until is None or run.barrier < until):
        await asyncio.sleep(0)  # scripted users wait for nothing: here a cancelled run stops
        active = len(population.active_users())
        records = await population.astep(progress.advance)
        await _reachable(records, door)
        run.commit(
            population.page,
            events=[
                Event("page", agent=user, page=population.page - 1, data=slim(r, population.actions))
                for user, r in records
            ],
            states={"clock": {"page": population.page}},
        )
        progress.advance((population.pages - population.page) * (active - len(population.active_users())))
        reason = "" if watch is None else watch(run)  # asked of the last page too: there is something to see
        if reason and not population.finished:
            raise WatchStopped(reason)


async def _restore(run: Run, population: Population) -> None:
    """Bring the Mesa model to the last barrier from the log alone."""
    pages: dict[int, dict[str, PageRecord]] = {}
    for event in run.events(kind="page"):
        pages.setdefault(event.page, {})[event.agent] = dict(event.data)
    for page in range(run.barrier):
        await population.restore(pages.pop(page, {}))


async def _mind(
    run: Run, prepared: Prepared, door: Door | None, prompts: Mapping[str, Prompt], progress: Progress
) -> tuple[list[Persona], Mind, list[Event]]:
    """Who the users are, who thinks for them, and what is to be logged of how that was found out."""
    config, world, personas = prepared.config, prepared.world, prepared.personas
    if door is None:
        return personas, scripted_mind(prepared, personas), []
    found = await players(prepared, door, prompts, progress, lambda node: _answered(run, node, len(personas)))
    setup = [] if found.calibration is None else [Event("calibration", data=found.calibration)]
    if door.replay_only:
        return found.personas, ReplayMind(world, found.asker, run.saver()), setup
    # Twice as many as calls in flight: the next ones are ready when a call comes back. A user who waits takes 100 kB.
    return found.personas, GraphMind(world, found.asker, run.saver(), at_once=2 * config.concurrency), setup


def _answered(run: Run, node: str, asked: int) -> None:
    """Raises `EndpointLost` where more than half of the users' calls before the first page were lost."""
    lost = [call for status in LOST for call in run.calls.all(page=-1, status=status) if call.node == node]
    if len(lost) * 2 > asked:
        raise EndpointLost(f"{len(lost)} of {asked} users got no answer from the model ({lost[0].error})")


async def _reachable(records: list[tuple[str, PageRecord]], door: Door | None) -> None:
    """Raises `EndpointLost` where most users of a page got no answer. Of the last few users that alone says little: they
    may be ones that the model has no answer for, so the endpoint itself is asked."""
    lost = [f for _, r in records for f in r["failures"] if f["status"] in LOST]
    users = {user for user, r in records if any(f["status"] in LOST for f in r["failures"])}
    if len(users) * 2 <= len(records) or (len(users) < FEW and door is not None and await door.answers()):
        return
    raise EndpointLost(f"{len(users)} of {len(records)} users got no answer from the model ({lost[0]['error']})")


def slim(record: PageRecord, actions: ActionSet) -> PageRecord:
    """A page as the log keeps it: recalled memories by id and score (their texts are in earlier events), and which
    actions were positive (so that tables need not know the action set)."""
    recalled = [{"id": r["id"], "score": r["score"]} for r in record["recalled"]]
    acted = [{**a, "positive": actions[a["action"]].positive} for a in record["actions"]]
    return {**record, "recalled": recalled, "actions": acted}
