"""What the page sends, checked; what it gets, as JSON."""

from __future__ import annotations

import difflib
import gzip
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ..simulations.debugging.views import Place, Stride
from .errors import Refused

LARGEST_BODY = 1 << 20
"""Bytes of a request."""
COMPRESSED_FROM = 1400
"""Bytes of an answer: what is smaller fits one packet as it is."""

Page = Annotated[int, Field(ge=0, le=1_000_000)]
Text = Annotated[str, StringConstraints(max_length=4_000)]
Id = Annotated[str, StringConstraints(max_length=1_000)]


class Nothing(BaseModel):
    """A route without parameters."""

    model_config = ConfigDict(extra="forbid")


class Asked(BaseModel):
    """Parameters of a route; `run` is a fork's address."""

    model_config = ConfigDict(extra="forbid")

    run: Id = ""


class AgentAsked(Asked):
    agent: Id


class MomentsAsked(AgentAsked):
    page: Page


class CallAsked(Asked):
    key: Annotated[Id, StringConstraints(min_length=4)]


class MemoryAsked(AgentAsked):
    page: Page | None = None
    query: Text = ""


class DiffAsked(Asked):
    against: Id | None = None


class Change(Asked):
    """Fields of a change. Strict: a number is no text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class BreakAt(Change):
    when: Text
    against: Id | None = None


class Switch(Change):
    id: int
    on: bool


class Clear(Change):
    id: int | None


class PlaceAt(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    agent: Id
    page: Page
    node: Id = ""


class GoTo(Change):
    agent: Id
    page: Page
    node: Id = ""


class Step(Change):
    stride: Stride = "node"


class Find(Change):
    when: Text | None = None
    against: Id | None = None
    after: PlaceAt | None = None


class ForkOff(Change):
    page: Page
    edits: Annotated[list[Annotated[str, StringConstraints(max_length=200_000)]], Field(max_length=1_000)] = []
    agents: list[Id] | None = None
    name: Annotated[str, StringConstraints(max_length=80)] = ""


class GoOn(Change):
    pages: Annotated[int, Field(ge=1)] | None = None
    stop: bool = True
    budget: Text | None = None


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["system", "user", "assistant"]
    content: str


class AskAgain(Change):
    key: Annotated[Id, StringConstraints(min_length=4)]
    messages: Annotated[list[Message], Field(min_length=1, max_length=64)] | None = None
    model: Id | None = None
    temperature: Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)] | None = None
    samples: Annotated[int, Field(ge=1, le=16)] = 1


A = TypeVar("A", bound=BaseModel)


def asked(request: web.Request, what: type[A]) -> A:
    """A GET's parameters. Raises `Refused` (400)."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise Refused(400, f"{name} was given twice")
        given[name] = value
    return _checked(what, given, "parameter")


async def sent(request: web.Request, what: type[A]) -> A:
    """A change's JSON body. Raises `Refused` (400, 413, 415)."""
    if request.content_type != "application/json":
        raise Refused(415, f"a change is JSON, not {request.content_type}", "send Content-Type: application/json")
    if request.query_string:
        raise Refused(400, "a change has no parameters in its address", "put them into the JSON body")
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413, f"the body is larger than {LARGEST_BODY >> 20} MiB") from None
    try:
        value = orjson.loads(body)
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refused(400, "the body is no JSON object")
    return _checked(what, value, "field")


def _checked(what: type[A], given: Mapping[str, Any], noun: str) -> A:
    names = list(what.model_fields)
    try:
        return what.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(where, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
            raise Refused(400, f"unknown {noun} {where}", hint) from None
        if first["type"] == "missing":
            raise Refused(400, f"{noun} {where} is missing") from None
        raise Refused(400, f"{noun} {where}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None


def as_plain(value: Any) -> Any:
    """The same as plain JSON values."""
    return json.loads(as_json(value))


def as_json(value: Any) -> bytes:
    """Any value of the debugger as UTF-8; a float that JSON has no number for is null."""
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # half a surrogate pair in a model's answer, an integer beyond 64 bits
        return json.dumps(_spelled(value), separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Place):
        return value._asdict()
    if isinstance(value, Path):
        return value.name
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    if callable(tolist := getattr(value, "tolist", None)):
        return tolist()
    raise TypeError(type(value).__name__)


def _spelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _spelled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_spelled(inner) for inner in value]
    if isinstance(value, float):
        return value if value - value == 0 else None
    if value is None or isinstance(value, str | int):
        return value
    if is_dataclass(value):
        return {each.name: _spelled(getattr(value, each.name)) for each in fields(value)}
    return _spelled(_plain(value))


def response(request: web.Request, body: bytes, *, status: int = 200, etag: str = "") -> web.Response:
    """An answer of JSON. Large ones are compressed (call it in a thread: that takes a while)."""
    headers = {"Cache-Control": "private, no-cache" if etag else "no-store"}
    if etag:
        headers["ETag"] = etag
    if len(body) >= COMPRESSED_FROM and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, compresslevel=5, mtime=0)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8", headers=headers)
