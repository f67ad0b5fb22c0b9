"""Which queries are to be rewritten: words of a command line, a file, a search set. Each text is asked for once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ...data.errors import DataError
from ...data.report import Tally
from ...llm.fence import plain
from .records import RewriteError

LONGEST_QUERY = 2000
"""Characters. Longer texts are documents, and no prompt would show them whole."""


class Asked(NamedTuple):
    """A query to be rewritten."""

    query_id: str
    query: str


@dataclass
class Queries:
    """What was found. `again`: ids whose text came before -> the id it came with (their rewrites are the same).
    `left_out`: lines for people, on rows that hold no query."""

    asked: list[Asked] = field(default_factory=list)
    again: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def queries_of_words(words: Iterable[str]) -> Queries:
    """Queries as they were typed; their ids are q1, q2, ... Raises `RewriteError` where none is left."""
    tally = Tally("the queries given")
    return _gathered(((n, f"q{n}", word) for n, word in enumerate(words, start=1)), tally, ids_are_ours=True)


def queries_of_file(path: str | Path, columns: Mapping[str, str] | str | None = None) -> Queries:
    """Queries of a CSV, TSV, JSONL or Parquet file (a column for the text, one for ids if there is any), or of a text file with
    one on each line. `columns` as in "query=search_term,query_id=id". Raises `DataError`, `RewriteError`."""
    from ...data.readers.columns import listed, match
    from ...data.search_columns import QUERY_ROLES, parse_search_columns
    from ...data.search_tables import is_rows_file, read_rows

    file = Path(path).expanduser()
    if not file.is_file():
        raise RewriteError(f"no file at {str(file)[:200]}\n  give a CSV, TSV, JSONL, Parquet or text file of queries")
    asked = parse_search_columns(columns)
    if not is_rows_file(file) or file.suffix.lower() == ".txt":
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise RewriteError(f"{file} is no text in UTF-8\n  save it as UTF-8, or give a table") from None
        rows = ((n, f"q{n}", line) for n, line in enumerate(lines, start=1))
        return _gathered(rows, Tally(file.name), ids_are_ours=True)
    if wrong := sorted(asked.keys() - QUERY_ROLES.keys()):
        raise DataError(f"queries have no column {wrong[0]!r}", f"their columns are {', '.join(QUERY_ROLES)}")
    table = read_rows(file)
    if missing := [name for name in asked.values() if name not in table.header and not name.isdigit()]:
        raise DataError(f"no column {missing[0]!r} in {table.file}", f"it has {listed(table.header)}")
    roles = match(table.header, QUERY_ROLES, asked, table.file)
    if "query" not in roles:
        raise DataError(
            f"no column for query in {table.file} (found: {listed(table.header)})", "name it: --columns query=COLUMN"
        )
    rows = ((line, row.get("query_id", "").strip() or f"q{line}", row["query"]) for line, row in table.take(roles))
    return _gathered(rows, table.tally, ids_are_ours="query_id" not in roles)


def queries_of_set(name: str, columns: Mapping[str, str] | str | None = None) -> Queries:
    """All queries of a search set (`data/search_load.py`); what reading the set left out is told first."""
    from ...data.search_load import load_search

    found = load_search(name, columns=columns)
    rows = ((n, query_id, text) for n, (query_id, text) in enumerate(found.queries.items(), start=1))
    asked = _gathered(rows, Tally(f"the queries of {found.name}"), ids_are_ours=False)
    if found.report is not None and found.report.skipped:
        asked.left_out[:0] = [f"{count:,} left out: {reason}" for reason, count in found.report.reasons.items()]
    return asked


def _gathered(rows: Iterable[tuple[int, str, str]], tally: Tally, *, ids_are_ours: bool) -> Queries:
    found = Queries()
    first: dict[str, str] = {}
    ids: set[str] = set()
    for line, query_id, raw in rows:
        text = " ".join(plain(raw, LONGEST_QUERY + 1).split())
        if not text:
            tally.add(line, "no query", raw)
        elif len(text) > LONGEST_QUERY:
            tally.add(line, f"longer than {LONGEST_QUERY:,} characters", raw)
        elif query_id in ids:
            tally.add(line, "repeated query id (the first is kept)", query_id)
        elif text in first:
            ids.add(query_id)
            if ids_are_ours:
                tally.add(line, "repeated query (the first is kept)", text)
            else:
                found.again[query_id] = first[text]
        else:
            ids.add(query_id)
            first[text] = query_id
            found.asked.append(Asked(query_id, text))
    found.left_out = _told(tally)
    if not found.asked:
        told = "; ".join(found.left_out) or f"{tally.file} is empty"
        raise RewriteError(f"there is no query to rewrite ({told})\n  give at least one, such as 'warm gloves'")
    return found


def _told(tally: Tally) -> list[str]:
    """One line per reason, with the first row that it was met in: the line of a file, or its number where there is no file."""
    lines = []
    for reason, count in tally.counts.items():
        where = next((problem for problem in tally.problems if problem.reason == reason), None)
        first = ""
        if where is not None:
            is_file = bool(Path(where.file).suffix)
            first = f", first {where.file}:{where.line}" if is_file else f", first number {where.line} of {where.file}"
        lines.append(f"{count:,} left out: {reason}{first}")
    return lines
