"""Prompts are Markdown files with a header that says what they are for and which fields they take."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from .errors import PromptError
from .types import Message

FIELD = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_BRACES = re.compile(r"\{\{[^{}\n]*\}\}")
_SECTION = re.compile(r"^## (system|user)[ \t]*$", re.MULTILINE)
_ENTRY = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*:\s*(.*)")


class Readable(Protocol):
    """A path, or a file inside an installed package (`importlib.resources`)."""

    def read_text(self, encoding: str) -> str: ...


@dataclass(frozen=True)
class Prompt:
    """A prompt with named fields; made by `Prompt.load`.

    `fields` maps each field to its one-line explanation; `sections` are (role, template) in order. A template holds
    `{{field}}` and nothing else that means anything: no conditions, no loops, and a value is never read as a template.
    """

    name: str
    purpose: str
    fields: Mapping[str, str]
    sections: tuple[tuple[str, str], ...]
    source: str = field(default="", compare=False)

    @classmethod
    def load(cls, path: Readable | str, override: str | Path | None = None) -> Prompt:
        """Read a prompt file; with `override`, a user's file in its place, which must suit the same fields.

        Raises `PromptError` naming the file and what is wrong with it.
        """
        file = Path(path) if isinstance(path, str) else path
        prompt = cls.parse(_text(file), str(file))
        if override is None:
            return prompt
        return prompt.with_text(_text(Path(override)), str(override))

    def with_text(self, text: str, source: str) -> Prompt:
        """This prompt in another wording, which must suit the same fields. Raises `PromptError`, naming `source`."""
        theirs = Prompt.parse(text, source, known=self.fields)
        if missing := self.used - theirs.used:
            raise PromptError(
                f"{source}: prompt {self.name!r} needs {_braced(missing)}\n  put each where its text belongs"
            )
        return Prompt(self.name, theirs.purpose or self.purpose, self.fields, theirs.sections, source)

    @classmethod
    def parse(cls, text: str, source: str = "prompt", known: Mapping[str, str] | None = None) -> Prompt:
        """Read a prompt from its text. With `known` the header may be left out: those are the fields."""
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        if not text.startswith("---\n"):
            if known is None:
                raise PromptError(
                    f"{source}: a prompt begins with a header\n  write a line ---, then name, purpose, fields, then ---"
                )
            header, body = "", text
        else:
            header, closed, body = text[4:].partition("\n---\n")
            if not closed:
                raise PromptError(f"{source}: the header is not closed\n  put a line --- after the fields")
        entries, fields = _header(header, source)
        if known is None:
            for name in ("name", "purpose"):
                if not entries.get(name):
                    raise PromptError(f"{source}: the header has no {name}")
        elif unknown := fields.keys() - known.keys():
            raise PromptError(f"{source}: unknown field {_braced(unknown)}\n  there are {_braced(known)}")
        prompt = cls(
            entries.get("name", ""), entries.get("purpose", ""), known or fields, _sections(body, source), source
        )
        for _, template in prompt.sections:
            for braces in _BRACES.findall(template):
                if not FIELD.fullmatch(braces):
                    raise PromptError(f"{source}: {braces} is no field\n  a field is one word, as in {{{{user_name}}}}")
        if unknown := prompt.used - prompt.fields.keys():
            raise PromptError(
                f"{source}: unknown field {_braced(unknown)}\n  there are {_braced(prompt.fields) or 'none'}"
            )
        if known is None and (idle := prompt.fields.keys() - prompt.used):
            raise PromptError(f"{source}: the header names {_braced(idle)}, which the text does not use")
        return prompt

    @property
    def used(self) -> frozenset[str]:
        """The fields that the text holds."""
        return frozenset(name for _, template in self.sections for name in FIELD.findall(template))

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of what reaches the model: roles and templates."""
        return hashlib.sha256("\0".join(part for section in self.sections for part in section).encode()).hexdigest()

    def render(self, **values: object) -> list[Message]:
        """The messages with every field filled in once. Raises `PromptError` naming unknown or missing fields."""
        if unknown := values.keys() - self.fields.keys():
            raise PromptError(
                f"prompt {self.name!r} has no field {_braced(unknown)}; it has {_braced(self.fields) or 'none'}"
            )
        if missing := self.fields.keys() - values.keys():
            raise PromptError(f"prompt {self.name!r} is missing {_braced(missing)}")
        texts = {name: str(value) for name, value in values.items()}
        return [
            Message(
                role="system" if role == "system" else "user",
                content="".join([texts[part] if is_field else part for is_field, part in parts]),
            )
            for role, parts in self._pieces
        ]

    @cached_property
    def _pieces(self) -> tuple[tuple[str, tuple[tuple[bool, str], ...]], ...]:
        """The sections, cut into what stands there and names of fields."""
        return tuple(
            (role, tuple((place % 2 == 1, part) for place, part in enumerate(FIELD.split(template))))
            for role, template in self.sections
        )


def _text(file: Readable) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        why = (problem.strerror or str(problem)).lower()
        raise PromptError(f"{file}: cannot be read: {why}\n  give the path of a prompt file") from None
    except UnicodeDecodeError as problem:
        raise PromptError(f"{file}: cannot be read: byte {problem.start} is not UTF-8\n  save it as UTF-8") from None


def _header(text: str, source: str) -> tuple[dict[str, str], dict[str, str]]:
    """`name:` and `purpose:` entries, and the lines `  field: explanation` under `fields:`."""
    entries: dict[str, str] = {}
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        indented = line[0] in " \t-"
        match = _ENTRY.fullmatch(line.strip().removeprefix("- "))
        if match is None:
            raise PromptError(f"{source}: header line {line.strip()!r}\n  write it as 'name: text'")
        name, value = match[1], match[2].strip()
        target = fields if indented else entries
        if indented and (list(entries)[-1:] != ["fields"] or not value):
            raise PromptError(
                f"{source}: header line {line.strip()!r}\n  write fields under 'fields:' as '  name: what it is'"
            )
        if name in target or not (indented or name in ("name", "purpose", "fields")):
            raise PromptError(
                f"{source}: header entry {name!r} is unknown or given twice\n  there are name, purpose and fields"
            )
        target[name] = value
    return entries, fields


def _sections(body: str, source: str) -> tuple[tuple[str, str], ...]:
    parts = _SECTION.split(body)
    sections = tuple(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    if not sections:
        sections = (("user", body.strip()),)
    elif parts[0].strip():
        raise PromptError(f"{source}: text before the first section\n  put it under ## system or ## user")
    if not all(template for _, template in sections):
        raise PromptError(f"{source}: a section is empty\n  write the text for the model under ## system or ## user")
    return sections


def _braced(names: object) -> str:
    return ", ".join("{{" + str(name) + "}}" for name in sorted(names))  # type: ignore[call-overload]
