"""The user's own search engine behind HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import weakref
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from ..recommenders.endpoint import LONGEST_WAIT, EndpointConfig, Pool
from ..recommenders.policy import policy_id
from .errors import SearchError
from .own import OwnRetriever


def open_endpoint(url: str, config: EndpointConfig) -> OwnRetriever:
    """One POST per query: {"query": text, "k": k}, with "documents": [ids] where only these are to be put in order; answered
    with {"documents": [ids], "scores": [...]} (scores may be left out), [ids] or [[id, score], ...].

    Raises `SearchError` for an address with a user, password, query or fragment: an address is written down with results.
    """
    try:
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    except ValueError:  # its own words would show what was taken for a port
        raise SearchError("cannot read the endpoint's address\n  write http://host:port/path") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or "?" in url or "#" in url:
        raise SearchError(
            "an endpoint is written http://host:port/path, without user, password or query\n"
            "  a bearer token is named by the variable that holds it: auth_env=VARIABLE"
        )
    return OwnRetriever(_Endpoint(url, place, config), place, policy_id(place, config))


class _Endpoint:
    """Asks for all queries at once, within the configured concurrency."""

    def __init__(self, url: str, place: str, config: EndpointConfig) -> None:
        self._url, self._place, self._config = url, place, config
        headers = {name: value.get_secret_value() for name, value in config.headers.items()}
        if config.auth_env:
            token = os.environ.get(config.auth_env)
            if not token:
                raise SearchError(f"{place}: the environment variable {config.auth_env} is not set")
            headers["Authorization"] = f"Bearer {token}"
        self._pool = Pool(config, headers)
        weakref.finalize(self, self._pool.thread.close)

    def __call__(self, queries: Sequence[str], k: int, pools: Sequence[Sequence[str] | None]) -> list[Any]:
        return self._pool.thread.wait(self._all(queries, k, pools))

    async def _all(self, queries: Sequence[str], k: int, pools: Sequence[Sequence[str] | None]) -> list[Any]:
        questions = [
            {"query": query, "k": k, **({} if pool is None else {"documents": list(pool)})}
            for query, pool in zip(queries, pools, strict=True)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(question)) for question in questions]
        except BaseExceptionGroup as failures:  # the first says it, the rest were cancelled
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _one(self, question: dict[str, Any]) -> Any:
        fault = ""
        async with self._pool.places():
            for attempt in range(self._config.retries + 1):
                wait = self._config.backoff * 2**attempt
                try:
                    session = await self._pool.session()
                    async with session.post(self._url, json=question, allow_redirects=False) as response:
                        body = await response.read()
                    if 200 <= response.status < 300:
                        return json.loads(body)
                    fault = f"status {response.status}"
                    if response.status != 429 and response.status < 500:
                        break
                    asked = response.headers.get("Retry-After", "")
                    wait = float(asked) if asked.isdigit() else wait
                except ValueError:
                    fault = "what it answered is no JSON"
                    break
                except TimeoutError:
                    fault = f"no answer within {self._config.timeout:g} s"
                except aiohttp.ClientError as error:
                    fault = type(error).__name__
                if attempt < self._config.retries:
                    await asyncio.sleep(min(wait, LONGEST_WAIT))
        raise SearchError(
            f"{self._place} gave no ranking: {fault}\n"
            '  it must accept a POST of JSON with query and k, and answer {"documents": [...], "scores": [...]}'
        )
