"""Any typed function as a tool of agents."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from ...llm.sync import wait_for

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool

_ANY: TypeAdapter[Any] = TypeAdapter(Any)


def as_tool(
    call: Callable[..., Any],
    args: type[BaseModel],
    *,
    name: str | None = None,
    description: str | None = None,
    mistakes: tuple[type[Exception], ...] = (ValueError, LookupError),
) -> StructuredTool:
    """The function `call`, plain or async, which takes the fields of `args` by name, as a StructuredTool.

    What an agent reads: the name and docstring of `call` (or those given), the fields of `args` with their descriptions, and
    the result as JSON (NaN is null); the result itself is the message's artifact. Exceptions in `mistakes` are the caller's:
    their text is the tool's answer, so that the agent can try again, as are arguments that do not fit. Others are ours, and
    are raised.
    """
    from langchain_core.tools import StructuredTool, ToolException

    def answered(error: Exception) -> ToolException:
        # The text of a KeyError is the key alone, in quotes.
        text = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        return ToolException(f"{type(error).__name__}: {text}")

    def run(**fields: Any) -> tuple[str, Any]:
        try:
            value = call(**fields)
            return _told(wait_for(value) if inspect.iscoroutine(value) else value)
        except mistakes as error:
            raise answered(error) from error

    async def arun(**fields: Any) -> tuple[str, Any]:
        try:
            return _told(await call(**fields))
        except mistakes as error:
            raise answered(error) from error

    def unfit(error: Any) -> str:
        found = error.errors(include_input=False, include_url=False) if isinstance(error, ValidationError) else []
        said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found) or str(error)
        return f"wrong arguments: {said}. The arguments are {', '.join(map(_field, args.model_fields.items()))}."

    return StructuredTool.from_function(
        func=run,
        coroutine=arun if inspect.iscoroutinefunction(call) else None,
        name=name or call.__name__,
        description=description or inspect.getdoc(call) or "",
        args_schema=args,
        response_format="content_and_artifact",
        handle_tool_error=True,
        handle_validation_error=unfit,
    )


def _told(value: Any) -> tuple[str, Any]:
    return orjson.dumps(_ANY.dump_python(value, mode="json"), option=orjson.OPT_NON_STR_KEYS).decode(), value


def _field(pair: tuple[str, Any]) -> str:
    name, field = pair
    return f"{name} ({'needed' if field.is_required() else 'optional'}: {field.description or 'no description'})"
