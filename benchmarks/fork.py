"""What a fork takes: making it, its bytes beside the parent's, and reading through it beside reading the parent.

    python benchmarks/fork.py [--agents 1000] [--pages 5] [--rounds 5]

The parent is a run in which every agent has an event of about 2 kB, a model call and a graph checkpoint on every page.
Forks leave it before the last page: one of everybody, lived to the end from the parent's recorded calls, and one of a single
agent.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from recloop.runs import CallRecord, Event, Run, fork_run


def live(path: Path, pages: int, agents: Iterable[int], other: str = "") -> None:
    """Go on to the last page; what is recorded is not asked again."""
    with Run.open(path, write=True) as run:
        for barrier in range(run.barrier + 1, pages + 1):
            events = []
            for number in agents:
                agent, key = f"u{number}", f"{number * 7919 % 1_000_003:07d}/{barrier}{other}"
                if run.calls.get(key, whole=False) is None:
                    request = {"system": f"You are {agent}. " * 60, "user": f"page {barrier} " * 200}
                    answer = {"said": f"{agent} {barrier}{other} " * 30}
                    run.calls.put(CallRecord(key, agent, barrier, "page", request=request, response=answer, cost=0.001))
                mind = {"page": barrier, "memory": [f"{agent} saw {page}" for page in range(barrier * 4)]}
                run.saver().keep_state(agent, mind, barrier)
                shown = [{"item": (number * 31 + slot) % 3000, "rating": slot % 5} for slot in range(45)]
                events.append(Event("page", agent, barrier, data={"exposures": shown, "said": other}))
            run.commit(barrier, events, {"clock": {"page": barrier}})


def milliseconds(work: Callable[[], Any], rounds: int) -> float:
    """The median of so many rounds, wall time."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return round(1000 * statistics.median(times), 1)


def reading(path: Path, rounds: int) -> dict[str, float]:
    """What reading a run takes, in milliseconds."""

    def digest() -> str:
        with Run.open(path) as run:
            return run.digest()

    with Run.open(path) as run:
        return {
            "open": milliseconds(lambda: Run.open(path).close(), rounds),
            "events": milliseconds(lambda: sum(1 for _ in run.events()), rounds),
            "events of one agent": milliseconds(lambda: list(run.events(agent="u7")), rounds),
            "1,000 calls by key": milliseconds(
                lambda: [run.calls.get(f"{n * 7919 % 1_000_003:07d}/1") for n in range(1000)], rounds
            ),
            "digest": milliseconds(digest, rounds),
        }


def own_bytes(path: Path) -> int:
    return sum((path / name).stat().st_size for name in ("log.sqlite", "manifest.json"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parent = Path(folder) / "run"
        Run.create(parent, kind="walk", config={"agents": given.agents}).close()
        live(parent, given.pages, range(given.agents))
        last = given.pages - 1
        making = milliseconds(lambda: fork_run(parent, last), 10 * given.rounds)
        empty = fork_run(parent, last)
        whole, one = fork_run(parent, last), fork_run(parent, last, agents=["u7"])
        bare = own_bytes(empty)
        live(whole, given.pages, range(given.agents))
        live(one, given.pages, [7], other=" otherwise")
        with Run.open(whole) as run, Run.open(parent) as above:
            same = run.digest() == above.digest()
        bytes_of = {"parent": parent, "everybody": whole, "one agent": one}
        print(
            json.dumps(
                {
                    "agent_pages": given.agents * (given.pages + 1),
                    "fork_ms": making,
                    "fork_bytes": bare,
                    "lived_bytes": {name: own_bytes(path) for name, path in bytes_of.items()},
                    "share_of_parent": {
                        name: round(own_bytes(path) / own_bytes(parent), 4)
                        for name, path in {"new": empty, **bytes_of}.items()
                        if path != parent
                    },
                    "same_digest": same,
                    "load": round(os.getloadavg()[0], 2),
                }
            )
        )
        for name, path in bytes_of.items():
            print(json.dumps({"reading_ms": name, **reading(path, given.rounds)}), flush=True)


if __name__ == "__main__":
    main()
