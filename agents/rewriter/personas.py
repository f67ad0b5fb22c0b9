"""Personas who search: the paper's four, a set for shops, and whatever a file holds. Data, and never guessed from a query.

A description says how somebody puts things, not what they want. These are imagined manners, and stereotypes at that: every
output that comes of them is labelled as simulated.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...llm.fence import one_line
from .records import RewriteError, Searcher
from .rules import ALL

SIMULATED = "simulated: wordings that a model or rules imagine for a persona; they stand for no group of people"

PAPER = (
    Searcher(
        "woman",
        "A middle-aged woman with a household and little time. She writes whole, polite phrases and names what a thing is for.",
        ("verbose", "question"),
    ),
    Searcher(
        "man",
        "A middle-aged man who likes to be to the point. He writes the thing first, then its facts and figures, without a sentence.",
        ("terse", "order"),
    ),
    Searcher(
        "student",
        "A student on a phone between two lectures. Short, informal, in everyday words, with abbreviations and small slips.",
        ("casual", "typo", "synonym"),
    ),
    Searcher(
        "elder",
        "An old person who learnt to write letters, not queries. Complete sentences, formal, a little roundabout, older words for things.",
        ("formal", "verbose", "synonym"),
    ),
)
"""The four of Agent4Ranking (arXiv 2312.15450, section 4): middle-aged woman and man, student, old person."""

SHOP = (
    Searcher(
        "hurried",
        "Somebody in a hurry who types two or three bare keywords, all in lower case, and presses enter.",
        ("terse", "order"),
    ),
    Searcher(
        "expert",
        "Somebody who knows the trade. Exact technical terms, units and standards where the need has them, no filler.",
        ("order", "synonym"),
    ),
    Searcher(
        "newcomer",
        "Somebody who has never bought such a thing and does not know what it is called. Describes it by what it does, in plain words.",
        ("synonym", "question", "verbose"),
    ),
    Searcher(
        "giver",
        "Somebody who shops for a person close to them. Friendly whole sentences, as one would speak to a shop assistant.",
        ("verbose", "question"),
    ),
    Searcher(
        "typist",
        "Somebody who types fast on a small screen and corrects nothing: swapped and missing letters, no capitals, no marks.",
        ("typo",),
    ),
    Searcher(
        "speaker",
        "Somebody who speaks to a voice assistant. A spoken question, complete, with the small words that speech has.",
        ("question", "casual"),
    ),
)
"""Six manners of searching in a shop; none of them is a group of people."""

SETS: Mapping[str, tuple[Searcher, ...]] = {"paper": PAPER, "shop": SHOP}

_NAME = re.compile(r"[\w.+-]{1,40}")
_LONGEST = 600
"""Characters of a description."""


def searchers(wanted: Iterable[str] = ("paper",), own: Sequence[Searcher] = ()) -> tuple[Searcher, ...]:
    """The personas of these names, each once: of a set (`paper`, `shop`), one of theirs, or one's own, which come first.

    Raises `RewriteError` for a name there is none of.
    """
    known = {s.name: s for s in (*(s for group in SETS.values() for s in group), *own)}
    found: dict[str, Searcher] = {}
    for name in wanted:
        group = SETS.get(name, ()) if name not in {s.name for s in own} else ()
        if not group and name not in known:
            near = difflib.get_close_matches(name, [*known, *SETS], n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise RewriteError(
                f"no persona called {name[:60]!r}\n  {hint}sets: {', '.join(SETS)}; personas: {', '.join(known)}"
            )
        for each in group or (known[name],):
            found.setdefault(each.name, known[each.name])
    return tuple(found.values())


def load_searchers(path: str | Path) -> tuple[Searcher, ...]:
    """Personas of a TOML or JSON file: a table per persona with `description` and, if wished, `families` of rules; or name =
    "description". JSON may also be a list of such objects with a `name`. Raises `RewriteError` naming what is wrong."""
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise RewriteError(f"{file} is no text in UTF-8\n  save it as UTF-8") from None
    try:
        value = json.loads(text) if file.suffix.lower() == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as problem:
        raise RewriteError(
            f'{file} cannot be read: {problem}\n  write TOML, as in  [student]  description = "..."'
        ) from None
    rows = _rows(value)
    if not rows:
        raise RewriteError(f'{file} holds no persona\n  write  [student]  description = "How a student puts things."')
    found: dict[str, Searcher] = {}
    for name, said in rows:
        if name in found:
            raise RewriteError(f"{file} has two personas called {name!r}\n  give each a name of its own")
        found[name] = _searcher(file, name, said)
    return tuple(found.values())


def _rows(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(str(name), said) for name, said in value.items()]
    if isinstance(value, list):
        return [(str(each.get("name", "")) if isinstance(each, dict) else "", each) for each in value]
    return []


def _searcher(file: Path, name: str, said: Any) -> Searcher:
    if not _NAME.fullmatch(name):
        raise RewriteError(
            f"{file}: {name[:60]!r} is no name for a persona\n  use letters, digits and . + - _, at most 40 of them"
        )
    fields = {"description": said} if isinstance(said, str) else said if isinstance(said, dict) else {}
    if unknown := fields.keys() - {"name", "description", "families"}:
        raise RewriteError(
            f"{file}: persona {name!r} has no field {sorted(unknown)[0]!r}\n  there are: description, families"
        )
    description, families = fields.get("description"), fields.get("families", [])
    if not isinstance(description, str) or not description.strip() or len(description) > _LONGEST:
        raise RewriteError(f"{file}: persona {name!r} needs a description, text of at most {_LONGEST} characters")
    wrong = [each for each in families if each not in ALL] if isinstance(families, list) else [families]
    if wrong:
        raise RewriteError(
            f"{file}: persona {name!r}: no family of rules {wrong[0]!r}\n  families is a list of: {', '.join(ALL)}"
        )
    return Searcher(name, one_line(description, _LONGEST), tuple(families))
