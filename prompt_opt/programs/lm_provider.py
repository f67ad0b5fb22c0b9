"""Any `dspy.LM` behind our door, so that a search over a DSPy program may use the model the program has."""

from __future__ import annotations

import inspect
from typing import Any, cast

import dspy
from dspy.lm15 import Config, Message, Request
from dspy.utils import exceptions as failed

from ...llm.providers import base
from ...llm.types import Abilities, Usage

_ROLES = {"user": Message.user, "assistant": Message.assistant}


class LMProvider(base.Provider):
    """One attempt per call; the LM's own cache and retries are off, the cassette and the door stand in for them."""

    remote = True

    def __init__(self, lm: dspy.LM) -> None:
        self.lm = lm.copy(cache=False, num_retries=0)
        self.name = f"dspy/{lm.model}"

    @property
    def abilities(self) -> Abilities:
        return Abilities(schema=self.lm.supports_response_schema)

    async def chat(self, request: base.ChatRequest) -> base.RawAnswer:
        if request.json_object:
            raise base.Unsupported("an LM of DSPy is asked for text or for a schema", "json_object")
        if request.tools:
            raise base.Rejected("an LM of DSPy is asked for text here, not for tool calls")
        system = "\n\n".join(str(m["content"]) for m in request.messages if m["role"] == "system")
        said = [_ROLES[m["role"]](m["content"]) for m in request.messages if m["role"] != "system"]
        config = Config(
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            stop=request.stop,
            seed=request.seed,
            response_format=_format(request.json_schema),
        )
        try:
            found = self.lm.acall(Request(self.lm.model, tuple(said), system or None, config=config))
            response: Any = await found if inspect.isawaitable(found) else found
        except failed.LMRateLimitError as problem:
            raise base.RateLimited(str(problem), problem.retry_after) from problem
        except failed.LMTimeoutError as problem:
            raise base.TimedOut(str(problem)) from problem
        except failed.LMUnsupportedFeatureError as problem:
            raise base.Unsupported(str(problem), "json_schema") from problem
        except failed.LMInvalidRequestError as problem:
            raise base.Rejected(str(problem)) from problem
        except (failed.LMAuthError, failed.LMBillingError, failed.LMConfigurationError) as problem:
            raise base.ConfigProblem(str(problem)) from problem
        except failed.LMError as problem:
            raise base.ServerError(str(problem)) from problem
        usage = response.usage
        return base.RawAnswer(
            response.text or "",
            str(response.finish_reason),
            Usage(usage.input_tokens or 0, usage.output_tokens or 0),
            cast("float | None", (response.provider_data or {}).get("cost")),
            response.model,
        )

    async def score(self, request: base.ScoreRequest) -> base.RawScores:
        raise base.NoAbility("an LM of DSPy gives no likelihoods")

    async def check(self) -> None:
        await self.chat(base.ChatRequest([{"role": "user", "content": "Say ok."}], max_tokens=1))

    async def close(self) -> None:
        """The LM belongs to whoever made it."""


def _format(schema: Any) -> Any:
    if schema is None:
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema), "strict": True}}
