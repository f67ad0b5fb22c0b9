"""One file with a table in it, whatever its format: a header first, chosen columns after it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from .delimited import read_delimited, sniff
from .parquet import parquet_header, read_parquet
from .pieces import TextTable
from .text import open_text, read_bytes, settle

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
PACKINGS = ("", ".gz", ".xz", ".bz2")


@dataclass(frozen=True)
class OpenTable:
    """A table whose header is known; `read(want)` gives the columns (all for None)."""

    file: str
    header: tuple[str, ...]
    read: Callable[[Collection[str] | None], TextTable]


def stem(path: Path) -> str:
    """The file's name without its format and packing, in lower case: "ratings" for "ratings.csv.gz"."""
    name = path.name.lower()
    for packing in PACKINGS[1:]:
        name = name.removesuffix(packing)
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def is_table(path: Path) -> bool:
    """Whether the name is that of a table file."""
    name = path.name.lower()
    return any(name.endswith(suffix + packing) for suffix in SUFFIXES for packing in PACKINGS) and path.is_file()


def open_table(path: Path) -> OpenTable:
    """Open a CSV, TSV or Parquet file (gz, xz, bz2). Raises `DataError`."""
    if path.suffix.lower() in (".parquet", ".pq") or read_bytes(path, 4) == b"PAR1":
        return OpenTable(path.name, parquet_header(path), lambda want: read_parquet(path, want))
    text = open_text(path)
    dialect = sniff(text)
    return OpenTable(path.name, dialect.header, lambda want: read_delimited(text, dialect, want))


def peek_header(path: Path) -> tuple[str, ...]:
    """Column names from the first 64 KB at most. Raises `DataError`."""
    if path.suffix.lower() in (".parquet", ".pq"):
        return parquet_header(path)
    return sniff(settle(read_bytes(path, 1 << 16), path.name)).header
