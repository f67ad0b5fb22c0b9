"""Every provider that speaks no OpenAI dialect of its own, through LiteLLM, which is imported at the first use (7 s)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ..prices import known_providers
from ..redact import redact
from ..types import Abilities
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
from .http_failures import retry_after, unsupported
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
        self._secrets = tuple(text for text in (api_key, *(headers or {}).values()) if text)
        self._extra: dict[str, Any] = {"timeout": timeout, "num_retries": 0, "max_retries": 0, "drop_params": True}
        for option, value in (("api_key", api_key), ("base_url", base_url), ("extra_headers", dict(headers or {}))):
            if value:
                self._extra[option] = value

    @property
    def abilities(self) -> Abilities:
        return Abilities()

    async def chat(self, request: ChatRequest) -> RawAnswer:
        litellm = await _litellm()
        body = chat_body(self.name, request)
        try:
            reply = await litellm.acompletion(**body, **self._extra)
        except asyncio.CancelledError:
            raise
        except Exception as problem:
            raise self._failure(problem, body) from None
        try:
            return raw_answer(reply.model_dump(), body)
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
        words = redact(f"{self.name}: {problem}", *self._secrets)
        kinds = {kind.__name__ for kind in type(problem).__mro__}
        meaning = next((meaning for name, meaning in _MEANING if name in kinds), None)
        if meaning is None:
            return ServerError(words)
        if meaning is Rejected:
            if "provider not provided" in words.lower() or "invalid model" in words.lower():
                return ConfigProblem(words)
            learnt = unsupported(words.lower(), words, body)
            return learnt if learnt is not None and learnt.feature.startswith("json_") else Rejected(words)
        if issubclass(meaning, RateLimited | ServerError):
            headers = getattr(getattr(problem, "response", None), "headers", None) or {}
            return meaning(words, retry_after(headers))
        return meaning(words)


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
        import litellm

        litellm.suppress_debug_info = True
        return litellm

    import sys

    return load() if "litellm" in sys.modules else await asyncio.to_thread(load)
