"""The entry: a task, an optimizer, a model; a run folder with the best prompt and its evidence out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..llm import Budget, Door, ModelConfigError
from ..runs import DiskFull, Event, Run, is_run, new_run_path
from ..runs.progress import Progress, Silent
from . import journal as log
from .account import Account
from .candidate import Candidate
from .conductor import Watch
from .context import Context, Optimizer
from .errors import EndpointLost, OptimizeError, Waiting
from .graph import THREAD, search_graph
from .guards import contract
from .scores import Scores
from .sealed import BudgetSpent, Judge
from .splits import Sizes, Splits, draw_splits
from .tables import KIND
from .task import Task

NOTE = "spending"
"""The file in a run's folder that says what calls in flight may cost, so that they count after a kill."""

PLUMBING = "plumbing-grade model: results show the machinery, not people"

Approver = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Asked before a prompt is accepted: True, False, other texts, or None to let the search wait."""


@dataclass(frozen=True)
class Finished:
    """How a search ended. `verdict` is None for a run that is paused; `reason` says why."""

    run: Path
    status: str
    reason: str
    candidate: Candidate | None
    verdict: Mapping[str, Any] | None


async def optimize(
    task: Task,
    optimizer: Optimizer,
    *,
    model: Door,
    proposer: Door | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    budget: Budget | None = None,
    sizes: Sizes = Sizes(),
    approve: bool = False,
    approver: Approver | None = None,
    progress: Progress | None = None,
    config: Mapping[str, Any] | None = None,
    name: str = "optimize",
    seed_texts: Mapping[str, str] | None = None,
    record: bool = True,
    follows: Run | None = None,
    watch: Watch | None = None,
) -> Finished:
    """Search for a better prompt; where `out` holds this search already, go on with it.

    `model` answers the task's cases, `proposer` (the same by default) writes prompts. `budget` must be the one both doors
    were opened with. A spent budget ends the search, not the run: what the sealed test will take is kept back from the
    beginning. `seed_texts`: where the search begins instead of at the task's own texts. `record=False`: the doors answer from another run's cassette.
    `follows`: the run that is replayed; where its budget stopped it, this one stops. `watch` looks on. A lost endpoint, a wanted approval and a cancelled task leave the run paused.
    Raises `OptimizeError` before any call for what cannot work.
    """
    progress, proposer = progress or Silent(), proposer or model
    splits = draw_splits(task, sizes, seed)
    first = first_candidate(task, seed_texts or {})
    asked = (
        dict(config)
        if config is not None
        else {"task": task.name, "optimizer": optimizer.name, "sizes": sizes.model_dump()}
    )
    hashes = {"task": task.hash, "seed prompt": first.id}
    setting = _Setting(
        task,
        optimizer,
        model,
        proposer,
        seed,
        budget,
        splits,
        first,
        approve,
        approver,
        progress,
        record,
        follows,
        watch,
    )
    path = Path(out) if out is not None else new_run_path(name=name)
    if is_run(path):
        with Run.open(path, write=True) as run:
            _same(run, hashes)
            if run.status == "finished":
                return finished(run)
            run.calls.retry_failures = True
            run.set_status("running", "")
            return await _go(run, setting)
    _account(setting)  # refuses a budget that is too small before there is a folder
    optimizer.forecast(_context(setting))  # and an optimizer what it cannot work with
    notes = [PLUMBING] if model.abilities.plumbing_grade else []
    with Run.create(path, kind=KIND, name=name, config=asked, seed=seed, hashes=hashes, notes=notes) as run:
        return await _go(run, setting)


@dataclass(frozen=True)
class _Setting:
    task: Task
    optimizer: Optimizer
    model: Door
    proposer: Door
    seed: int
    budget: Budget | None
    splits: Splits
    first: Candidate
    approve: bool
    approver: Approver | None
    progress: Progress
    record: bool
    follows: Run | None
    watch: Watch | None


def first_candidate(task: Task, texts: Mapping[str, str]) -> Candidate:
    """Where a search begins: the task's own texts, or a person's in their place. Raises `OptimizeError` where one of those
    breaks what its component promises."""
    for part, text in texts.items():
        if part not in task.components:
            raise OptimizeError(f"{task.name} has no text {part!r}\n  it has {', '.join(task.components)}")
        if wrong := list(contract(text, task.components[part])):
            known = ", ".join("{{" + name + "}}" for name in task.components[part].fields) or "none"
            raise OptimizeError(f"the seed prompt {part!r} " + "; it ".join(wrong) + f"\n  fields it may hold: {known}")
    return Candidate({part: component.text for part, component in task.components.items()} | dict(texts))


def make_context(
    task: Task,
    splits: Splits,
    first: Candidate,
    seed: int,
    *,
    can_write: bool,
    proposer: str,
    remaining: Callable[[], float] = lambda: 1.0,
) -> Context:
    """What an optimizer is given for this task."""
    return Context(
        task=task.name,
        metric=task.metric,
        components=task.components,
        cases={case.id: case for case in task.cases},
        search=splits.search,
        selection=splits.selection,
        seed_candidate=first,
        scores=Scores(task.metric),
        seed=seed,
        can_write=can_write,
        proposer=proposer,
        story=task.story,
        remaining=remaining,
    )


def _account(this: _Setting) -> Account:
    return Account(this.budget, 2 * len(this.splits.test), this.first.id)


def _context(this: _Setting, remaining: Callable[[], float] = lambda: 1.0) -> Context:
    return make_context(
        this.task,
        this.splits,
        this.first,
        this.seed,
        can_write=not this.proposer.abilities.plumbing_grade,
        proposer=this.proposer.name,
        remaining=remaining,
    )


async def _go(run: Run, this: _Setting) -> Finished:
    for door in dict.fromkeys((this.model, this.proposer)) if this.record else ():
        door.record_in(run.calls)
    account = _account(this)
    context = _context(this, account.remaining)
    judge = Judge(
        run,
        this.task,
        context,
        this.optimizer.search(context),
        this.splits,
        account,
        model=this.model,
        proposer=this.proposer,
        approve=this.approve,
        progress=this.progress,
        follows=this.follows,
        watch=this.watch,
    )
    if run.barrier < 0:
        events = [_task_event(this.task, this.splits, judge.by_hand.metric), log.candidate_event(this.first, -1)]
        run.commit(0, [*events, *judge.put_again(0)], {"clock": {"step": 0}})
    budget = this.budget if this.record else None
    if budget is not None:
        budget.keep(run.path / NOTE)
    try:
        this.progress.stage("searching", int(this.optimizer.forecast(context).get("task", 0)))
        await _drive(run, judge, this.approver)
        run.write_tables()
        run.set_status("finished", "")
    except (Waiting, EndpointLost, BudgetSpent) as stop:
        run.set_status("paused", str(stop))
    except (asyncio.CancelledError, KeyboardInterrupt):
        run.set_status("paused", "interrupted")
        raise
    except ModelConfigError as wrong:
        run.set_status("paused", str(wrong))
        raise
    except DiskFull:
        raise
    except Exception as error:
        run.set_status("failed", f"{type(error).__name__}: {error}")
        raise
    finally:
        if budget is not None:
            budget.let_go(run.calls.spent().attempts)
    return finished(run)


async def _drive(run: Run, judge: Judge, approver: Approver | None) -> None:
    from langgraph.types import Command

    graph = search_graph(judge, run.saver())
    config: Any = {"configurable": {"thread_id": THREAD}, "recursion_limit": 1_000_000}
    state = await graph.aget_state(config)
    given: Any = None if state.next else {"step": 0}
    while True:
        await graph.ainvoke(given, config, durability="sync")
        if not (await graph.aget_state(config)).next:
            return
        wanted = judge.approval()
        decision = None if approver is None else await approver(wanted)
        if decision is None:
            raise Waiting(f"candidate {wanted['candidate']} waits for approval: {wanted['why']}")
        given = Command(resume={"decision": decision})


def _task_event(task: Task, splits: Splits, metric: str = "") -> Event:
    data = {
        "name": task.name,
        "metric": metric or task.metric,
        "components": {
            part: {"text": c.text, "purpose": c.purpose, "fields": dict(c.fields), "required": list(c.required)}
            for part, c in task.components.items()
        },
        "splits": {name: list(ids) for name, ids in splits._asdict().items()},
        "notes": list(getattr(task, "notes", ())),
    }
    return Event(log.TASK, data=data)


def _same(run: Run, now: Mapping[str, str]) -> None:
    for name, value in now.items():
        if run.manifest.hashes.get(name) != value:
            raise OptimizeError(
                f"{run.path}: the {name} is not what this search began with\n  restore it, or give a new folder"
            )


def finished(run: Run) -> Finished:
    """How a search stands, from its log."""
    candidates = {event.agent: event for event in run.events(kind=log.CANDIDATE)}
    choice = next((event for event in run.events(kind=log.CHOICE)), None)
    verdict = next((event.data for event in run.events(kind=log.VERDICT)), None)
    chosen = None if choice is None else Candidate.of(candidates[choice.agent].data)
    return Finished(run.path, run.status, run.manifest.reason, chosen, verdict)
