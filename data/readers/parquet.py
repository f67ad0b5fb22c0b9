"""One Parquet file to text columns."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError
from ..report import Tally
from .pieces import TextTable

if TYPE_CHECKING:
    import pyarrow as pa

_TIME_STEPS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def parquet_header(path: Path) -> tuple[str, ...]:
    """Column names, from the file's footer. Raises `DataError` for what is no Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return tuple(parquet.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet: {error}", "check or fetch the file again") from None


def read_parquet(path: Path, want: Collection[str] | None = None) -> TextTable:
    """The columns named in `want` (all by default) as text; lists are joined by "|", times become Unix seconds.

    `lines` are row numbers from 1. Columns of nested or binary kinds that have no text are left out and noted.
    """
    import pyarrow as pa
    from pyarrow import parquet

    names = [name for name in dict.fromkeys(parquet_header(path)) if want is None or name in want]
    columns: dict[str, pa.ChunkedArray] = {}
    notes: list[str] = []
    try:
        table = parquet.read_table(path, columns=names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet: {error}", "check or fetch the file again") from None
    for name in names:
        try:
            columns[name] = _as_text(table.column(name))
        except (pa.ArrowException, KeyError, ValueError) as error:
            if want is not None:
                raise DataError(
                    f"column {name!r} of {path.name} has no text form: {error}", "store it as text or numbers"
                ) from None
            notes.append(f"{path.name}: column {name!r} ({table.schema.field(name).type}) left out")
    lines = np.arange(1, table.num_rows + 1, dtype=np.int64)
    return TextTable(path.name, columns, lines, Tally(path.name), tuple(notes))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        text = pc.call_function("binary_join", [column.cast(pa.list_(pa.string())), "|"])
    elif pa.types.is_timestamp(kind):
        text = pc.call_function("divide", [column.cast(pa.int64()), _TIME_STEPS[kind.unit]]).cast(pa.string())
    elif pa.types.is_date(kind):
        text = pc.call_function("divide", [column.cast(pa.timestamp("ms")).cast(pa.int64()), 1000]).cast(pa.string())
    elif pa.types.is_boolean(kind):
        text = column.cast(pa.int8()).cast(pa.string())
    elif pa.types.is_floating(kind) and _whole(column):
        text = column.cast(pa.int64()).cast(pa.string())  # ids that a missing value turned into 17.0
    else:
        text = column.cast(pa.string())
    filled = pc.fill_null(text, "")
    return filled if isinstance(filled, pa.ChunkedArray) else pa.chunked_array([filled])


def _whole(column: pa.ChunkedArray) -> bool:
    numbers = column.drop_null().to_numpy().astype(np.float64)
    return bool(len(numbers)) and bool(
        np.all(np.isfinite(numbers) & (np.abs(numbers) < 2**53) & (numbers == np.floor(numbers)))
    )
