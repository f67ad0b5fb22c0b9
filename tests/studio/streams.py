"""Server-sent events of a server, as a page gets them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from serving import Served  # pyright: ignore[reportMissingImports]

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
