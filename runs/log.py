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

from .errors import CorruptRun, DiskFull, NotARun, NotWritable, OtherVersion, PrunedAway, RunError, RunInUse
from .jsonform import content_hash
from .manifest import ForkPoint
from .overlay import OWN_SCHEMA, RANGE, Layer, layers_of, show

LOG = "log.sqlite"
APPLICATION_ID = 0x52434C50
"""Marks the file as a RecLoop log ("RCLP") in its header."""
VERSION = 1
"""The schema's version (SQLite's `user_version`)."""
FORK_VERSION = 2
"""That of a fork's log, which says little without the logs that it stands on."""
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
CREATE INDEX events_of ON events(agent);
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
OWN_TABLES = frozenset(re.findall(r"CREATE TABLE (\w+)", OWN_SCHEMA))


class LogFile:
    """A connection to a run's log. One for writing per run; any number for reading, also while it is written.

    Calls may come from any thread (LangGraph saves from worker threads): a lock lets one through at a time, so
    `check_same_thread` is off. SQLite is called on the caller's thread; inside an event loop that takes the loop's time
    (tens of microseconds a call record, tens of milliseconds a barrier of 1,000 agents).
    """

    def __init__(self, folder: Path, *, write: bool, fork: ForkPoint | None = None) -> None:
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
        self.layers = layers_of(folder, fork)
        """The run itself and, for a fork, what it stands on, the root last."""
        self.first = fork.range << RANGE if fork else 0
        """Ids begin above this one, event numbers at it."""
        with self.translated():
            self.db = _connect(self.path, "rw" if write else "ro")
            try:
                # Once more through SQLite: its WAL may hold a newer header than the file.
                version = self._pragma("user_version")
                _check_marks(self.path, self._pragma("application_id"), version)
                if version != _version(fork):
                    raise _corrupt(folder, "the log and the manifest do not agree whether this is a fork")
                self._ready() if write else self._readable()
                _check_tables(self.db, "main", folder, fork)
                if fork:
                    self._attach()
            except BaseException:
                self.db.close()
                raise

    @staticmethod
    def create(folder: Path, *, fork: bool = False) -> None:
        """Make an empty log. Its header is in the file itself before anything else happens to it.

        That of a fork is not on the disk for certain: it is made in a folder of no name, and synced before it gets its own.
        """
        path = folder / LOG
        db = sqlite3.connect(path, isolation_level=None)
        try:
            if fork:
                db.execute("PRAGMA synchronous = OFF")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {FORK_VERSION if fork else VERSION}")
            db.executescript(f"BEGIN; {SCHEMA} {OWN_SCHEMA if fork else ''} COMMIT;")
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
            return _field(self.path, {"application_id": 68, "user_version": 60}[name])  # as the file's own header says

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

    def _attach(self) -> None:
        """Put the logs that a fork stands on below its own, for reading only. Raises `CorruptRun`, `PrunedAway`."""
        for number, (layer, below) in enumerate(zip(self.layers[1:], self.layers, strict=False), 1):
            assert below.point is not None
            _attach(self.db, f"p{number}", layer)
            last, pruned = self.db.execute(
                f"SELECT (SELECT CAST(max(barrier) AS INTEGER) FROM p{number}.barriers), "
                f"(SELECT max(CAST(value AS INTEGER)) FROM p{number}.meta WHERE key = 'pruned_below')"
            ).fetchone()
            reach = max(-1 if last is None else int(last), layer.point.barrier if layer.point else -1)
            if reach < below.point.barrier:
                raise CorruptRun(
                    f"{below.folder} leaves {layer.folder} at barrier {below.point.barrier}, which that has not reached",
                    "put it back below the run that it was made from",
                )
            if pruned is not None and pruned > below.point.barrier:
                raise PrunedAway(
                    f"{layer.folder} was pruned up to barrier {pruned}, and the fork {below.folder} leaves it at {below.point.barrier}",
                    "restore a copy of the run that the fork stands on",
                )
        show(self.db, self.layers)

    def new_id(self, table: str) -> str:
        """SQL for the id of a new row of `texts`, `calls` or `blobs`."""
        return f"(SELECT ifnull(max(id), {self.first}) + 1 FROM main.{table})" if self.first else "NULL"

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
            insert = f"INSERT INTO main.texts(id, hash, body) VALUES ({self.new_id('texts')}, ?, ?)"
            number = self.db.execute(insert, (name, body())).lastrowid or 0
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
        insert = f"INSERT INTO main.blobs(id, hash, body) VALUES ({self.new_id('blobs')}, ?, ?)"
        number = found[0] if found else self.db.execute(insert, (name, body(value))).lastrowid or 0
        if len(value) < SHORT:
            if len(self._values) >= KNOWN_TEXTS:
                self._values.pop(next(iter(self._values)))
            self._values[value] = number
        return number

    def compact(self) -> None:
        """Give back to the disk what deleted rows took."""
        # By a connection of its own: VACUUM makes the indexes anew, and must not meet a fork's views.
        with self.lock, self.translated(), closing(_connect(self.path, "rw")) as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

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
    if version not in (VERSION, FORK_VERSION):
        raise OtherVersion(
            f"{path} has log version {version}; this RecLoop reads versions {VERSION} and {FORK_VERSION}",
            "use the RecLoop that wrote it",
        )


def _version(fork: ForkPoint | None) -> int:
    return FORK_VERSION if fork else VERSION


def _check_tables(db: sqlite3.Connection, schema: str, folder: Path, fork: ForkPoint | None) -> None:
    there = {name for (name,) in db.execute(f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table'")}
    if missing := sorted((TABLES | OWN_TABLES if fork else TABLES) - there):
        raise _corrupt(folder, f"it has no table {', '.join(missing)}")


def _attach(db: sqlite3.Connection, name: str, layer: Layer) -> None:
    path = layer.folder / LOG
    if path.is_symlink():
        raise RunError(
            f"{path} is a symbolic link; a fork stands on no such log", "put the file itself into the folder"
        )
    check_header(path)
    try:
        db.execute(f"ATTACH ? AS {name}", (_uri(path, "ro"),))
        db.execute(f"SELECT count(*) FROM {name}.meta").fetchone()
    except sqlite3.OperationalError as error:
        if _code(error) not in _READ_ONLY_DISK:
            raise _translate(error, layer.folder) from None
        # As for a run of its own: nobody can be writing on a read-only disk.
        if any(each[1] == name for each in db.execute("PRAGMA database_list")):
            db.execute(f"DETACH {name}")
        db.execute(f"ATTACH ? AS {name}", (_uri(path, "ro&immutable=1"),))
    except sqlite3.Error as error:
        raise _translate(error, layer.folder) from None
    if db.execute(f"PRAGMA {name}.user_version").fetchone()[0] != _version(layer.point):
        raise _corrupt(layer.folder, "the log and the manifest do not agree whether this is a fork")
    _check_tables(db, name, layer.folder, layer.point)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(_uri(path, mode), uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(str(path.absolute()))}?mode={mode}"


def _field(path: Path, at: int) -> int:
    """Four bytes of the file's header, as a number."""
    with open(path, "rb") as file:
        return int.from_bytes(file.read(100)[at : at + 4], "big")


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
