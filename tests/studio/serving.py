"""A server in this process, and a browser in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from recloop.studio.api import API
from recloop.studio.door import Door


@dataclass
class Answer:
    """What the server said."""

    status: int
    headers: Any
    body: bytes
    said: Any = field(default=None)


@dataclass
class Served:
    """A server in this process and a browser that may have been let in."""

    api: API
    door: Door
    base: str
    browser: aiohttp.ClientSession

    async def let_in(self) -> None:
        """Open the address that a person is shown."""
        async with self.browser.get(f"{self.base}/?token={self.door.token}") as answer:
            assert answer.status == 200

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, said: Any = (), **options: Any) -> Answer:
        """A change, as the page sends it."""
        options["headers"] = {"Origin": self.base} | options.get("headers", {})
        return await self.ask("POST", path, json={} if said == () else said, **options)

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        async with self.browser.request(method, self.base + path, **options) as answer:
            body = await answer.read()
            said = await answer.json() if answer.content_type == "application/json" and body else None
            return Answer(answer.status, answer.headers, body, said)


Serve = Callable[..., Awaitable[Served]]


async def until(holds: Callable[[], Any]) -> None:
    """Wait until this holds, not for ever."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
