"""The item table made from its text columns, for the items that have interactions."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from .catalogue import ItemTable
from .ids import Ids
from .readers.arrays import positions
from .readers.pieces import TextTable
from .report import KEPT
from .titles import decode_entities, normalise_title, plain

_NO_GENRES = frozenset({"", "(no genres listed)", "unknown", "nan", "none", "null", "[]", "\\n"})
_BRACKETS = re.compile(r"^\[(.*)\]$", re.DOTALL)


def separator_of(texts: list[str], column: str) -> str | None:
    """What stands between the genres of a column: bar, semicolon or comma where one is seen; a blank in "class" columns."""
    for separator in "|;":
        if any(separator in text for text in texts):
            return separator
    if column.lower() == "class":
        return " "
    return "," if any("," in text for text in texts) else None


def genres_of(text: str, separator: str | None) -> tuple[str, ...]:
    """The genres of one item, in order and without repeats. A list written in brackets loses brackets and quotes."""
    listed = _BRACKETS.match(text.strip())
    parts = (listed[1] if listed else text).split(separator or "\x00")
    names = (plain(decode_entities(part)).strip("'\" " if listed else " ") for part in parts)
    return tuple(dict.fromkeys(name for name in names if name.lower() not in _NO_GENRES))


def item_table(
    ids: Ids, table: TextTable, roles: Mapping[str, str], separator: str | None
) -> tuple[ItemTable, list[str]]:
    """The rows of `table` that belong to `ids`, in their order, and remarks.

    An item listed more than once keeps the last row that has a title, the others are tallied unless `table` is the table
    of interactions itself, where repeats are the rule. Items that are not listed are called by their id.
    """
    names = [name.strip() for name in table.columns[roles["item"]].to_pylist()]
    own = "user" in roles
    titles = table.columns[roles["title"]].to_pylist() if "title" in roles else [""] * len(names)
    row_of: dict[str, int] = {}
    for row, name in enumerate(names):
        if not name:
            if not own:
                table.tally.add(int(table.lines[row]), "blank item id", titles[row])
        elif name not in row_of or titles[row].strip() or not titles[row_of[name]].strip():
            row_of[name] = row
    if not own:
        repeated = [row for row, name in enumerate(names) if name and row_of[name] != row]
        examples = [(int(table.lines[row]), names[row]) for row in repeated[:KEPT]]
        table.tally.note("item listed more than once (the last row is kept)", len(repeated), examples)
    rows = [row_of.get(name, -1) for name in ids]
    chosen = positions(np.array([row for row in rows if row >= 0], dtype=np.int64))

    def column(role_column: str) -> list[str]:
        texts = iter(table.columns[role_column].take(chosen).to_pylist())
        return [next(texts) if row >= 0 else "" for row in rows]

    years = column(roles["year"]) if "year" in roles else [""] * len(rows)
    raw = column(roles["title"]) if "title" in roles else [""] * len(rows)
    spoken = tuple(normalise_title(title, year) or name for title, year, name in zip(raw, years, ids, strict=True))
    genres: tuple[tuple[str, ...], ...] = ((),) * len(rows)
    if "genres" in roles:
        texts = column(roles["genres"])
        separator = separator or separator_of(texts, roles["genres"])
        genres = tuple(genres_of(text, separator) for text in texts)
    taken = {roles[role] for role in ("user", "item", "title", "genres") if role in roles}
    others = () if own else tuple(name for name in table.columns if name not in taken)
    fields = {name: tuple(plain(decode_entities(text)) for text in column(name)) for name in others}
    notes = []
    if missing := rows.count(-1):
        notes.append(f"{missing:,} of {len(rows):,} items are not in {table.file}: called by their id")
    if untitled := sum(not title.strip() and row >= 0 for title, row in zip(raw, rows, strict=True)):
        notes.append(f"{untitled:,} of {len(rows):,} items have no title: called by their id")
    return ItemTable(ids, spoken, genres, fields), notes
