"""What a call through the door costs in CPU, beside raw sockets and plain aiohttp in the same process and round.

    python benchmarks/door.py [--calls 2000] [--concurrency 64,256] [--latency 50] [--rounds 5] [--profile]

Each client makes the same calls (2 kB of prompt, answers of one size) to the fake server in a process of its own; rounds
go through all clients in turn. `raw` writes and reads HTTP by hand over kept connections: the floor. `record` is the door
with a run folder as its cassette, each call one committed transaction; `page` asks for a page of eight items by
schema, other ones in every call.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from aiohttp import ClientSession, TCPConnector
from fake_llm import FakeLLM
from recloop.agents.answers import PageForm
from recloop.llm import Budget, MemoryCassette, Place, open_model
from recloop.runs import Run

PROMPT = "You watch films and say what you think of them. " * 40
Client = Callable[[int], Awaitable[None]]


def messages(number: int) -> list[dict[str, Any]]:
    return [{"role": "system", "content": PROMPT}, {"role": "user", "content": f"call {number}"}]


def body(number: int) -> bytes:
    asked = {"model": "fake", "messages": messages(number), "max_tokens": 512, "temperature": 0.0}
    return json.dumps(asked).encode()


class Raw:
    """HTTP/1.1 over asyncio streams: as many kept connections as calls in flight, heads written and read by hand."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self, number: int) -> None:
        link = self.free.pop() if self.free else await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = link
        data = body(number)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        json.loads(await reader.readexactly(length))["choices"][0]["message"]["content"]
        self.free.append(link)

    def close(self) -> None:
        for _, writer in self.free:
            writer.close()


async def in_flight(client: Client, calls: range, concurrency: int) -> None:
    numbers = iter(calls)

    async def worker() -> None:
        for number in numbers:
            await client(number)

    await asyncio.gather(*(worker() for _ in range(concurrency)))


async def clients(server: FakeLLM, concurrency: int, stack: AsyncExitStack) -> dict[str, Client]:
    raw = Raw(server.port)
    stack.callback(raw.close)
    session = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=concurrency)))
    url = f"{server.base_url}/chat/completions"

    async def plain(number: int) -> None:
        async with session.post(url, data=body(number), headers={"content-type": "application/json"}) as reply:
            json.loads(await reply.read())["choices"][0]["message"]["content"]

    folder = stack.enter_context(tempfile.TemporaryDirectory())
    run = stack.enter_context(Run.create(Path(folder) / "run", kind="bench", seed=0))

    def page(number: int) -> PageForm:
        keys = tuple(f"m{number % 997 + place}" for place in range(8))
        return PageForm(keys, ("watch", "skip"), (), None, with_decision=True)

    async def door(cassette: Any, form: Callable[[int], PageForm] | None = None) -> Client:
        model = open_model(
            f"{server.base_url}#fake", concurrency=concurrency, cassette=cassette, budget=Budget(calls=10**9)
        )
        await stack.enter_async_context(model)

        async def call(number: int) -> None:
            at = Place(f"u{number}", 0, "page")
            schema = form(number) if form else None
            outcome = await model.complete(messages(number), schema=schema, at=at, max_tokens=512)  # type: ignore[arg-type]
            assert outcome.ok, outcome

        return call

    return {
        "raw": raw.call,
        "aiohttp": plain,
        "door": await door(None),
        "memory": await door(MemoryCassette()),
        "record": await door(run.calls),
        "page": await door(None, page),
    }


async def measure(given: argparse.Namespace, concurrency: int) -> None:
    with FakeLLM(latency=f"fixed:{given.latency}", process=True) as server:
        async with AsyncExitStack() as stack:
            found = await clients(server, concurrency, stack)
            spent: dict[str, list[float]] = {name: [] for name in found}
            start = 0
            for number in range(given.rounds + 1):
                for name, client in found.items():
                    calls = range(start, start + given.calls)
                    start += given.calls
                    profile = cProfile.Profile() if given.profile == name and number else None
                    before = time.process_time()
                    if profile:
                        profile.enable()
                    await in_flight(client, calls, concurrency)
                    if profile:
                        profile.disable()
                        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
                    if number:  # the first round opens connections
                        spent[name].append(1e6 * (time.process_time() - before) / given.calls)
    floor = spent["raw"]
    for name, times in spent.items():
        ratios = [mine / raw for mine, raw in zip(times, floor, strict=True)]
        row = {
            "client": name,
            "in_flight": concurrency,
            "cpu_us_per_call": round(statistics.median(times)),
            "times_raw": round(statistics.median(ratios), 2),
            "from_to": [round(min(ratios), 2), round(max(ratios), 2)],
            "load": round(os.getloadavg()[0], 2),
        }
        print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000, help="per client and round")
    parser.add_argument("--concurrency", default="64,256")
    parser.add_argument("--latency", type=int, default=50, help="milliseconds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", default="", help="a client to profile, such as door or page")
    given = parser.parse_args()
    for concurrency in map(int, given.concurrency.split(",")):
        asyncio.run(measure(given, concurrency))


if __name__ == "__main__":
    main()
