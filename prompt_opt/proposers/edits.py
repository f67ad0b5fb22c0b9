"""Edits of one text: slots, each with levels, level 0 being the text as it is. A choice of levels makes a text.

Two kinds of texts, two kinds of slots. *Instructions* gain, lose or move sentences. *Raw text*, which a title is to
continue, gets another field for the same data, another heading, another lead-in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...llm.prompts import FIELD
from ..task import Component
from . import bank_words as say

Genome = Mapping[str, int]
"""Slot -> level; slots at level 0 are left out."""

RAW_WORDS = 25
"""A text with fields, with fewer words of its own than this and without a whole sentence is raw text."""

BETWEEN = ("process", "recency", "popularity", "order")
"""Slots whose sentences stand between the data and what is asked, in this order."""

_HEADING = re.compile(r"^## (?:system|user)[ \t]*$", re.MULTILINE)
_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z{\d])")


class Edits(Protocol):
    """What can be changed in one text."""

    @property
    def slots(self) -> Mapping[str, Sequence[str]]:
        """Slot -> what each of its levels from 1 on does, in words."""
        ...

    def apply(self, genome: Genome) -> str:
        """The text with these levels."""
        ...


def edits_of(component: Component) -> Edits:
    """The edits that suit a component's text."""
    return RawText(component) if is_raw(component) else Instructions(component)


def is_raw(component: Component) -> bool:
    """Whether a text is one that a model goes on writing, not one whose orders it follows."""
    text = component.text.strip()
    own = FIELD.sub(" ", text)
    orders = _HEADING.search(text) or re.search(r"[.!](\s|$)", own) or len(own.split()) >= RAW_WORDS
    return bool(_group(component)) and not orders


@dataclass(frozen=True)
class Instructions:
    """Instructions, with or without fields, in one section or in several. Only the last section loses or moves sentences:
    what stands before it (what text between fences is) is not up for change."""

    component: Component

    @property
    def slots(self) -> Mapping[str, Sequence[str]]:
        added = {name: tuple(f"add {text!r}" for text in texts) for name, texts in self._added().items()}
        lost = tuple(f"drop {sentence!r}" for _, sentence in self._droppable())
        moved = ("put what is asked before the data",) if self._movable() else ()
        return {**added, **{name: levels for name, levels in (("drop", lost), ("place", moved)) if levels}}

    def apply(self, genome: Genome) -> str:
        head, body = self._parts()
        if level := genome.get("drop", 0):
            paragraph, sentence = self._droppable()[level - 1]
            body = _without(body, paragraph, sentence)
        data, asked = _split(body)
        if genome.get("place", 0):
            data, asked = [], [*asked, *data]
        added = self._added()
        new = {name: _said(added[name][level - 1], self.component) for name, level in genome.items() if name in added}
        if "task" in new:
            data, asked = ([new["task"], *data], asked) if data else (data, [new["task"], *asked])
        between = [new[name] for name in BETWEEN if name in new]
        # What to do stands before how to answer, which is the last paragraph where the data comes first.
        blocks = [*data, *between, *asked] if data else [*asked[:1], *between, *asked[1:]]
        if "output" in new:
            joined = bool(blocks) and not _is_data(blocks[-1])
            blocks[-1:] = [f"{blocks[-1]} {new['output']}"] if joined else [*blocks[-1:], new["output"]]
        text = "\n\n".join(block for block in blocks if block)
        return _with_role(head, text, new.get("role", ""))

    def _added(self) -> Mapping[str, Sequence[str]]:
        """Sentences that may be added, by slot: those on ranking where the text speaks of candidates."""
        return say.RANKING if "candidate" in self.component.text.lower() else say.ANYTHING

    def _parts(self) -> tuple[str, str]:
        """Everything up to the last section's heading, and the last section."""
        text = self.component.text.strip()
        marks = list(_HEADING.finditer(text))
        return (text[: marks[-1].end()], text[marks[-1].end() :].strip()) if marks else ("", text)

    def _droppable(self) -> list[tuple[int, str]]:
        """(paragraph, sentence) of the last section that hold no field, if something is left without them."""
        paragraphs = self._parts()[1].split("\n\n")
        found = [
            (i, sentence)
            for i, paragraph in enumerate(paragraphs)
            for line in paragraph.split("\n")
            for sentence in _SENTENCES.split(line)
            if sentence.strip()[-1:] in (".", "!", "?") and not FIELD.search(sentence)
        ]
        words = len(FIELD.sub(" ", self._parts()[1]).split())
        return [(i, sentence) for i, sentence in found if len(sentence.split()) < words]

    def _movable(self) -> bool:
        data, asked = _split(self._parts()[1])
        return bool(data) and bool(asked)


@dataclass(frozen=True)
class RawText:
    """`prefix`, `heading`, a field with the history, a lead-in. Fields of one required group may stand for each other."""

    component: Component

    @property
    def slots(self) -> Mapping[str, Sequence[str]]:
        header, _, ending = self._parts()
        slots: dict[str, Sequence[str]] = {
            "field": tuple(f"use {{{{{name}}}}}" for name in self._fields()[1:]),
            "prefix": tuple(f"begin with {text!r}" for text in say.PREFIXES),
            "noun": tuple(f"say {noun!r}" for noun in self._nouns()),
        }
        listed = len(self._fields()) > 1  # a list of titles that the next one continues; else a question
        if listed and not self._holds_data(header):
            slots["heading"] = tuple(f"head the titles {text!r}" for text in say.HEADERS)
        if listed and not self._holds_data(ending):
            slots["ending"] = tuple(f"lead on by {ending.inline!r}" for ending in say.ENDINGS)
        return {name: levels for name, levels in slots.items() if levels}

    def apply(self, genome: Genome) -> str:
        header, field, ending = self._parts()
        name = self._fields()[genome.get("field", 0)]
        inline = self._inline(name)
        turned = inline != self._inline(field)  # from titles in lines to titles in one line, or back
        heading, level = genome.get("heading", 0), genome.get("ending", 0)
        if heading:
            header = _said(say.HEADERS[heading - 1], self.component)
        if header.strip() and (heading or turned):
            header = header.rstrip() + (" " if inline else "\n")
        if level or (turned and not self._holds_data(ending)):
            kind = say.ENDINGS[max(level, 1) - 1]
            ending = _said(kind.inline if inline else kind.lines, self.component)
        prefix = genome.get("prefix", 0)
        begin = _said(say.PREFIXES[prefix - 1], self.component) + "\n" if prefix else ""
        text = f"{begin}{header}{{{{{name}}}}}{ending}".strip()
        if noun := genome.get("noun", 0):
            text = self._renamed(text, self._nouns()[noun - 1])
        return text

    def _parts(self) -> tuple[str, str, str]:
        """What stands before the history's field, the field, what stands after it."""
        text = self.component.text.strip()
        group = _group(self.component)
        match = next(match for match in FIELD.finditer(text) if match[1] in group)
        return text[: match.start()], match[1], text[match.end() :]

    def _fields(self) -> list[str]:
        """The field in use, then the others of its group."""
        used = self._parts()[1]
        return [used, *(name for name in _group(self.component) if name != used and name in self.component.fields)]

    def _inline(self, name: str) -> bool:
        return "one line" in self.component.fields.get(name, "")

    def _holds_data(self, part: str) -> bool:
        """Whether a part holds fields that other text must not replace."""
        return any(name.lower() != "noun" for name in FIELD.findall(part))

    def _nouns(self) -> Sequence[str]:
        text = self.component.text
        if any(name.lower() == "noun" for name in FIELD.findall(text)):
            return say.ANY_NOUN
        low = text.lower()
        group = next((group for group in say.NOUNS if re.search(rf"\b{group[0]}\b", low)), ())
        return [noun for noun in group if not re.search(rf"\b{noun}\b", low)]

    def _renamed(self, text: str, noun: str) -> str:
        capital = noun[:1].upper() + noun[1:]
        text = re.sub(r"\{\{\s*Noun\s*\}\}", capital, re.sub(r"\{\{\s*noun\s*\}\}", noun, text))
        for old in {group[0]: None for group in say.NOUNS}:
            text = re.sub(rf"\b{old}\b", noun, re.sub(rf"\b{old.capitalize()}\b", capital, text))
        return text


def _group(component: Component) -> list[str]:
    """The fields of which one must stay: the first required group that the text holds one of."""
    held = set(FIELD.findall(component.text))
    return next((names for group in component.required if held & set(names := group.split("|"))), [])


def _said(text: str, component: Component) -> str:
    """A phrase of the bank with the task's own noun in it."""
    names = component.fields
    noun = "{{noun}}" if "noun" in names else next((g[0] for g in say.NOUNS if g[0] in component.text.lower()), "items")
    capital = "{{Noun}}" if "Noun" in names else noun[:1].upper() + noun[1:]
    return text.replace("{noun}", noun).replace("{Noun}", capital)


def _split(body: str) -> tuple[list[str], list[str]]:
    """Paragraphs up to the last one with a field or, without fields, none; and what is asked after them."""
    blocks = [block for block in body.split("\n\n") if block.strip()]
    last = max((i for i, block in enumerate(blocks) if _is_data(block)), default=-1)
    return blocks[: last + 1], blocks[last + 1 :]


def _is_data(block: str) -> bool:
    """A field alone on its line is data; one within a sentence ("rank all {{count}} of them") is not."""
    return any(FIELD.fullmatch(line.strip()) for line in block.split("\n"))


def _without(body: str, paragraph: int, sentence: str) -> str:
    blocks = body.split("\n\n")
    blocks[paragraph] = re.sub(r"[ \t]{2,}", " ", blocks[paragraph].replace(sentence, "", 1)).strip()
    return "\n\n".join(block for block in blocks if block)


def _with_role(head: str, text: str, role: str) -> str:
    if not head:
        return f"{role}\n\n{text}" if role else text
    if role:
        heading, _, rest = head.partition("\n")
        head = f"{heading}\n{role} {rest.lstrip()}" if rest.strip() else head
        text = text if rest.strip() else f"{role}\n\n{text}"
    return f"{head}\n{text}"
