"""Any OpenAI-compatible endpoint over one pooled aiohttp session per event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies, proxy_bypass

from pydantic_core import PydanticSerializationError, to_json

from ..redact import HIDDEN, LONG, secrets_of
from ..types import Abilities
from .address import PLAIN_HEADERS, Address, checked_headers
from .base import (
    ChatRequest,
    NoAbility,
    ProviderError,
    RawAnswer,
    RawScores,
    ScoreRequest,
    Unsupported,
)
from .chat_body import chat_body, raw_answer, usage_of
from .http_failures import bad_answer, connection_failure, failure
from .label_scores import TOP, label_scores, listed_tokens

if TYPE_CHECKING:
    from aiohttp import ClientSession

OPENAI = "https://api.openai.com/v1"
CONNECT_SECONDS = 15.0
HELLO = ({"role": "user", "content": "Reply with the word ok."},)


class OpenAIProvider:
    """One model behind `base_url` + `/chat/completions`.

    It learns what the endpoint turns down (`max_tokens`, `temperature`, …) and leaves that out from then on. Whether
    labels can be scored is known after `check` or the first score: the endpoint must list log-probabilities.
    """

    remote = True
    splits_score = True
    concurrency: int | None = None

    def __init__(
        self,
        name: str,
        model: str,
        base_url: str,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        connections: int = 64,
    ) -> None:
        address = Address.parse(base_url)
        self.name, self.model = name, model
        self.where = address.where
        self._url = f"{address.where}/chat/completions{address.query}"
        given = {"content-type": "application/json", "user-agent": "recloop", **(headers or {})}
        if authorization := f"Bearer {api_key}" if api_key else address.authorization:
            given["authorization"] = authorization
        self._headers = checked_headers(given)
        told = [value for name, value in (headers or {}).items() if name.lower() not in PLAIN_HEADERS]
        self._secrets = secrets_of(api_key, *address.secrets, *told)
        self._hidden = tuple(secret.encode() for secret in self._secrets if len(secret) >= LONG)
        self._connections = connections
        self._proxy = _proxy(address.scheme, address.host)
        self._sessions: dict[asyncio.AbstractEventLoop, ClientSession] = {}
        self._without: frozenset[str] = frozenset()
        self._lists_logprobs: bool | None = None

    @property
    def abilities(self) -> Abilities:
        return Abilities(score=self._lists_logprobs is True)

    async def chat(self, request: ChatRequest) -> RawAnswer:
        body = chat_body(self.model, request, self._without)
        value, raw = await self._post(body)
        try:
            return raw_answer(value, body)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise bad_answer(self.where, raw, self._secrets) from None

    async def score(self, request: ScoreRequest) -> RawScores:
        """The next token's log-probabilities after prompt and suffix as the user's message; one question."""
        if request.whole:
            raise NoAbility(f"{self.name} gives no log-likelihoods of whole texts\n  use a local model for loglik")
        if self._lists_logprobs is False:
            raise self._no_logprobs()
        (question,) = request.questions
        message = {"role": "user", "content": question.after(request.prompt)}
        value, body, raw = await self._ask_logprobs(ChatRequest((message,), max_tokens=1))
        listed = self._listed(value, raw)
        if listed is None:
            self._lists_logprobs = False
            raise self._no_logprobs()
        self._lists_logprobs = True
        numbers, floored = label_scores(question.labels, listed)
        return RawScores([numbers], usage_of(value, body, ""), model=str(value.get("model") or ""), floored=floored)

    async def check(self) -> None:
        """One token of chat; it also asks for log-probabilities, to learn whether there are any."""
        request = ChatRequest(HELLO, max_tokens=1)
        if self._lists_logprobs is False:
            await self.chat(request)
            return
        value, _, raw = await self._ask_logprobs(request)
        self._lists_logprobs = self._listed(value, raw) is not None

    async def close(self) -> None:
        running = asyncio.get_running_loop()
        for loop, session in list(self._sessions.items()):
            del self._sessions[loop]
            if loop is running:
                await session.close()
            elif loop.is_running():  # in another thread: that of `sync.py`
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(session.close(), loop))
            else:
                _abandon(session)

    async def _ask_logprobs(self, request: ChatRequest) -> tuple[dict[str, Any], dict[str, Any], bytes]:
        body = {**chat_body(self.model, request, self._without), "logprobs": True, "top_logprobs": TOP}
        try:
            value, raw = await self._post(body)
        except Unsupported as problem:
            if problem.feature in ("logprobs", "top_logprobs"):
                self._lists_logprobs = False
            raise
        return value, body, raw

    def _listed(self, value: Mapping[str, Any], raw: bytes) -> list[tuple[str, float]] | None:
        try:
            return listed_tokens(value)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise bad_answer(self.where, raw, self._secrets) from None

    def _no_logprobs(self) -> NoAbility:
        return NoAbility(
            f"{self.name} lists no log-probabilities, so it cannot score\n  ask it to generate, or use a local model"
        )

    async def _post(self, body: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        from aiohttp import ClientError

        try:
            data = to_json(body)  # a third of what the standard library takes
        except PydanticSerializationError:  # half a character, cut out of a text
            data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        session = self._sessions.get(asyncio.get_running_loop()) or self._session()
        try:
            async with session.post(
                self._url, data=data, headers=self._headers, proxy=self._proxy, allow_redirects=False
            ) as reply:
                status, headers = reply.status, reply.headers
                raw = await reply.read()
        except (ClientError, OSError, TimeoutError) as problem:
            raise connection_failure(problem, self.where, self._secrets) from None
        for secret in self._hidden:  # an endpoint that repeats what it was sent must not bring a key into the record
            if secret in raw:
                raw = raw.replace(secret, HIDDEN.encode())
        if status != 200:
            raise self._learn(failure(status, headers, raw, body, self.where, self._secrets))
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            raise bad_answer(self.where, raw, self._secrets) from None
        if not isinstance(value, dict):
            raise bad_answer(self.where, raw, self._secrets)
        if "error" in value and "choices" not in value:  # some routers answer 200 and say in the body that it failed
            error = value["error"]
            code = error.get("code") if isinstance(error, dict) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 502
            raise self._learn(failure(status, headers, raw, body, self.where, self._secrets))
        return value, raw

    def _learn(self, problem: ProviderError) -> ProviderError:
        if isinstance(problem, Unsupported) and not problem.feature.startswith("json_"):
            self._without |= {problem.feature}
        return problem

    def _session(self) -> ClientSession:
        """A session for the running loop; those of loops that are gone are let go."""
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

        for loop, old in list(self._sessions.items()):
            if loop.is_closed():
                del self._sessions[loop]
                _abandon(old)
        connector = TCPConnector(
            limit=self._connections, keepalive_timeout=60, ttl_dns_cache=300, socket_factory=_socket
        )
        timeout = ClientTimeout(total=None, connect=None, sock_connect=CONNECT_SECONDS)
        session = ClientSession(connector=connector, timeout=timeout, cookie_jar=DummyCookieJar(), auto_decompress=True)
        self._sessions[asyncio.get_running_loop()] = session
        return session


def _socket(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return made


def _abandon(session: ClientSession) -> None:
    """Let a session go whose loop is gone. Nothing can wait there any more, so its closing is driven by hand."""
    closing = session.close()
    with contextlib.suppress(StopIteration, RuntimeError):
        closing.send(None)
    closing.close()


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for this host, looked up once."""
    if host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host):
        return None
    return getproxies().get(scheme)
