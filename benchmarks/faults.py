"""What a mildly broken endpoint costs: wall time with faults over the clean run of the same seed.

    python benchmarks/faults.py [--users 1024] [--pages 3] [--concurrency 64] [--latency lognormal:200:0.3] [--rounds 5]
                                [--faults 429=0.05,500=0.02,reset=0.01,hang=0.01] [--timeout 60]

Rounds go clean, broken, clean, broken (ABAB); the server is a process of its own and everybody stays to the last page,
so that both runs have the same work. Every round also checks that nothing was lost or doubled: as many answers as in the
clean run, each user on each page, and the server's count of requests equal to the recorded tries.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fake_llm import FakeLLM
from recloop.runs import Run
from recloop.simulations import SimulateConfig, simulate
from simulate_throughput import Clock

CHOICE = '"{{1}}": {"fits": true, "action": "watch", "rating": 4, "why": "{{words 6}}"}'
STAY = [
    {
        # The first item twice, since a template knows no "all but the last"; JSON takes the later of two equal names.
        "match": r"<<<items\n\[(.+?)\] ",
        "each": {"item": r"(?<=\n)\[(.+?)\] "},
        "reply": '{"choices": {' + CHOICE + "{{each item}}, " + CHOICE + "{{end}}}, "
        '"feeling": "{{words 8}}", "satisfaction": 7, "decision": "next", "reason": "{{words 8}}"}',
    }
]
"""A fused page on which everybody takes everything up and goes on."""


async def rehearse(given: argparse.Namespace, faults: str) -> dict[str, Any]:
    """One rehearsal; seconds from its first page on, and what server and log say of it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        FakeLLM(latency=given.latency, script=STAY, errors=faults, retry_after=0.2, process=True) as server,
    ):
        config = SimulateConfig(
            model="openai/fake",
            base_url=server.base_url,
            users=given.users,
            pages=given.pages,
            concurrency=given.concurrency,
            timeout=given.timeout,
        )
        clock = Clock()
        path = await simulate(config, out=Path(folder) / "run", progress=clock, api_key="sk-bench")
        wall, cpu = time.perf_counter() - (clock.began or 0), time.process_time() - (clock.cpu or 0)
        seen = server.stats()
        with Run.open(path) as run:
            totals, pages = run.calls.totals(), sum(1 for _ in run.events(kind="page"))
            failures = sum(len(event.data["failures"]) for event in run.events(kind="page"))
    return {
        "wall_s": wall,
        "cpu_s": cpu,
        "calls": totals.calls,
        "tries": totals.attempts,
        "at_server": seen["requests"] + seen["cancelled"],
        "agent_pages": pages,
        "failures": failures,
        "injected": seen["injected"],
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1024)
    parser.add_argument("--pages", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", default="lognormal:200:0.3")
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--faults", default="429=0.05,500=0.02,reset=0.01,hang=0.01")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    ratios = []
    for number in range(given.rounds):
        clean = await rehearse(given, "")
        broken = await rehearse(given, given.faults)
        for run in (clean, broken):
            assert run["tries"] == run["at_server"], "a try is on the account once, and none that was not made"
        assert (broken["agent_pages"], broken["calls"]) == (clean["agent_pages"], clean["calls"]), "the same work"
        ratios.append(broken["wall_s"] / clean["wall_s"])
        print(
            json.dumps(
                {
                    "round": number,
                    "clean_s": round(clean["wall_s"], 2),
                    "broken_s": round(broken["wall_s"], 2),
                    "ratio": round(ratios[-1], 3),
                    "cpu_s": [round(run["cpu_s"], 2) for run in (clean, broken)],
                    "calls": [run["calls"] for run in (clean, broken)],
                    "tries": [run["tries"] for run in (clean, broken)],
                    "agent_pages": clean["agent_pages"],
                    "failures": broken["failures"],
                    "injected": broken["injected"],
                    "load": round(os.getloadavg()[0], 2),
                }
            ),
            flush=True,
        )
    print(
        json.dumps(
            {
                "goal": "wall over the clean run's <= 1.3",
                "median": round(statistics.median(ratios), 3),
                "from": round(min(ratios), 3),
                "to": round(max(ratios), 3),
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
