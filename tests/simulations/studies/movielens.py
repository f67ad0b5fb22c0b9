"""The MovieLens-1M slice as a table that any command reads: who watched what and when, with titles and genres."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from recloop.data import data_folder


def movielens_slice(to: Path) -> Path:
    """Write `to`/ratings.csv from the folder `movielens-1m-slice` of `RECLOOP_DATA`; the test is skipped where it is not."""
    folder = data_folder()
    if folder is None or not (folder / "movielens-1m-slice").is_dir():
        pytest.skip("RECLOOP_DATA has no movielens-1m-slice")

    def rows(name: str) -> Iterator[dict[str, str]]:
        with gzip.open(folder / "movielens-1m-slice" / f"{name}.csv.gz", "rt", encoding="utf-8") as lines:
            yield from csv.DictReader(lines)

    genres = {row["movie_id"]: row["genres"] for row in rows("movies")}
    films = {row["iid"]: [row["title"], genres.get(row["ml1m_movie_id"], "")] for row in rows("items")}
    path = to / "ratings.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["user", "item", "timestamp", "title", "genres"])
        for part in ("train", "valid", "test"):
            out.writerows([row["uid"], row["iid"], row["timestamp"], *films[row["iid"]]] for row in rows(part))
    return path
