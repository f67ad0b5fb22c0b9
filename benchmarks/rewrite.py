"""How near a rewriting comes to the ideal, and what the framework costs per rewrite.

    python benchmarks/rewrite.py [--queries 300] [--concurrency 64] [--latency 100] [--rounds 3]

Ideal wall time = calls x latency / concurrency; `wall_over_bare` is against as many bare aiohttp posts at the same concurrency,
made right after it on the same machine and server, which a busy machine slows as well. The fake server is a process of its own. `clean`: every first rewrite
passes, so a query takes one intent and, for each of four personas, a rewrite and a verdict. `repaired`: the judge turns
about two in five down, and chains grow to seven calls. `rules`: no model, the whole log.
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

from fake_llm import FakeLLM
from recloop.agents.rewriter.carry import rewrite
from recloop.agents.rewriter.config import checked
from recloop.agents.rewriter.summary import numbers
from recloop.runs import Run

NEED = {"match": "say plainly what they need", "json": {"need": "what number {{hash 6}} stands for"}}
TEXT = {"match": "You play one person", "json": {"query": "find {{words 4}}"}}
GOOD = {"match": "You check rewritten", "json": {"meaning": "same", "persona": "yes", "reason": ""}}
MIXED = {
    "match": "You check rewritten",
    "json": {"meaning": "{{pick same|same|same|different}}", "persona": "{{pick yes|yes|yes|no}}", "reason": "no"},
}


class Clock:
    """Notes when rewriting begins: what comes before is preparation."""

    def stage(self, name: str, total: int) -> None:
        self.began, self.cpu = time.perf_counter(), time.process_time()

    def advance(self, steps: int = 1) -> None: ...
    def note(self, text: str) -> None: ...


async def endpoint(what: str, judge: Any, queries: int, concurrency: int, latency: int) -> dict[str, Any]:
    options = {"latency": f"fixed:{latency}", "script": [NEED, TEXT, judge], "process": True}
    with tempfile.TemporaryDirectory() as folder, FakeLLM(**options) as server:
        config = checked(
            {
                "queries": [f"query number {n}" for n in range(queries)],
                "model": "openai/fake",
                "base_url": server.base_url,
                "concurrency": concurrency,
                "check": "words",
            }
        )
        clock = Clock()
        path = await rewrite(config, out=Path(folder) / "run", progress=clock, api_key="sk-bench")
        wall, cpu = time.perf_counter() - clock.began, time.process_time() - clock.cpu
        with Run.open(path) as run:
            calls, found = len(run.calls) - 1, numbers(run)["numbers"]  # without the check before anything
        rewrites, ideal = found["rewrites"]["value"], calls * latency / 1000 / concurrency
        span = server.stats()["last_s"] - server.stats()["first_s"]
        alone = await bare(server.base_url, calls, concurrency)
        return {
            "what": what,
            "rewrites": rewrites,
            "calls": calls,
            "fell_back": round(found["fell_back"]["value"], 3),
            "wall_s": round(wall, 2),
            "ideal_s": round(ideal, 2),
            "wall_over_ideal": round(wall / ideal, 3) if ideal else None,
            "wall_over_bare": round(wall / alone, 3),
            "first_to_last_call_s": round(span, 2),
            "rewrites_per_s": round(rewrites / wall, 1),
            "cpu_ms_per_rewrite": round(1000 * cpu / rewrites, 2),
        }


async def bare(url: str, calls: int, concurrency: int) -> float:
    """Seconds that so many posts take without a framework around them."""
    import aiohttp

    body = {"model": "fake", "messages": [{"role": "user", "content": "You check rewritten"}]}
    left = iter(range(calls))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def worker() -> None:
            for number in left:
                async with session.post(f"{url}/chat/completions", json={**body, "user": str(number)}) as answer:
                    await answer.json()

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(concurrency)))
        return time.perf_counter() - began


async def rules(queries: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        config = checked(
            {"queries": [f"cheap warm gloves {n}" for n in range(queries)], "model": "rules", "check": "words"}
        )
        clock = Clock()
        await rewrite(config, out=Path(folder) / "run", progress=clock)
        wall = time.perf_counter() - clock.began
    return {
        "what": "rules",
        "rewrites": 4 * queries,
        "wall_s": round(wall, 2),
        "rewrites_per_s": round(4 * queries / wall),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=int, default=100, help="milliseconds")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for _ in range(given.rounds):
        for row in (
            await endpoint("clean", GOOD, given.queries, given.concurrency, given.latency),
            await endpoint("repaired", MIXED, given.queries, given.concurrency, given.latency),
            await rules(given.queries),
        ):
            print(json.dumps(row | {"load": round(os.getloadavg()[0], 2)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
