"""What the door asks of a recorder of calls, and one that lives in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ..runs.records import CallRecord


class Cassette(Protocol):
    """Where settled calls are kept by key; `run.calls` is one.

    Failures (`timeout`, `transport`) are put too, so that a replay meets them again; whether `get` gives them back or
    leaves them to be tried again is the cassette's to say. One that also offers `all(agent=, page=)` lets a replay
    that diverges say what differs. `whole` False: the request may be left out, the key was made of it.
    """

    def get(self, key: str, whole: bool = True) -> CallRecord | None: ...
    def put(self, record: CallRecord) -> None: ...


class MemoryCassette:
    """A cassette without a run, for notebooks and prompt work. Failures are not given back: they are tried again."""

    def __init__(self) -> None:
        self.records: dict[str, CallRecord] = {}

    def __len__(self) -> int:
        return len(self.records)

    def get(self, key: str, whole: bool = True) -> CallRecord | None:
        record = self.records.get(key)
        return None if record is None or record.failed else record

    def put(self, record: CallRecord) -> None:
        self.records[record.key] = record

    def all(self, *, agent: str | None = None, page: int | None = None) -> Iterator[CallRecord]:
        for record in self.records.values():
            if agent in (None, record.agent) and page in (None, record.page):
                yield record
