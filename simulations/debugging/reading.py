"""A rehearsal's log, read in few queries: its pages in the order in which they were lived, titles, edits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from ...runs import Run
from ...runs.jsonform import damaged, loads
from ..tables import KIND
from .errors import DebugError

AT_ONCE = 500
"""Events fetched with one query."""


class PageEvent(NamedTuple):
    """One agent-page as the log has it."""

    agent: str
    page: int
    data: dict[str, Any]


def check_rehearsal(run: Run) -> None:
    """Raises `DebugError` for a run in which nobody browses."""
    if run.kind != KIND:
        raise DebugError(
            f"{run.path} is a run of kind {run.kind!r}: nobody browses in it\n"
            f"  give a rehearsal (those of a sweep or a study lie in {run.path / 'runs'})"
        )


def page_events(run: Run, first: int = 0, last: int | None = None, agent: str | None = None) -> Iterator[PageEvent]:
    """Agent-pages from page `first` to `last` in the order of the run: page by page, each in Mesa's order. Streamed.

    By page, since a fork's own events come after all that it has of its parent.
    """
    upto = max(0, run.barrier) - 1
    wanted = {"page >= ?": first, "page <= ?": upto if last is None else min(last, upto)}
    if agent is not None:
        wanted["agent = ?"] = agent  # type: ignore[assignment]
    where = " AND ".join(["kind = 'page'", *wanted])
    order = [
        seq for (seq,) in run.log.rows(f"SELECT seq FROM events WHERE {where} ORDER BY page, seq", (*wanted.values(),))
    ]
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        rows = run.log.rows(
            f"SELECT seq, agent, page, data FROM events WHERE seq IN ({','.join('?' * len(some))})", (*some,)
        )
        found = {row[0]: row for row in rows}
        for seq in some:
            _, who, page, packed = found[seq]
            data = loads(packed, run.log.path)
            if not isinstance(data, dict):
                raise damaged(run.log.path, f"the data of event {seq} is no object")
            yield PageEvent(who, page, data)


@contextmanager
def readable(run: Run) -> Iterator[None]:
    """What a damaged or foreign event makes of the reading of it, as `CorruptRun`."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise damaged(run.log.path, f"an event is not what a rehearsal writes: {error!r}") from error


_titles: WeakKeyDictionary[Run, Mapping[str, str]] = WeakKeyDictionary()


def titles(run: Run) -> Mapping[str, str]:
    """Item id -> title, as the run has it."""
    if run not in _titles:
        reference = next(run.events(kind="reference"), None)
        if reference is None:
            return {}
        _titles[run] = dict(reference.data.get("titles") or {})
    return _titles[run]


def known_agent(run: Run, agent: str) -> None:
    """Raises `DebugError` for an agent that the run has not."""
    check_rehearsal(run)
    agent = sayable(agent)
    if run.log.row("SELECT 1 FROM events WHERE kind = 'persona' AND agent = ?", (agent,)):
        return
    some = [each for (each,) in run.log.rows("SELECT agent FROM events WHERE kind = 'persona' ORDER BY seq LIMIT 6")]
    if not some:
        raise DebugError(f"{run.path} stopped before anybody was in it\n  go on with it: recloop resume {run.path}")
    from difflib import get_close_matches

    everybody = [each for (each,) in run.log.rows("SELECT agent FROM events WHERE kind = 'persona' ORDER BY seq")]
    near = get_close_matches(agent[:100], everybody, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {len(everybody)}: {', '.join(some[:5])}, …"
    raise DebugError(f"no agent {agent[:100]!r} in {run.path}\n  {hint}")


def sayable(text: str) -> str:
    """A text that may come from anywhere, without what UTF-8 has no letters for."""
    return text.encode("utf-8", "replace").decode()


def page_event(run: Run, agent: str, page: int) -> PageEvent:
    """One agent-page. Raises `DebugError` where the recording has none such."""
    known_agent(run, agent)
    found = next(page_events(run, page, page, agent), None) if 0 <= page < run.barrier else None
    if found is None:
        last = run.log.row("SELECT max(page) FROM events WHERE kind = 'page' AND agent = ?", (agent,))
        seen = -1 if last is None or last[0] is None else last[0]
        have = f"it has seen pages 0 to {seen}" if seen >= 0 else "it has seen none yet"
        raise DebugError(f"agent {agent!r} has no page {page} in {run.path}\n  {have}")
    return found


def edits(run: Run, agent: str | None = None, page: int | None = None) -> list[dict[str, Any]]:
    """The edits of a fork and of those it stands on, as they were logged: agent ("" everybody), page, what, written, ….

    With `agent`: those of this agent; with `page` those that bear on this page.
    """
    fork, found = run.fork, []
    others = fork is not None and fork.agents and agent is not None and agent not in fork.agents
    for event in run.events(kind="edit"):
        if agent is not None and event.agent not in ("", agent):
            continue
        if others and fork is not None and event.page >= fork.barrier:  # who does what they did is not edited here
            continue
        if page is not None and not (page == event.page if event.node == "once" else page >= event.page):
            continue
        found.append({"agent": event.agent, "page": event.page, **event.data})
    return found
