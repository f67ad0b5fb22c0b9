"""Files of a search set as plain rows, whatever their format: CSV, TSV, Parquet or JSONL, packed or not, each row with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import DataError
from .readers.tables import PACKINGS, SUFFIXES, open_table
from .readers.text import open_text
from .report import Tally

JSON_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Rows:
    """One file: its columns, and for each row that could be taken apart its line and its fields (text, in the order of `header`)."""

    file: str
    header: tuple[str, ...]
    lines: list[int]
    fields: list[tuple[str, ...]]
    tally: Tally
    """Rows that could not be taken apart; readers add the rows they leave out."""
    notes: tuple[str, ...] = ()

    def take(self, roles: Mapping[str, str]) -> Iterator[tuple[int, dict[str, str]]]:
        """Line and role -> text of each row; a role without a column is not there."""
        places = {role: self.header.index(column) for role, column in roles.items()}
        for line, row in zip(self.lines, self.fields, strict=True):
            yield line, {role: row[place] for role, place in places.items()}


def is_rows_file(path: Path) -> bool:
    """Whether the name is that of a file that `read_rows` takes."""
    return path.is_file() and stem(path) != path.name.lower()


def stem(path: Path) -> str:
    """The file's name without format and packing, in lower case."""
    name = _unpacked(path)
    suffix = next((suffix for suffix in (*SUFFIXES, *JSON_LINES) if name.endswith(suffix)), None)
    return path.name.lower() if suffix is None else name.removesuffix(suffix)


def _unpacked(path: Path) -> str:
    name = path.name.lower()
    return next((name.removesuffix(packing) for packing in PACKINGS[1:] if name.endswith(packing)), name)


def read_rows(path: Path) -> Rows:
    """The rows of a file. Raises `DataError` for one that cannot be read or has no columns."""
    if _unpacked(path).endswith(JSON_LINES):
        return _json_lines(path)
    opened = open_table(path)
    table = opened.read(None)
    columns = [table.columns[name].to_pylist() for name in opened.header]
    fields = [tuple("" if value is None else value for value in row) for row in zip(*columns, strict=True)]
    return Rows(opened.file, opened.header, table.lines.tolist(), fields, table.tally, table.notes)


def _json_lines(path: Path) -> Rows:
    text = open_text(path)
    tally = Tally(path.name)
    header: dict[str, None] = {}
    lines, objects = [], []
    for line, raw in enumerate(text.data.split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            tally.add(line, "no JSON object", raw[:200].decode("utf-8", errors="replace"))
            continue
        header.update(dict.fromkeys(value))
        lines.append(line)
        objects.append(value)
    if not header:
        raise DataError(
            f"{path.name} has no JSON objects", 'give one object per line, such as {"id": "d1", "title": "..."}'
        )
    fields = [tuple(_text(value.get(name)) for name in header) for value in objects]
    return Rows(path.name, tuple(header), lines, fields, tally, text.notes)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
