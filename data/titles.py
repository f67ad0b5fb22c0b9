"""Titles made fit for people and models. Ids are the truth; nothing here is ever parsed back into an id."""

from __future__ import annotations

import html
import re
from html.entities import html5

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])|\x9b[0-?]*[ -/]*[@-~]")
# Controls, lone surrogates, and the invisible marks that reorder or hide text (bidi controls, zero-width space, BOM, tags).
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ud800-\udfff\ufeff\U000e0000-\U000e007f]"
)
_SPACES = re.compile(r"\s+")
_PARENTHESES = re.compile(r"\s*\(([^()]*)\)\s*$")
_YEAR = re.compile(r"\d{4}(?:\s*[-–]\s*(?:\d{4})?)?")
_ARTICLES = [
    "The",
    "A",
    "An",
    "Le",
    "La",
    "Les",
    "L'",
    "L’",
    "Un",
    "Une",
    "Der",
    "Die",
    "Das",
    "Den",
    "Ein",
    "Eine",
    "El",
    "Los",
    "Las",
    "Il",
    "Lo",
    "Gli",
    "I",
    "O",
    "Os",
    "Det",
    "Het",
]
_TURNED = re.compile(rf"(.*\S)\s*,\s+({'|'.join(_ARTICLES)})")


def plain(text: str) -> str:
    """One line of visible text: terminal escapes, control and invisible characters out, white space collapsed."""
    if text.isascii() and text.isprintable():
        return text if "  " not in text and text == text.strip() else _SPACES.sub(" ", text).strip()
    text = _TERMINAL.sub("", text)
    text = _SPACES.sub(" ", text)  # before the controls go: a line break separates words
    return _SPACES.sub(" ", _INVISIBLE.sub("", text)).strip()


def excerpt(text: str, limit: int = 80) -> str:
    """`text` for a message: plain, and cut to `limit` characters."""
    line = plain(text[: limit * 4])
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _character(match: re.Match[str]) -> str:
    # html.unescape alone would take the beginning of an unknown name for an entity: &notes; is not "¬es;".
    known = match[0][1] == "#" or match[0][1:] in html5
    return html.unescape(match[0]) if known else match[0]


def decode_entities(text: str) -> str:
    """HTML entities that end in a semicolon become characters; twice, since catalogues often escape twice."""
    for _ in range(2):
        if "&" not in text:
            break
        text = _ENTITY.sub(_character, text)
    return text


def _turn(part: str) -> str:
    match = _TURNED.fullmatch(part)
    if match is None:
        return part
    body, article = match.groups()
    return article + body if article[-1] in "'’" else f"{article} {body}"


def normalise_title(raw: str, year: str | int | None = None) -> str:
    """A title as it is spoken: "Matrix, The" with year 1999 becomes "The Matrix (1999)".

    Entities are decoded, control characters and terminal escapes removed, articles turned back in the title and in
    each alias in parentheses, and `year` appended where the title carries none. An empty title stays empty.
    """
    text = plain(decode_entities(raw))
    groups: list[str] = []
    while len(groups) < 8 and (match := _PARENTHESES.search(text)) and match.start() > 0:
        groups.append(match[1].strip())
        text = text[: match.start()]
    text = _turn(text.strip())
    if not text and not groups:
        return ""
    groups.reverse()
    dated = any(_YEAR.fullmatch(group) for group in groups)
    parts = [text] + [f"({group if _YEAR.fullmatch(group) else _turn(group)})" for group in groups if group]
    if not dated and (found := re.match(r"\s*(\d{4})(?:\.0+)?\s*$", str(year or ""))):
        parts.append(f"({found[1]})")
    return " ".join(parts)
