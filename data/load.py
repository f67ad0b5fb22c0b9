"""From a name or a path to a `Dataset`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np

from .catalogue import ItemTable
from .clean import Cleaned, clean
from .dataset import FEEDBACKS, Dataset, Feedback
from .errors import DataError, near
from .interactions import Interactions, core_rows
from .items import item_table
from .readers import Layout, layouts
from .readers.columns import checked_mapping
from .readers.pieces import Pieces, Request
from .report import KEPT, REPEATED, ReadReport
from .scale import RatingScale
from .shelf import find_dataset
from .titles import excerpt

_KNOWN_COLUMNS = ("embedded", "movielens")
"""Layouts that leave no column to be named."""


def load_dataset(
    name_or_path: str | os.PathLike[str] = "movietweetings",
    *,
    columns: Mapping[str, str] | str | None = None,
    items: str | os.PathLike[str] | None = None,
    feedback: str | None = None,
    scale: RatingScale | tuple[float, ...] | str | None = None,
    strict: bool = False,
    core: int | None = None,
) -> Dataset:
    """Load a dataset by name (see `list_datasets`) or from a table, a MovieLens folder or a RecBole file.

    `columns` maps roles (user, item, rating, time, title, genres, year) to column names; `items` is an item table, else one
    is looked for beside the rows. `feedback` is "rating", "view", "click", "cart" or "buy"; by default "rating" where there
    is a rating column, else "view". `scale` is the rating scale, inferred and noted where not given. `core` is the
    k-core to keep (None: the dataset's default view, which is all rows except for the embedded one's 10-core; 0: all).

    Broken rows are left out, counted and shown in `report`; with `strict` they raise. Raises `DataError` only.
    """
    if feedback is not None and feedback not in FEEDBACKS:
        raise DataError(
            f"no feedback kind {feedback!r}", near(feedback, FEEDBACKS) or f"one of: {', '.join(FEEDBACKS)}"
        )
    if core is not None and core < 0:
        raise DataError(f"core={core}", "give 0 for all rows, or the least number of rows per user and item")
    asked_scale = RatingScale.of(scale)
    path = find_dataset(name_or_path)
    item_path = Path(items).expanduser() if items is not None else None
    if item_path is not None and not item_path.is_file():
        raise DataError(
            f"no item table at {excerpt(str(item_path), 200)}", "give the path of a CSV, TSV or Parquet file"
        )
    layout, mapping = _layout(path), checked_mapping(columns)
    if mapping and layout.NAME in _KNOWN_COLUMNS:
        raise DataError(f"the columns of {excerpt(str(name_or_path), 200)} are known", "leave columns (--columns) out")
    try:
        pieces = layout.read(path, Request(mapping, item_path, feedback))
        return _assemble(pieces, layout.NAME, path, feedback, asked_scale, strict, core)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}", "check the path and its permissions") from None


def _layout(path: Path) -> Layout:
    found = next((layout for layout in layouts() if layout.claims(path)), None)
    return found if found is not None else layouts()[-1]  # the table reader says best what is missing


def _assemble(
    pieces: Pieces,
    reader: str,
    path: Path,
    feedback: str | None,
    scale: RatingScale | None,
    strict: bool,
    core: int | None,
) -> Dataset:
    feedback = feedback or ("rating" if "rating" in pieces.roles else "view")
    if feedback == "rating" and "rating" not in pieces.roles:
        raise DataError(
            f"{pieces.rows.file} has no rating column", "map one with rating=COLUMN, or name another feedback"
        )
    read = len(pieces.rows) + pieces.rows.tally.counts.total()
    cleaned = clean(pieces.rows, pieces.roles, feedback, scale or pieces.scale)
    if cleaned.scale is None and feedback == "rating":
        feedback = "view"
    k = pieces.core if core is None else core
    whole = len(cleaned.log)
    notes = [*pieces.rows.notes, *pieces.notes, *cleaned.notes]
    cleaned = _core(cleaned, k, path.name) if k > 1 else cleaned
    if k > 1:
        notes.append(f"{k}-core: {len(cleaned.log):,} of {whole:,} interactions")
    table, item_tally = None, None
    if pieces.item_table is not None:
        table = pieces.item_table()
        own = table is pieces.rows
        roles = {**pieces.item_roles, "user": pieces.roles["user"]} if own else pieces.item_roles
        catalogue, item_notes = item_table(cleaned.items, table, roles, pieces.genre_separator)
        notes += [*(() if own else table.notes), *item_notes]
        item_tally = None if own else table.tally
    else:
        catalogue = ItemTable.bare(cleaned.items)
        notes.append("no item table: items are called by their id")
    problems = pieces.rows.tally.problems + (item_tally.problems if item_tally else [])
    reasons, item_reasons = dict(pieces.rows.tally.counts), dict(item_tally.counts) if item_tally else {}
    report = ReadReport(str(path), reader, read, whole, reasons, item_reasons, tuple(problems[:KEPT]), tuple(notes))
    if strict:
        _refuse(report, feedback)
    name = pieces.name or path.name.split(".")[0]
    scale = cleaned.scale if feedback == "rating" else None
    return Dataset(
        cleaned.users,
        cleaned.items,
        catalogue,
        cleaned.log,
        cast(Feedback, feedback),
        scale,
        name,
        pieces.licence,
        report,
    )


def _core(cleaned: Cleaned, k: int, name: str) -> Cleaned:
    """The k-core before the item table is made, so that only the titles that stay are worked on."""
    log = cleaned.log.take(core_rows(cleaned.log.user, cleaned.log.item, k))
    if not len(log):
        raise DataError(f"the {k}-core of {name} is empty", "ask for a smaller core, or core=0 for all rows")
    users, user = np.unique(log.user, return_inverse=True)
    items, item = np.unique(log.item, return_inverse=True)
    smaller = Interactions(user.astype(np.int32), item.astype(np.int32), log.value, log.time, log.timed)
    return Cleaned(cleaned.users.take(users), cleaned.items.take(items), smaller, cleaned.scale, cleaned.notes)


def _refuse(report: ReadReport, feedback: str) -> None:
    # To see or click something twice is no fault in the data; to rate it twice is.
    faults = {reason: count for reason, count in report.reasons.items() if feedback == "rating" or reason != REPEATED}
    count = sum(faults.values()) + sum(report.item_reasons.values())
    if not count:
        return
    shown = [
        str(problem) for problem in report.problems if problem.reason in faults or problem.reason in report.item_reasons
    ]
    more = [f"and {count - len(shown):,} more"] if count > len(shown) else []
    hint = "\n".join([*shown, *more, "mend the file, or leave strict off to skip and count these rows"])
    raise DataError(f"strict reading refused {report.source}: {count:,} bad rows", hint)
