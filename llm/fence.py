"""User and item text is data: it is shown to a model between marks that it cannot forge."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 2000
"""Characters of one fenced text. Longer texts end with an ellipsis."""

OPEN, CLOSE = "<<<", ">>>"

_ESCAPE_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x9b[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]?"
)
_MARKS = re.compile(r"<{3,}|>{3,}")
_CHAT_TOKENS = re.compile(r"<\|([^|<>\n]{0,40})\|>|\[(/?INST)\]|<<(/?SYS)>>")
_KEPT_FORMATS = frozenset("\u200c\u200d\ufe0f")
"""Joiners and the emoji selector: without them words of several scripts and many emoji fall apart."""


def plain(text: str, longest: int = LONGEST) -> str:
    """`text` without terminal escapes, control and direction characters, at most `longest` characters; unicode stays.

    Line breaks stay; other blanks become one kind. Marks of fences and of chat templates are broken up.
    """
    text = _ESCAPE_SEQUENCES.sub("", text)
    kept = []
    for character in text.replace("\r\n", "\n").replace("\r", "\n"):
        if character in "\n\t":
            kept.append(character)
        elif unicodedata.category(character) in ("Cc", "Zl", "Zp"):
            kept.append(" ")
        elif unicodedata.category(character) not in ("Cf", "Cs", "Co") or character in _KEPT_FORMATS:
            kept.append(character)
    text = "".join(kept)
    # One pass can put new marks together ("<<" + "<|x|>"), so it is repeated until nothing changes.
    while (cleaned := _CHAT_TOKENS.sub(lambda m: f"({m[1] or m[2] or m[3] or ''})", _MARKS.sub(_broken, text))) != text:
        text = cleaned
    return text if len(text) <= longest else text[: max(0, longest - 1)] + "…"


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
