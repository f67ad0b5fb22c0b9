"""Rows of graph checkpoints in the log. Knows bytes only: what they mean is the saver's business.

A channel's value is stored once per content (`blobs`), so a state of which little changed costs little.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from .errors import CorruptRun
from .jsonform import damaged, deflate, dumps, loads
from .log import LogFile


@dataclass(slots=True)
class Write:
    """A write that waits on a checkpoint: `idx` below 0 marks LangGraph's special writes, which may be replaced."""

    task: str
    idx: int
    channel: str
    path: str
    body: bytes


@dataclass(slots=True)
class Row:
    """One checkpoint of a thread. `channels` are the serialised channel values; `chained` ones need their ancestors."""

    thread: str
    ns: str
    id: str
    parent: str | None
    body: bytes
    metadata: bytes
    channels: dict[str, bytes] = field(default_factory=dict)
    chained: bool = False


SQUEEZE_FROM = 512
"""Bytes from which squeezing pays: below, it takes as long as everything else about a value and saves a third of it."""


def squeeze(data: bytes) -> bytes:
    """Bytes in their stored form: a mark, then the bytes plain or by zlib."""
    if len(data) >= SQUEEZE_FROM and len(small := deflate(data)) < len(data):
        return b"z" + small
    return b"=" + data


def unsqueeze(data: bytes, file: Path) -> bytes:
    """The bytes of a stored form that was read from `file`. Raises `CorruptRun`."""
    if not isinstance(data, bytes) or data[:1] not in (b"z", b"="):
        raise damaged(file, "a checkpoint without its mark")
    try:
        return zlib.decompress(data[1:]) if data[:1] == b"z" else data[1:]
    except zlib.error as error:
        raise damaged(file, error) from None


def store(
    log: LogFile,
    db: sqlite3.Connection,
    barrier: int,
    rows: Iterable[Row],
    writes: Iterable[tuple[tuple[str, str, str], Write]],
) -> None:
    """Write checkpoints and waiting writes, as a part of the caller's transaction."""
    for row in rows:
        refs = dumps({name: log.value_id(value, squeeze) for name, value in row.channels.items()})
        place = (row.thread, row.ns, row.id, row.parent, barrier, row.chained)
        db.execute(
            "INSERT OR REPLACE INTO main.checkpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*place, squeeze(row.body), squeeze(row.metadata), refs),
        )
    for place, write in writes:
        # As in LangGraph's own savers: an ordinary write counts once, a special one may come again.
        how = "OR IGNORE" if write.idx >= 0 else "OR REPLACE"
        db.execute(
            f"INSERT {how} INTO main.writes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*place, write.task, write.idx, write.channel, write.path, squeeze(write.body)),
        )


def forget(log: LogFile, db: sqlite3.Connection, thread: str) -> None:
    """Delete a thread, as a part of the caller's transaction; a fork hides what its parent has of it."""
    db.execute("DELETE FROM main.checkpoints WHERE thread = ?", (thread,))
    db.execute("DELETE FROM main.writes WHERE thread = ?", (thread,))
    if log.first:
        db.execute("INSERT OR IGNORE INTO main.forgotten VALUES (?)", (thread,))


def find(log: LogFile, thread: str, ns: str, id: str | None) -> Row | None:
    """The checkpoint of this id, or the thread's newest."""
    where, args = ("id = ?", (thread, ns, id)) if id else ("1", (thread, ns))
    found = log.row(
        "SELECT thread, ns, id, parent, body, metadata, channels, chained FROM checkpoints "
        f"WHERE thread = ? AND ns = ? AND {where} ORDER BY id DESC LIMIT 1",
        args,
    )
    return _row(log, found) if found else None


def places(log: LogFile, thread: str | None, ns: str | None) -> list[tuple[str, str, str]]:
    """(thread, namespace, id) of every checkpoint of a thread (of all: None), newest first within a thread."""
    given = {"thread": thread, "ns": ns}
    wanted = {name: value for name, value in given.items() if value is not None}
    where = " AND ".join(["1", *(f"{name} = ?" for name in wanted)])
    sql = f"SELECT thread, ns, id FROM checkpoints WHERE {where} ORDER BY thread, id DESC"
    return [(t, n, i) for t, n, i in log.rows(sql, tuple(wanted.values()))]


def waiting(log: LogFile, thread: str, ns: str, id: str) -> list[Write]:
    """The writes that wait on a checkpoint."""
    sql = "SELECT task, idx, channel, path, body FROM writes WHERE thread = ? AND ns = ? AND checkpoint = ?"
    return [Write(t, i, c, p, unsqueeze(b, log.path)) for t, i, c, p, b in log.rows(sql, (thread, ns, id))]


def final_channels(
    log: LogFile, leave_out: frozenset[str], thread: str | None = None
) -> Iterator[tuple[str, dict[str, str]]]:
    """Thread by thread (or of one), SHA-256 of the channel values of its newest checkpoint.

    Left out: subgraphs (their names hold random ids), LangGraph's own channels, and those asked to be.
    """
    only = "" if thread is None else "AND thread = ? "
    sql = (
        f"SELECT thread, channels FROM checkpoints AS c WHERE ns = '' {only}AND id = (SELECT id FROM checkpoints "
        "WHERE thread = c.thread AND ns = '' ORDER BY id DESC LIMIT 1) ORDER BY thread"
    )

    @lru_cache(maxsize=20_000)  # small values are those of many threads
    def hashed(ref: int) -> str:
        return hashlib.sha256(_body(log, ref)).hexdigest()

    for each, channels in log.rows(sql, () if thread is None else (thread,)):
        refs = {
            n: r
            for n, r in refs_of(log, channels).items()
            if not n.startswith(("__", "branch:")) and n not in leave_out
        }
        yield each, {name: hashed(ref) for name, ref in sorted(refs.items())}


def _row(log: LogFile, found: tuple) -> Row:
    thread, ns, id, parent, body, metadata, channels, chained = found
    values = {name: _body(log, ref) for name, ref in refs_of(log, channels).items()}
    return Row(thread, ns, id, parent, unsqueeze(body, log.path), unsqueeze(metadata, log.path), values, bool(chained))


def refs_of(log: LogFile, channels: str) -> dict[str, int]:
    """Where the channel values of a checkpoint are: channel -> id of a blob. Raises `CorruptRun`."""
    refs = loads(channels, log.path)
    if not isinstance(refs, dict) or not all(isinstance(ref, int) for ref in refs.values()):
        raise damaged(log.path, "a checkpoint's channels")
    return refs


def _body(log: LogFile, ref: int) -> bytes:
    row = log.row("SELECT body FROM blobs WHERE id = ?", (ref,))
    if row is None:
        raise CorruptRun(f"{log.path} lacks channel value {ref}, which a checkpoint refers to", "restore a copy")
    return unsqueeze(row[0], log.path)
