"""Other wordings of a set's queries, from a file: what people, rewriting agents or rules wrote."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from .errors import DataError
from .report import Tally
from .search import SearchSet
from .search_columns import PHRASING_ROLES, columns_of, parse_search_columns
from .search_tables import read_rows
from .titles import plain

_FELL_BACK = "fell_back"


@dataclass(frozen=True)
class Phrasings:
    """Query id -> form -> text. `fell_back`: wordings left out because they are the raw query, for want of a better one."""

    forms: dict[str, dict[str, str]]
    fell_back: int = 0
    tally: Tally = field(default_factory=lambda: Tally(""))

    @property
    def count(self) -> int:
        return sum(map(len, self.forms.values()))


def own_phrasings(data: SearchSet) -> Phrasings:
    """The phrasings that come with a set, each called by its family."""
    found: dict[str, dict[str, str]] = {}
    for query, texts in data.phrasings.items():
        families = data.families.get(query, [""] * len(texts))
        for text, family in zip(texts, families, strict=True):
            _add(found.setdefault(query, {}), family, text)
    return Phrasings(found)


def read_phrasings(path: str | os.PathLike[str], data: SearchSet, columns: str | None = None) -> Phrasings:
    """The wordings in a CSV, TSV, JSONL or Parquet file of queries of `data` (by id, or else by text).

    Columns: query_id (or query), phrasing (or text, rewrite, variation), and family (or persona). Rows of which `fell_back`
    is true are counted and left out: they are the raw query, and would make any ranker look steady. Rows that fit no query
    are tallied. Raises `DataError` where nothing is left.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"no file at {file}", "give a CSV, TSV, JSONL or Parquet file with query_id, persona and text")
    rows = read_rows(file)
    roles = columns_of(rows, "phrasings", PHRASING_ROLES, parse_search_columns(columns))
    if _FELL_BACK in rows.header:
        roles[_FELL_BACK] = _FELL_BACK
    by_text = {text.casefold(): query for query, text in reversed(list(data.queries.items()))}
    found: dict[str, dict[str, str]] = {}
    fell_back = 0
    for line, row in rows.take(roles):
        name, text = row["query_id"].strip(), plain(row["phrasing"])
        query = name if name in data.queries else by_text.get(plain(name).casefold())
        if query is None:
            rows.tally.add(line, "query is not in the set", name)
        elif row.get(_FELL_BACK, "").strip().casefold() in ("true", "1", "yes"):
            fell_back += 1
        elif not text:
            rows.tally.add(line, "no phrasing", name)
        else:
            _add(found.setdefault(query, {}), row.get("family", "").strip(), text)
    if not found:
        first = "\n".join(map(str, rows.tally.problems[:3]))
        raise DataError(f"{file.name} has no wording of a query of {data.name}", first or "every row fell back")
    return Phrasings(found, fell_back, rows.tally)


def _add(forms: dict[str, str], family: str, text: str) -> None:
    """Under the family's name; further ones of a family are numbered."""
    family = family or "phrasing"
    name, number = family, 1
    while name in forms:
        number += 1
        name = f"{family} {number}"
    forms[name] = text
