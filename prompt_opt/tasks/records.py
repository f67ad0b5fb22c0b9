"""Rows of a CSV, TSV, JSONL or Parquet file as plain mappings, each with its line number, and lists inside a cell."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...data import DataError
from ...data.readers.text import open_text

PACKINGS = (".gz", ".xz", ".bz2")
FORMATS = (".jsonl", ".csv", ".tsv", ".parquet")


class Row(NamedTuple):
    """One record; `where` is "file:line" (a row number, from 1, in a Parquet file), for messages."""

    where: str
    cells: Mapping[str, Any]

    def refuse(self, what: str, hint: str) -> DataError:
        """The error that names this row."""
        return DataError(f"{self.where}: {what}", hint)

    def text(self, column: str) -> str:
        """A cell as text; empty where there is none."""
        value = self.cells.get(column)
        return "" if value is None else str(value).strip()

    def many(self, column: str) -> list[str]:
        """A cell that holds a list: a JSON list, or texts between bars ("a | b"). Raises `DataError` for what is none."""
        value = self.cells.get(column)
        if isinstance(value, str) and value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except json.JSONDecodeError as problem:
                raise self.refuse(
                    f"column {column!r} begins like a JSON list and is none ({problem.msg})",
                    'write ["a", "b"], or a | b',
                ) from None
        if isinstance(value, str):
            value = [part.strip() for part in value.split("|")]
        if value is None:
            value = []
        if not isinstance(value, list) or any(isinstance(part, (dict, list)) or part is None for part in value):
            raise self.refuse(f"column {column!r} is no list of texts", 'write ["a", "b"], or a | b')
        return [text for part in value if (text := str(part).strip())]


def format_of(path: Path) -> str:
    """The ending that says how to read a file ("" for any other), its packing aside."""
    name = path.name.lower()
    for packing in PACKINGS:
        name = name.removesuffix(packing)
    return next((ending for ending in FORMATS if name.endswith(ending)), "")


def read_rows(path: Path, needed: Collection[str] = ()) -> Iterator[Row]:
    """The rows in order. Raises `DataError` for a broken row, and for a file without the columns that are `needed`."""
    kind = format_of(path)
    if kind == ".parquet":
        import pyarrow.parquet as parquet

        try:
            found = parquet.read_table(path)
        except (OSError, ValueError) as problem:
            raise DataError(f"{path.name} cannot be read: {problem}", "check the path") from None
        _require(path, found.column_names, needed)
        rows = (Row(f"{path.name}:{n}", cells) for n, cells in enumerate(found.to_pylist(), 1))
    elif kind in (".csv", ".tsv"):
        rows = _table(path, kind, needed)
    elif kind == ".jsonl":
        rows = _json_lines(path, needed)
    else:
        raise DataError(
            f"{path.name} is no file of rows", f"give one that ends in {', '.join(FORMATS)} (or packed as gz)"
        )
    yield from rows


def columns_of(path: Path) -> tuple[str, ...]:
    """Names of the columns: a table's header, else those of the first row; none for a file that cannot be read."""
    try:
        if (kind := format_of(path)) in (
            ".csv",
            ".tsv",
        ):  # its first row may be broken, which is told of it as what it is
            return tuple(_reader(path, kind)[0])
        return tuple(next(read_rows(path)).cells)
    except (DataError, StopIteration):
        return ()


def _reader(path: Path, kind: str) -> tuple[list[str], Any]:
    """A table's header, and the reader that stands behind it."""
    text = io.StringIO(open_text(path).data.decode("utf-8"), newline="")
    reader = csv.reader(text, delimiter="\t" if kind == ".tsv" else ",")
    return [name.strip() for name in next(reader, [])], reader


def _table(path: Path, kind: str, needed: Collection[str]) -> Iterator[Row]:
    header, reader = _reader(path, kind)
    _require(path, header, needed)
    for cells in reader:
        if not any(cells):
            continue
        row = Row(f"{path.name}:{reader.line_num}", dict(zip(header, cells, strict=False)))
        if len(cells) != len(header):
            raise row.refuse(f"{len(cells)} cells under {len(header)} columns", "quote cells that hold the separator")
        yield row


def _json_lines(path: Path, needed: Collection[str]) -> Iterator[Row]:
    for number, text in enumerate(open_text(path).data.decode("utf-8").split("\n"), 1):
        if not text.strip():
            continue
        row = Row(f"{path.name}:{number}", {})
        try:
            cells = json.loads(text)
        except json.JSONDecodeError as problem:
            raise row.refuse(f"no JSON ({problem.msg})", "write one JSON object a line") from None
        if not isinstance(cells, dict):
            raise row.refuse("no JSON object", "write one JSON object a line")
        missing = [name for name in needed if name not in cells]
        if missing:
            raise row.refuse(
                f"no {' and no '.join(map(repr, missing))} (found: {', '.join(cells)})",
                "name the columns: --task-option columns=session=…,candidates=…,target=…",
            )
        yield row._replace(cells=cells)


def _require(path: Path, header: Collection[str], needed: Collection[str]) -> None:
    missing = [name for name in needed if name not in header]
    if missing:
        raise DataError(
            f"{path.name} has no column {' and no '.join(map(repr, missing))} (found: {', '.join(header)})",
            "name the columns: --task-option columns=session=…,candidates=…,target=…",
        )
