"""The user's own recommender as a file of precomputed lists: one row per user and item, with a score or a rank."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from ...evaluators.ranking import FloatArray, ItemId, Ranking, UserId
from .errors import RecommenderError, UnknownRecommender
from .own import OwnRecommender
from .past import Past
from .policy import policy_id
from .top_k import top_k

if TYPE_CHECKING:
    from ...data import Dataset

ALIASES = {
    "user": ("user", "user_id", "userid", "uid"),
    "item": ("item", "item_id", "itemid", "iid", "movie_id", "movieid", "product_id"),
    "score": ("score", "prediction", "rating", "relevance"),
    "rank": ("rank", "position", "place"),
}
"""Column names understood without being told, whatever their case."""


class TopKFileConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str | None = None
    """Column of user ids. None: found by its name, as are the others."""
    item: str | None = None
    """Column of item ids."""
    score: str | None = None
    """Column of scores, higher is better."""
    rank: str | None = None
    """Column of ranks, lower is better; used where there is no score. With neither, the file's order counts."""


class Row(NamedTuple):
    user: UserId
    item: ItemId
    worth: float


class TopKFile(OwnRecommender):
    """Precomputed lists. What a list holds of the excluded is passed over; when it runs out, rankings get shorter.

    Users without a list are ranked by popularity: `Ranking.fallback` is set and `problems["cold_user"]` counted. The file
    is read by `fit`, which counts items that are not in the catalogue and duplicates. Raises `RecommenderError` naming the
    line for a broken row, and where no row fits the catalogue.
    """

    lists: dict[UserId, list[tuple[ItemId, float]]]
    """Each user's items with scores, best first. A rank r is kept as the score 1 / r where r >= 1, else 2 - r."""

    def __init__(self, path: str | Path, config: TopKFileConfig | None = None) -> None:
        self.path, self.config = Path(path).expanduser(), config or TopKFileConfig()
        if not self.path.is_file():
            raise UnknownRecommender(f"no file {self.path} (looked from {Path.cwd()})\n  check the path")
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        super().__init__(self.path.name, policy_id(self.path.name, {**self.config.model_dump(), "file": digest}))
        self.lists = {}

    def _fit(self, data: Dataset, past: Past) -> None:
        lists: dict[UserId, dict[ItemId, float]] = {}
        for line, row in read_rows(self.path, self.config):
            if row.item not in past:
                self.problems.note("unknown_item", f"item {row.item!r} in line {line}")
                continue
            mine = lists.setdefault(row.user, {})
            if row.item in mine:
                self.problems.note("duplicate", f"user {row.user!r}, item {row.item!r} in line {line}")
                continue
            mine[row.item] = row.worth
        if not lists:
            raise RecommenderError(
                f"{self.path}: no row names an item of the catalogue\n  do the ids match the data set's?"
            )
        self.lists = {user: sorted(mine.items(), key=lambda pair: -pair[1]) for user, mine in lists.items()}

    def _ask(self, user: UserId, history: tuple[ItemId, ...], k: int, exclude: tuple[ItemId, ...]) -> Any:
        left_out = set(exclude)
        return [pair for pair in self.lists[user] if pair[0] not in left_out]

    def scores(self, user: UserId, items: Sequence[ItemId]) -> FloatArray:
        if user in self.lists:
            return super().scores(user, items)
        return self._popularity(user)[self.past.columns(items)]

    def _popularity(self, user: UserId) -> FloatArray:
        self.problems.note("cold_user", f"user {user!r} is not in {self.path.name}")
        return self.past.popularity.copy()

    def top(self, user: UserId, k: int, exclude: Collection[ItemId] = ()) -> Ranking:
        if user in self.lists:
            return super().top(user, k, exclude)
        scores = self._popularity(user)
        scores[self.past.known_columns(exclude)] = -np.inf
        best = top_k(scores[None, :], k)
        return Ranking(tuple(self.past.items[c] for c in best.column), best.score, fallback=True)


def read_rows(path: Path, config: TopKFileConfig) -> Iterator[tuple[int, Row]]:
    """(line or row number, row) of the file, ids as text."""
    ending = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    records = {"csv": _delimited, "tsv": _delimited, "jsonl": _jsonl, "parquet": _parquet}[ending](path)
    columns: dict[str, str] | None = None
    order = 0.0
    for line, record in records:
        if columns is None:
            columns = _columns(list(record), config, path)
        try:
            user, item = record[columns["user"]], record[columns["item"]]
            if user in (None, "") or item in (None, ""):
                raise ValueError("no user or no item")
            if "score" in columns:
                worth = float(record[columns["score"]])
            elif "rank" in columns:
                rank = float(record[columns["rank"]])
                worth = 1.0 / rank if rank >= 1 else 2.0 - rank
            else:
                order += 1.0
                worth = 1.0 / order
            if not math.isfinite(worth):
                raise ValueError("a score or rank that is no finite number")
        except (KeyError, TypeError, ValueError) as error:
            raise RecommenderError(f"{path}, line {line}: {error}\n  mend or remove the row: {record!r:.120}") from None
        yield line, Row(str(user), str(item), worth)
    if columns is None:
        raise RecommenderError(f"{path} has no rows\n  give one per user and item: user,item,score")


def _columns(found: list[str], config: TopKFileConfig, path: Path) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for role, aliases in ALIASES.items():
        told = getattr(config, role)
        named = [told] if told else [name for name in found if name and name.strip().lower() in aliases]
        if told and told not in found:
            raise RecommenderError(
                f"no column {told!r} in {path} (found: {', '.join(found)})\n  name one of the columns found"
            )
        if named:
            chosen[role] = named[0]
    for role in ("user", "item"):
        if role not in chosen:
            raise RecommenderError(
                f"no column for {role}s in {path} (found: {', '.join(map(str, found))})\n"
                f"  name it {' or '.join(ALIASES[role][:2])}, or say which it is: --recommender-config {role}=COLUMN"
            )
    return chosen


def _open_text(path: Path):
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _delimited(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    tab = path.name.lower().removesuffix(".gz").endswith(".tsv")
    with _open_text(path) as lines:
        reader = csv.DictReader(lines, delimiter="\t" if tab else ",")
        for record in reader:
            yield reader.line_num, record


def _jsonl(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with _open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise RecommenderError(
                    f"{path}, line {number}: not JSON ({error.msg})\n  write one JSON object a line"
                ) from None
            if not isinstance(record, dict):
                raise RecommenderError(f"{path}, line {number}: not an object, but {record!r:.60}")
            yield number, record


def _parquet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches():
                for record in batch.to_pylist():
                    number += 1
                    yield number, record
    except pa.ArrowInvalid as error:
        raise RecommenderError(f"{path} is not a Parquet file: {error}\n  fetch or write it again") from None
