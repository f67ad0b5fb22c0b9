"""Who is where: the run at a glance, all agents as columns, one agent's pages."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from ...agents.personas import Persona
from ...runs import Manifest, Run, RunInfo
from ...runs.lock import holder
from .in_force import Edits
from .reading import check_rehearsal, edits, known_agent, page_event, page_events, readable, titles
from .views import Overview, PageView

COLUMNS = (
    *("agent", "pages", "status", "satisfaction", "shown", "chosen", "mean_rating", "failures", "calls", "tokens"),
    *("cost", "activity", "conformity", "diversity", "edited"),
)


class _Seen:
    """What the pages so far say of every agent. Pages that are committed later are added, none is read twice."""

    def __init__(self, run: Run) -> None:
        self.personas = {event.agent: event.data for event in run.events(kind="persona")}
        self.pages = 0
        self.of = {agent: _Agent() for agent in self.personas}
        self._lock = threading.Lock()

    def read_on(self, run: Run) -> None:
        with self._lock:  # a server may ask from several threads
            upto = max(0, run.barrier)
            for agent, page, data in page_events(run, self.pages, upto - 1):
                if page >= self.of[agent].seen:  # else added before something was found damaged
                    self.of[agent].add(page, data)
            self.pages = upto


class _Agent:
    __slots__ = ("chosen", "failures", "goes_on", "pages", "rated", "ratings", "satisfaction", "seen", "shown")

    def __init__(self) -> None:
        self.pages = self.seen = self.shown = self.chosen = self.failures = self.rated = 0
        self.ratings = 0.0
        self.satisfaction: float | None = None
        self.goes_on = True

    def add(self, page: int, data: Mapping[str, Any]) -> None:
        decision = data["decision"]
        self.pages += 1
        self.seen = page + 1
        self.shown += len(data["exposures"])
        self.failures += len(data["failures"])
        self.satisfaction, self.goes_on = decision["satisfaction"], decision["next"]
        for action in data["actions"]:
            self.chosen += action["positive"]
            if action["rating"] is not None:
                self.ratings += action["rating"]
                self.rated += 1


_seen: WeakKeyDictionary[Run, _Seen] = WeakKeyDictionary()
_reading = Lock()
"""A page's server asks from several threads: no page is added twice."""


def _read(run: Run) -> _Seen:
    check_rehearsal(run)
    with _reading, readable(run):
        seen = _seen.get(run)
        if seen is None or not seen.personas:  # a live run may have begun since
            seen = _seen[run] = _Seen(run)
        seen.read_on(run)
    return seen


def overview(run: Run) -> Overview:
    """The run at a glance; how it stands is read anew, since it may be written right now."""
    seen, manifest = _read(run), Manifest.read(run.path)
    config, totals = manifest.config, run.calls.totals()
    fork = run.fork
    lost = sum(totals.by_status.get(status, 0) for status in totals.by_status if status != "ok")
    return Overview(
        path=run.path,
        name=manifest.name,
        kind=manifest.kind,
        status=RunInfo(run.path, manifest, size=0, pid=holder(run.path)).status,
        reason=manifest.reason,
        model=str(config.get("model", "")),
        recommender=str(config.get("recommender", "")),
        agents=len(seen.of),
        browsing=sum(_status(run, each, manifest) == "browsing" for each in seen.of.values()),
        page=seen.pages,
        pages=int(config.get("pages", 0)),
        calls=totals.calls,
        failed=lost,
        tokens=totals.prompt_tokens + totals.completion_tokens,
        cost=None if totals.calls and totals.unpriced == totals.calls else totals.cost,
        seconds=totals.seconds,
        parent=None if fork is None else fork.parent,
        barrier=None if fork is None else fork.barrier,
        touched=() if fork is None else tuple(fork.agents),
        edits=tuple(edits(run)),
        notes=(*manifest.notes, *_session_note(run)),
    )


def _session_note(run: Run) -> tuple[str, ...]:
    from .session import Session

    note = Session.of(run.path).note
    return (note,) if note else ()


def _status(run: Run, agent: _Agent, manifest: Manifest) -> str:
    if not agent.goes_on:
        return "left"
    over = agent.pages >= manifest.config.get("pages", 0) or manifest.status == "finished"
    return "stopped" if over or agent.pages < max(0, run.barrier) else "browsing"  # the last: nothing was left to show


def agents(run: Run) -> Mapping[str, Sequence[Any]]:
    """All agents as columns of equal length, in the order of the run. `cost` None: no call of known price."""
    seen, manifest = _read(run), Manifest.read(run.path)
    spent = {
        row[0]: row[1:]
        for row in run.log.rows(
            "SELECT agent, count(*), total(prompt_tokens) + total(completion_tokens), sum(cost) FROM calls GROUP BY agent"
        )
    }
    changed, fork = edits(run), run.fork
    everybody, some = any(not edit["agent"] for edit in changed), {edit["agent"] for edit in changed}
    touched = set(fork.agents) if fork is not None and fork.agents else seen.of
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for agent, each in seen.of.items():
        persona, (calls, tokens, cost) = seen.personas[agent], spent.get(agent, (0, 0, None))
        row = (
            *(agent, each.pages, _status(run, each, manifest), each.satisfaction, each.shown, each.chosen),
            *(each.ratings / each.rated if each.rated else None, each.failures, calls, int(tokens), cost),
            *(persona.get("activity"), persona.get("conformity"), persona.get("diversity")),
            agent in some or (everybody and agent in touched),
        )
        for name, value in zip(COLUMNS, row, strict=True):
            columns[name].append(value)
    return columns


def timeline(run: Run, agent: str) -> list[PageView]:
    """An agent's pages, in order. Raises `DebugError` for an unknown agent."""
    known_agent(run, agent)
    names, calls = titles(run), _calls(run, agent)
    with readable(run):
        return [_page_view(run, event, names, calls.get(event.page, [])) for event in page_events(run, agent=agent)]


def page_view(run: Run, agent: str, page: int) -> PageView:
    """One agent-page. Raises `DebugError` where the recording has none such."""
    event = page_event(run, agent, page)
    with readable(run):
        return _page_view(run, event, titles(run), _calls(run, agent).get(page, []))


def _calls(run: Run, agent: str) -> dict[int, list[str]]:
    """Keys of an agent's calls by page, as they were made."""
    by_page: dict[int, list[str]] = {}
    for page, key in run.log.rows("SELECT page, key FROM calls WHERE agent = ? ORDER BY page, at, id", (agent,)):
        by_page.setdefault(page, []).append(key)
    return by_page


def _page_view(run: Run, event: Any, names: Mapping[str, str], calls: Sequence[str]) -> PageView:
    agent, page, data = event
    done = {action["item"]: action for action in data["actions"]}
    exposures = []
    for shown in sorted(data["exposures"], key=lambda exposure: exposure["shown_at"]):
        item, action = shown["item"], done.get(shown["item"], {})
        exposures.append(
            {
                "item": item,
                "title": names.get(item, item),
                "shown_at": shown["shown_at"],
                "rank": shown["slot"],
                "score": shown["score"],
                "action": action.get("action"),
                "positive": action.get("positive"),
                "rating": action.get("rating"),
                "reason": action.get("feeling", ""),
                "liked": action.get("liked"),
                "probability": action.get("probability"),
                "call": action.get("call", ""),
            }
        )
    return PageView(
        agent=agent,
        page=page,
        exposures=exposures,
        memories=data["memories"],
        feeling=data.get("feeling", ""),
        decision=data["decision"],
        interview=data.get("interview"),
        failures=data["failures"],
        calls=calls,
        satisfaction=data["decision"]["satisfaction"],
        edited=tuple(edits(run, agent, page)),
    )


def persona(run: Run, agent: str) -> Mapping[str, Any]:
    """Who the agent is, as it is in force here (edits included)."""
    return Edits.of(run).persona(born(run, agent), max(0, run.barrier)).json_dict()


def born(run: Run, agent: str) -> Persona:
    """Who the agent was when the run began."""
    known_agent(run, agent)
    return Persona.model_validate(next(run.events(kind="persona", agent=agent)).data)
