"""`serve`: bind, tell the address, open the browser, stay until Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from .api import API
from .asked import LARGEST_BODY
from .door import HEADERS, Door, is_loopback
from .errors import Refused
from .search_api import open_api

PORT = 8642
PORTS_TRIED = 20
"""Where the port is taken: the next ones, so many."""
READERS = 32
"""Requests that are worked on at once; most of them wait."""
STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}
"""Of the page's files. Not by the system's table, which on some systems calls scripts plain text; others are not served."""


class StudioError(Exception):
    """The page cannot be served; the text says what to do next."""


def serve(
    run: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    anywhere: bool = False,
    open_browser: bool = True,
    api_key: str | None = None,
    token: str | None = None,
    say: Callable[[str], None] = print,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the page of a run until Ctrl-C or SIGTERM; what goes on then is paused at its last whole page.

    `host`: an address of this machine; one that others can reach needs `anywhere`, and keeps the token. `port`: the next
    free one where it is taken, any for 0. `token`: of one's own making (None: a new one). `say` tells a person, `ready`
    is given the address with the token. Raises `StudioError`, and what `Run.open` raises.
    """
    asyncio.run(_serve(Path(run), host, port, anywhere, open_browser, api_key, token, say, ready))


async def _serve(
    run: Path,
    host: str,
    port: int,
    anywhere: bool,
    open_browser: bool,
    api_key: str | None,
    token: str | None,
    say: Callable[[str], None],
    ready: Callable[[str], None] | None,
) -> None:
    if token is not None and len(token) < 16:
        raise StudioError("a token has at least 16 characters\n  leave it out: a new one is made at every start")
    if not anywhere and not is_loopback(host):
        raise StudioError(
            f"{host} can be reached by other machines\n  from another machine, rather use a tunnel: ssh -L {port}:localhost:{port} "
            "THIS-MACHINE;  to listen there all the same, say so explicitly (--anywhere)"
        )
    try:
        api = open_api(run, api_key=api_key)
    except Refused as error:
        raise StudioError(f"{error.what}\n  {error.hint}") from None
    # A call that is asked again may wait for its model for a minute: that keeps nobody from reading.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(READERS, "studio"))
    listening = bound(host, port)
    found = listening.getsockname()[1]
    door = Door(host, found, token)
    api.secrets |= door.secrets()
    runner = web.AppRunner(application(api, door), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    asyncio.get_running_loop().run_in_executor(None, api.warm)

    shown = "localhost" if is_loopback(host) else socket.gethostname() if host in ("0.0.0.0", "::") else host
    base = f"http://{f'[{shown}]' if ':' in shown else shown}:{found}/"
    if port not in (0, found):
        say(f"port {port} is taken; this is {found}")
    if not is_loopback(host):
        say("others can reach this address, and what is sent is not encrypted: whoever listens can read the token")
    say(f"debugger of {run}: {base}?token={door.token}")
    say("Ctrl-C ends it")
    if open_browser:
        _open_browser(f"{base}?token={door.once()}")
    if ready is not None:
        ready(f"{base}?token={door.token}")
    try:
        await _until_told()
        if api.crew.all():
            say("pausing what goes on at its last whole page (again: at once)")
    finally:
        await api.close()
        await runner.cleanup()


def application(api: API, door: Door) -> web.Application:
    """The server's routes behind the door."""

    @web.middleware
    async def guarded(request: web.Request, handler: Callable[..., object]) -> web.StreamResponse:
        door.check(request)
        return await handler(request)  # type: ignore[misc]

    async def first(request: web.Request) -> web.StreamResponse:
        if "token" not in request.query:
            return page_file(request, api.page)
        return door.welcome(request)

    async def file(request: web.Request) -> web.StreamResponse:
        return page_file(request, request.match_info["name"])

    async def headers(request: web.Request, answer: web.StreamResponse) -> None:
        answer.headers.update(HEADERS)

    app = web.Application(middlewares=[api.words, guarded], client_max_size=LARGEST_BODY)
    app.on_response_prepare.append(headers)
    app.add_routes([web.get("/", first), web.get("/static/{name:.+}", file), *api.routes()])
    return app


def page_file(request: web.Request, name: str) -> web.StreamResponse:
    """A file of the page. Raises `Refused` for what is none: a name is looked up among the files there are, never joined to a path."""
    files = {each.relative_to(STATIC).as_posix(): each for each in STATIC.rglob("*") if each.suffix in TYPES}
    if (path := files.get(name)) is None:
        raise Refused(404, f"the page has no file {name}")
    found = path.stat()
    etag = f'W/"{found.st_mtime_ns:x}-{found.st_size:x}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=path.read_bytes(), content_type=TYPES[path.suffix], charset="utf-8", headers=headers)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket at the port, or at the next free one. Raises `StudioError`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise StudioError(
            f"{host} is no address of this machine ({error})\n  leave --host out for this machine alone"
        ) from None
    for number in range(port, port + (PORTS_TRIED if port else 1)):
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":  # elsewhere it lets two servers share a port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((address[0], number, *address[2:]))
            listening.listen(128)
            listening.setblocking(False)
            return listening
        except OverflowError:
            listening.close()
            break
        except OSError as error:
            listening.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise StudioError(
                    f"cannot listen at {host}: {error.strerror}\n  leave --host out for this machine alone"
                ) from None
    raise StudioError(
        f"no port from {port} to {min(port + PORTS_TRIED - 1, 65535)} is free\n  name another: --port N (0: any)"
    )


def _open_browser(address: str) -> None:
    """Open it where there is a screen; never a browser inside the terminal."""
    screen = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if screen:
        threading.Thread(target=_opened, args=(address,), daemon=True).start()


def _opened(address: str) -> None:
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(address)


async def _until_told() -> None:
    """Until the first Ctrl-C or SIGTERM; a second one ends the process at once."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell(number: int) -> None:
        told.set()
        loop.remove_signal_handler(number)
        signal.signal(number, lambda *_: os._exit(128 + number))

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, tell, number)
        except (
            NotImplementedError,
            RuntimeError,
            ValueError,
        ):  # Windows, or not the main thread: whoever runs it, ends it
            with suppress(ValueError):
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(told.set))
    await told.wait()
