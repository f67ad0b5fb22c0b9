"""The run loop: start, pause, resume and replay a rehearsal over one run folder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..agents.actions import ActionSet
from ..agents.ask import Asker, BudgetReached
from ..agents.ask_generate import NODES as GENERATE_NODES
from ..agents.ask_generate import GenerateAsker, load_prompts
from ..agents.ask_score import NODES as SCORE_NODES
from ..agents.ask_score import ScoreAsker, ScoreReader
from ..agents.fatigue import FatigueConfig
from ..agents.llm_tastes import llm_tastes
from ..agents.personas import Persona
from ..agents.scripted import ScriptedConfig, ScriptedPopulation
from ..llm import Budget, Door, open_model
from ..runs import Event, Run, new_run_path
from .calibrate import calibrate
from .config import SimulateConfig, SimulateError
from .minds import GraphMind, ReplayMind, ScriptedMind
from .population import Mind, PageRecord, Population
from .preparation import Prepared, prepare
from .progress import Progress, Silent
from .tables import KIND

PLUMBING = "plumbing-grade model: results show the machinery, not people"
LOST = ("transport", "timeout")


class EndpointLost(SimulateError):
    """Most of a page's calls never reached the model: the run pauses instead of counting everybody as invalid."""


async def simulate(
    config: SimulateConfig,
    *,
    out: Path | None = None,
    progress: Progress | None = None,
    api_key: str | None = None,
    population: type[Population] = Population,
) -> Path:
    """Rehearse from the beginning; returns the run folder. Raises before any agent moves for what cannot work.

    A budget that runs out, a lost endpoint and a cancelled task leave the run paused; `resume` goes on from there.
    `population`: your own subclass of the Mesa model; pass it to `resume` and `replay` as well.
    """
    progress = progress or Silent()
    progress.note(f"preparing {config.data} and {config.recommender}")
    prepared = prepare(config)
    door = await _door(config, api_key=api_key)
    prompts = prompts_of(config, mode_of(config, door))
    if door is not None:
        await door.check()
    path = out if out is not None else new_run_path(Path("recloop-runs"), config.name)
    notes = [PLUMBING] if door is not None and door.abilities.plumbing_grade else []
    if door is not None and not door.abilities.deterministic:
        notes.append("the provider is not deterministic: a new run may differ; a replay of this one does not")
    hashes = {"data": prepared.data.hash} | {f"prompt:{name}": prompt.hash for name, prompt in prompts.items()}
    with Run.create(
        path,
        kind=KIND,
        name=config.name,
        config=config.model_dump(mode="json"),
        seed=config.seed,
        hashes=hashes,
        notes=notes,
    ) as run:
        await _carry_out(run, prepared, door, prompts, progress, population)
    return path


async def resume(
    path: Path,
    *,
    budget: str | None = None,
    concurrency: int | None = None,
    progress: Progress | None = None,
    api_key: str | None = None,
    population: type[Population] = Population,
) -> Path:
    """Go on from the last page barrier. Recorded calls are not repeated. Raises `SimulateError` when the data or a prompt has changed."""
    progress = progress or Silent()
    with Run.open(path, write=True) as run:
        config = SimulateConfig(**run.manifest.config)
        changes: dict[str, Any] = {}
        if budget is not None:
            changes["budget"] = budget
        if concurrency is not None:
            changes["concurrency"] = concurrency
        config = config.model_copy(update=changes)
        if run.status == "finished":
            return path
        if changes:
            run.revise(changes, "resumed with " + ", ".join(f"{k}={v}" for k, v in changes.items()))
        prepared = prepare(config)
        door = await _door(config, api_key=api_key, run=run)
        prompts = prompts_of(config, mode_of(config, door))
        _same(run, prepared, prompts)
        run.calls.retry_failures = True
        run.set_status("running", "")
        await _carry_out(run, prepared, door, prompts, progress, population)
    return path


async def replay(
    path: Path, *, out: Path, progress: Progress | None = None, population: type[Population] = Population
) -> tuple[str, str]:
    """Run the whole rehearsal again from its recorded calls, without a model, into `out`; returns both digests.

    Raises `ReplayDiverged` naming the first call that the recording does not hold.
    """
    progress = progress or Silent()
    with Run.open(path) as old:
        config = SimulateConfig(**old.manifest.config)
        prepared = prepare(config)
        door = await _door(config, cassette=old.calls, replay_only=True)
        prompts = prompts_of(config, mode_of(config, door))
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
            await _carry_out(new, prepared, door, prompts, progress, population, until=old.barrier, copy_calls_from=old)
            return old.digest(), new.digest()


def mode_of(config: SimulateConfig, door: Door | None) -> str:
    """The mode really used: `auto` scores with plumbing-grade models and generates with all others."""
    if door is None:
        return "scripted"
    if config.mode != "auto":
        return config.mode
    return "score" if door.abilities.plumbing_grade else "generate"


async def _door(
    config: SimulateConfig,
    *,
    api_key: str | None = None,
    run: Run | None = None,
    cassette: Any = None,
    replay_only: bool = False,
) -> Door | None:
    if config.scripted:
        return None
    budget = Budget.parse(config.budget) if config.budget else None
    if budget is not None and run is not None:
        spent = run.calls.totals()
        tokens = spent.prompt_tokens + spent.completion_tokens
        budget.resume({"spent": {"calls": spent.attempts, "tokens": tokens, "usd": spent.cost, "seconds": 0.0}})
    return open_model(
        config.model,
        cassette=cassette if run is None else run.calls,
        budget=budget,
        concurrency=config.concurrency,
        timeout=config.timeout,
        api_key=api_key,
        base_url=config.base_url,
        replay_only=replay_only,
    )


def prompts_of(config: SimulateConfig, mode: str) -> dict[str, Any]:
    """The prompts of a mode, the user's files in place of ours. Raises `SimulateError` for a name there is none of."""
    nodes = {"generate": GENERATE_NODES, "score": SCORE_NODES}.get(mode, ())
    unknown = sorted(set(config.prompts) - set(nodes))
    if unknown:
        raise SimulateError(
            f"no prompt named {', '.join(unknown)} in {mode} mode; there are: {', '.join(nodes) or 'none'}"
        )
    return load_prompts(config.prompts, nodes)


def _same(run: Run, prepared: Prepared, prompts: Mapping[str, Any]) -> None:
    now = {"data": prepared.data.hash} | {f"prompt:{name}": prompt.hash for name, prompt in prompts.items()}
    for name, old in run.manifest.hashes.items():
        if now.get(name) != old:
            raise SimulateError(
                f"{name} is not what this run began with; restore it, or start a new run with `recloop simulate`"
            )


async def _carry_out(
    run: Run,
    prepared: Prepared,
    door: Door | None,
    prompts: Mapping[str, Any],
    progress: Progress,
    population: type[Population],
    *,
    until: int | None = None,
    copy_calls_from: Run | None = None,
) -> None:
    """Drive to the end and leave the run in a state that says what happened, whatever happens."""
    if door is not None and copy_calls_from is None:
        door.cassette = run.calls
    try:
        await _drive(run, prepared, door, prompts, progress, population, until)
        if copy_calls_from is not None:
            run.calls.adopt(copy_calls_from.calls)
        run.write_tables()
        run.set_status("finished", "")
    except (BudgetReached, EndpointLost) as stop:
        run.set_status("paused", str(stop))
    except (asyncio.CancelledError, KeyboardInterrupt):
        run.set_status("paused", "interrupted")
        raise
    except Exception as error:
        run.set_status("failed", f"{type(error).__name__}: {error}")
        raise
    finally:
        if door is not None:
            await door.close()


async def _drive(
    run: Run,
    prepared: Prepared,
    door: Door | None,
    prompts: Mapping[str, Any],
    progress: Progress,
    population_type: type[Population],
    until: int | None,
) -> None:
    config = prepared.config
    await prepared.policy.open()
    personas, mind, setup = await _mind(run, prepared, door, prompts, progress)
    if run.barrier < 0:
        events = [Event("reference", data=prepared.reference), *setup]
        events += [Event("persona", agent=p.user, data=p.json_dict()) for p in personas]
        run.commit(0, events=events, states={"clock": {"page": 0}})
    population = population_type(
        personas, prepared.policy, mind, prepared.world.actions, pages=config.pages, seed=config.seed
    )
    await _restore(run, population)
    progress.stage("browsing", config.pages * len(personas))
    progress.advance(sum(1 for _ in run.events(kind="page")))
    while not population.finished and (until is None or run.barrier < until):
        active = len(population.active_users())
        records = await population.astep(progress.advance)
        _reachable(records)
        run.commit(
            population.page,
            events=[
                Event("page", agent=user, page=population.page - 1, data=_slim(r, population.actions))
                for user, r in records
            ],
            states={"clock": {"page": population.page}},
        )
        progress.advance((config.pages - population.page) * (active - len(population.active_users())))


async def _restore(run: Run, population: Population) -> None:
    """Bring the Mesa model to the last barrier from the log alone."""
    pages: dict[int, dict[str, PageRecord]] = {}
    for event in run.events(kind="page"):
        pages.setdefault(event.page, {})[event.agent] = dict(event.data)
    for page in range(run.barrier):
        await population.restore(pages.get(page, {}))


async def _mind(
    run: Run, prepared: Prepared, door: Door | None, prompts: Mapping[str, Any], progress: Progress
) -> tuple[list[Persona], Mind, list[Event]]:
    config, world, personas = prepared.config, prepared.world, prepared.personas
    if door is None:
        low, high = config.watch_rate
        rules = ScriptedConfig(rate_low=low, rate_high=high, fatigue=FatigueConfig(strength=config.fatigue))
        scripted = ScriptedPopulation(prepared.split.train, personas, rules, seed=config.seed)
        return personas, ScriptedMind(world, scripted), []
    if config.tastes == "llm":
        progress.stage("summarising tastes", len(personas))
        personas = list(await asyncio.gather(*(llm_tastes(p, prepared.split.train, door) for p in personas)))
        prepared.personas = personas
    asker: Asker
    setup: list[Event] = []
    if mode_of(config, door) == "score":
        reader = ScoreReader(door, world, prompts, config.reads)
        calibrated = await calibrate(prepared, reader, progress)
        personas = calibrated.personas
        asker = ScoreAsker(reader, calibrated.watching, calibrated.ratings, say=config.say)
        setup = [Event("calibration", data=calibrated.report)]
    else:
        asker = GenerateAsker(door, world, plan=config.plan, prompts=prompts)
    if door.replay_only:
        return personas, ReplayMind(world, asker, run.saver()), setup
    return personas, GraphMind(world, asker, run.saver()), setup


def _reachable(records: list[tuple[str, PageRecord]]) -> None:
    lost = [f for _, r in records for f in r["failures"] if f["status"] in LOST]
    users = {user for user, r in records if any(f["status"] in LOST for f in r["failures"])}
    if records and len(users) * 2 > len(records):
        raise EndpointLost(f"{len(users)} of {len(records)} users got no answer from the model ({lost[0]['error']})")


def _slim(record: PageRecord, actions: ActionSet) -> PageRecord:
    """A page as the log keeps it: recalled memories by id and score (their texts are in earlier events), and which
    actions were positive (so that tables need not know the action set)."""
    recalled = [{"id": r["id"], "score": r["score"]} for r in record["recalled"]]
    acted = [{**a, "positive": actions[a["action"]].positive} for a in record["actions"]]
    return {**record, "recalled": recalled, "actions": acted}
