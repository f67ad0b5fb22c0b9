"""What may be changed in a fork: the edits as values, as a person writes them, as the log keeps them.

    AGENT: trait activity=2              who they are; any field of the persona but the user's id
    AGENT: memory add "text" kind=emotional importance=8
    AGENT: memory 3 = "text"             AGENT: memory drop 3
    AGENT: state satisfaction=2          also watched, bad_pages
    AGENT: slate = id1,id2               what they are shown on the fork's first page
    AGENT: prompt page=@file.md          or the text itself
    AGENT: model=openai/NAME
    config fatigue=0                     of the whole fork
    answer KEY=@file.json                what the model wrote in one recorded call, or the text itself

Without `AGENT:` an edit is of everybody who lives on in the fork. Texts are data wherever a person's words are: they reach
a model between fences, as everything of that kind does. A prompt's text is the one that gives instructions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ...agents.memory import Kind
from ...llm.fence import one_line
from .errors import DebugError
from .near import near

LARGEST = 1 << 20
"""Bytes of a file that an edit may read."""
SHOWN = 60
"""Characters of a text in an edit as it is listed."""


class _Edit(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    agent: str = ""
    """Of whom; empty: everybody who lives on in the fork."""

    def json_dict(self) -> dict[str, Any]:
        """What the log keeps of it, beside the agent; `read` reads it back."""
        return {**self.model_dump(mode="json", exclude={"agent"}), "written": self.written}

    @property
    def written(self) -> str:
        """As a person writes it, without the agent; long texts cut."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.agent}: {self.written}" if self.agent else self.written


class TraitEdit(_Edit):
    """Who somebody is, from this page on."""

    what: Literal["trait"] = "trait"
    field: str
    value: Any

    @property
    def written(self) -> str:
        return f"trait {self.field}={_cut(self.value)}"


class MemoryEdit(_Edit):
    """A memory put in, put otherwise, or taken out, before this page."""

    what: Literal["memory"] = "memory"
    do: Literal["add", "set", "drop"]
    id: int | None = None
    """Of the memory that is set or dropped."""
    text: str = ""
    of: Kind = "factual"
    importance: int | None = Field(default=None, ge=1, le=10)
    """None: 5 of a new one; of one that is set, what it was."""

    @property
    def written(self) -> str:
        if self.do == "drop":
            return f"memory drop {self.id}"
        weight = "" if self.importance is None else f" importance={self.importance}"
        if self.do == "set":
            return f"memory {self.id} = {_cut(self.text)}{weight}"
        return f"memory add {_cut(self.text)} kind={self.of}{weight}"


class StateEdit(_Edit):
    """What somebody is between pages, before this one."""

    what: Literal["state"] = "state"
    field: str
    value: float

    @property
    def written(self) -> str:
        return f"state {self.field}={self.value:g}"


class SlateEdit(_Edit):
    """What somebody is shown on this page, in this order."""

    what: Literal["slate"] = "slate"
    items: tuple[str, ...]

    @property
    def written(self) -> str:
        return f"slate = {','.join(self.items)}"


class PromptEdit(_Edit):
    """Another prompt, from this page on."""

    what: Literal["prompt"] = "prompt"
    name: str
    text: str

    @property
    def written(self) -> str:
        return f"prompt {self.name}={_cut(self.text)}"


class ModelEdit(_Edit):
    """Another model answers, from this page on."""

    what: Literal["model"] = "model"
    model: str

    @property
    def written(self) -> str:
        return f"model={self.model}"


class ConfigEdit(_Edit):
    """Another setting of the rehearsal, from this page on."""

    what: Literal["config"] = "config"
    key: str
    value: Any
    was: Any = None
    """What the fork's parent has."""

    @property
    def written(self) -> str:
        return f"config {self.key}={_cut(self.value)}"


class AnswerEdit(_Edit):
    """What the model wrote in one call, put in by hand."""

    what: Literal["answer"] = "answer"
    key: str
    text: str

    @property
    def written(self) -> str:
        return f"answer {self.key[:12]}={_cut(self.text)}"


Edit: TypeAlias = (
    TraitEdit | MemoryEdit | StateEdit | SlateEdit | PromptEdit | ModelEdit | ConfigEdit | AnswerEdit
)  # a new one also needs a reader in `_READERS`, a check in checking.py, and its place in in_force.py
_ANY: TypeAdapter[Edit] = TypeAdapter(Annotated[Edit, Field(discriminator="what")])

LASTING = (TraitEdit, PromptEdit, ModelEdit, ConfigEdit)
"""In force from their page on; all others bear on one page."""


def read(data: Mapping[str, Any], agent: str = "") -> Edit:
    """The edit whose `json_dict` this is. Raises `DebugError` for what is none."""
    given = {name: value for name, value in data.items() if name != "written"}
    try:
        return _ANY.validate_python({"agent": agent, **given})
    except ValidationError as error:
        raise DebugError(f"no edit: {_first(error)}\n  {HOW}") from None


def parse(text: str, *, files: bool = True) -> Edit:
    """An edit as a person writes it (see the module). Raises `DebugError` saying what is wrong and how it is written.

    `files`: an @ may name a file of this machine.
    """
    stripped = text.strip()
    # A verb at the beginning is one, whatever colons follow; else what stands before the first colon and verb is the agent.
    found = _VERB.match(stripped) or _AGENT.match(stripped)
    if found is None:
        word = re.split(r"[\s=]", stripped.rpartition(": ")[2] or stripped, maxsplit=1)[0]
        guess = near(word, _READERS)
        raise DebugError(f"no edit: {text[:SHOWN]!r}\n  {guess + '; ' if guess else ''}{HOW}")
    agent = (found.groupdict().get("agent") or "").strip()
    if not files and found["verb"] in _OF_FILES and stripped[found.end() :].partition("=")[2].lstrip().startswith("@"):
        raise DebugError(f"no file is read here: {text[:SHOWN]!r}\n  give the text itself")
    try:
        return _READERS[found["verb"]](stripped[found.end() :].strip(), agent)
    except ValidationError as error:
        raise DebugError(f"{text[:SHOWN]!r}: {_first(error)}\n  write {FORMS[found['verb']]}") from None


FORMS = {
    "trait": "trait FIELD=VALUE, for example trait activity=2 (or conformity, diversity: 1 to 3)",
    "memory": 'memory add "TEXT" [kind=factual|emotional|navigation] [importance=1..10], memory N = "TEXT", or memory drop N',
    "state": "state satisfaction=2 (or watched, bad_pages)",
    "slate": "slate = ITEM,ITEM,...",
    "prompt": "prompt NAME=@FILE, or its text",
    "model": "model=NAME",
    "config": "config SETTING=VALUE",
    "answer": "answer KEY=@FILE, or the answer itself",
}
HOW = f"an edit begins with {', '.join(FORMS)}, after AGENT: where it is one agent's"
_OF_FILES = ("prompt", "answer")
_VERB = re.compile(rf"(?P<verb>{'|'.join(FORMS)})(?=[\s=]|$)")
_AGENT = re.compile(rf"(?P<agent>.+?):\s*(?P<verb>{'|'.join(FORMS)})(?=[\s=]|$)", re.DOTALL)
_ADD = re.compile(r"add\s+(?P<text>.+?)(?P<more>(?:\s+(?:kind|importance)=\S+)*)\s*", re.DOTALL)
_SET = re.compile(r"(?P<id>\d{1,9})\s*=\s*(?P<text>.+?)(?P<more>(?:\s+importance=\S+)*)\s*", re.DOTALL)
_DROP = re.compile(r"drop\s+(?P<id>\d{1,9})")


def _trait(rest: str, agent: str) -> Edit:
    field, value = _pair(rest, "trait")
    return TraitEdit(agent=agent, field=field, value=_value(value))


def _memory(rest: str, agent: str) -> Edit:
    if found := _DROP.fullmatch(rest):
        return MemoryEdit(agent=agent, do="drop", id=int(found["id"]))
    added, changed = _ADD.fullmatch(rest), _SET.fullmatch(rest)
    if not (found := added or changed):
        raise DebugError(f"memory {rest[:SHOWN]!r} says nothing to do\n  write {FORMS['memory']}")
    more = dict(part.split("=", 1) for part in found["more"].split())
    if "kind" in more and more["kind"] not in get_args(Kind):
        raise DebugError(f"no memory kind {more['kind']!r}\n  there are {', '.join(get_args(Kind))}")
    given = {"of" if name == "kind" else name: value for name, value in more.items()}
    place = {} if added else {"id": int(found["id"])}
    # Through a plain dict: what is wrong in it is told by the model.
    said = {"agent": agent, "do": "add" if added else "set", "text": _text(_value(found["text"])), **place, **given}
    return MemoryEdit.model_validate(said)


def _state(rest: str, agent: str) -> Edit:
    field, value = _pair(rest, "state")
    return StateEdit.model_validate({"agent": agent, "field": field, "value": value})


def _slate(rest: str, agent: str) -> Edit:
    _, items = _pair(rest, "slate", named=False)
    return SlateEdit(agent=agent, items=tuple(item.strip() for item in items.split(",") if item.strip()))


def _prompt(rest: str, agent: str) -> Edit:
    name, text = _pair(rest, "prompt")
    return PromptEdit(agent=agent, name=name, text=_given(text))


def _model(rest: str, agent: str) -> Edit:
    return ModelEdit(agent=agent, model=_pair(rest, "model", named=False)[1])


def _config(rest: str, agent: str) -> Edit:
    key, value = _pair(rest, "config")
    return ConfigEdit(agent=agent, key=key, value=_value(value))


def _answer(rest: str, agent: str) -> Edit:
    key, text = _pair(rest, "answer")
    return AnswerEdit(agent=agent, key=key, text=_given(text))


_READERS: dict[str, Callable[[str, str], Edit]] = {
    "trait": _trait,
    "memory": _memory,
    "state": _state,
    "slate": _slate,
    "prompt": _prompt,
    "model": _model,
    "config": _config,
    "answer": _answer,
}


def _pair(rest: str, verb: str, named: bool = True) -> tuple[str, str]:
    """What stands before and after the first `=`. Raises `DebugError` where either is missing."""
    name, sign, value = rest.partition("=")
    if not sign or bool(name.strip()) != named or not value.strip():
        raise DebugError(f"{verb} {rest[:SHOWN]!r} gives no value\n  write {FORMS[verb]}")
    return name.strip(), value.strip()


def _value(text: str) -> Any:
    """JSON where it is JSON, else the text as it stands."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _given(text: str) -> str:
    """The text itself, or that of the file after an @. Raises `DebugError` for a file that cannot be read."""
    if not text.startswith("@"):
        return text
    path = Path(text[1:])
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)  # what is no plain file has no size, and may have no end
        if len(raw) > LARGEST:
            raise DebugError(f"{path} has more than {LARGEST:,} bytes\n  give a smaller file")
        return raw.decode("utf-8")
    except OSError as error:
        raise DebugError(f"{path} cannot be read ({(error.strerror or str(error)).lower()})\n  give a file") from None
    except UnicodeDecodeError:
        raise DebugError(f"{path} is no UTF-8 text\n  save it as UTF-8") from None


def _first(error: ValidationError) -> str:
    wrong = error.errors()[0]
    where = ".".join(str(part) for part in wrong["loc"] if part not in FORMS)
    return f"{where}: {wrong['msg']}" if where else wrong["msg"]


def _cut(value: Any) -> str:
    text = one_line(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text[:SHOWN] + "…" * (len(text) > SHOWN), ensure_ascii=False) if isinstance(value, str) else text
