"""One delimited text file to columns: a vectorised pass for the lines that are in order, a careful one for the rest.

Lines are found first, so every row keeps its line number. Lines in order (quotes, if any, open and close fields inside
the line) go to the C parser of pyarrow at once; the others are looked at one by one. Time and memory are linear in the
file; the file is held in memory once, its chosen columns once more.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..report import KEPT, Tally
from .arrays import positions
from .pieces import TextTable
from .text import Text

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 1 << 25
_LONG_LINE = 1 << 16
_LONGEST_RECORD = 1000  # lines one quoted record may span (descriptions of products have come with 450)
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*")
_BROKEN_QUOTES = "quotes that do not open and close a field"


@dataclass(frozen=True)
class Dialect:
    """How a file is written: `delimiter` (one ASCII character), quotes or not, column names, and whether line 1 has them."""

    delimiter: str
    header: tuple[str, ...]
    has_header: bool = True
    quoted: bool = True


def _fields(line: str, delimiter: str, quoted: bool) -> list[str] | None:
    """The fields of one record, None where its quotes are broken."""
    if not quoted or '"' not in line:
        return line.split(delimiter)
    try:
        rows = list(csv.reader(line.splitlines(keepends=True), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _first_lines(text: Text, count: int) -> list[str]:
    head = text.data[:_LONG_LINE].split(b"\n", count)
    return [line.decode("utf-8", errors="replace") for line in head[:count] if line.strip()]


def sniff(text: Text) -> Dialect:
    """Delimiter and header from the first lines. Raises `DataError` for an empty file or one without columns.

    The delimiter is the one of comma, tab, semicolon, bar (and blank, if nothing else fits) that gives most lines the
    same number of fields; a first line with a number in it is no header, and its columns are called "1", "2", ...
    """
    lines = _first_lines(text, 30)
    if not lines:
        raise DataError(f"{text.file} is empty", "give a table with a header line and one interaction per line")
    if "\0" in lines[0]:
        raise DataError(
            f"{text.file} is no text: its first line holds zero bytes",
            "give a CSV, TSV or Parquet file; save UTF-16 text without a byte order mark as UTF-8",
        )
    best: tuple[float, int, str, list[str]] = (0.0, 0, "", [])
    for place, delimiter in enumerate(",\t;| "):
        rows = [_fields(line, delimiter, True) for line in lines]
        widths = Counter(len(row) for row in rows if row)
        first = rows[0] or []
        if len(first) < 2 or (delimiter == " " and best[1]):
            continue
        score = widths[len(first)] / len(lines) + min(len(first), 50) / 1000
        if score > best[0]:
            best = (score, -place - 1, delimiter, first)
    _, _, delimiter, first = best
    if not delimiter:
        raise DataError(
            f"{text.file} has one column only, or no known delimiter",
            "columns may be separated by comma, tab, semicolon or bar; a Parquet file ends in .parquet",
        )
    if any(_NUMBER.fullmatch(name) for name in first):
        return Dialect(delimiter, tuple(str(place) for place in range(1, len(first) + 1)), has_header=False)
    return Dialect(delimiter, unique_names(first))


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Column names stripped, blank ones called by their place, repeated ones numbered."""
    unique: dict[str, None] = {}
    for place, raw in enumerate(names, 1):
        stem = raw.strip() or f"column {place}"
        name = stem if stem not in unique else f"{stem} ({place})"
        while name in unique:
            name += "'"
        unique[name] = None
    return tuple(unique)


def read_delimited(text: Text, dialect: Dialect, want: Collection[str] | None = None) -> TextTable:
    """The columns named in `want` (all by default) as text. Rows with another number of fields than the header, or with
    broken quotes, are left out and tallied; empty lines are passed over."""
    import pyarrow as pa

    tally = Tally(text.file)
    starts, ends = _bounds(text.data)
    odd, careful = _quotes(text.data, starts, dialect) if dialect.quoted else (None, None)
    fast = ends > starts
    if dialect.has_header and fast.any():
        fast[int(np.argmax(fast))] = False
    slow = fast & (ends - starts > _LONG_LINE)
    if careful is not None:
        slow |= fast & careful
    records = _careful_records(text.data, starts, ends, slow, odd, fast, dialect, tally)
    fast &= ~slow
    names = [name for name in dialect.header if want is None or name in want]
    columns, numbers = _fast_columns(text.data, starts, ends, np.flatnonzero(fast), dialect, names, tally)
    if not records:
        return TextTable(text.file, columns, numbers, tally, text.notes)
    places = [dialect.header.index(name) for name in names]
    merged = {
        name: pa.chunked_array(
            [*columns[name].chunks, pa.array([row[place] for _, row in records], pa.string())], pa.string()
        )
        for name, place in zip(names, places, strict=True)
    }
    lines = np.concatenate([numbers, np.array([line for line, _ in records], dtype=np.int64)])
    order = positions(np.argsort(lines, kind="stable"))
    return TextTable(
        text.file, {name: column.take(order) for name, column in merged.items()}, np.sort(lines), tally, text.notes
    )


def _bounds(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and end (without the line feed) of every line."""
    view = np.frombuffer(data, dtype=np.uint8)
    found = [np.flatnonzero(view[at : at + _BLOCK] == 10) + at for at in range(0, len(view), _BLOCK)]
    ends = np.concatenate([*found, np.array([len(data)])]).astype(np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
    return starts, ends


def _quotes(
    data: bytes, starts: NDArray[np.int64], dialect: Dialect
) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
    """Masks over lines: an odd number of quotes; anything but fields that open and close inside the line.

    Counted from the line's start, an even quote must open a field (or follow a quote: an escaped one), an odd quote
    must close it. Lines that keep this need no state from one line to the next.
    """
    if b'"' not in data:
        return None, None
    view = np.frombuffer(data, dtype=np.uint8)
    at = np.concatenate([np.flatnonzero(view[lo : lo + _BLOCK] == 34) + lo for lo in range(0, len(view), _BLOCK)])
    line = np.searchsorted(starts, at, side="right") - 1
    counts = np.bincount(line, minlength=len(starts))
    place = np.arange(len(at)) - (np.cumsum(counts) - counts)[line]
    border = np.zeros(256, dtype=bool)
    border[[ord(dialect.delimiter), 10, 34]] = True
    before = (at == 0) | border[view[at - 1]]
    after = (at == len(view) - 1) | border[view[np.minimum(at + 1, len(view) - 1)]]
    wrong = np.where(place % 2 == 0, ~before, ~after)
    odd = counts % 2 == 1
    return odd, odd | (np.bincount(line, weights=wrong, minlength=len(starts)) > 0)


def _careful_records(
    data: bytes,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    slow: NDArray[np.bool_],
    odd: NDArray[np.bool_] | None,
    fast: NDArray[np.bool_],
    dialect: Dialect,
    tally: Tally,
) -> list[tuple[int, list[str]]]:
    """Take the `slow` lines apart one by one. A record may go on to the next line with an odd number of quotes; the
    lines it covers are taken out of `fast`."""
    width = len(dialect.header)
    records: list[tuple[int, list[str]]] = []
    past = -1
    for line in np.flatnonzero(slow).tolist():
        if line < past:
            continue
        stop = line + 1
        row = _fields(data[starts[line] : ends[line]].decode(), dialect.delimiter, dialect.quoted)
        if (row is None or len(row) != width) and odd is not None and odd[line]:
            later = np.flatnonzero(odd[line + 1 : line + _LONGEST_RECORD])
            if len(later):
                last = line + 1 + int(later[0])
                whole = _fields(data[starts[line] : ends[last]].decode(), dialect.delimiter, dialect.quoted)
                if whole is not None and len(whole) == width:
                    row, stop = whole, last + 1
        fast[line:stop] = False
        past = stop
        if row is not None and len(row) == width:
            records.append((line + 1, row))
        else:
            reason = _BROKEN_QUOTES if row is None else _width_reason(len(row), width)
            tally.add(
                line + 1, reason, data[starts[line] : min(ends[line], starts[line] + 400)].decode(errors="replace")
            )
    return records


def _width_reason(found: int, expected: int) -> str:
    return f"{found} fields where the header has {expected}"


def _fast_columns(
    data: bytes,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    chosen: NDArray[np.intp],
    dialect: Dialect,
    names: list[str],
    tally: Tally,
) -> tuple[dict[str, pa.ChunkedArray], NDArray[np.int64]]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    if not len(chosen):
        return {name: pa.chunked_array([], pa.string()) for name in names}, np.empty(0, dtype=np.int64)
    # Runs of neighbouring lines are handed over as they lie; one run, the usual case, is not copied.
    breaks = np.flatnonzero(np.diff(chosen) > 1)
    firsts = chosen[np.concatenate([[0], breaks + 1])].tolist()
    lasts = chosen[np.concatenate([breaks, [len(chosen) - 1]])].tolist()
    view = memoryview(data)
    runs = [view[starts[first] : ends[last]] for first, last in zip(firsts, lasts, strict=True)]
    buffer = pa.py_buffer(runs[0] if len(runs) == 1 else b"\n".join(runs))
    left_out: list[int] = []
    examples: dict[str, list[tuple[int, str]]] = {}
    counts: Counter[str] = Counter()

    def note(row: arrow_csv.InvalidRow) -> str:
        reason = _width_reason(row.actual_columns, row.expected_columns)
        left_out.append(row.number - 1)
        counts[reason] += 1
        if counts[reason] <= KEPT:
            examples.setdefault(reason, []).append((int(chosen[row.number - 1]) + 1, row.text))
        return "skip"

    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(buffer),
            # One thread: only then are the numbers of invalid rows known.
            arrow_csv.ReadOptions(column_names=list(dialect.header), use_threads=False, block_size=1 << 22),
            arrow_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char='"' if dialect.quoted else False,
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, include_columns=names
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{tally.file} cannot be taken apart: {error}", "check that it is a text table") from None
    for reason, count in counts.items():
        tally.note(reason, count, examples[reason])
    numbers = np.delete(chosen, left_out).astype(np.int64) + 1
    if len(numbers) != table.num_rows:
        raise DataError(
            f"{tally.file}: {len(numbers)} lines gave {table.num_rows} rows", "check its quotes and line ends"
        )
    return {name: table.column(name) for name in names}, numbers
