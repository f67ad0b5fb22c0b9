"""The user's own recommender behind HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import weakref
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
)

from ...evaluators.ranking import ItemId, Ranking, UserId
from .errors import RecommenderError, UnusableAnswer
from .loop_thread import LoopThread
from .own import OwnRecommender, ranking
from .policy import policy_id
from .slow import told_when_slow

LONGEST_WAIT = 30.0
"""Seconds waited before a retry, at most, whatever the server asks for."""


class EndpointConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout: PositiveFloat = 30.0
    """Seconds for one request, connecting included."""
    concurrency: PositiveInt = 16
    """Requests in flight, at most."""
    retries: NonNegativeInt = 3
    """Times a request is sent again after a 429, a 5xx, a broken connection or a timeout."""
    backoff: NonNegativeFloat = 0.25
    """Seconds before the first retry, doubled for each further one; a Retry-After header is followed instead."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Sent with every request; the values are kept out of logs, errors and policy ids."""
    auth_env: str | None = None
    """Environment variable that holds a bearer token."""


class HTTPRecommender(OwnRecommender):
    """One POST per ranking: {"user": id, "history": [ids], "k": k, "exclude": [ids]}, answered with
    {"items": [ids], "scores": [...]} (scores may be left out), [ids] or [[id, score], ...].

    `history` is oldest first. Plain and async callers share one pool of connections, which lives on a thread of its own
    until `close` or the end of the program. Raises `RecommenderError` where a request still fails after its retries.
    """

    def __init__(self, url: str, config: EndpointConfig | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecommenderError(
                "an endpoint is written http://host:port/path or https://host/path\n  as in http://127.0.0.1:8000/recommend"
            )
        config = config or EndpointConfig()
        place = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
        super().__init__(place, policy_id(place, config))
        self.url, self.config = url, config
        self._headers = {name: value.get_secret_value() for name, value in config.headers.items()}
        if config.auth_env:
            token = os.environ.get(config.auth_env)
            if not token:
                raise RecommenderError(
                    f"{place}: the environment variable {config.auth_env} is not set\n  export {config.auth_env}=..."
                )
            self._headers["Authorization"] = f"Bearer {token}"
        secrets = [*self._headers.values(), *(v.removeprefix("Bearer ") for v in self._headers.values())]
        secrets += [parts.password, *(value for _, value in parse_qsl(parts.query))]
        self._secrets = [secret for secret in secrets if secret]
        self._pool = Pool(config, self._headers)
        weakref.finalize(self, self._pool.thread.close)

    def close(self) -> None:
        """Close the connections; the next request opens them again."""
        self._pool.thread.close()

    def _ask(self, user: UserId, history: tuple[ItemId, ...], k: int, exclude: tuple[ItemId, ...]) -> Any:
        return self._pool.thread.wait(self._fetch(_question(user, history, k, exclude)))

    def top_many(
        self,
        users: Sequence[UserId],
        k: int,
        exclude_seen: bool = True,
        exclude: Mapping[UserId, Collection[ItemId]] | None = None,
    ) -> list[Ranking]:
        left_out = [self._left_out(user, exclude_seen, exclude) for user in users]
        with told_when_slow(self.name, ranking(users)):
            answers = self._pool.thread.wait(self._fetch_all(users, k, left_out))
        return [self._rank(answer, u, k, out) for answer, u, out in zip(answers, users, left_out, strict=True)]

    async def atop_many(
        self,
        users: Sequence[UserId],
        k: int,
        exclude_seen: bool = True,
        exclude: Mapping[UserId, Collection[ItemId]] | None = None,
    ) -> list[Ranking]:
        left_out = [self._left_out(user, exclude_seen, exclude) for user in users]
        with told_when_slow(self.name, ranking(users)):
            answers = await asyncio.wrap_future(self._pool.thread.submit(self._fetch_all(users, k, left_out)))
        return [self._rank(answer, u, k, out) for answer, u, out in zip(answers, users, left_out, strict=True)]

    async def _fetch_all(self, users: Sequence[UserId], k: int, left_out: Sequence[tuple[ItemId, ...]]) -> list[Any]:
        """The raw answers, in the order of `users`. The first failure ends the rest and is raised."""
        answers: list[Any] = [None] * len(users)
        waiting = iter(range(len(users)))

        async def work() -> None:
            for n in waiting:
                answers[n] = await self._fetch(_question(users[n], self.past.history(users[n]), k, left_out[n]))

        workers = [asyncio.create_task(work()) for _ in range(min(self.config.concurrency, len(users)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        return answers

    async def _fetch(self, question: dict[str, Any]) -> Any:
        """The decoded answer to one question."""
        fault = ""
        async with self._pool.places():
            for attempt in range(self.config.retries + 1):
                wait = self.config.backoff * 2**attempt
                try:
                    session = await self._pool.session()
                    async with session.post(self.url, json=question, allow_redirects=False) as response:
                        body = await response.read()
                    if 200 <= response.status < 300:
                        return self._decoded(body, question)
                    fault = f"status {response.status} {self._excerpt(body)}".rstrip()
                    if response.status != 429 and response.status < 500:
                        raise RecommenderError(
                            f"{self.name} refused the request for user {question['user']!r}: {fault}\n"
                            "  it must accept a POST of JSON with user, history, k and exclude"
                        )
                    asked = response.headers.get("Retry-After", "")
                    wait = float(asked) if asked.isdigit() else wait
                except TimeoutError:
                    fault = f"no answer within {self.config.timeout:g} s"
                except aiohttp.ClientError as error:
                    fault = self._clean(f"{type(error).__name__}: {error}")
                if attempt < self.config.retries:
                    self.problems.note("retry", f"user {question['user']!r}: {fault}")
                    await asyncio.sleep(min(wait, LONGEST_WAIT))
        raise RecommenderError(
            f"{self.name} gave no ranking for user {question['user']!r} in {self.config.retries + 1} attempts: {fault}\n"
            "  is the server up? a longer timeout, more retries or less concurrency can be set: --recommender-config timeout=60"
        )

    def _decoded(self, body: bytes, question: dict[str, Any]) -> Any:
        try:
            return json.loads(body)
        except ValueError:
            raise UnusableAnswer(
                f"{self.name} did not answer JSON for user {question['user']!r}: {self._excerpt(body)}\n"
                '  it must answer {"items": [...], "scores": [...]} or a list of ids'
            ) from None

    def _excerpt(self, body: bytes) -> str:
        return self._clean(" ".join(body[:2000].decode("utf-8", "replace").split()))[:200]

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _question(user: UserId, history: Sequence[ItemId], k: int, exclude: Sequence[ItemId]) -> dict[str, Any]:
    return {"user": user, "history": list(history), "k": k, "exclude": list(exclude)}


class Pool:
    """Connections, and places for requests in flight, on the loop of one thread."""

    def __init__(self, config: EndpointConfig, headers: dict[str, str]) -> None:
        self._config, self._headers = config, headers
        self._session: aiohttp.ClientSession | None = None
        self._places: asyncio.Semaphore | None = None
        self.thread = LoopThread("recommender-endpoint", self._close)

    async def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=self._config.timeout),
                connector=aiohttp.TCPConnector(limit=self._config.concurrency),
            )
        return self._session

    def places(self) -> asyncio.Semaphore:
        """Shared by all calls, so that many small ones keep the bound too."""
        if self._places is None:
            self._places = asyncio.Semaphore(self._config.concurrency)
        return self._places

    async def _close(self) -> None:
        session, self._session, self._places = self._session, None, None
        if session is not None:
            await session.close()
