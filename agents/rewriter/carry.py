"""Many queries at once, as a run of kind `rewrite`: resumable, replayed without a model, its budget hard.

Pairs (query, persona) are worked on in order, as many at once as keep every call's turn taken; a chunk of queries is one
barrier, committed in order as soon as the whole of it is there, while later ones are under way. So nobody waits for the
slowest of a chunk, and what a kill loses is bookkeeping: settled calls are in the cassette and are not paid for twice.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ...llm import Budget, Door, ModelConfigError, Price, Prompt, open_model
from ...llm.local import static_vectors
from ...runs import DiskFull, Event, Manifest, Run, check_vacant, new_run_path
from ...runs.progress import Progress, Silent
from ..ask import BudgetReached
from ..embedding import CachedEmbedder
from .config import NOBODY, RULES, RewriteConfig, checked
from .judge import NODE as JUDGE
from .judge import PROMPTS, Judge
from .likelihood import LikelihoodWriter
from .personas import SIMULATED, load_searchers, searchers
from .queries import Asked, Queries, queries_of_file, queries_of_set, queries_of_words
from .records import RewriteError, Searcher
from .steps import RewriteContext, RewriteState, lived, new_state, result
from .tables import ASKED, KIND, REWRITE, ROUND
from .writers import NODES, ModelWriter, RulesWriter, Writer, load_prompts

NOTE = "spending"
"""The file of a run's folder that says what calls in flight may cost."""
PLUMBING = "plumbing-grade model: it orders what rules propose; results show the machinery, not people"
OWN_JUDGE = "the judge is the writer's own model: its verdicts are not independent (--judge names another)"
SEATS = 4
"""Pairs under way for each call in flight: some wait for their query's intent, and all must always find the next call ready."""
FEW = 3
"""Fewer rewritings than this without an answer are no proof that the endpoint is lost."""


class EndpointLost(Exception):
    """Most rewritings of a chunk never reached the model: the run pauses instead of falling back everywhere."""


class Doors(NamedTuple):
    """The models: who writes (None: rules alone), who judges (None: nobody), and the budget of both."""

    writer: Door | None
    judge: Door | None
    budget: Budget

    @property
    def all(self) -> list[Door]:
        return list(dict.fromkeys(door for door in (self.writer, self.judge) if door is not None))


async def rewrite(
    config: RewriteConfig,
    *,
    out: Path | None = None,
    progress: Progress | None = None,
    api_key: str | None = None,
    judge_api_key: str | None = None,
) -> Path:
    """Rewrite from the beginning; returns the run's folder. Raises before any query is shown to a model for what cannot work.

    A spent budget, a lost endpoint and a cancelled task leave the run paused; `resume` goes on from there.
    """
    progress = progress or Silent()
    path = out if out is not None else new_run_path(name=config.name)
    check_vacant(path)
    found, who, prompts = queries_of(config), personas_of(config), prompts_of(config)
    for line in found.left_out:
        progress.note(line)
    async with _doors(config, api_key=api_key, judge_api_key=judge_api_key) as doors:
        for door in doors.all:
            await door.check()
        context = context_of(config, who, prompts, doors)
        with Run.create(
            path,
            kind=KIND,
            name=config.name,
            config=config.model_dump(mode="json"),
            seed=config.seed,
            hashes=_hashes(found, who, prompts),
            notes=[SIMULATED, *notes_of(config, doors), *found.left_out],
        ) as run:
            for door in doors.all:
                door.record_in(run.calls)
            run.commit(0, [Event(ASKED, data=_asked_json(found, who))])
            await _carry_out(run, config, context, doors, progress)
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
    judge_api_key: str | None = None,
) -> Path:
    """Go on with a paused or killed rewriting from its last whole chunk; recorded calls are not repeated. A finished one is
    returned as it is. Queries and personas are those of the log, whatever has become of their files."""
    if pages is not None:
        raise RewriteError("a rewriting has no pages\n  leave --pages out")
    if Manifest.read(path).status == "finished":
        return path
    with Run.open(path, write=True) as run:
        if run.status == "running":  # and nobody holds its lock
            run.set_status("paused", "killed")
        given = {"budget": budget, "concurrency": concurrency, "base_url": base_url, "price": price}
        changes = {name: value for name, value in given.items() if value is not None}
        config = checked({**run.manifest.config, **changes})
        _, who = _asked_of(run)
        prompts = prompts_of(config)
        _check_same(run, prompts)
        async with _doors(config, run=run, api_key=api_key, judge_api_key=judge_api_key) as doors:
            run.calls.retry_failures = True
            if changes:
                run.revise(changes, "resumed with " + ", ".join(f"{k}={v}" for k, v in changes.items()))
            run.set_status("running", "")
            await _carry_out(run, config, context_of(config, who, prompts, doors), doors, progress or Silent())
    return path


async def replay(path: Path, *, out: Path, progress: Progress | None = None) -> tuple[str, str]:
    """Rewrite again from the recorded calls, without a model, into `out`; returns both digests. Raises `ReplayDiverged`
    naming the first call that is not in the recording."""
    with Run.open(path) as old:
        config, (found, who) = checked(old.manifest.config), _asked_of(old)
        prompts = prompts_of(config)
        async with _doors(config, cassette=old.calls, replay_only=True) as doors:
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
                new.commit(0, [Event(ASKED, data=_asked_json(found, who))])
                context = context_of(config, who, prompts, doors)
                await _carry_out(new, config, context, doors, progress or Silent(), recording=old)
                return old.digest(), new.digest()


# -- what is needed


def queries_of(config: RewriteConfig) -> Queries:
    """The queries that were asked for."""
    if config.file is not None:
        found = queries_of_file(config.file, config.columns)
    elif config.data is not None:
        found = queries_of_set(config.data, config.columns)
    else:
        found = queries_of_words(config.queries)
    if config.limit is not None:
        found.asked = found.asked[: config.limit]
        kept = {each.query_id for each in found.asked}
        found.again = {again: first for again, first in found.again.items() if first in kept}
    return found


def personas_of(config: RewriteConfig) -> tuple[Searcher, ...]:
    """The personas that were asked for; a file alone gives all of its own."""
    own = load_searchers(config.personas) if config.personas is not None else ()
    named = "persona" in config.model_fields_set
    return own if own and not named else searchers(config.persona, own)


def prompts_of(config: RewriteConfig) -> dict[str, Prompt]:
    """The prompts by node, the user's files in place of ours. Raises `RewriteError` for a name there is none of."""
    if unknown := sorted(config.prompts.keys() - {*NODES, JUDGE}):
        raise RewriteError(f"no prompt named {unknown[0]}\n  there are: {', '.join([*NODES, JUDGE])}")
    return load_prompts(config.prompts) | {
        JUDGE: Prompt.load(PROMPTS / f"{JUDGE}.md", override=config.prompts.get(JUDGE))
    }


def context_of(
    config: RewriteConfig, who: Sequence[Searcher], prompts: Mapping[str, Prompt], doors: Doors
) -> RewriteContext:
    """Who writes, who judges, what is checked beside them."""
    writer: Writer
    if doors.writer is None:
        writer = RulesWriter(config.seed)
    elif doors.writer.abilities.plumbing_grade:
        writer = LikelihoodWriter(doors.writer, config.seed)
    else:
        writer = ModelWriter(doors.writer, prompts, temperature=config.temperature, seed=config.seed)
    judge = None if doors.judge is None else Judge(doors.judge, config.votes, config.seed, prompts[JUDGE])
    if config.check == "none" and config.least:
        raise RewriteError("a least similarity needs one that is worked out\n  take --check vectors or --check words")
    check = {"none": None, "words": CachedEmbedder(_hashed), "vectors": None}[config.check]
    if config.check == "vectors":
        check = CachedEmbedder(static_vectors().embed)
    return RewriteContext(
        writer, {each.name: each for each in who}, judge, check, cap=config.rounds, least=config.least
    )


def _hashed(texts: list[str]) -> Any:
    from ..embedding import hashed_words

    return hashed_words(texts)


@asynccontextmanager
async def _doors(
    config: RewriteConfig,
    *,
    run: Run | None = None,
    api_key: str | None = None,
    judge_api_key: str | None = None,
    cassette: Any = None,
    replay_only: bool = False,
) -> AsyncIterator[Doors]:
    """The doors of writer and judge under one budget, closed at the end. What a resumed `run` has spent counts."""
    budget = Budget.parse(config.budget)
    if run is not None:
        spent = run.calls.spent()
        tokens = spent.prompt_tokens + spent.completion_tokens
        budget.resume(
            {"spent": {"calls": spent.attempts, "tokens": tokens, "usd": spent.cost, "seconds": spent.seconds}}
        )
    common: dict[str, Any] = {
        "cassette": cassette if run is None else run.calls,
        "budget": budget,
        "concurrency": config.concurrency,
        "timeout": config.timeout,
        "replay_only": replay_only,
    }
    writer = judge = None
    try:
        if config.model != RULES:
            writer = open_model(
                config.model, api_key=api_key, base_url=config.base_url, price=Price.parse(config.price), **common
            )
        judge = _judge(config, writer, judge_api_key or api_key, common)
        yield Doors(writer, judge, budget)
    finally:
        for door in dict.fromkeys(each for each in (writer, judge) if each is not None):
            await door.close()


def _judge(config: RewriteConfig, writer: Door | None, api_key: str | None, common: dict[str, Any]) -> Door | None:
    """Who judges: nobody where that was asked for, or where only a model of plumbing grade, or none, could."""
    if config.judge == NOBODY:
        return None
    if config.judge is None or (config.judge == config.model and config.judge_base_url in (None, config.base_url)):
        able = writer is not None and not writer.abilities.plumbing_grade
        if config.judge is not None and not able:
            raise _unfit(config.judge)
        return writer if able else None
    if config.judge == RULES:
        raise RewriteError("rules cannot judge\n  name a model with --judge, or leave it out")
    door = open_model(
        config.judge, api_key=api_key, base_url=config.judge_base_url, price=Price.parse(config.judge_price), **common
    )
    if door.abilities.plumbing_grade:
        raise _unfit(config.judge)
    return door


def _unfit(name: str) -> RewriteError:
    return RewriteError(
        f"{name} cannot judge: a model of this size is plumbing-grade, and its verdicts would say nothing"
        "\n  name a larger one, or leave --judge out"
    )


def notes_of(config: RewriteConfig, doors: Doors) -> list[str]:
    """What every output of this rewriting must say."""
    notes = []
    if doors.writer is not None and doors.writer.abilities.plumbing_grade:
        notes.append(PLUMBING)
    if doors.judge is None:
        beside = "" if config.check == "none" else "; the similarity beside each is no judge"
        notes.append("nobody judged these rewrites" + beside)
    elif doors.judge is doors.writer:
        notes.append(OWN_JUDGE)
    return notes


def _hashes(found: Queries, who: Sequence[Searcher], prompts: Mapping[str, Prompt]) -> dict[str, str]:
    said = "\0".join(f"{each.query_id}\0{each.query}" for each in found.asked)
    manners = "\0".join(f"{each.name}\0{each.description}\0{','.join(each.families)}" for each in who)
    return {
        "queries": hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest(),
        "personas": hashlib.sha256(manners.encode("utf-8", "surrogatepass")).hexdigest(),
        **{f"prompt:{name}": prompt.hash for name, prompt in prompts.items()},
    }


def _check_same(run: Run, prompts: Mapping[str, Prompt]) -> None:
    for name, prompt in prompts.items():
        if run.manifest.hashes.get(f"prompt:{name}", prompt.hash) != prompt.hash:
            raise RewriteError(
                f"prompt {name} is not what this rewriting began with\n  restore it, or begin anew: recloop rewrite"
            )


def _asked_json(found: Queries, who: Sequence[Searcher]) -> dict[str, Any]:
    return {
        "queries": [list(each) for each in found.asked],
        "again": found.again,
        "personas": [asdict(each) for each in who],
    }


def _asked_of(run: Run) -> tuple[Queries, tuple[Searcher, ...]]:
    """Queries and personas of a run. Raises `RewriteError` for one that stopped before they were written down."""
    event = next(run.events(kind=ASKED), None)
    if event is None:
        raise RewriteError(f"{run.path} stopped before its queries were written down\n  begin anew: recloop rewrite")
    data = event.data
    who = tuple(Searcher(each["name"], each["description"], tuple(each["families"])) for each in data["personas"])
    return Queries([Asked(*each) for each in data["queries"]], dict(data["again"])), who


# -- the work


async def _carry_out(
    run: Run,
    config: RewriteConfig,
    context: RewriteContext,
    doors: Doors,
    progress: Progress,
    recording: Run | None = None,
) -> None:
    """To the end (a replay: to the end of its recording), and leave the run in a state that says what happened."""
    found, _ = _asked_of(run)
    size = config.chunk
    chunks = [found.asked[start : start + size] for start in range(0, len(found.asked), size)]
    until = len(chunks) if recording is None else recording.barrier
    work = _Work(run, context, doors, progress, chunks[:until], replayed=recording is not None)
    if doors.all and recording is None:
        doors.budget.keep(run.path / NOTE)
        from . import graph  # noqa: F401 (LangGraph takes a second, and calls under way would wait for it)
    try:
        await work.go(SEATS * config.concurrency)
        if recording is not None:
            run.calls.adopt(recording.calls)
        run.write_tables()
        run.set_status("finished" if until == len(chunks) else "paused", "")
    except (BudgetReached, EndpointLost) as stop:
        run.set_status("paused", str(stop))
    except (asyncio.CancelledError, KeyboardInterrupt):
        run.set_status("paused", "interrupted")
        raise
    except ModelConfigError as wrong:  # mended outside of the run: a key
        run.set_status("paused", str(wrong))
        raise
    except DiskFull:
        raise
    except Exception as error:
        run.set_status("failed", f"{type(error).__name__}: {error}")
        raise
    finally:
        if doors.all and recording is None:
            doors.budget.let_go(run.calls.spent().attempts)


@dataclass
class _Work:
    """What is left of a run, worked on by as many as there are seats, committed chunk by chunk."""

    run: Run
    context: RewriteContext
    doors: Doors
    progress: Progress
    chunks: list[list[Asked]]
    replayed: bool
    ready: dict[int, dict[int, RewriteState]] = field(default_factory=dict)
    stop: Exception | None = None

    async def go(self, seats: int) -> None:
        """Raises what stopped it: a spent budget, a lost endpoint. Calls on their way settle first: they are paid for."""
        names = list(self.context.searchers)
        total = sum(map(len, self.chunks)) * len(names)
        self.progress.stage("rewriting", total)
        self.progress.advance(sum(map(len, self.chunks[: self.run.barrier])) * len(names))
        self.lock = asyncio.Lock()
        pairs = self._pairs(names)
        left = total - sum(map(len, self.chunks[: self.run.barrier])) * len(names)
        await _settled([self._worker(pairs) for _ in range(min(seats, left))])
        if self.stop is not None:
            raise self.stop

    def _pairs(self, names: Sequence[str]) -> Iterator[tuple[int, int, Asked, str]]:
        """Chunk, place in it, query and persona of everything that is not committed yet."""
        for chunk in range(self.run.barrier, len(self.chunks)):
            place = 0
            for query in self.chunks[chunk]:
                for name in names:
                    yield chunk, place, query, name
                    place += 1

    async def _worker(self, pairs: Iterator[tuple[int, int, Asked, str]]) -> None:
        while self.stop is None and (pair := next(pairs, None)) is not None:
            chunk, place, query, name = pair
            try:
                state = await self._live(new_state(query.query_id, query.query, name))
                self.ready.setdefault(chunk, {})[place] = state
                self.progress.advance()
                async with self.lock:
                    await self._commit()
            except Exception as problem:  # the first one stops everybody; what is on its way settles
                self.stop = self.stop or problem
            if self.doors.writer is None:
                await asyncio.sleep(0)  # rules wait for nothing: here a cancelled run stops

    async def _live(self, state: RewriteState) -> RewriteState:
        """By the graph; by its steps alone where LangGraph around them would take longer than they do."""
        if self.replayed or self.doors.writer is None:
            return await lived(state, self.context)
        from .graph import live

        return await live(state, self.context)

    async def _commit(self) -> None:
        """Every chunk that is whole, in order."""
        names = len(self.context.searchers)
        while (chunk := self.run.barrier) < len(self.chunks) and self.stop is None:
            states = self.ready.get(chunk, {})
            if len(states) < len(self.chunks[chunk]) * names:
                return
            ordered = [states[place] for place in sorted(states)]
            if not self.replayed:
                await self._reachable(ordered)
            self.run.commit(chunk + 1, [event for state in ordered for event in self._events(state)])
            del self.ready[chunk]
            if isinstance(self.context.writer, ModelWriter):
                for query in self.chunks[chunk]:
                    self.context.writer.forget(query.query_id)

    def _events(self, state: RewriteState) -> Iterator[Event]:
        agent = f"{state['query_id']}/{state['persona']}"
        for each in state["rounds"]:
            yield Event(ROUND, agent=agent, page=each["round"], node=each["node"], data=each)
        came = asdict(result(state, self.context.writer.how))
        yield Event(REWRITE, agent=agent, page=max(0, state["round"] - 1), data=came)

    async def _reachable(self, states: Sequence[RewriteState]) -> None:
        """Raises `EndpointLost` where most of a chunk got no answer; of a few alone that says little, so models are asked."""
        lost = [state for state in states if state["lost"]]
        if len(lost) * 2 <= len(states):
            return
        if len(lost) < FEW and all([await door.answers() for door in self.doors.all]):
            return
        why = lost[0]["done"]["problem"]
        raise EndpointLost(f"{len(lost)} of {len(states)} rewritings got no answer from the model ({why})")


async def _settled(work: Sequence[Any]) -> None:
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
