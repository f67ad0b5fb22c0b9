"""An endpoint whose every answer the test writes: for what the fake server does not play (log-probabilities, 400s)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


@pytest.fixture
def chat_server() -> Callable[[Answer], AbstractAsyncContextManager[str]]:
    """`async with chat_server(answer) as url`: `answer(body)` gives status and JSON."""
    from aiohttp import web

    @asynccontextmanager
    async def serve(answer: Answer) -> AsyncIterator[str]:
        async def handle(request: web.Request) -> web.Response:
            status, body = answer(json.loads(await request.read()))
            return web.json_response(body, status=status)

        app = web.Application()
        app.router.add_post("/v1/chat/completions", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()

    return serve
