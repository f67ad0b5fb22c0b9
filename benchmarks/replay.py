"""How many agent-pages a second a replay goes through, beside what the recording took and what reading its calls alone takes.

    python benchmarks/replay.py [--users 400] [--pages 5] [--rounds 3] [--plan fused]

The recording is made over the fake server without latency, every user staying to the last page; the replay is that of
`recloop replay`: data read, every page lived again from its recorded calls, tables written, both digests taken.
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
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/simulations"))

from fake_llm import FakeLLM
from recloop.runs import Run
from recloop.simulations import SimulateConfig, replay, simulate
from rehearsing import STAY, STAY_FAITHFUL


class Clock:
    """Notes when each stage begins."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}

    def stage(self, name: str, total: int) -> None:
        self.began[name] = time.perf_counter()

    def advance(self, steps: int = 1) -> None: ...
    def note(self, text: str) -> None: ...


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--pages", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plan", choices=["fused", "faithful"], default="fused")
    given = parser.parse_args()
    script = STAY if given.plan == "fused" else STAY_FAITHFUL
    with tempfile.TemporaryDirectory() as folder:
        with FakeLLM(process=True, script=script) as server:
            config = SimulateConfig(
                model="openai/fake", base_url=server.base_url, users=given.users, pages=given.pages, plan=given.plan
            )
            clock = Clock()
            run = await simulate(config, out=Path(folder) / "run", progress=clock, api_key="sk-bench")
            recorded = time.perf_counter() - clock.began["browsing"]
            asked = server.stats()["requests"]
        with Run.open(run) as opened:
            pages = sum(1 for _ in opened.events(kind="page"))
            began = time.perf_counter()
            calls = sum(1 for _ in opened.calls.all())
            reading = time.perf_counter() - began
        for number in range(given.rounds):
            clock, began, cpu = Clock(), time.perf_counter(), time.process_time()
            before, after = await replay(run, out=Path(folder) / f"replay{number}", progress=clock)
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
            row: dict[str, Any] = {
                "what": f"replay, {given.plan}",
                "agent_pages": pages,
                "calls": calls,
                "same_digest": before == after,
                "pages_per_s": round(pages / wall),
                "pages_per_s_without_preparing": round(pages / (time.perf_counter() - clock.began["browsing"])),
                "pages_per_cpu_s": round(pages / cpu),
                "times_as_fast_as_the_recording": round(recorded / wall, 1),
                "wall_over_reading_the_calls": round(wall / reading, 1),
                "requests_while_recording": asked,
                "load": round(os.getloadavg()[0], 2),
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
