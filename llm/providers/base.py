"""The seam between the door and whatever answers: requests, raw answers, typed failures and the `Provider` protocol.

A provider makes exactly one attempt per call and knows nothing of budgets, cassettes, retries or concurrency: the door
does all that, once, for every provider. A provider never invents an answer; it returns what came or raises one of the
errors below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from ..errors import ModelConfigError
from ..types import Abilities, Question, Usage


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat call. `messages` are OpenAI-shaped (tool messages included).

    `json_schema` asks for an instance of that closed JSON schema (grammar or the endpoint's own means); `json_object`
    only for some JSON object. `tools` and `tool_choice` are OpenAI-shaped; empty for plain calls. `parallel_tools`: whether
    one answer may call several tools; None leaves that to the endpoint.
    """

    messages: Sequence[Mapping[str, Any]]
    json_schema: Mapping[str, Any] | None = None
    json_object: bool = False
    temperature: float = 0.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    seed: int | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: Any = None
    parallel_tools: bool | None = None


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back from a chat call, unjudged. `finish_reason` in OpenAI's words ("stop", "length", "content_filter",
    "tool_calls"). `cost` in US dollars: 0.0 for a model in this process, None where the door is to price the usage."""

    text: str
    finish_reason: str = "stop"
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    model: str = ""
    refusal: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """One scoring batch: the log-likelihood of each label after `prompt` + the question's suffix.

    `whole`: the labels are long continuations to be summed over all their tokens (`Model.loglik`); a provider that
    sees only the next token must refuse with `NoAbility`.
    """

    prompt: str
    questions: tuple[Question, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class RawScores:
    """One list per question, one number (nats) per label. `floored` counts the labels whose number is only an upper
    bound because the endpoint did not list them."""

    values: list[list[float]]
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    model: str = ""
    floored: int = 0


class ProviderError(Exception):
    """A call that gave no answer. The text is one clear line without any key."""


class RetryableError(ProviderError):
    """Worth another attempt. `retry_after` is in seconds where the endpoint named it; `slow_down` lowers the door's
    concurrency; `billed` says the prompt was probably paid for."""

    slow_down = False
    billed = False

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(RetryableError):
    """429."""

    slow_down = True


class ServerError(RetryableError):
    """5xx."""


class Overloaded(ServerError):
    """503 or 529: the server is there and has too much to do."""

    slow_down = True


class ConnectionLost(RetryableError):
    """No connection, or it broke before the whole answer was there."""


class TimedOut(RetryableError):
    """No whole answer within the call's timeout. The door raises this one itself; a provider need not."""

    slow_down = True
    billed = True


class GivenUp(TimedOut):
    """No whole answer although others of its kind took far less time: the door's own doing (`patience.py`)."""


class BadAnswer(RetryableError):
    """An answer came, but its body is not one (not JSON, no choices)."""

    billed = True


class Unsupported(ProviderError):
    """The endpoint does not know a part of the request. The door asks again without it (`feature`: "json_schema",
    "json_object", or a parameter that the provider has already learnt to leave out). `here` limits it to this request."""

    def __init__(self, message: str, feature: str, here: bool = False) -> None:
        super().__init__(message)
        self.feature = feature
        self.here = here


class Refused(ProviderError):
    """The model or the endpoint's content filter declined to answer."""


class Rejected(ProviderError):
    """The request itself was turned down (400: too long, malformed); another attempt would be as well."""


class ConfigProblem(ProviderError, ModelConfigError):
    """What no retry can mend: wrong key, unknown model, no quota, no file."""


class NoAbility(ConfigProblem):
    """This model cannot do that (score labels that start alike, long continuations over an endpoint)."""


@runtime_checkable
class Provider(Protocol):
    """One way of reaching one model. Subclass it or match it.

    `chat` and `score` make one attempt each and may be cancelled at any await (the door cuts them at its timeout);
    after that the provider must still be usable. They may be called from several event loops, one after the other.
    """

    name: str
    """As recorded and keyed, for example `openai/gpt-4o-mini` or `local/smollm2`."""

    remote: bool = True
    """Whether calls leave this process: then `check` is itself a paid call."""

    splits_score: bool = False
    """Whether the door should send each question as a call of its own (an endpoint) instead of one batch."""

    concurrency: int | None = None
    """How many calls at once make sense; None: as many as the door allows. Waiting for a turn is not timed."""

    @property
    def abilities(self) -> Abilities: ...

    async def chat(self, request: ChatRequest) -> RawAnswer: ...

    async def score(self, request: ScoreRequest) -> RawScores: ...

    async def check(self) -> None:
        """One cheap attempt. Raises `ConfigProblem`, or a retryable error."""
        ...

    async def close(self) -> None: ...
