"""A small recorded run to look at, and servers over it, each at a port of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from recloop.simulations import simulate
from recloop.studio.door import Door
from recloop.studio.search_api import open_api
from recloop.studio.serve import application, bound

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "simulations")]
from rehearsing import settings  # noqa: E402  # pyright: ignore[reportMissingImports]
from serving import Serve, Served  # noqa: E402  # pyright: ignore[reportMissingImports]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves a run; the browser is let in unless `let_in=False`."""
    async with AsyncExitStack() as stack:

        async def served(run: Path, *, let_in: bool = True, host: str = "127.0.0.1", **options: Any) -> Served:
            api, listening = open_api(run, **options), bound(host, 0)
            port = listening.getsockname()[1]
            door = Door(host, port)
            api.secrets |= door.secrets()
            runner = web.AppRunner(application(api, door), access_log=None, shutdown_timeout=0.5)
            await runner.setup()
            await web.SockSite(runner, listening).start()
            stack.push_async_callback(runner.cleanup)
            stack.push_async_callback(api.close)
            jar = aiohttp.CookieJar(unsafe=True)  # cookies of an IP address, as browsers keep them
            browser = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
            found = Served(api, door, f"http://127.0.0.1:{port}", browser)
            if let_in:
                await found.let_in()
            return found

        yield served


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of ten scripted users and three pages. Not to be changed."""
    folder = tmp_path_factory.mktemp("studio")
    return asyncio.run(simulate(settings(folder, model="scripted"), out=folder / "run"))


@pytest.fixture
def own(recorded: Path, tmp_path: Path) -> Path:
    """The same run, to be changed."""
    import shutil

    return Path(shutil.copytree(recorded, tmp_path / "own"))
