"""What the page is told while it is open."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from recloop.runs import Event, Run, fork_run
from serving import Serve, until  # pyright: ignore[reportMissingImports]
from streams import live  # pyright: ignore[reportMissingImports]


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
            said = await stream.next("state", status="running")
            while said["barrier"] < before + 4:
                said = await stream.next("state")
        finally:
            writer.kill()
            await writer.wait()
        await stream.next("state", status="killed")


async def test_a_page_hears_of_forks_and_of_what_another_tab_or_the_command_did(own: Path, serve: Serve) -> None:
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
