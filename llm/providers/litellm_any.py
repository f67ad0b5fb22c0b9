"""Every provider that speaks no OpenAI dialect of its own, through LiteLLM, which is imported at the first use (7 s)."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..asking import with_schema_in_words
from ..prices import known_providers
from ..redact import LONG, hidden, redact, secrets_of
from ..types import Abilities
from .address import PLAIN_HEADERS, Address
from .base import (
    BadAnswer,
    ChatRequest,
    ConfigProblem,
    ConnectionLost,
    NoAbility,
    Overloaded,
    ProviderError,
    RateLimited,
    RawAnswer,
    RawScores,
    Refused,
    Rejected,
    ScoreRequest,
    ServerError,
    TimedOut,
)
from .chat_body import chat_body, raw_answer
from .http_failures import NO_MODEL, error_words, retry_after, unsupported
from .openai_http import HELLO

EXAMPLES = (
    "anthropic/claude-sonnet-4-5, gemini/gemini-2.5-flash, mistral/mistral-small-latest, groq/llama-3.1-8b-instant"
)

# Subclasses stand before their bases.
_MEANING: tuple[tuple[str, type[ProviderError]], ...] = (
    ("ContentPolicyViolationError", Refused),
    ("ContextWindowExceededError", Rejected),
    ("UnsupportedParamsError", Rejected),
    ("AuthenticationError", ConfigProblem),
    ("PermissionDeniedError", ConfigProblem),
    ("NotFoundError", ConfigProblem),
    ("BudgetExceededError", ConfigProblem),
    ("RateLimitError", RateLimited),
    ("Timeout", TimedOut),
    ("ServiceUnavailableError", Overloaded),
    ("JSONSchemaValidationError", BadAnswer),
    ("APIResponseValidationError", BadAnswer),
    ("APIConnectionError", ConnectionLost),
    ("InternalServerError", ServerError),
    ("BadGatewayError", ServerError),
    ("BadRequestError", Rejected),
    ("UnprocessableEntityError", Rejected),
    ("APIError", ServerError),
)


_NEXT = {
    "AuthenticationError": "check the key: api_key=, or the provider's own variable",
    "PermissionDeniedError": "check what the key may use",
    "NotFoundError": "check the model's name and the address",
    "BudgetExceededError": "the account has no credit left",
}
_PREFIX = re.compile(r"^(?:litellm\.)?(?:\w+(?:Error|Timeout|Exception)(?::| -)\s*)+")


class LiteLLMProvider:
    """`provider/NAME` as LiteLLM names it; keys come from the provider's own environment variables or `api_key`."""

    remote = True
    splits_score = False
    concurrency: int | None = None

    def __init__(
        self,
        name: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        provider, slash, model = name.partition("/")
        if not (slash and model and _knows(provider)):
            raise ConfigProblem(
                f"no model {name!r}\n  use one of: local/smollm2, openai/NAME, http://HOST:PORT/v1#NAME, {EXAMPLES}"
            )
        self.name = name
        told = [value for header, value in (headers or {}).items() if header.lower() not in PLAIN_HEADERS]
        self._secrets = secrets_of(api_key, *(Address.parse(base_url).secrets if base_url else ()), *told)
        self._extra: dict[str, Any] = {"timeout": timeout, "num_retries": 0, "max_retries": 0, "drop_params": True}
        for option, value in (("api_key", api_key), ("base_url", base_url), ("extra_headers", dict(headers or {}))):
            if value:
                self._extra[option] = value
        self._takes: frozenset[str] | None = None

    @property
    def abilities(self) -> Abilities:
        return Abilities()

    async def chat(self, request: ChatRequest) -> RawAnswer:
        litellm = await _litellm()
        if self._takes is None:
            self._takes = frozenset(litellm.get_supported_openai_params(self.name) or ("response_format", "tools"))
        # LiteLLM drops what a provider does not take without a word.
        if request.json_schema is not None and "response_format" not in self._takes:
            request = with_schema_in_words(request, json_object=False)
        if request.tools and "tools" not in self._takes:
            raise NoAbility(f"{self.name} takes no tools\n  use another model for agents with tools")
        body = chat_body(self.name, request)
        try:
            with _without_its_logging(litellm):
                # Without its gateway of tools too, which needs a package of its own.
                reply = await litellm.acompletion(**body, **self._extra, _skip_mcp_handler=True)
        except asyncio.CancelledError:
            raise
        except Exception as problem:
            raise self._failure(problem, body) from None
        try:
            value = reply.model_dump()
            if any(secret in str(value) for secret in self._secrets if len(secret) >= LONG):
                value = json.loads(hidden(reply.model_dump_json(), self._secrets))
            return raw_answer(value, body)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
            raise BadAnswer(f"{self.name} gave no chat completion: {redact(str(problem), *self._secrets)}") from None

    async def score(self, request: ScoreRequest) -> RawScores:
        raise NoAbility(f"{self.name} cannot score labels; ask it to generate, or use a local model")

    async def check(self) -> None:
        litellm = await _litellm()
        if "api_key" not in self._extra and "base_url" not in self._extra:
            found = litellm.validate_environment(self.name)
            if not found["keys_in_environment"] and found["missing_keys"]:
                raise ConfigProblem(
                    f"no key for {self.name}\n  set {' and '.join(found['missing_keys'])}, or give api_key="
                )
        await self.chat(ChatRequest(HELLO, max_tokens=1))

    async def close(self) -> None:
        """LiteLLM keeps its own clients."""

    def _failure(self, problem: Exception, body: Mapping[str, Any]) -> ProviderError:
        said = _said(problem)
        words = redact(f"{self.name}: {said}", *self._secrets)
        kinds = {kind.__name__ for kind in type(problem).__mro__}
        meaning = next((meaning for name, meaning in _MEANING if name in kinds), ServerError)
        if meaning is Rejected:
            lower = said.lower()
            if "provider not provided" in lower or ("model" in lower and any(word in lower for word in NO_MODEL)):
                return ConfigProblem(f"{words}\n  check the model's name")
            learnt = unsupported(lower, words, body)
            return learnt if learnt is not None and learnt.feature.startswith("json_") else Rejected(words)
        if meaning is TimedOut:
            return TimedOut(f"{self.name}: no answer within {self._extra['timeout']:g} s")
        if issubclass(meaning, ConfigProblem):
            return ConfigProblem(f"{words}\n  {_NEXT.get(type(problem).__name__, _NEXT['AuthenticationError'])}")
        if issubclass(meaning, RateLimited | ServerError):
            headers = getattr(getattr(problem, "response", None), "headers", None) or {}
            return meaning(words, retry_after(headers))
        return meaning(words)


def _said(problem: Exception) -> str:
    """What the endpoint said, out of the names of classes that LiteLLM puts before it."""
    text = str(getattr(problem, "message", "") or problem)
    start = text.find("{")
    if start >= 0:
        message, code = error_words(text[start : text.rfind("}") + 1].encode("utf-8", "replace"))
        if not message.startswith("{"):
            status = getattr(problem, "status_code", None)
            return f"answered {status or code}: {message}"
    return _PREFIX.sub("", text)


@contextmanager
def _without_its_logging(litellm: Any) -> Iterator[None]:
    """LiteLLM's own bookkeeping costs a quarter of a call's CPU and, for Ollama, a blocking request on the event loop; it
    stays on where somebody has registered a callback for it."""
    registered = (*litellm.callbacks, *litellm.success_callback, *litellm._async_success_callback)
    if any(callback != "cache" for callback in registered):  # that one it registers itself
        yield
        return
    from litellm._internal_context import is_internal_call

    token = is_internal_call.set(True)
    try:
        yield
    finally:
        is_internal_call.reset(token)


def _knows(provider: str) -> bool:
    """Whether LiteLLM has this provider: by its price table, else (slow, once) by its own list."""
    if provider in known_providers():
        return True
    try:
        import litellm
    except ImportError:
        return False
    custom = {entry["provider"] for entry in litellm.custom_provider_map}
    return provider in {str(getattr(each, "value", each)) for each in litellm.provider_list} | custom


async def _litellm() -> Any:
    """The module, imported in a thread the first time so that other calls go on meanwhile."""

    def load() -> Any:
        os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "True")  # else it fetches a list from the network
        import litellm

        litellm.suppress_debug_info = True
        return litellm

    import sys

    return load() if "litellm" in sys.modules else await asyncio.to_thread(load)
