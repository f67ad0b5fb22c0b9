"""Breakpoints: found in a recording, or met by a run that goes on; and steps from moment to moment.

A condition that names `node` is asked after every node of a page, and only such pages are lived again for it as it can
still hold on; any other is asked once a page, at its end, of what the log says. Moments come in the order of the log: page
by page, on each in Mesa's order, on each of these node by node, and the page as a whole last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ...llm.fence import one_line
from ...runs import Run
from ...runs.conditions import Condition
from ...runs.jsonform import content_hash, loads
from .errors import DebugError
from .fields import BY_NAME, OF_CALLS, RUNNING, SCRIPTED, STEADY, CallFacts, Facts, check_against, condition
from .near import near_or_all
from .reading import PageEvent, check_rehearsal, edits, page_event, page_events, readable
from .session import Session
from .views import Breakpoint, Hit, Moment, Place, Stride

if TYPE_CHECKING:
    from .views import CallView


class _Asked:
    """A breakpoint that is looked for: its condition, and the run that `diverged` holds against."""

    def __init__(self, run: Run, breakpoint: Breakpoint) -> None:
        self.breakpoint, self.condition = breakpoint, condition(breakpoint.when)
        self.names = self.condition.names
        self.at_nodes = "node" in self.names
        steady = [part for part in self.condition.parts() if part.names <= STEADY]
        self.steady: Sequence[Condition] = steady
        self.getters = [(name, BY_NAME[name].of) for name in sorted(self.names)]
        self.other: _Other | None = None
        if "diverged" in self.names:
            check_against(self.condition, breakpoint.against)
            self.other = _Other(run, breakpoint.against)

    def values(self, facts: Facts) -> dict[str, Any]:
        return {name: of(facts) for name, of in self.getters}

    def hit(self, facts: Facts) -> Hit | None:
        values = self.values(facts)
        if not self.condition.holds(values):
            return None
        return Hit(self.breakpoint, Place(facts.agent, facts.page, facts.node or ""), values)


class _Other:
    """Another run, page by page, as a hash of what everybody did."""

    def __init__(self, run: Run, against: str) -> None:
        path = Path(against)
        if not path.is_absolute() and not path.exists():
            path = run.path / against
        self.run = Run.open(path)
        check_rehearsal(self.run)
        self._page, self._did = -1, dict[str, bytes]()
        self.gone: set[str] = set()
        """Those who have diverged on an earlier page."""

    def first_other(self, event: PageEvent) -> bool:
        """Whether this is the agent's first page that is another there. Asked of every page, in order; beyond the other
        run's last page nothing can be said."""
        if event.page >= self.run.barrier:
            return False
        if self._page != event.page:
            self._page = event.page
            self._did = {each.agent: _did(each.data) for each in page_events(self.run, event.page, event.page)}
        if event.agent in self.gone or self._did.get(event.agent) == _did(event.data):
            return False
        self.gone.add(event.agent)
        return True

    def close(self) -> None:
        self.run.close()


def _did(data: Mapping[str, Any]) -> bytes:
    """What was shown, done, said and decided on a page, without the keys of the calls behind it."""
    kept = {
        "exposures": [(each["item"], each["shown_at"]) for each in data["exposures"]],
        **{name: data.get(name) for name in ("feeling", "decision", "interview", "memories", "actions", "failures")},
    }
    return content_hash(orjson.dumps(_without_calls(kept)))


def _without_calls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_calls(each) for name, each in value.items() if name != "call"}
    if isinstance(value, list | tuple):
        return [_without_calls(each) for each in value]
    return value


class Scan:
    """Goes through a run's pages in order and says where breakpoints hold. What adds up from page to page is kept between
    calls, so that a run can be followed while it is lived."""

    def __init__(self, run: Run, breakpoints: Sequence[Breakpoint]) -> None:
        check_rehearsal(run)
        self.run = run
        self.asked = [_Asked(run, each) for each in breakpoints]
        self.names = frozenset[str]().union(*(each.names for each in self.asked))
        self._page = 0
        """Up to here everything has been added up."""
        self._watched: dict[str, int] = {}
        self._bad: dict[str, int] = {}
        self._made: dict[str, tuple[int, int, float | None]] = {}
        """Of each agent: calls, tokens, cost before the page in turn."""
        self._spent: float | None = None
        """By everybody, up to and with the page in turn; None where no price is known."""
        self._paid: dict[int, float | None] = {}
        """On each of the pages to come."""
        self._scripted = run.manifest.config.get("model") == "scripted"

    def hits(self, first: int, last: int, after: Place | None = None) -> Iterator[Hit]:
        """The first breakpoint that holds, at every moment of these pages at which one does, in order."""
        begin = self._page if self.names & RUNNING else max(first, self._page)
        calls = self._calls(begin, last)
        changed = edits(self.run) if "edited" in self.names else []
        passed = after is None or after.page < first
        page = -1
        with readable(self.run):
            for event in page_events(self.run, begin, last):
                if event.page != page:
                    page = event.page
                    self._spent = _sum(self._spent, self._paid.pop(page, None))
                facts = self._facts(event, calls, bool(changed) and bool(edits(self.run, event.agent, event.page)))
                marks = [each.other.first_other(event) if each.other else False for each in self.asked]
                if event.page < first:
                    continue
                beyond = None
                if after is not None and not passed:
                    if (event.agent, event.page) != after[:2]:
                        if event.page <= after.page:
                            continue
                    elif not after.node:
                        passed = True
                        continue
                    else:
                        beyond = after.node
                    passed = True
                yield from self._of_page(event, facts, marks, beyond)
        self._page = max(self._page, last + 1)

    def close(self) -> None:
        """Let go of the runs that `diverged` looks at."""
        for each in self.asked:
            if each.other is not None:
                each.other.close()

    def _of_page(self, event: PageEvent, facts: Facts, marks: Sequence[bool], beyond: str | None) -> Iterator[Hit]:
        told: dict[str, list[Hit]] = {}
        lived: list[Moment] | None = None
        for each, diverged in zip(self.asked, marks, strict=True):
            facts.diverged = diverged
            if not each.at_nodes or self._scripted:
                facts.node = SCRIPTED if each.at_nodes else None
                if (hit := each.hit(facts)) is not None:
                    told.setdefault(facts.node or "", []).append(hit)
                continue
            steady = {name: BY_NAME[name].of(facts) for name in each.names & STEADY}
            if not all(part.holds(steady) for part in each.steady):
                continue
            if lived is None:
                lived = self._lived(event)
            for at_node in _node_facts(facts, lived, diverged):
                if (hit := each.hit(at_node)) is not None:
                    told.setdefault(hit.place.node, []).append(hit)
        order = [moment.place.node for moment in lived] if lived else [SCRIPTED] if self._scripted else []
        for node in [*order[order.index(beyond) + 1 if beyond in order else 0 :], ""]:
            if node in told:
                yield told[node][0]

    def _lived(self, event: PageEvent) -> list[Moment]:
        from .moments import in_a_thread, moments

        return in_a_thread(lambda: moments(self.run, event.agent, event.page))

    def _facts(self, event: PageEvent, calls: Mapping[tuple[str, int], list[CallFacts]], edited: bool) -> Facts:
        agent, page, data = event
        decision, own = data["decision"], calls.get((agent, page), ())
        watched, bad = self._watched.get(agent, 0), self._bad.get(agent, 0)
        if self.names & RUNNING:
            watched += sum(action["positive"] for action in data["actions"])
            bad = 0 if data["actions"] else bad + 1
            self._watched[agent], self._bad[agent] = watched, bad
        state = {
            "satisfaction": decision["satisfaction"],
            "left": not decision["next"],
            "watched": watched,
            "bad_pages": bad,
        }
        facts = Facts(agent, page, None, data, state, calls=own, spent=self._spent, edited=edited)
        if own or agent in self._made:
            made, tokens, cost = self._made.get(agent, (0, 0, None))
            facts.made, facts.before = made, (CallFacts(0, "", tokens, cost),)
            paid = reduce(_sum, (call.cost for call in own), cost)
            self._made[agent] = made + len(own), tokens + sum(call.tokens for call in own), paid
        return facts

    def _calls(self, first: int, last: int) -> dict[tuple[str, int], list[CallFacts]]:
        """Facts of the calls of these pages, by agent and page; on the first page also of those before it."""
        if not self.names & OF_CALLS:
            return {}
        responses = "response" if "tool" in self.names else "NULL"
        found: dict[tuple[str, int], list[CallFacts]] = {}
        rows = self.run.log.rows(
            "SELECT agent, page, sample, status, prompt_tokens + completion_tokens, cost, "
            f"{responses} FROM calls WHERE page >= ? AND page <= ? ORDER BY at, id",
            (first if first else -1, last),
        )
        for agent, page, sample, status, tokens, cost, response in rows:
            call = CallFacts(sample, status, tokens, cost, self._tools(response))
            if page >= 0:
                found.setdefault((agent, page), []).append(call)
                self._paid[page] = _sum(self._paid.get(page), cost)
            else:
                made, earlier, paid = self._made.get(agent, (0, 0, None))
                self._made[agent] = made + 1, earlier + tokens, _sum(paid, cost)
                self._spent = _sum(self._spent, cost)
        return found

    def _tools(self, response: Any) -> tuple[str, ...]:
        said = None if response is None else loads(response, self.run.log.path)
        calls = said.get("tool_calls") or () if isinstance(said, dict) else ()
        return tuple(str((call.get("function") or call).get("name", "")) for call in calls)


def _sum(a: float | None, b: float | None) -> float | None:
    """Two costs together; None where neither is known."""
    return a if b is None else b if a is None else a + b


def _node_facts(page: Facts, lived: Sequence[Moment], diverged: bool) -> Iterator[Facts]:
    """The facts after every node of a page."""
    made, before = page.made, list(page.before)
    for moment in lived:
        own = [_call_facts(call) for call in moment.calls]
        record = moment.after["record"]
        if "actions" in record:  # which actions were positive stands in the log's record alone
            positive = {action["item"]: action["positive"] for action in page.record["actions"]}
            acted = [{**action, "positive": positive.get(action["item"], False)} for action in record["actions"]]
            record = {**record, "actions": acted}
        yield Facts(
            page.agent,
            page.page,
            moment.place.node,
            record,
            moment.after,
            calls=own,
            before=before,
            made=made,
            spent=page.spent,
            edited=page.edited,
            diverged=diverged,
        )
        made, before = made + len(own), [*before, *own]


def _call_facts(call: CallView) -> CallFacts:
    names = tuple(str(tool["name"]) for tool in call.tools)
    return CallFacts(call.sample, call.status, call.prompt_tokens + call.completion_tokens, call.cost, names)


def find(run: Run, when: str | None = None, *, against: str = "", after: Place | None = None) -> Hit | None:
    """The first moment of the recording, after `after`, at which `when` (None: any breakpoint that is on) holds."""
    check_rehearsal(run)
    if when is not None:
        wanted = [Breakpoint(0, when, against)]
    elif not (wanted := [each for each in Session.of(run.path).breakpoints if each.on]):
        raise DebugError("there is no breakpoint that is on\n  add one, for example: satisfaction < 3")
    if after is not None:
        after = Place(*after)
        _check_place(run, after)
    scan = Scan(run, wanted)
    try:
        first = 0 if after is None else after.page
        return next(scan.hits(first, max(0, run.barrier) - 1, after), None)
    finally:
        scan.close()


class BreakpointWatch:
    """Looks on while a run is lived (a `Watch`): pauses it where a breakpoint that is on holds on the page just committed, or
    after so many `pages`. `hit` is where, None elsewhere. In a fork of some agents only these are looked at: all others do
    what they did."""

    def __init__(self, breakpoints: Sequence[Breakpoint] = (), pages: int | None = None) -> None:
        self.breakpoints = [each for each in breakpoints if each.on]
        self.pages, self.seen = pages, 0
        self.hit: Hit | None = None
        self._scan: Scan | None = None

    def __call__(self, run: Run) -> str:
        """A reason to pause, or ""."""
        self.seen += 1
        self.hit = self._met(run) if self.breakpoints else None
        if self.hit is not None:
            return f"breakpoint {self.hit.breakpoint.id}: {one_line(self.hit.breakpoint.when)}, at {self.hit.place}"
        if self.pages is not None and self.seen >= self.pages:
            return f"{self.seen} page{'s' * (self.seen != 1)} further, as asked"
        return ""

    def _met(self, run: Run) -> Hit | None:
        if self._scan is None:
            self._scan = Scan(run, self.breakpoints)
        page = run.barrier - 1
        found = list(self._scan.hits(page, page))  # to the end of the page: what adds up is kept for the next
        touched = frozenset(run.fork.agents) if run.fork else frozenset[str]()
        return next((hit for hit in found if not touched or hit.place.agent in touched), None)

    def close(self) -> None:
        """Let go of the runs that `diverged` looks at."""
        if self._scan is not None:
            self._scan.close()


# Steps


def go_to(run: Run, agent: str, page: int, node: str = "") -> Place:
    """Look at this moment. Raises `DebugError` where the recording has none such."""
    place = Place(agent, page, node)
    _check_place(run, place)
    Session.of(run.path).look_at(place)
    return place


def place_of(run: Run) -> Place | None:
    """The moment one looks at; None before the first, and where the one that was kept is none of this run's (any more)."""
    check_rehearsal(run)
    here = Session.of(run.path).place
    try:
        if here is not None:
            _check_place(run, here)
    except DebugError:
        return None
    return here


def _check_place(run: Run, place: Place) -> tuple[str, ...]:
    """The nodes of the place's page. Raises `DebugError` where the recording has no such place."""
    from .moments import nodes_of

    nodes = nodes_of(run, page_event(run, place.agent, place.page).data)
    if place.node and place.node not in nodes:
        raise DebugError(
            f"{place.agent} page {place.page} has no node {place.node[:40]!r}\n  {near_or_all(place.node, nodes)}"
        )
    return nodes


def step(run: Run, stride: Stride = "node") -> Place | None:
    """Move on in the recording from the place one looks at (at first: its beginning); None at its end, and the place stays.

    `node` goes on with the next agent behind the last node of a page, `agent` with the next page behind the last agent;
    `round` to the same agent where that one still browses.
    """
    check_rehearsal(run)
    session, here = Session.of(run.path), place_of(run)
    to = _first(run, 0) if here is None else _next(run, here, stride)
    if to is not None:
        session.look_at(to)
    return to


def _next(run: Run, here: Place, stride: Stride) -> Place | None:
    nodes = _check_place(run, here)
    if stride == "node":
        at = nodes.index(here.node) + 1 if here.node else 0
        if at < len(nodes):
            return Place(here.agent, here.page, nodes[at])
        stride = "agent"
    if stride == "agent":
        order = _order(run, here.page)
        at = order.index(here.agent) + 1
        return _at(run, order[at], here.page) if at < len(order) else _first(run, here.page + 1)
    on = here.agent in _order(run, here.page + 1)
    if stride == "page":
        return _at(run, here.agent, here.page + 1) if on else None
    if stride == "round":
        return _at(run, here.agent, here.page + 1) if on else _first(run, here.page + 1)
    raise DebugError(f"no stride {stride!r}\n  there are node, page, agent, round")


def _first(run: Run, page: int) -> Place | None:
    order = _order(run, page)
    return _at(run, order[0], page) if order else None


def _order(run: Run, page: int) -> list[str]:
    """Who was on a page, in Mesa's order."""
    if not 0 <= page < run.barrier:
        return []
    rows = run.log.rows("SELECT agent FROM events WHERE kind = 'page' AND page = ? ORDER BY seq", (page,))
    return [agent for (agent,) in rows]


def _at(run: Run, agent: str, page: int) -> Place:
    from .moments import nodes_of

    return Place(agent, page, nodes_of(run, page_event(run, agent, page).data)[0])
