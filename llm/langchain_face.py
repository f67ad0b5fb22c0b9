"""The door as a LangChain chat model, for `create_agent` and everything else that takes one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict

from .door import Door
from .errors import ModelFailed
from .providers.base import RawAnswer
from .sync import wait_for
from .types import Outcome, Place


class DoorChatModel(BaseChatModel):
    """A chat model whose calls pass through `door` at `place`: keyed, recorded, budgeted, retried.

    The conversation is part of each call's key, so one place serves a whole agent. Raises `ModelFailed` where a call
    ends without an answer.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    door: Door
    place: Place = Place(node="langchain")
    temperature: float = 0.0
    max_tokens: int = 1024

    @property
    def _llm_type(self) -> str:
        return "recloop"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.door.name}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        choice: Any = "required" if tool_choice == "any" else tool_choice
        if choice is not None and choice not in ("auto", "none", "required"):
            choice = {"type": "function", "function": {"name": choice}}
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=choice)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return wait_for(self._ask(messages, stop, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await self._ask(messages, stop, **kwargs)

    async def _ask(self, messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any) -> ChatResult:
        asked = convert_to_openai_messages(messages)
        outcome = await self.door.exchange(
            asked if isinstance(asked, list) else [asked],
            tools=kwargs.get("tools") or (),
            tool_choice=kwargs.get("tool_choice"),
            at=self.place,
            temperature=kwargs.get("temperature", self.temperature),
            max_tokens=kwargs.get("max_tokens", self.max_tokens),
            stop=stop or (),
            seed=kwargs.get("seed"),
        )
        if outcome.value is None:
            raise ModelFailed(outcome)
        return ChatResult(generations=[ChatGeneration(message=_message(outcome.value, outcome))])


def _message(raw: RawAnswer, outcome: Outcome[Any]) -> AIMessage:
    """A raw answer as LangChain's message; tool calls whose arguments are no JSON object are marked invalid."""
    calls, invalid = [], []
    for call in raw.tool_calls:
        function, identity = call["function"], call.get("id")
        try:
            arguments = json.loads(function["arguments"] or "{}")
            if not isinstance(arguments, dict):
                raise ValueError("the arguments are no JSON object")
            calls.append({"name": function["name"], "args": arguments, "id": identity, "type": "tool_call"})
        except ValueError as problem:
            wrong = {"name": function["name"], "args": function["arguments"], "id": identity, "error": str(problem)}
            invalid.append({**wrong, "type": "invalid_tool_call"})
    usage = outcome.usage
    return AIMessage(
        content=raw.text,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata={"input_tokens": usage.prompt, "output_tokens": usage.completion, "total_tokens": usage.total},
        response_metadata={"finish_reason": raw.finish_reason, "model_name": raw.model, "call": outcome.key},
    )
