"""A study over the small ratings table, from plain code."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from recloop.runs import Run
from recloop.simulations.studies.carry import result_of, study
from rehearsing import write_ratings


def asked(name: str, folder: Path, out: str = "study", **values: Any) -> dict[str, Any]:
    """The result of a study with these settings; `rehearsal` is over `ratings.csv` unless it names other data."""
    data = folder / "ratings.csv"
    if not data.exists():
        write_ratings(data)
    rehearsal = {"data": str(data), "users": 20, "pages": 3} | values.pop("rehearsal", {})
    path = asyncio.run(study(name, {"rehearsal": rehearsal, **values}, out=folder / out, api_key="x"))
    with Run.open(path) as run:
        return dict(result_of(run) or {})


def cases(path: Path, table: str) -> list[dict[str, Any]]:
    """Per-case rows of a finished study."""
    with Run.open(path) as run:
        return [json.loads(each["row"]) for each in run.table("cases").to_pylist() if each["table"] == table]
