"""The door as a LangChain chat model, for `create_agent` and everything else that takes one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ConfigDict

from .asking import as_asked
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
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """`tool_choice`: "auto", "none", "any" (or True: some tool must be called), a tool's name, or OpenAI's own form.

        `parallel_tool_calls` and `response_format` are passed on.
        """
        choice: Any = tool_choice
        if isinstance(choice, bool) or choice == "any":
            choice = "required" if choice else None
        elif isinstance(choice, str) and choice not in ("auto", "none", "required"):
            choice = {"type": "function", "function": {"name": choice}}
        shaped = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        return self.bind(tools=shaped, tool_choice=choice, **kwargs)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """A Pydantic class is asked for as the door asks for structured answers, with one repair, also where an endpoint
        knows no tools; other forms of schema, and `method="function_calling"`, go by a forced tool call."""
        asked_by_tool = kwargs.get("method") == "function_calling"
        if asked_by_tool or not (isinstance(schema, type) and issubclass(schema, BaseModel)):
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        asked = self.bind(answer_schema=schema)
        if not include_raw:
            return asked | RunnableLambda(_parsed)
        raw = itemgetter("raw")
        parts = RunnablePassthrough.assign(
            parsed=raw | RunnableLambda(_value), parsing_error=raw | RunnableLambda(_problem)
        )
        return RunnableMap(raw=asked) | parts

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
        converted = convert_to_openai_messages(messages)
        asked: list[Any] = converted if isinstance(converted, list) else [converted]
        options: dict[str, Any] = {
            "at": self.place,
            "temperature": kwargs.get("temperature", self.temperature),
            "max_tokens": kwargs.get("max_tokens", self.max_tokens),
            "stop": stop or (),
            "seed": kwargs.get("seed"),
        }
        if (schema := kwargs.get("answer_schema")) is not None:
            outcome = await self.door.complete(asked, schema=schema, **options)
            if outcome.status not in ("ok", "parse_fail"):
                raise ModelFailed(outcome)
            message = _message(RawAnswer(outcome.text, model=self.door.name), outcome)
            message.additional_kwargs = {"parsed": outcome.value, "outcome": outcome}
            return ChatResult(generations=[ChatGeneration(message=message)])
        outcome = await self.door.exchange(
            asked,
            tools=kwargs.get("tools") or (),
            tool_choice=kwargs.get("tool_choice"),
            parallel_tools=kwargs.get("parallel_tool_calls"),
            **as_asked(kwargs.get("response_format")),
            **options,
        )
        if outcome.value is None:
            raise ModelFailed(outcome)
        return ChatResult(generations=[ChatGeneration(message=_message(outcome.value, outcome))])


def _parsed(message: AIMessage) -> Any:
    problem = _problem(message)
    if problem is not None:
        raise problem
    return _value(message)


def _value(message: AIMessage) -> Any:
    return message.additional_kwargs["parsed"]


def _problem(message: AIMessage) -> ModelFailed | None:
    outcome = message.additional_kwargs["outcome"]
    return None if outcome.ok else ModelFailed(outcome)


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
    metadata = {"finish_reason": raw.finish_reason, "model_name": raw.model, "call": outcome.key, "cost": outcome.cost}
    return AIMessage(
        content=raw.text,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata={"input_tokens": usage.prompt, "output_tokens": usage.completion, "total_tokens": usage.total},
        response_metadata=metadata,
    )
