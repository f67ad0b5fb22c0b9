"""Who may come in: a token, then a cookie; the Host and the Origin of every request; the headers of every answer.

A page of another site can make a browser send requests here. It has no cookie (SameSite=Strict), it cannot name this Host
(DNS rebinding), its Origin is another, and what it sends is not JSON: each alone keeps it out.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
import time
from urllib.parse import urlsplit

from aiohttp import web

from .errors import Refused

ONCE_SECONDS = 120.0
"""How long the address that is handed to a browser is good for; other users of the machine may read it in the list of processes."""
CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Server": "recloop",
}
"""On every answer, errors included."""

WELCOME = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>RecLoop</title>'
    '<a href="/">Open the debugger</a>'
)
"""Takes the token out of the address bar. A page, not a redirect: after one, a browser that came from a link on another
site would not send the new cookie."""


class Door:
    """The keys of one start. `token` is in the address that a person is shown and stays good; `once()` makes addresses'
    tokens that are good for one opening. Either is changed for a cookie, which is a secret of its own."""

    def __init__(self, host: str, port: int, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(32)
        self.host = host
        self.cookie = f"recloop-{port}"  # cookies do not tell ports apart: each server has its own name
        self._value = secrets.token_urlsafe(32)
        self._once: dict[str, float] = {}
        self._names = {"localhost", host.lower(), *({socket.gethostname().lower()} if not is_loopback(host) else ())}

    def once(self) -> str:
        """A token for one opening, within two minutes."""
        token = secrets.token_urlsafe(32)
        self._once[token] = time.monotonic() + ONCE_SECONDS
        return token

    def secrets(self) -> frozenset[str]:
        """What must not be shown in any answer."""
        return frozenset((self.token, self._value, *self._once))

    def check(self, request: web.Request) -> None:
        """Raises `Refused` for a request that does not come from our own page."""
        self.check_host(request)
        site = request.headers.get("Sec-Fetch-Site")
        if request.path.startswith("/api/") and site not in (None, "same-origin", "none"):
            raise Refused(403, "a page of another site asked this", "open the address that the command printed")
        origin = request.headers.get("Origin")
        reads = request.method in ("GET", "HEAD")
        if origin is not None and urlsplit(origin).netloc.lower() != request.headers["Host"].lower():
            raise Refused(403, "a page of another site asked this", "open the address that the command printed")
        if origin is None and not reads and site != "same-origin":
            raise Refused(
                403, "a change came without an Origin", "changes are made by the page; scripts use recloop debug"
            )
        if request.path == "/" and "token" in request.query and reads:
            return  # `welcome` looks at it
        if not self.knows(request):
            raise Refused(
                401, "this browser has not been let in", "open the address that `recloop debug` printed, with its token"
            )

    def check_host(self, request: web.Request) -> None:
        """Raises `Refused` for a name that is not this server's: a site may have let its own name point here."""
        try:
            name = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
        except ValueError:
            name = ""
        if name in self._names or _is_address(name, loopback_only=is_loopback(self.host)):
            return
        raise Refused(403, "this server is not known by that name", "open the address that the command printed")

    def knows(self, request: web.Request) -> bool:
        """Whether the request has the cookie."""
        return hmac.compare_digest(request.cookies.get(self.cookie, "").encode(), self._value.encode())

    def welcome(self, request: web.Request) -> web.Response:
        """The cookie for a token. Raises `Refused`."""
        given = request.query.get("token", "")
        once = self._once.pop(given, 0.0) > time.monotonic()
        if not once and not hmac.compare_digest(given.encode(), self.token.encode()):
            raise Refused(401, "this token is not good, or not any more", "open the address that the command printed")
        answer = web.Response(text=WELCOME, content_type="text/html", headers={"Cache-Control": "no-store"})
        answer.set_cookie(self.cookie, self._value, httponly=True, samesite="Strict", path="/")
        return answer


def is_loopback(host: str) -> bool:
    """Whether an address to bind to can be reached from this machine alone."""
    return host.lower() == "localhost" or _is_address(host, loopback_only=True)


def _is_address(name: str, *, loopback_only: bool) -> bool:
    """Whether it is an IP address: a browser that names one was not sent here by a name of somebody else's."""
    try:
        return ipaddress.ip_address(name).is_loopback or not loopback_only
    except ValueError:
        return False
