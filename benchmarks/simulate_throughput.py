"""How near a rehearsal comes to the ideal, and what the framework costs per agent-page.

    python benchmarks/simulate_throughput.py [--users 256] [--pages 3] [--concurrency 64] [--latency 200] [--rounds 3]

Ideal wall time = calls x latency / concurrency, where every user stays to the last page (the fake server's script says
"next"), so that waves are full. The server is a process of its own. Preparation (data, recommender) is timed apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulations"))

from fake_llm import FakeLLM
from recloop.runs import Run
from recloop.simulations import SimulateConfig, simulate
from rehearsing import STAY, write_ratings


class Clock:
    """Notes when browsing begins: what comes before is preparation."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.cpu: float | None = None

    def stage(self, name: str, total: int) -> None:
        if name == "browsing":
            self.began, self.cpu = time.perf_counter(), time.process_time()

    def advance(self, steps: int = 1) -> None: ...
    def note(self, text: str) -> None: ...


async def generate(users: int, pages: int, concurrency: int, latency: int) -> dict[str, Any]:
    options = {"latency": f"fixed:{latency}", "script": STAY, "process": True}
    with tempfile.TemporaryDirectory() as folder, FakeLLM(**options) as server:
        clock = Clock()
        config = SimulateConfig(
            model="openai/fake", base_url=server.base_url, users=users, pages=pages, concurrency=concurrency
        )
        path = await simulate(config, out=Path(folder) / "run", progress=clock, api_key="sk-bench")
        wall, cpu = time.perf_counter() - (clock.began or 0), time.process_time() - (clock.cpu or 0)
        with Run.open(path) as run:
            calls = len(run.calls) - 1  # the check before anybody moves
            pages_seen = sum(1 for _ in run.events(kind="page"))
            size = (path / "log.sqlite").stat().st_size
        ideal = calls * latency / 1000 / concurrency
        return {
            "what": "generate, fused",
            "calls": calls,
            "agent_pages": pages_seen,
            "wall_s": round(wall, 2),
            "wall_over_ideal": round(wall / ideal, 3) if ideal else None,
            "cpu_ms_per_agent_page": round(1000 * cpu / pages_seen, 2),
            "log_kB_per_agent_page": round(size / 1000 / pages_seen, 2),
        }


async def scripted(users: int, pages: int, made: bool = False) -> dict[str, Any]:
    """Over the embedded ratings, or over a made table with enough users; `whole_s` is the wall time with preparation."""
    with tempfile.TemporaryDirectory() as folder:
        clock, given = Clock(), {"users": users, "pages": pages, "model": "scripted"}
        if made:
            given["data"] = str(write_ratings(Path(folder) / "table.csv", users=users, items=2000))
        began = time.perf_counter()
        path = await simulate(SimulateConfig(**given), out=Path(folder) / "run", progress=clock)
        ended = time.perf_counter()
        with Run.open(path) as run:
            pages_seen = sum(1 for _ in run.events(kind="page"))
        return {
            "what": f"scripted, {users} users",
            "agent_pages": pages_seen,
            "wall_s": round(ended - (clock.began or 0), 2),
            "whole_s": round(ended - began, 2),
            "pages_per_s": round(pages_seen / (ended - (clock.began or 0))),
        }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=256)
    parser.add_argument("--pages", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=int, default=200, help="milliseconds")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for _ in range(given.rounds):
        rows = [
            await generate(given.users, given.pages, given.concurrency, given.latency),
            await generate(given.users, given.pages, given.concurrency, 0),
            await scripted(1500, 5),
            await scripted(10_000, 5, made=True),
        ]
        for row in rows:
            print(json.dumps(row | {"load": round(os.getloadavg()[0], 2)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
