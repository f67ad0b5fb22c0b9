"""User and item text is data: it is shown to a model between marks that it cannot forge."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LONGEST = 2000
"""Characters of one fenced text. Longer texts end with an ellipsis."""

OPEN, CLOSE = "<<<", ">>>"

_ESCAPE_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x9b[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]?"
)
_MARKS = re.compile(r"<{3,}|>{3,}")
_CHAT_TOKENS = re.compile(
    r"<[|｜]([^|｜<>\n]{0,40})[|｜]>|\[(/?INST)\]|<<(/?SYS)>>|<((?:start|end)_of_turn|/?s|/?(?:assistant|system|user|human))>",
    re.I,
)
_KEPT_FORMATS = frozenset("\u200c\u200d\ufe0f")
"""Joiners and the emoji selector: without them words of several scripts and many emoji fall apart."""

_SUSPECT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]|<[<|/a-z]|>>>|\[/?INST\]", re.I)
"""What an ASCII text must hold for any of the rules below to change it."""


class _Kept(dict[int, str | None]):
    """Code point -> what stays of it, worked out when it is first met."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        category = unicodedata.category(character)
        if character in "\n\t":
            kept = character
        elif category in ("Cc", "Zl", "Zp"):
            kept = " "
        else:
            kept = character if category not in ("Cf", "Cs", "Co") or character in _KEPT_FORMATS else None
        self[code] = kept
        return kept


_KEPT = _Kept()


def plain(text: str, longest: int = LONGEST) -> str:
    """`text` without terminal escapes, control and direction characters, at most `longest` characters; unicode stays.

    Line breaks stay; other blanks become one kind. Marks of fences and of chat templates are broken up.
    """
    if not text.isascii() or _SUSPECT.search(text):  # most texts have nothing that needs a closer look
        text = _ESCAPE_SEQUENCES.sub("", text)
        text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_KEPT)
        # One pass can put new marks together ("<<" + "<|x|>"), so it is repeated until nothing changes.
        while (
            cleaned := _CHAT_TOKENS.sub(lambda m: f"({m[1] or m[2] or m[3] or m[4] or ''})", _MARKS.sub(_broken, text))
        ) != text:
            text = cleaned
    return text if len(text) <= longest else text[: max(0, longest - 1)] + "…"


@lru_cache(maxsize=20_000)
def one_line(text: str, longest: int = 400) -> str:
    """`text` as one plain line, for an item, a memory or a sentence among others."""
    return " ".join(plain(text, longest).split())


def fence(text: str, label: str = "text", longest: int = LONGEST) -> str:
    """`text` as data between marks: `<<<label … >>>`. Nothing inside can close the fence or open another.

    `label` is a word of ours, never user text.
    """
    return f"{OPEN}{label}\n{plain(text, longest)}\n{CLOSE}"


def _broken(match: re.Match[str]) -> str:
    return ("‹" if match[0][0] == "<" else "›") * len(match[0])
