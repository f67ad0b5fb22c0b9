"""From a model's name to a door: one table of spellings."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .budget import Budget
from .cassette import Cassette
from .door import Door
from .errors import BudgetError, ModelConfigError
from .line import Line
from .prices import Price, price_of

if TYPE_CHECKING:
    from .providers.base import Provider

SPELLINGS = (
    "local/smollm2, local:/path/to/model.gguf, openai/NAME, http://HOST:PORT/v1#NAME, anthropic/NAME, gemini/NAME"
)


def open_model(
    spec: str,
    *,
    cassette: Cassette | None = None,
    budget: Budget | None = None,
    concurrency: int = 64,
    timeout: float = 60.0,
    api_key: str | None = None,
    base_url: str | None = None,
    replay_only: bool = False,
    headers: Mapping[str, str] | None = None,
    price: Price | None = None,
    attempts: int = 4,
    backoff: float = 0.5,
) -> Door:
    """Open the door to a model. No call is made; `check` makes the first one.

    `concurrency` bounds the calls in flight, `timeout` (seconds) each attempt (one that hangs is given up sooner, see
    `patience.py`), `attempts` the tries per call, `backoff` (seconds) the first wait between them. `base_url` is where the
    model is found now; its name stays. `price` states what an endpoint's tokens cost where no table knows.
    `replay_only` answers from the cassette alone: any other call raises `ReplayDiverged`.
    Raises `ModelConfigError` (what is wrong, what to do), `BudgetError` for dollars without a price.
    """
    if replay_only and cassette is None:
        raise ModelConfigError("a replay needs a cassette: pass cassette=run.calls")
    if concurrency < 1 or timeout <= 0 or attempts < 1:
        raise ModelConfigError("concurrency and attempts must be at least 1, timeout more than 0 seconds")
    options: dict[str, Any] = {"api_key": api_key, "base_url": base_url, "headers": headers}
    if replay_only:  # nobody is called: an address whose credentials were not kept will do
        spec = shorn(spec)
        options["base_url"] = shorn(base_url) if base_url else None
    provider, listed = _provider(spec.strip(), options, concurrency, timeout, replay_only)
    cost = _pricing(price, listed if provider.remote else None)
    if budget is not None and budget.usd is not None and provider.remote and not replay_only and cost() is None:
        raise BudgetError(
            f"no price is known for {provider.name}, so a budget in dollars cannot be kept\n"
            "  limit calls or tokens instead (calls=500,tokens=1e6), or state the price: --price in=0.2,out=0.6, or price=Price(0.2, 0.6)"
        )
    line = Line(
        provider,
        budget=budget,
        price=cost,
        concurrency=concurrency,
        timeout=timeout,
        attempts=attempts,
        backoff=backoff,
    )
    return Door(line, cassette=cassette, replay_only=replay_only)


def shorn(address: str) -> str:
    """An address without user, password and query, be they there or redacted; any other text as it is."""
    place, mark, model = address.partition("#")
    return re.sub(r"//[^/@]*@", "//", place).partition("?")[0] + mark + model


def _provider(
    spec: str, options: dict[str, Any], concurrency: int, timeout: float, replay_only: bool
) -> tuple[Provider, str | None]:
    """The provider of a spelling, and the name under which its price may be listed."""
    if spec.startswith(("local/", "local:")):
        from .local.llama import LlamaProvider

        return LlamaProvider(spec[len("local/") :]), None
    if spec.startswith(("http://", "https://")):
        from .providers.address import Address, bare

        address, _, model = spec.partition("#")
        if not model:
            shown = Address.parse(address).where
            raise ModelConfigError(f"{shown!r} names no model\n  write the model's name after a #, as in {shown}#NAME")
        # The name is the spelling's, also where the model has moved: recorded calls stay its own.
        return _endpoint(f"{bare(address)}#{model}", model, options["base_url"] or address, options, concurrency), None
    provider, _, model = spec.partition("/")
    if provider == "openai" and model:
        from .providers.openai_http import OPENAI

        address = options["base_url"] or os.environ.get("OPENAI_BASE_URL") or OPENAI
        options["api_key"] = options["api_key"] or os.environ.get("OPENAI_API_KEY") or None
        if options["api_key"] is None and address == OPENAI and not replay_only:
            raise ModelConfigError(
                f"no key for {spec}\n  set OPENAI_API_KEY, or OPENAI_BASE_URL for an endpoint of your own"
            )
        return _endpoint(spec, model, address, options, concurrency), spec
    from .providers.litellm_any import LiteLLMProvider

    return LiteLLMProvider(spec, **options, timeout=timeout), spec


def _endpoint(name: str, model: str, address: str, options: dict[str, Any], concurrency: int) -> Provider:
    from .providers.openai_http import OpenAIProvider

    return OpenAIProvider(
        name, model, address, api_key=options["api_key"], headers=options["headers"], connections=concurrency
    )


def _pricing(stated: Price | None, listed: str | None) -> Callable[[], Price | None]:
    """The price, looked up when a call is first priced."""

    @cache
    def look() -> Price | None:
        return stated or (price_of(listed) if listed else None)

    return look
