"""A dataset from Python values, through the same checks as a file's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .catalogue import ItemTable
from .clean import clean
from .dataset import Dataset
from .errors import DataError
from .readers.arrays import texts
from .readers.pieces import TextTable
from .report import ReadReport, Tally
from .scale import RatingScale
from .titles import normalise_title

_COLUMNS = ("user", "item", "rating", "time")


def from_rows(
    rows: Iterable[Sequence[Any]],
    *,
    titles: Mapping[str, str] | None = None,
    genres: Mapping[str, Sequence[str]] | None = None,
    scale: RatingScale | tuple[float, ...] | str | None = None,
    name: str = "rows",
) -> Dataset:
    """Ratings from (user, item, rating, time) or (user, item, rating); views from (user, item).

    `titles` and `genres` are by item id. Raises `DataError` for rows of different lengths, or where no row is usable.
    """
    listed = [tuple(row) for row in rows]
    widths = {len(row) for row in listed}
    if len(widths) != 1 or not widths <= {2, 3, 4}:
        raise DataError(f"rows of {sorted(widths) or 'no'} values", "give (user, item[, rating[, time]]), all alike")
    names = _COLUMNS[: widths.pop()]
    columns = {column: texts(str(row[place]) for row in listed) for place, column in enumerate(names)}
    table = TextTable(name, columns, np.arange(1, len(listed) + 1, dtype=np.int64), Tally(name))
    feedback = "rating" if "rating" in names else "view"
    cleaned = clean(table, {column: column for column in names}, feedback, RatingScale.of(scale))
    ids = cleaned.items
    catalogue = ItemTable(
        ids,
        tuple(normalise_title((titles or {}).get(item, "")) or item for item in ids),
        tuple(tuple((genres or {}).get(item, ())) for item in ids),
    )
    kept, reasons = len(cleaned.log), dict(table.tally.counts)
    report = ReadReport(name, "rows", len(listed), kept, reasons, {}, tuple(table.tally.problems), cleaned.notes)
    kind = "rating" if cleaned.scale else "view"
    return Dataset(cleaned.users, ids, catalogue, cleaned.log, kind, cleaned.scale, name, "", report)
