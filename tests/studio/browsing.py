"""A real browser before the debugger's page: chromium of this system, driven by Playwright; servers in threads of their own."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from recloop.studio.api import API
from recloop.studio.door import Door
from recloop.studio.search_api import open_api
from recloop.studio.serve import application, bound

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response

T = TypeVar("T")

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",  # for containers without user namespaces; only pages of ours are opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Nothing but what the page asks for."""


def chromium() -> str | None:
    """The browser of this system: `RECLOOP_CHROMIUM`, or the first on the path. None is fetched."""
    named = os.environ.get("RECLOOP_CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def browser(**options: Any) -> Iterator[BrowserContext]:
    """A browser with a profile of its own; skips with a reason where there is none."""
    if (path := chromium()) is None:
        pytest.skip(f"no browser: install chromium, or name one in RECLOOP_CHROMIUM ({', '.join(NAMES)} are not there)")
    playwright = pytest.importorskip("playwright.sync_api", reason="the dev extra is not installed (playwright)")
    profiles = tempfile.TemporaryDirectory(prefix="recloop-browser-", ignore_cleanup_errors=True)
    with profiles as profile, playwright.sync_playwright() as driver:
        options = {"viewport": {"width": 1280, "height": 720}, "reduced_motion": "reduce"} | options
        context = driver.chromium.launch_persistent_context(
            profile, executable_path=path, headless=True, args=list(QUIET), **options
        )
        context.set_default_timeout(15_000)
        try:
            yield context
        finally:
            context.close()


def apart(work: Callable[..., T], *args: Any, **options: Any) -> T:
    """`work` in a thread of its own: where Playwright's loop runs, asyncio starts no other."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work, *args, **options).result()


@contextmanager
def studio(run: Path, **options: Any) -> Iterator[str]:
    """The debugger's server over `run`; gives the address that a person is shown."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[API, web.AppRunner, str]:
        api, listening = open_api(run, **options), bound("127.0.0.1", 0)
        port = listening.getsockname()[1]
        door = Door("127.0.0.1", port)
        runner = web.AppRunner(application(api, door), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        return api, runner, f"http://127.0.0.1:{port}/?token={door.token}"

    api, runner, address = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield address
    finally:

        async def stop() -> None:
            await api.close()
            await runner.cleanup()

        asyncio.run_coroutine_threadsafe(stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@dataclass
class Seen:
    """What a page did besides showing itself."""

    requests: list[Request] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Of the console, of scripts, of the content security policy."""

    def outside(self, address: str) -> list[str]:
        """Requests that went elsewhere than to the server of `address`."""
        return [r.url for r in self.requests if urlsplit(r.url).netloc != urlsplit(address).netloc]


@contextmanager
def looking(context: BrowserContext, address: str, *, refused: tuple[int, ...] = ()) -> Iterator[Page]:
    """The page at `address`, ready. At the end: no request went elsewhere, nothing complained (but of answers `refused`)."""
    page, seen = context.new_page(), Seen()

    def answered(response: Response) -> None:
        if response.status >= 400 and response.status not in refused:
            seen.errors.append(f"{response.status} {response.request.method} {response.url}")

    def said(message: ConsoleMessage) -> None:  # of a refused answer the console says less than `answered`
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            seen.errors.append(message.text)

    page.on("request", lambda request: seen.requests.append(request))
    page.on("response", answered)
    page.on("console", said)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    try:
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        yield page
        assert not seen.errors, seen.errors
        assert not seen.outside(address), seen.outside(address)
        assert len(seen.requests) > 10, "the listener saw the page's own requests"
    finally:
        page.close()
