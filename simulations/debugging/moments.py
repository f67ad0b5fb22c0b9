"""A page lived again from its recording, in the finer nodes of the user's graph. No model is called.

The steps are the graph's own (`agents/user_steps.py`), run one by one over the state before the page: that of the graph's
checkpoint; where it has been pruned away, the agent's pages are lived again from the first. What comes out is held against
the log, so what is shown is what was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

from ...agents.actions import Slate
from ...agents.memory import Memory, Recalled
from ...agents.satisfaction import START
from ...agents.user_state import new_state, page_input
from ...agents.user_steps import STEPS, whole_page
from ...llm import ReplayDiverged, open_model
from ...runs import CallRecord, Run
from ...runs.jsonform import first_difference
from ...runs.progress import Silent
from ..config import checked
from ..course import slim
from ..minds import interviewed
from ..players import mode_of, players, prompts_of
from ..preparation import embedder, prepare
from ..shared import Shared
from .callviews import call_view
from .errors import DebugError
from .fields import INTERVIEW, NODES, SCRIPTED
from .in_force import Edits
from .population import born
from .reading import PageEvent, known_agent, page_event, page_events, readable
from .staging import Staging
from .views import Moment, Place

_asked: ContextVar[list[str] | None] = ContextVar("asked", default=None)
"""Keys of the calls that the node in progress has asked for."""


class _Listening:
    """The run's cassette, which notes what it is asked for."""

    def __init__(self, run: Run) -> None:
        self._calls = run.calls

    def get(self, key: str, whole: bool = True) -> CallRecord | None:
        found = self._calls.get(key, whole)
        if found is not None and (asked := _asked.get()) is not None:
            asked.append(key)
        return found

    def put(self, record: CallRecord) -> None:
        raise AssertionError("a page that is lived again makes no call")

    def all(self, **which: Any) -> Iterator[CallRecord]:
        return self._calls.all(**which)


_stages: WeakKeyDictionary[Run, Staging] = WeakKeyDictionary()
_shared = Shared()
"""Data and splits, for all runs and forks that one process looks at."""


async def stage(run: Run) -> Staging:
    """What a run's pages are lived again on: the world, and who answers from the recording. Made once: seconds, in a thread
    of its own. Raises `DebugError` where data or a prompt changed."""
    if run not in _stages:
        _stages[run] = await asyncio.to_thread(lambda: asyncio.run(_stage(run)))
    return _stages[run]


async def _stage(run: Run) -> Staging:
    global _shared
    config = checked(run.manifest.config)
    door = open_model(config.model, cassette=_Listening(run), base_url=config.base_url, replay_only=True)
    prompts = prompts_of(config, mode_of(config, door))
    prepared = prepare(config, _shared, recording=run)
    if prepared.data.hash != run.manifest.hashes.get("data"):
        _shared = Shared()  # read before the file was changed, or changed back
        prepared = prepare(config, _shared, recording=run)
    now = {"data": prepared.data.hash} | {f"prompt:{name}": prompt.hash for name, prompt in prompts.items()}
    if other := [name for name, hash in now.items() if run.manifest.hashes.get(name) != hash]:
        raise DebugError(
            f"pages of {run.path} cannot be lived again: {', '.join(other)} changed since it was recorded\n"
            "  restore it; what the log holds can be looked at all the same (timeline, calls)"
        )
    with _as_recorded(run):
        found = await players(prepared, door, prompts, Silent())
    staging = Staging(run, prepared, door, prompts, replayed=True)
    staging.cast(found.asker)
    return staging


@contextmanager
def _as_recorded(run: Run) -> Iterator[None]:
    try:
        yield
    except ReplayDiverged as error:
        raise DebugError(
            f"{run.path} cannot be lived again from its recording: {error}\n"
            "  was it made by another version? what the log holds can be looked at all the same (timeline, calls)"
        ) from error


def nodes_of(run: Run, data: Mapping[str, Any]) -> tuple[str, ...]:
    """The nodes of a recorded page, in order."""
    if run.manifest.config.get("model") == "scripted":
        return (SCRIPTED,)
    return (*NODES, INTERVIEW) if INTERVIEW in data else NODES


async def moments(run: Run, agent: str, page: int) -> list[Moment]:
    """The nodes of one agent-page, lived again from the recording. Raises `DebugError` where there is none such, or where
    what comes out is not what was recorded."""
    event = page_event(run, agent, page)
    with readable(run):
        if run.manifest.config.get("model") == "scripted":
            return [_scripted(run, event)]
        on = await stage(run)
        with _as_recorded(run):
            return await _lived(run, on, event)


async def _lived(run: Run, on: Staging, event: PageEvent) -> list[Moment]:
    context = on.context(born(run, event.agent), event.page)
    state = _given(on, event, await _state_before(run, on, event.agent, event.page))
    told: list[Moment] = []
    for step in STEPS:
        context.recalled.clear()
        with _listening() as asked:
            after = {**state, **await step(state, context)}
        told.append(_moment(run, Place(event.agent, event.page, step.__name__), state, after, context.recalled, asked))
        state = after
    if INTERVIEW in event.data:
        with _listening() as asked:
            after = {**state, "record": await interviewed(context.persona, state, context.asker)}
        told.append(_moment(run, Place(event.agent, event.page, INTERVIEW), state, after, (), asked))
        state = after
    if other := first_difference(event.data, slim(state["record"], context.world.actions)):
        where, then, now = other
        raise DebugError(
            f"{event.agent} page {event.page} lived again is not what was recorded: {where} was {str(then)[:80]!r}, "
            f"is {str(now)[:80]!r}\n  was the run made by another version? `timeline` shows what the log holds"
        )
    return told


@contextmanager
def _listening() -> Iterator[list[str]]:
    asked: list[str] = []
    token = _asked.set(asked)
    try:
        yield asked
    finally:
        _asked.reset(token)


def _moment(
    run: Run,
    place: Place,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    recalled: Any,
    asked: list[str],
) -> Moment:
    known = len(before["record"].get("failures", ()))
    return Moment(
        place=place,
        before=before,
        after=after,
        changed=changes(before, after),
        recalled=[recalled_view(each) for each in recalled],
        calls=[call_view(run, key) for key in dict.fromkeys(asked)],
        failures=after["record"].get("failures", [])[known:],
    )


def _slate(event: PageEvent) -> Slate:
    return Slate.from_json({"agent": event.agent, "page": event.page, "exposures": event.data["exposures"]})


def _given(on: Staging, event: PageEvent, before: Mapping[str, Any]) -> dict[str, Any]:
    """With what a page begins: what the agent was, what it is shown, and what an edit made of that."""
    given: dict[str, Any] = {**before, **page_input(_slate(event))}
    if not on.edits.changes_state(event.agent, event.page):
        return given
    return given | on.edits.state(event.agent, event.page, given, embedder(on.config(event.agent, event.page).memory))


async def _state_before(run: Run, on: Staging, agent: str, page: int) -> dict[str, Any]:
    """What the agent was after the page before: the graph's checkpoint, or its pages lived again from the first."""
    if (kept := _kept(run, agent, page)) is not None:
        return kept
    persona = born(run, agent)
    state: dict[str, Any] = {**new_state(persona)}
    for event in page_events(run, 0, page - 1, agent):
        state = _given(on, event, state)
        state |= await whole_page(state, on.context(persona, event.page))
    return state


def _kept(run: Run, agent: str, page: int) -> dict[str, Any] | None:
    """The agent's state before `page` out of its graph's checkpoints; None where there is none (pruned, or nothing seen)."""
    row = run.log.row(
        "SELECT id FROM checkpoints WHERE thread = ? AND ns = '' AND barrier <= ? ORDER BY barrier DESC, id DESC LIMIT 1",
        (agent, page),
    )
    if row is None:
        return None
    found = run.saver().get_tuple({"configurable": {"thread_id": agent, "checkpoint_ns": "", "checkpoint_id": row[0]}})
    values = None if found is None else dict(found.checkpoint["channel_values"])
    return values if values is not None and values.get("page") == page - 1 else None


def _scripted(run: Run, event: PageEvent) -> Moment:
    """A scripted user's page: no state but how satisfied it is and what it has watched."""
    before: dict[str, Any] = {
        "user": event.agent,
        "page": event.page - 1,
        "satisfaction": START,
        "watched": 0,
        "left": False,
    }
    for earlier in page_events(run, 0, event.page - 1, event.agent):
        before["watched"] += sum(action["positive"] for action in earlier.data["actions"])
        before["satisfaction"] = earlier.data["decision"]["satisfaction"]
    before |= {"record": {}}
    decision = event.data["decision"]
    after = {
        "user": event.agent,
        "page": event.page,
        "satisfaction": decision["satisfaction"],
        "watched": before["watched"] + sum(action["positive"] for action in event.data["actions"]),
        "left": not decision["next"],
        "record": event.data,
    }
    return Moment(Place(event.agent, event.page, SCRIPTED), before, after, changes(before, after))


def memory(run: Run, agent: str, page: int | None = None, query: str = "") -> list[Mapping[str, Any]]:
    """What the agent remembers before `page` (None: now), oldest first; with a `query`, best first with scores and their
    parts. Nothing of the memory is touched by that. Scripted users remember nothing."""
    known_agent(run, agent)
    seen = _pages_seen(run, agent)
    at = seen if page is None else page
    if not 0 <= at <= seen:
        raise DebugError(f"agent {agent!r} was nowhere before page {at}\n  it has seen {seen} pages: give 0 to {seen}")
    config = checked(run.manifest.config)
    if config.scripted:
        return []
    kept = _kept(run, agent, at) if at else {}
    if kept is None:
        kept = in_a_thread(lambda: _again(run, agent, at))
    embed, edits = embedder(config.memory), Edits.of(run)
    remembered = Memory.from_json((kept | edits.state(agent, at, kept, embed)).get("memory") or {}, embed=embed)
    if not query.strip():
        return [record_view(record) for record in remembered.records]
    best = remembered.retrieve(query, page=at, k=max(1, len(remembered)), touch=False)
    return [recalled_view(each) for each in best]


async def _again(run: Run, agent: str, page: int) -> dict[str, Any]:
    with _as_recorded(run):
        return await _state_before(run, await stage(run), agent, page)


def in_a_thread(work: Any) -> Any:
    """The result of a coroutine, for code that is not async itself, be there an event loop or not."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as one:
        return one.submit(lambda: asyncio.run(work())).result()


def _pages_seen(run: Run, agent: str) -> int:
    row = run.log.row("SELECT max(page) FROM events WHERE kind = 'page' AND agent = ?", (agent,))
    return 0 if row is None or row[0] is None else row[0] + 1


def record_view(record: Any) -> dict[str, Any]:
    """A memory as plain values. `created` and `accessed` are pages."""
    return {
        "id": record.id,
        "kind": record.kind,
        "text": record.text,
        "importance": record.importance,
        "created": record.created,
        "accessed": record.accessed,
    }


def recalled_view(recalled: Recalled) -> dict[str, Any]:
    """A memory that came back, with its score and the parts of it (each 0 to 1 over the memories considered)."""
    parts = {"recency": recalled.recency, "importance": recalled.importance, "relevance": recalled.relevance}
    return {**record_view(recalled.record), "score": recalled.score, "parts": parts}


def changes(before: Any, after: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted path -> both values, where two plain values differ; what one side lacks is None there."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found: dict[str, tuple[Any, Any]] = {}
        for key in {**before, **after}:
            found |= changes(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
        return found
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        found = {}
        for i in range(max(len(before), len(after))):
            a = before[i] if i < len(before) else None
            b = after[i] if i < len(after) else None
            found |= changes(a, b, f"{path}[{i}]")
        return found
    return {} if before == after and type(before) is type(after) else {path: (before, after)}
