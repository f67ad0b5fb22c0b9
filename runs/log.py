"""`log.sqlite`: one connection to it, its schema, its transactions, its errors in our words."""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .errors import CorruptRun, DiskFull, NotARun, NotWritable, OtherVersion, RunError, RunInUse
from .jsonform import content_hash

LOG = "log.sqlite"
APPLICATION_ID = 0x52434C50
"""Marks the file as a RecLoop log ("RCLP") in its header."""
VERSION = 1
"""The schema's version (SQLite's `user_version`)."""
_READ_ONLY_DISK = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
CHUNK = 512
"""Rows read at a time by streaming readers: a reader never holds the file, or the rows, longer than that."""
KNOWN_TEXTS = 20_000
"""Ids of stored texts, and of short channel values, kept in memory, so that a repeated one costs no look-up."""
SHORT = 64
"""Bytes of a channel value that is short: a number, a flag, a user's id."""

SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE barriers(barrier INTEGER PRIMARY KEY, at REAL NOT NULL, events INTEGER NOT NULL, states INTEGER NOT NULL);
CREATE TABLE events(seq INTEGER PRIMARY KEY, barrier INTEGER NOT NULL, kind TEXT NOT NULL, agent TEXT NOT NULL,
    page INTEGER NOT NULL, node TEXT NOT NULL, data NOT NULL);
CREATE TABLE states(id INTEGER PRIMARY KEY, name TEXT NOT NULL, barrier INTEGER NOT NULL, data NOT NULL,
    UNIQUE(name, barrier));
CREATE TABLE texts(id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, body NOT NULL);
CREATE TABLE calls(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, page INTEGER NOT NULL,
    node TEXT NOT NULL, sample INTEGER NOT NULL, model TEXT NOT NULL, kind TEXT NOT NULL, request NOT NULL,
    status TEXT NOT NULL, response NOT NULL, error TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, cost REAL, latency REAL NOT NULL, attempts INTEGER NOT NULL, at REAL NOT NULL,
    barrier INTEGER NOT NULL);
CREATE TABLE blobs(id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE checkpoints(thread TEXT NOT NULL, ns TEXT NOT NULL, id TEXT NOT NULL, parent TEXT, barrier INTEGER NOT NULL,
    chained INTEGER NOT NULL, body BLOB NOT NULL, metadata BLOB NOT NULL, channels TEXT NOT NULL,
    PRIMARY KEY(thread, ns, id));
CREATE TABLE writes(thread TEXT NOT NULL, ns TEXT NOT NULL, checkpoint TEXT NOT NULL, task TEXT NOT NULL,
    idx INTEGER NOT NULL, channel TEXT NOT NULL, path TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY(thread, ns, checkpoint, task, idx)) WITHOUT ROWID;
"""
TABLES = frozenset(re.findall(r"CREATE TABLE (\w+)", SCHEMA))


class LogFile:
    """A connection to a run's log. One for writing per run; any number for reading, also while it is written.

    Calls may come from any thread (LangGraph saves from worker threads): a lock lets one through at a time, so
    `check_same_thread` is off. SQLite is called on the caller's thread; inside an event loop that takes the loop's time
    (tens of microseconds a call record, tens of milliseconds a barrier of 1,000 agents).
    """

    def __init__(self, folder: Path, *, write: bool) -> None:
        self.folder = folder
        self.path = folder / LOG
        self.writable = write
        self.lock = threading.RLock()
        self._texts: dict[bytes, int] = {}
        self._values: dict[bytes, int] = {}
        if write and self.path.is_symlink():
            raise RunError(
                f"{self.path} is a symbolic link; a run is not written through one",
                "put the file itself into the folder, or open the run for reading: Run.open(path)",
            )
        check_header(self.path)
        with self.translated():
            self.db = _connect(self.path, "rw" if write else "ro")
            try:
                # Once more through SQLite: its WAL may hold a newer header than the file.
                _check_marks(self.path, self._pragma("application_id"), self._pragma("user_version"))
                self._ready() if write else self._readable()
                there = {name for (name,) in self.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
                if missing := sorted(TABLES - there):
                    raise _corrupt(folder, f"it has no table {', '.join(missing)}")
            except BaseException:
                self.db.close()
                raise

    @staticmethod
    def create(folder: Path) -> None:
        """Make an empty log. Its header is in the file itself before anything else happens to it."""
        path = folder / LOG
        db = sqlite3.connect(path, isolation_level=None)
        try:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.executescript(f"BEGIN; {SCHEMA} COMMIT;")
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            raise _translate(error, folder) from None
        finally:
            db.close()

    def _pragma(self, name: str) -> int:
        try:
            return self.db.execute(f"PRAGMA {name}").fetchone()[0]
        except sqlite3.OperationalError as error:
            if _code(error) not in _READ_ONLY_DISK:
                raise
            return {"application_id": APPLICATION_ID, "user_version": VERSION}[name]  # as the file's own header says

    def _ready(self) -> None:
        # NORMAL: after a killed process nothing committed is missing; after a power cut the last commits may be, but
        # the file is whole.
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -16000"):
            self.db.execute(f"PRAGMA {setting}")
        found = self.db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise _corrupt(self.folder, found)

    def _readable(self) -> None:
        try:
            self.db.execute("SELECT count(*) FROM meta").fetchone()
        except sqlite3.OperationalError as error:
            if _code(error) not in _READ_ONLY_DISK:
                raise
            # A read-only disk cannot hold the index of a WAL; nobody can be writing there either.
            self.db.close()
            self.db = _connect(self.path, "ro&immutable=1")
            self.db.execute("SELECT count(*) FROM meta").fetchone()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """SQLite's errors as `RunError`s."""
        try:
            yield
        except sqlite3.Error as error:
            raise _translate(error, self.folder) from None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block's changes or none. Raises `NotWritable`, `DiskFull`, `CorruptRun`."""
        if not self.writable:
            raise NotWritable(
                f"the run {self.folder} is open for reading only", "open it with Run.open(path, write=True)"
            )
        with self.lock, self.translated():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                self._texts.clear()  # ids given out in this transaction are void
                self._values.clear()
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def rows(self, sql: str, args: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.lock:
            try:  # not by `translated`: this is called more often than anything else
                return self.db.execute(sql, args).fetchall()
            except sqlite3.Error as error:
                raise _translate(error, self.folder) from None

    def row(self, sql: str, args: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        """The first row of a query."""
        with self.lock:
            try:
                return self.db.execute(sql, args).fetchone()
            except sqlite3.Error as error:
                raise _translate(error, self.folder) from None

    def text_id(self, raw: bytes, body: Callable[[], str | bytes]) -> int:
        """The id of a text in the store of texts, put there if it is new (inside a transaction). `body` makes its stored form."""
        name = content_hash(raw)
        if (known := self._texts.get(name)) is not None:
            return known
        found = self.db.execute("SELECT id FROM texts WHERE hash = ?", (name,)).fetchone()
        if found:
            number = found[0]
        else:
            number = self.db.execute("INSERT INTO texts(hash, body) VALUES (?, ?)", (name, body())).lastrowid or 0
        if len(self._texts) >= KNOWN_TEXTS:
            self._texts.pop(next(iter(self._texts)))
        self._texts[name] = number
        return number

    def value_id(self, value: bytes, body: Callable[[bytes], bytes]) -> int:
        """The id of a channel's value in the store of values, put there if it is new (inside a transaction)."""
        if (known := self._values.get(value)) is not None:
            return known
        name = content_hash(value)
        found = self.db.execute("SELECT id FROM blobs WHERE hash = ?", (name,)).fetchone()
        insert = "INSERT INTO blobs(hash, body) VALUES (?, ?)"
        number = found[0] if found else self.db.execute(insert, (name, body(value))).lastrowid or 0
        if len(value) < SHORT:
            if len(self._values) >= KNOWN_TEXTS:
                self._values.pop(next(iter(self._values)))
            self._values[value] = number
        return number

    def close(self) -> None:
        """Close the connection; the last one to close folds the WAL into the file."""
        with self.lock:
            self.db.close()


def holds_nothing(folder: Path) -> bool:
    """Whether the folder's log, if there is one, was left before anything was committed to it. Changes nothing."""
    path = folder / LOG
    aside = {end: path.with_name(LOG + end) for end in ("-wal", "-journal")}
    size = {end: each.stat().st_size if each.exists() else 0 for end, each in aside.items()}
    if size["-wal"]:
        return False
    # A log is in WAL mode once it is made: a journal tells that the making of it was cut off.
    if size["-journal"] or not path.exists() or not path.stat().st_size:
        return True
    try:
        with closing(_connect(path, "ro&immutable=1")) as db:
            if db.execute("PRAGMA application_id").fetchone()[0] not in (0, APPLICATION_ID):
                return False
            there = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return set(there) <= TABLES and not any(db.execute(f"SELECT 1 FROM {name}").fetchone() for name in there)
    except sqlite3.Error:
        return False


def check_header(path: Path) -> None:
    """Look at the file's first bytes, without SQLite touching it. Raises `CorruptRun`, `OtherVersion`, `NotARun`."""
    try:
        with open(path, "rb") as file:
            head = file.read(100)
    except FileNotFoundError:
        raise CorruptRun(f"{path} is missing", "restore it from a copy; the manifest alone cannot be resumed") from None
    size = path.stat().st_size
    if len(head) < 100 or not head.startswith(b"SQLite format 3\0"):
        raise _corrupt(path.parent, f"{LOG} is no SQLite file")

    def field(at: int, length: int = 4) -> int:
        return int.from_bytes(head[at : at + length], "big")

    _check_marks(path, field(68), field(60))
    page = field(16, 2)
    expected = field(28) * (65536 if page == 1 else page)
    wal = path.with_name(f"{LOG}-wal")
    if size < expected and not (wal.exists() and wal.stat().st_size):
        raise _corrupt(path.parent, f"{LOG} is cut short: {size:,} of {expected:,} bytes")


def _check_marks(path: Path, application: int, version: int) -> None:
    if application != APPLICATION_ID:
        raise NotARun(f"{path} is an SQLite file of another program", "give the folder of a run")
    if version != VERSION:
        raise OtherVersion(
            f"{path} has log version {version}; this RecLoop reads version {VERSION}", "use the RecLoop that wrote it"
        )


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _translate(error: sqlite3.Error, folder: Path) -> RunError:
    code = _code(error)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and shutil.disk_usage(folder).free < 1 << 20):
        return DiskFull(
            f"no space left for {folder / LOG}",
            "free some (`recloop runs prune` drops what can be rebuilt), then resume the run: nothing committed is lost",
        )
    changed = str(error).startswith(("no such table", "no such column"))  # for SQLite a plain error, like a typo in SQL
    if changed or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _corrupt(folder, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return RunInUse(f"{folder / LOG} is held by another process", "wait for it, or close what reads the file")
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return NotWritable(f"the run {folder} is closed", "open it again with Run.open(path)")
    return RunError(f"{folder / LOG}: {error}", "check the folder's permissions and its disk")


def _corrupt(folder: Path, what: str) -> CorruptRun:
    return CorruptRun(
        f"{folder / LOG} is damaged: {what}",
        f"nothing was changed; restore a copy, or save what is readable: sqlite3 {folder / LOG} .recover",
    )
