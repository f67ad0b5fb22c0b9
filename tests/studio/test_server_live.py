"""What the page is told while it is open."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from recloop.runs import Event, Run
from serving import Serve, Served, until  # pyright: ignore[reportMissingImports]

Said = tuple[str, dict[str, Any]]


class Stream:
    """Server-sent events as they come."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def next(self, *kinds: str, **wanted: Any) -> dict[str, Any]:
        """The next event of one of these kinds that says what is wanted; others are passed over."""
        async with asyncio.timeout(20):
            while True:
                kind, data = await self._one()
                if kind in kinds and all(data.get(name) == value for name, value in wanted.items()):
                    return data

    async def _one(self) -> Said:
        kind, data = "", ""
        while line := (await self._answer.content.readline()).decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data = value
            elif not line.strip() and kind:
                return kind, json.loads(data)
        raise EOFError("the stream has ended")


@asynccontextmanager
async def live(served: Served, run: str = "") -> AsyncIterator[Stream]:
    async with served.browser.get(f"{served.base}/api/live", params={"run": run}) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield Stream(answer)


async def test_a_page_hears_at_once_how_the_run_stands(recorded: Path, serve: Serve) -> None:
    async with live(await serve(recorded)) as stream:
        said = await stream.next("state")
    assert (said["run"], said["status"], said["barrier"], said["page"]) == ("", "finished", 3, 3)


async def test_a_page_hears_of_every_barrier_whoever_commits_it(own: Path, serve: Serve) -> None:
    served = await serve(own)
    async with live(served) as stream:
        before = await stream.next("state")
        with Run.open(own, write=True) as run:
            run.set_status("running")
            run.commit(4, [Event("note", data={"x": 1})])
            after = await stream.next("state", barrier=4)
            assert after["status"] == "running"
            assert after["version"] != before["version"]
            run.set_status("paused", "for a while")
        assert (await stream.next("state", status="paused"))["reason"] == "for a while"


WRITER = """
import sys, time
from recloop.runs import Run
with Run.open(sys.argv[1], write=True) as run:
    run.set_status("running")
    while True:
        run.commit(run.barrier + 1)
        time.sleep(0.1)
"""


async def test_a_page_hears_of_a_process_that_writes_the_run_and_that_it_was_killed(own: Path, serve: Serve) -> None:
    served = await serve(own)
    async with live(served) as stream:
        before = (await stream.next("state"))["barrier"]
        writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(own))
        try:
            first = await stream.next("state", status="running")
            later = await stream.next("state")
            assert later["barrier"] > first["barrier"] > before
        finally:
            writer.kill()
            await writer.wait()
        await stream.next("state", status="killed")


async def test_a_page_hears_of_forks_and_of_what_another_tab_or_the_command_did(own: Path, serve: Serve) -> None:
    from recloop.runs.fork import fork_run

    served = await serve(own)
    async with live(served) as stream:
        await stream.next("state")
        await asyncio.sleep(1.2)
        await asyncio.to_thread(fork_run, own, 1, name="a")
        await stream.next("tree")
        (own / "debug.json").write_text("{}")
        await stream.next("session")
    async with live(served, "a") as stream:
        said = await stream.next("state")
        assert (said["run"], said["status"], said["barrier"]) == ("a", "paused", 1)


async def test_a_page_hears_that_its_run_is_gone_and_that_it_is_back(own: Path, serve: Serve) -> None:
    served = await serve(own)
    async with live(served) as stream:
        await stream.next("state")
        own.rename(own.with_name("aside"))
        assert "no longer there" in (await stream.next("lost"))["error"]
        own.with_name("aside").rename(own)
        assert (await stream.next("state"))["status"] == "finished"


async def test_a_stream_ends_with_the_server(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    async with live(served) as stream:
        await stream.next("state")
        began = time.monotonic()
        await served.api.close()
        try:
            while True:
                await stream._one()
        except EOFError:
            pass
        assert time.monotonic() - began < 5


async def test_a_page_that_has_gone_is_forgotten(recorded: Path, serve: Serve, monkeypatch: Any) -> None:
    monkeypatch.setattr("recloop.studio.api.KEEP_ALIVE", 0.05)
    served = await serve(recorded)
    async with live(served) as stream:
        await stream.next("state")
        assert len(served.api._streams) == 1
    await until(lambda: not served.api._streams)


async def test_looking_changes_nothing_in_the_run(own: Path, serve: Serve) -> None:
    def files() -> dict[str, bytes]:
        aside = (".sqlite-wal", ".sqlite-shm")
        return {each.name: each.read_bytes() for each in own.rglob("*") if each.is_file() and each.suffix not in aside}

    before = files()
    served = await serve(own)
    async with live(served) as stream:
        await stream.next("state")
        agent = (await served.get("/api/agents")).said["columns"]["agent"][0]
        for path in ("overview", f"agent?agent={agent}", f"moments?agent={agent}&page=0", "tree", "breakpoints"):
            await served.get(f"/api/{path}")
    assert files() == before
