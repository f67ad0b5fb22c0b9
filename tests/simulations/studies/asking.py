"""A study over the small ratings table, from plain code; and a model that knows the tastes planted in it."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
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


LIKED = re.compile(r"this person liked:\n((?:- Zif-\d{3}[^\n]*\n)+)")
ASKED = re.compile(r"like to watch Zif-(\d{3})[^\n]*\nAnswer:$")


def knows_tastes(prompt: str) -> float:
    """Says yes to a film that is of the kind (every fourth one, see `write_ratings`) of most films this person liked."""
    liked, asked = LIKED.search(prompt), ASKED.search(prompt)
    if liked is None or asked is None:
        return 0.0
    ((kind, _),) = Counter(int(number) % 4 for number in re.findall(r"Zif-(\d{3})", liked[1])).most_common(1)
    return 6.0 * (int(asked[1]) % 4 == kind)
