"""Query -> rewrites, made beforehand: at request time a rewrite costs one look into a dictionary, and no model."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from ...data.search import Documents
from ...runs.manifest import write_atomic
from ..search.errors import SearchError
from ..search.protocol import Retriever
from .keys import query_key
from .scoring import Scored, worth_it

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of one query.

    `texts`: its rewrites, best first. `rewards`: what each was worth, None where that is not known (any more). `model`: who
    wrote them; `index`: what they were scored on (`index_version`), "" where they were not.
    """

    query: str
    texts: tuple[str, ...]
    rewards: tuple[float | None, ...] = ()
    model: str = ""
    index: str = ""

    def __post_init__(self) -> None:
        rewards = self.rewards or (None,) * len(self.texts)
        if len(rewards) != len(self.texts):
            raise ValueError(f"{len(self.texts)} rewrites with {len(rewards)} rewards")
        object.__setattr__(self, "texts", tuple(self.texts))
        object.__setattr__(self, "rewards", tuple(rewards))


class RewriteTable:
    """Entries by the key of their query. Saved as JSONL or Parquet, by the file's ending, in one step."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            self.put(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def put(self, entry: Entry) -> None:
        """Keep an entry; one of the same query is replaced. Raises `ValueError` for a query of nothing but blanks."""
        key = query_key(entry.query)
        if not key:
            raise ValueError("a query of nothing but blanks cannot be kept")
        self._entries[key] = entry

    def look(self, query: str) -> Entry | None:
        """The entry of a query, in any case and spacing; None where there is none."""
        return self._entries.get(query_key(query))

    def on_index(self, index: str) -> RewriteTable:
        """The table for a refreshed index: texts stay, what was scored on another index is forgotten."""
        return RewriteTable(each if each.index == index else replace(each, rewards=(), index="") for each in self)

    def stale(self) -> list[str]:
        """Queries whose rewrites have no reward: to be scored (again)."""
        return [entry.query for entry in self if None in entry.rewards]

    def save(self, path: str | Path) -> None:
        """Replace the file in one step: a reader sees the old table or the new one."""
        file = Path(path)
        rows = [_Row.of(entry) for entry in self]
        if file.suffix not in (".jsonl", ".parquet"):
            raise SearchError(f"{file.name}: a table is a .jsonl or a .parquet file")
        try:
            lines = (orjson.dumps(row.model_dump()) + b"\n" for row in rows)
            data = _parquet(rows) if file.suffix == ".parquet" else b"".join(lines)
        except (TypeError, UnicodeEncodeError) as error:  # half of a surrogate pair, which no file in UTF-8 can hold
            raise SearchError(f"{file.name} cannot be written: {error}") from None
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, data)

    @classmethod
    def load(cls, path: str | Path) -> RewriteTable:
        """Read a saved table. Raises `SearchError` for what is none, with the line where it goes wrong."""
        file = Path(path)
        try:
            rows: Iterable[Any] = _read_parquet(file) if file.suffix == ".parquet" else _lines(file)
            table = cls()
            for number, row in enumerate(rows, 1):
                try:
                    read = _Row.model_validate_json(row) if isinstance(row, str) else _Row.model_validate(row)
                    table.put(read.entry())
                except (ValidationError, ValueError) as error:
                    why = error.errors(include_input=False)[0]["msg"] if isinstance(error, ValidationError) else error
                    raise SearchError(f"{file.name}, row {number}: {why}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise SearchError(f"{file} cannot be read: {error}") from None
        return table


class _Row(BaseModel):
    """One line of a saved table."""

    model_config = ConfigDict(extra="ignore")

    key: str = ""
    query: str
    texts: tuple[str, ...]
    rewards: tuple[float | None, ...] = ()
    model: str = ""
    index: str = ""
    format: int = FORMAT

    @classmethod
    def of(cls, entry: Entry) -> _Row:
        return cls(
            key=query_key(entry.query),
            query=entry.query,
            texts=entry.texts,
            rewards=entry.rewards,
            model=entry.model,
            index=entry.index,
        )

    def entry(self) -> Entry:
        if self.format != FORMAT:
            raise ValueError(f"a table of format {self.format}, and this version reads {FORMAT}")
        return Entry(self.query, self.texts, self.rewards, self.model, self.index)


def index_version(retriever: Retriever, documents: Documents) -> str:
    """Names a retriever over these documents: another setting or another text is another version."""
    digest = hashlib.sha256()
    for parts in zip(documents.ids, documents.titles, documents.texts, strict=True):
        digest.update(repr(parts).encode("utf-8", "surrogatepass"))
    return f"{retriever.policy_id}/{digest.hexdigest()[:12]}"


def table_of(scored: Iterable[Scored], *, model: str, index: str, n: int = 1) -> RewriteTable:
    """Of each query the best `n` of the rewrites that beat the query alone (best-of-n). Queries for which none does have an
    entry without rewrites, so that they are not written anew."""
    table = RewriteTable()
    for each in scored:
        if query_key(each.query):
            better = worth_it(each)[:n]
            rewards = tuple(score.reward for score in better)
            table.put(Entry(each.query, tuple(score.text for score in better), rewards, model, index))
    return table


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]


def _parquet(rows: Sequence[_Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = pa.schema(
        [
            ("key", pa.string()),
            ("query", pa.string()),
            ("texts", pa.list_(pa.string())),
            ("rewards", pa.list_(pa.float64())),
            ("model", pa.string()),
            ("index", pa.string()),
            ("format", pa.int64()),
        ]
    )
    written = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row.model_dump() for row in rows], fields), written)
    return written.getvalue()


def _read_parquet(file: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(io.BytesIO(file.read_bytes())).to_pylist()
    except pa.ArrowException as error:
        raise SearchError(f"{file.name} is no Parquet file: {error}") from None
