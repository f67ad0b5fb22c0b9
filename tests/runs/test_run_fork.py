"""A fork reads as the whole run it stands for: random families of forks, against a model in plain Python and a run in one piece."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from recloop.runs import CallRecord, Event, Run, fork_run, forks_of

AGENTS = [f"u{number}" for number in range(6)]


@dataclass
class Node:
    """A run of the family, as plain lists: what it holds itself, and where it leaves its parent."""

    path: Path
    parent: Node | None = None
    at: int = -1
    touched: tuple[str, ...] = ()
    events: list[tuple[int, str, int, Any]] = field(default_factory=list)
    """(barrier, agent, page, data)"""
    states: dict[tuple[str, int], Any] = field(default_factory=dict)
    calls: dict[str, tuple[str, int, Any]] = field(default_factory=dict)
    """key -> (agent, barrier when it was made, answer)"""
    adopted: dict[str, tuple[str, int, Any]] = field(default_factory=dict)
    graphs: list[tuple[str, int, Any]] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    own_last: int = -1

    @property
    def last(self) -> int:
        return max(self.own_last, self.at)

    def lines(self) -> Iterator[Node]:
        node: Node | None = self
        while node:
            yield node
            node = node.parent

    def _seen(self, agent: str, barrier: int, shift: int = 0) -> bool:
        """Whether a row of the parent is the fork's too: shared past, or an untouched agent's doing as far as the fork got."""
        untouched = bool(self.touched) and agent not in ("", *self.touched)
        return barrier + shift <= self.at or (untouched and barrier + shift <= self.last)

    def all_events(self) -> list[tuple[int, str, int, Any]]:
        above = self.parent.all_events() if self.parent else []
        return [row for row in above if self._seen(row[1], row[0])] + self.events

    def all_states(self) -> dict[tuple[str, int], Any]:
        above = self.parent.all_states() if self.parent else {}
        return {place: value for place, value in above.items() if place[1] <= self.at} | self.states

    def all_calls(self) -> dict[str, tuple[str, int, Any]]:
        above = self.parent.all_calls() if self.parent else {}
        seen = {key: call for key, call in above.items() if self._seen(call[0], call[1], shift=1)}
        return seen | self.adopted | self.calls

    def all_graphs(self) -> list[tuple[str, int, Any]]:
        above = self.parent.all_graphs() if self.parent else []
        kept = [row for row in above if self._seen(row[0], row[1]) and row[0] not in self.forgotten]
        return kept + self.graphs

    def asked_before(self, key: str) -> tuple[str, int, Any] | None:
        for node in list(self.lines())[1:]:
            if key in node.calls:
                return node.calls[key]
        return None


def a_call(key: str, agent: str, answer: Any, cost: float = 0.0) -> CallRecord:
    return CallRecord(key, agent, request={"system": "s" * 300, "n": key * 50}, response=answer, cost=cost)


def live(node: Node, draw: random.Random, until: int, seed: int) -> None:
    """Go on to a barrier: calls, events, states and graphs, in the log and in the model."""
    with Run.open(node.path, write=True) as run:
        who = list(node.touched) or AGENTS
        saver = run.saver()
        shared = sorted(node.all_calls().keys() - node.calls.keys())
        if node.parent and shared and draw.random() < 0.5:  # another answer to what the parent was answered long ago
            key = draw.choice(shared)
            run.calls.put(a_call(key, agent := node.all_calls()[key][0], ["revised", seed], cost=1.0))
            node.calls[key] = (agent, node.last, ["revised", seed])
        for barrier in range(node.last + 1, until + 1):
            for agent in set(AGENTS) - set(who):  # asked by the way: not theirs to live, but taken over all the same
                key = f"{agent}/{barrier}/0"
                known = node.all_calls().get(key) or node.asked_before(key)
                found = run.calls.get(key)
                assert (found and found.response) == (known and known[2]), key
                if known and key not in node.all_calls():
                    node.adopted[key] = (known[0], node.last, known[2])
            for agent in draw.sample(who, draw.randint(0, len(who))):
                key = f"{agent}/{barrier}/{draw.randint(0, 1)}"
                if node.parent and key not in node.calls and draw.random() < 0.15:  # an answer put in by hand
                    answer = ["edited", seed]
                    run.calls.put(a_call(key, agent, answer, cost=1.0))
                    node.calls[key] = (agent, node.last, answer)
                found = run.calls.get(key)
                known = node.all_calls().get(key) or node.asked_before(key)
                assert (found and found.response) == (known and known[2]), key
                if known is None:
                    answer = [seed, draw.randint(0, 9)]
                    run.calls.put(a_call(key, agent, answer, cost=1.0))
                    node.calls[key] = (agent, node.last, answer)
                elif key not in node.all_calls():
                    node.adopted[key] = (known[0], node.last, known[2])
            if draw.random() < 0.1:
                gone = draw.choice(who)
                saver.delete_thread(gone)
                node.forgotten.add(gone)
                node.graphs = [row for row in node.graphs if row[0] != gone]
            events = [("", -1, {"b": barrier, "seed": seed})]
            for agent in draw.sample(who, draw.randint(0, len(who))):
                events.append((agent, barrier, {"mood": draw.randint(0, 3)}))
                value = {"page": barrier, "mood": draw.randint(0, 3), "long": "v" * 600}
                saver.keep_state(agent, value, barrier)
                node.graphs.append((agent, barrier, value))
            states = {name: draw.randint(0, 2) for name in draw.sample(["clock", "a", "b"], 2)}
            run.commit(barrier, [Event("page", agent, page, data=data) for agent, page, data in events], states)
            node.events += [(barrier, *event) for event in events]
            node.states |= {(name, barrier): value for name, value in states.items()}
            node.own_last = barrier


def check(node: Node) -> None:
    with Run.open(node.path) as run:
        assert run.barrier == node.last
        rows = [(e.barrier, e.agent, e.page, dict(e.data)) for e in run.events()]
        assert rows == node.all_events()
        numbers = [event.seq for event in run.events()]
        assert numbers == sorted(set(numbers))
        for agent in AGENTS:
            said = [(e.barrier, e.agent, e.page, dict(e.data)) for e in run.events(kind="page", agent=agent)]
            assert said == [row for row in node.all_events() if row[1] == agent]
        for barrier in (*range(node.last + 1), None):
            now = {
                n: v
                for (n, b), v in sorted(node.all_states().items(), key=lambda s: s[0][1])
                if barrier is None or b <= barrier
            }
            assert run.states(barrier) == now
            assert all(run.state(name, barrier) == now.get(name) for name in ("clock", "a", "b"))
        assert len({*run.log.rows("SELECT name, barrier FROM states")}) == len(run.log.rows("SELECT 1 FROM states"))
        calls = {c.key: (c.agent, c.response) for c in run.calls.all()}
        assert calls == {key: (agent, answer) for key, (agent, _, answer) in node.all_calls().items()}
        assert [c.key for c in run.calls.all(order="key")] == sorted(calls)
        assert all(c.request == a_call(c.key, c.agent, None).request for c in run.calls.all())
        assert len(run.calls) == run.calls.totals().calls == len(calls)
        assert run.calls.spent().calls == run.calls.spent().cost == len(node.calls)
        graphs: dict[str, list[Any]] = {}
        for thread, _, value in node.all_graphs():
            graphs.setdefault(thread, []).append(value)
        for thread in AGENTS:
            where: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
            stored = [found.checkpoint["channel_values"] for found in run.saver().list(where)]
            assert stored == graphs.get(thread, [])[::-1]


def in_one_piece(node: Node, path: Path) -> str:
    """The digest of a run without parents that holds what the model says."""
    with Run.create(path, kind="walk", config={"users": 6}) as run:
        for barrier in range(-1, node.last + 1):
            if barrier >= 0:
                for thread, at, value in node.all_graphs():
                    if at == barrier:
                        run.saver().keep_state(thread, value, at)
                events = [Event("page", a, page, data=data) for b, a, page, data in node.all_events() if b == barrier]
                run.commit(barrier, events, {n: v for (n, b), v in node.all_states().items() if b == barrier})
            for key, (agent, made, answer) in node.all_calls().items():
                if made == barrier:
                    run.calls.put(a_call(key, agent, answer))
        return run.digest()


@pytest.mark.parametrize("seed", range(12))
def test_a_fork_reads_as_the_run_in_one_piece_that_it_stands_for(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    with Run.create(tmp_path / "root", kind="walk", config={"users": 6}):
        pass
    family = [Node(tmp_path / "root")]
    live(family[0], draw, draw.randint(0, 3), seed=0)
    for number in range(1, 6):
        parent = draw.choice(family[-3:])
        at = draw.randint(0, parent.last)
        touched = tuple(sorted(draw.sample(AGENTS, draw.randint(1, 4)))) if draw.random() < 0.5 else ()
        edited = {"edits": number}
        path = fork_run(
            parent.path,
            at,
            agents=touched,
            events=[Event("page", data=edited)],
            states={"b": 100 + number} if draw.random() < 0.5 else None,
        )
        node = Node(path, parent, at, touched)
        node.events.append((at, "", -1, edited))
        with Run.open(path) as run:
            if run.state("b") == 100 + number:
                node.states["b", at] = 100 + number
        check(node)
        live(node, draw, at + draw.randint(0, 3), seed=number)
        check(node)
        family.append(node)
        # The parent goes on: its forks stay what they were, or follow it with those whom they did not touch.
        if draw.random() < 0.5:
            live(parent, draw, parent.last + 1, seed=100 + number)
    for number, node in enumerate(family):
        check(node)
        assert {child.path.resolve() for child in family if child.parent is node} == set(forks_of(node.path.resolve()))
        if not any(above.touched for above in node.lines()):
            with Run.open(node.path) as run:
                digest = run.digest()
            assert digest == in_one_piece(node, tmp_path / f"whole{number}")
