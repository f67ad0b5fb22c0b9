"""The words of the one door to models: place, message, question, outcome, and the `Model` protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, Protocol, TypedDict, TypeVar, runtime_checkable

from .schemas import Schema

T = TypeVar("T")

Status = Literal["ok", "parse_fail", "refusal", "timeout", "transport", "budget"]
"""How a call ended. `budget`: it was not made because the run's budget would have been overshot."""


class Message(TypedDict):
    """One chat message, as OpenAI-compatible endpoints take it."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run a call is made. Part of the call's key: two agents with equal prompts draw their own samples.

    `page` is the page (or round, or generation) of the simulated clock; `sample` counts repeated draws and repairs.
    """

    agent: str = ""
    page: int = -1
    node: str = ""
    sample: int = 0

    def at(self, node: str, sample: int = 0) -> Place:
        """The same agent and page at another node."""
        return replace(self, node=node, sample=sample)


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a scoring batch: `suffix` follows the shared prompt; each label's log-likelihood is read after it.

    Labels are literal continuations (with their leading space where one belongs there); one token or many. With `alone`
    the shared prompt is left out and the suffix is the whole prompt: for what a model says about nobody in particular,
    asked in the same batch.
    """

    suffix: str
    labels: tuple[str, ...]
    alone: bool = False

    def after(self, prompt: str) -> str:
        """The whole text that the labels follow."""
        return self.suffix if self.alone else prompt + self.suffix


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as the provider counted them; `estimated` where it did not say."""

    prompt: int = 0
    completion: int = 0
    estimated: bool = False

    @property
    def total(self) -> int:
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of a call. A model's failure is data, never an exception.

    `value` is None unless `status` is "ok". `text` is the raw answer where there was one (also of a `parse_fail`).
    `cost` is in US dollars, None where the model's price is unknown. `latency` is in seconds (0 for a recorded answer).
    `key` names the recorded call in the run's cassette; `keys` also names the calls of a bounded repair, oldest first.
    `own`: tokens of the answers alone, without tries that were lost before them: equal however often a call was tried.
    """

    status: Status
    value: T | None = None
    text: str = ""
    error: str = ""
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    latency: float = 0.0
    attempts: int = 1
    recorded: bool = False
    key: str = ""
    keys: tuple[str, ...] = ()
    own: Usage = field(default_factory=Usage)

    @property
    def ok(self) -> bool:
        return self.status == "ok"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do beyond chat. `score`: log-likelihoods of given continuations. `deterministic`: equal calls
    give equal answers. `plumbing_grade`: so small that its results show the machinery, not people."""

    chat: bool = True
    schema: bool = True
    score: bool = False
    deterministic: bool = False
    plumbing_grade: bool = False


@runtime_checkable
class Model(Protocol):
    """The one door. Implemented by `Door`, which stands before every provider.

    Never raises for a model's failure (see `Outcome`). Raises `ModelConfigError` for what no retry can mend before
    any work is done: unknown model, missing key, no such ability.
    """

    @property
    def name(self) -> str: ...
    @property
    def abilities(self) -> Abilities: ...

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        at: Place = Place(),
        temperature: float = 0.0,
        max_tokens: int = 512,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> Outcome[Any]:
        """A chat completion. With `schema`, `value` is an instance of it (asked for by JSON schema or grammar, validated,
        at most one bounded repair); without, `value` is the text."""
        ...

    async def score(
        self, prompt: str, questions: Sequence[Question], *, at: Place = Place()
    ) -> Outcome[list[list[float]]]:
        """Log-likelihoods (nats), one list per question, one number per label, of label given prompt + suffix.

        The whole call is one fixed-order batch whose numbers depend on its arguments only, never on what else runs.
        """
        ...

    async def choices(self, prompt: str, labels: Sequence[str], *, at: Place = Place()) -> Outcome[list[float]]:
        """Log-probabilities of labels at the next token(s) after `prompt`."""
        ...

    async def loglik(self, prompt: str, continuations: Sequence[str], *, at: Place = Place()) -> Outcome[list[float]]:
        """Summed log-likelihoods (nats) of whole continuations after `prompt`."""
        ...

    async def check(self) -> None:
        """One cheap call before any agent moves. Raises `ModelConfigError` with one clear line (wrong key, unknown model, no network)."""
        ...

    async def close(self) -> None: ...
