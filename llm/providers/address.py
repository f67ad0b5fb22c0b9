"""An endpoint's address: what is shown of it, where requests go, and which of its parts are secret."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from ..redact import LONG
from .base import ConfigProblem

REDACTED = "[redacted]"
"""Stands in a run's settings where the address held a user or a key."""

PLAIN_HEADERS = ("content-type", "user-agent", "accept", "http-referer", "referer", "x-title", "openai-organization")
"""Headers whose values are no secrets."""


@dataclass(frozen=True, slots=True)
class Address:
    """`where` is scheme, host and path, without user, password and query: it is shown and recorded."""

    scheme: str
    host: str
    where: str
    query: str
    authorization: str
    """The Authorization header that user and password make; empty without them."""
    secrets: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises `ConfigProblem`, which names no secret, where `text` is no address."""
        if REDACTED in text:
            raise ConfigProblem(
                "the address of this run's endpoint held a user or a key, which is not kept\n"
                "  give the whole address again: --base-url, or base_url="
            )
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError:  # an odd port, a broken IPv6 address
            parts = port = None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            shown = text.rpartition("@")[2].partition("?")[0]
            raise ConfigProblem(f"{shown!r} is no address of an endpoint\n  it looks like http://127.0.0.1:8000/v1")
        path = parts.path.rstrip("/").removesuffix("/chat/completions")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        pair = base64.b64encode(f"{user}:{password}".encode()).decode() if user or password else ""
        # A user without a password is a token. Of a query, short values are settings such as a version.
        told = [value for _, value in parse_qsl(parts.query) if len(value) >= LONG]
        raw = (parts.password or parts.username or "", password or user, pair, parts.query, *told)
        return cls(
            scheme=parts.scheme,
            host=parts.hostname,
            where=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}",
            query=f"?{parts.query}" if parts.query else "",
            authorization=f"Basic {pair}" if pair else "",
            secrets=tuple(dict.fromkeys(filter(None, raw))),
        )


def bare(text: str) -> str:
    """An address as it is named and recorded: without user, password and query."""
    scheme, _, rest = text.partition("://")
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}".rstrip("/")


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without blanks around their values. Raises `ConfigProblem` for one that no HTTP message can hold (a key
    read from a file with two lines, say)."""
    found = {name: str(value).strip() for name, value in headers.items()}
    for name, value in found.items():
        if not value.isascii() or not value.isprintable():
            what = "the key" if name == "authorization" else f"the header {name}"
            raise ConfigProblem(
                f"{what} holds line breaks or other characters that no header takes\n  give it in one line"
            )
    return found
