"""Edits of a search: how they are written, and what they mean. Nothing in a text is executed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..tasks.building import body
from .errors import DebugError

FORMS = (
    ("candidate", "candidate ID [PART]=@FILE, or its text", "another text in place of a candidate's, where it enters"),
    ("option", "option NAME=VALUE, for example option rounds=4", "an option of the optimizer, from that step on"),
    ("metric", "metric=NAME", "what is maximised, from that step on"),
    ("config", "config SETTING=VALUE: optimizer, selector, as_released, approve; before step 0 also model, proposer_model",
     "a setting of the search"),
)  # fmt: skip
"""Verb, form, meaning."""

_CANDIDATE = re.compile(r"candidate\s+(\w+)(?:\s+([^\s=]+))?\s*=(.*)", re.DOTALL)
_SETTING = re.compile(r"(?:(option|config)\s+)?(\w[\w.]*)\s*=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CandidateEdit:
    """A text in place of a candidate's: `part` is empty where the prompt has one text. `id` may be its beginning."""

    id: str
    part: str
    text: str


@dataclass(frozen=True, slots=True)
class SettingEdit:
    """A setting, or (`option`) an option of the optimizer."""

    name: str
    value: Any
    option: bool = False

    def __str__(self) -> str:
        verb = "option " if self.option else "" if self.name == "metric" else "config "
        return f"{verb}{self.name}={json.dumps(self.value, ensure_ascii=False)}"


Edit = CandidateEdit | SettingEdit


def parse(text: str, *, files: bool = True) -> Edit:
    """An edit as it is written; `files`: whether `@FILE` reads one, or stands as it is. Raises `DebugError`, listing the forms."""
    if found := _CANDIDATE.fullmatch(text.strip()):
        return CandidateEdit(found[1], found[2] or "", _text(found[3].strip(), files))
    found = _SETTING.fullmatch(text.strip())
    if found and (found[1] or found[2] == "metric"):
        return SettingEdit(found[2], _value(found[3].strip()), option=found[1] == "option")
    forms = "\n  ".join(form for _, form, _ in FORMS)
    raise DebugError(f"{text[:60]!r} is no edit of a search; they are written\n  {forms}")


def _text(said: str, files: bool) -> str:
    """A text as it stands, in quotes, or (`@FILE`) of a prompt's file, whose header is left out."""
    if files and said.startswith("@"):
        try:
            return body(Path(said[1:]).expanduser().read_text(encoding="utf-8"))
        except OSError as error:
            raise DebugError(f"{said[1:]} cannot be read: {(error.strerror or '').lower()}\n  check the path") from None
        except UnicodeDecodeError:
            raise DebugError(f"{said[1:]} is no text in UTF-8\n  save it as UTF-8") from None
    if said[:1] == '"' and said[-1:] == '"' and len(said) > 1:
        value = _value(said)
        return value if isinstance(value, str) else said
    return said


def _value(said: str) -> Any:
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return said


def describe_edits() -> str:
    """The forms as a Markdown table."""
    rows = [f"| {verb} | {form} |" for verb, form, _ in FORMS]
    return "\n".join(["| edit | written |", "| --- | --- |", *rows])
