"""What changed between two texts, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


class Piece(NamedTuple):
    """A stretch of text that both hold ("same"), or only the old ("gone") or the new one ("new")."""

    what: Literal["same", "gone", "new"]
    text: str


def word_diff(old: str, new: str) -> list[Piece]:
    """The pieces of both texts in order: "same" and "gone" spell the old one, "same" and "new" the new one."""
    a, b = _WORDS.findall(old), _WORDS.findall(new)
    pieces: list[Piece] = []
    for how, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if how == "equal":
            pieces.append(Piece("same", "".join(a[i:j])))
            continue
        if i < j:
            pieces.append(Piece("gone", "".join(a[i:j])))
        if k < m:
            pieces.append(Piece("new", "".join(b[k:m])))
    return list(_joined(pieces))


def texts_diff(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, list[Piece]]:
    """The diff of every component of two prompts, by its name."""
    return {name: word_diff(old.get(name, ""), new.get(name, "")) for name in dict.fromkeys([*old, *new])}


def _joined(pieces: list[Piece]) -> Iterator[Piece]:
    """Changes that only blanks keep apart as one change: whole phrases read better than single words."""
    i = 0
    while i < len(pieces):
        gone = new = ""
        while i < len(pieces) and (pieces[i].what != "same" or (_between(pieces, i) and (gone or new))):
            what, text = pieces[i]
            gone += text if what != "new" else ""
            new += text if what != "gone" else ""
            i += 1
        if gone:
            yield Piece("gone", gone)
        if new:
            yield Piece("new", new)
        if i < len(pieces):
            yield pieces[i]
            i += 1


def _between(pieces: list[Piece], i: int) -> bool:
    """Whether the piece is blanks between two changes of words in place of words."""
    around = {pieces[j].what for j in (i - 2, i - 1, i + 1, i + 2) if 0 <= j < len(pieces)}
    return pieces[i].text.isspace() and i + 1 < len(pieces) and {"gone", "new"} <= around
