"""Simulated rows for other tools, each with where it comes from: Parquet, CSV, or RecBole's atomic files."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from ...data import Dataset
from ..config import SimulateError
from .rows import SimulatedRow

Format = Literal["parquet", "csv", "recbole"]

PROVENANCE = ("simulated", "run", "page", "slot", "policy", "recommender", "propensity", "call")
"""Columns beside user, item, rating, timestamp: whether the row is simulated (1; 0: real), the rehearsal's folder, the page
and the recommender's slot it was shown in, the augmentation policy, the recommender and the propensity that showed it, and
the key of the recorded model call behind it (empty: code decided)."""
RECBOLE = {
    "user": "user_id:token",
    "item": "item_id:token",
    "rating": "rating:float",
    "timestamp": "timestamp:float",
    "simulated": "simulated:float",
    "run": "run:token",
    "page": "page:float",
    "slot": "slot:float",
    "policy": "policy:token",
    "recommender": "recommender:token",
    "propensity": "propensity:float",
    "call": "call:token",
}
NOTHING = "none"
"""An empty token in a RecBole file, which knows no empty ones."""


def export_rows(
    folder: Path,
    rows: Sequence[SimulatedRow],
    train: Dataset,
    *,
    run: str,
    policy: str,
    form: Format = "parquet",
    whole: bool = False,
) -> Path:
    """Write the rows into `folder` as `augmented.parquet`, `augmented.csv` or `augmented.inter`; returns the file.

    `whole`: real training rows before them, with `simulated` 0. A row without a rating of its own has the top of the scale,
    as in the study; data without ratings have no such column, data without times no timestamps. Times are later than all
    real ones, a second apart. The file is whole or not there. Raises `SimulateError` for a folder that cannot be made.
    """
    table = (_real(train) if whole else []) + _simulated(rows, train, run, policy)
    names = ["user", "item", *(["rating"] if train.scale else []), *(["timestamp"] if train.log.timed else [])]
    columns = [*names, *PROVENANCE]
    write, ending = FORMATS[form]
    path = folder.expanduser() / f"augmented{ending}"
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial, columns, table)
        os.replace(partial, path)
    except OSError as error:
        raise SimulateError(f"cannot write {path}: {error.strerror or error}\n  give another folder") from None
    return path


def _simulated(rows: Sequence[SimulatedRow], train: Dataset, run: str, policy: str) -> list[dict[str, Any]]:
    after = int(train.log.time.max()) + 1 if train.log.timed and len(train) else 0
    top = train.scale.high if train.scale else 1.0
    return [
        {
            "user": row.user,
            "item": row.item,
            "rating": float(top if row.rating is None else row.rating),
            "timestamp": after + n,
            "simulated": 1,
            "run": run,
            "page": row.page,
            "slot": row.slot,
            "policy": policy,
            "recommender": row.recommender,
            "propensity": float(row.propensity),
            "call": row.call,
        }
        for n, row in enumerate(rows)
    ]


def _real(train: Dataset) -> list[dict[str, Any]]:
    log, users, items = train.log, train.users.ids, train.items.ids
    nowhere = {"simulated": 0, "run": "", "page": -1, "slot": -1, "policy": "", "recommender": "", "call": ""}
    return [
        {"user": users[u], "item": items[i], "rating": value, "timestamp": time, "propensity": 1.0, **nowhere}
        for u, i, value, time in zip(
            log.user.tolist(), log.item.tolist(), log.value.tolist(), log.time.tolist(), strict=True
        )
    ]


def _parquet(path: Path, columns: Sequence[str], table: Sequence[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = {"timestamp", "simulated", "page", "slot"}
    kinds = {name: pa.int64() if name in whole else pa.string() for name in columns}
    kinds |= {name: pa.float64() for name in ("rating", "propensity") if name in kinds}
    arrays = {name: pa.array([row[name] for row in table], kinds[name]) for name in columns}
    pq.write_table(pa.table(arrays), path)


def _csv(path: Path, columns: Sequence[str], table: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(columns)
        lines.writerows([row[name] for name in columns] for row in table)


def _recbole(path: Path, columns: Sequence[str], table: Sequence[dict[str, Any]]) -> None:
    """Tab-separated, a type behind each column's name; a token cannot hold a tab or a line's end."""

    def token(value: Any) -> str:
        text = str(value)
        if any(mark in text for mark in "\t\r\n"):
            raise SimulateError(f"{text!r:.60} cannot stand in a RecBole file\n  export as parquet or csv")
        return text or NOTHING

    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("\t".join(RECBOLE[name] for name in columns) + "\n")
        file.writelines("\t".join(token(row[name]) for name in columns) + "\n" for row in table)


FORMATS: dict[Format, tuple[Callable[[Path, Sequence[str], Sequence[dict[str, Any]]], None], str]] = {
    "parquet": (_parquet, ".parquet"),
    "csv": (_csv, ".csv"),
    "recbole": (_recbole, ".inter"),
}
