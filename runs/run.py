"""`Run`: a run's folder, opened for reading or for writing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from .calls import Cassette
from .errors import BarrierOrder, DiskFull, NotARun, NotWritable, PrunedAway
from .folders import check_vacant, leftovers
from .jsonform import Packed, content_hash, damaged, dumps, loads, pack
from .kinds import volatile_of
from .lock import LOCK, RunLock
from .log import CHUNK, LogFile
from .manifest import Manifest, Status, disk_full, sync_folder
from .overlay import ForkOf
from .records import Event
from .redact import redact, scrub

if TYPE_CHECKING:
    import pyarrow

    from .saver import LogSaver

EventRow = tuple[str, str, int, str, Packed, int, int]
"""kind, agent, page, node, data, seq, barrier"""


class Run:
    """A run: what was asked (`manifest`), what models answered (`calls`), what happened (`events`, `states`).

    Made by `Run.create` or `Run.open`. One writer at a time; readers as many as like, also while it is written.
    A context manager: leaving it closes the run; an error that leaves through it marks a running run `failed`
    (`paused` where it was interrupted or cancelled, or the disk was full).
    """

    def __init__(self, path: Path, manifest: Manifest, log: LogFile, lock: RunLock | None) -> None:
        self.path = path
        self.manifest = manifest
        self.calls = Cassette(log)
        self.log = log
        self._lock = lock
        self._saver: LogSaver | None = None
        self._last_states: dict[str, bytes] = {}

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        kind: str,
        name: str = "",
        config: Mapping[str, Any] | None = None,
        seed: int = 0,
        hashes: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
    ) -> Self:
        """Make a run's folder and open it for writing.

        `config` is what was asked (JSON); credentials in it are not written down. `hashes` name the data and prompts.
        Raises `NotARun` where the folder holds something already, `NotWritable`, `RunInUse`, `DiskFull`.
        """
        path = Path(path)
        dumps(config or {}, "config")
        check_vacant(path)
        lock = None
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = RunLock(path)
            if (left := leftovers(path)) is None:  # another process was quicker
                raise NotARun(f"{path} was taken by another process", "give another folder for the new run")
            for each in left:
                if each.name != LOCK:
                    each.unlink()
            LogFile.create(path)
            manifest = Manifest.new(
                kind=kind,
                name=name or path.name,
                config=json.loads(dumps(config or {})),
                seed=seed,
                hashes=hashes or {},
                notes=notes,
                volatile=volatile_of(kind),
            )
            manifest.write(path)  # last: a folder with a manifest is a whole run
            sync_folder(path.parent)
            return cls(path, manifest, LogFile(path, write=True), lock)
        except BaseException as error:
            if lock:
                lock.release()
            if isinstance(error, OSError):
                raise disk_full(path, error) from None
            raise

    @classmethod
    def open(cls, path: str | Path, write: bool = False) -> Self:
        """Open a run's folder; for writing, one process at a time.

        Raises `NotARun`, `OtherVersion`, `CorruptRun`, `RunInUse`. Whatever is wrong, nothing is changed.
        """
        path = Path(path)
        manifest = Manifest.read(path)
        lock = RunLock(path) if write else None
        try:
            return cls(path, manifest, LogFile(path, write=write, fork=manifest.fork), lock)
        except BaseException:
            if lock:
                lock.release()
            raise

    @property
    def status(self) -> Status:
        """How the run stands: running, paused, finished, failed."""
        return self.manifest.status

    @property
    def kind(self) -> str:
        """The name of the run's kind."""
        return self.manifest.kind

    @property
    def writable(self) -> bool:
        """Whether this object may write the run."""
        return self._lock is not None

    @property
    def fork(self) -> ForkOf | None:
        """What this run is a fork of, if it is one."""
        point, layers = self.manifest.fork, self.log.layers
        return ForkOf(layers[1].folder, point.barrier, tuple(point.agents), len(layers) - 1) if point else None

    @property
    def barrier(self) -> int:
        """The last committed barrier, -1 before the first."""
        row = self.log.row("SELECT max(barrier) FROM barriers")
        return -1 if row is None or row[0] is None else row[0]

    def commit(self, barrier: int, events: Iterable[Event] = (), states: Mapping[str, Any] | None = None) -> None:
        """Write a barrier: its events in their order, new states by name, and the checkpoints that the saver holds.

        All in one transaction: after a crash the run stands before it or after it. Synchronous, usable inside an event
        loop. A state equal to its last one takes no space. Raises `BarrierOrder` unless `barrier` is after the last one,
        `NotJson`, `DiskFull` (nothing is written then, and the caller still has it all), `NotWritable`.
        """
        self._check_writable()
        event_rows = [event_row(event, barrier) for event in events]
        state_rows = [state_row(name, barrier, value) for name, value in (states or {}).items()]
        prints = {name: content_hash(data.encode() if isinstance(data, str) else data) for name, _, data in state_rows}
        new_states = [row for row in state_rows if self._last_states.get(row[0]) != prints[row[0]]]
        with self.log.transaction() as db:
            if barrier <= (last := self.barrier):
                raise BarrierOrder(
                    f"barrier {barrier} was to be committed after barrier {last}",
                    "commit barriers in rising order; a resumed run goes on at run.barrier + 1",
                )
            store(self.log, event_rows, new_states)
            if self._saver:
                self._saver.flush(db, barrier)
            db.execute(
                "INSERT INTO main.barriers VALUES (?, ?, ?, ?)",
                (barrier, time.time(), len(event_rows), len(new_states)),
            )
        self._last_states |= prints
        if self._saver:
            self._saver.settled()

    def events(
        self, kind: str | None = None, agent: str | None = None, since: int = -1, until_barrier: int | None = None
    ) -> Iterator[Event]:
        """Events in order, streamed; `since`: only those whose `seq` is greater (to follow a run that is being written)."""
        for row in self.event_rows(kind, agent, since, until_barrier):
            yield self.event_of(row)

    def event_rows(
        self, kind: str | None = None, agent: str | None = None, since: int = -1, until_barrier: int | None = None
    ) -> Iterator[EventRow]:
        """`events` as the log holds them, for `event_of`."""
        wanted = {"kind = ?": kind, "agent = ?": agent, "barrier <= ?": until_barrier}
        given = {test: value for test, value in wanted.items() if value is not None}
        sql = (
            "SELECT kind, agent, page, node, data, seq, barrier FROM events WHERE "
            + " AND ".join(["seq > ?", *given])
            + f" ORDER BY seq LIMIT {CHUNK}"
        )
        while rows := self.log.rows(sql, (since, *given.values())):
            yield from rows  # type: ignore[misc]
            since = rows[-1][5]

    def event_of(self, row: EventRow) -> Event:
        """The event of a row. Raises `CorruptRun`."""
        kind, agent, page, node, data, seq, barrier = row
        said = self._loads(data)
        if not isinstance(said, dict):
            raise damaged(self.log.path, f"the data of event {seq} is no object")
        return Event(kind, agent, page, node, said, seq, barrier)

    def state(self, name: str, barrier: int | None = None) -> Any:
        """The latest state of this name at or before a barrier (None: now); None where there is none."""
        row = self.log.row(
            "SELECT data FROM states WHERE name = ? AND barrier <= ? ORDER BY barrier DESC LIMIT 1",
            (name, self._readable(barrier)),
        )
        return self._loads(row[0]) if row else None

    def states(self, barrier: int | None = None) -> dict[str, Any]:
        """The latest state of every name at or before a barrier (None: now), by name."""
        return dict(self.iter_states(barrier))

    def iter_states(self, barrier: int | None = None) -> Iterator[tuple[str, Any]]:
        """`states`, streamed, in the order of names."""
        at, name = self._readable(barrier), ""
        # SQLite fills bare columns from the row that max() chose.
        sql = (
            "SELECT name, max(barrier), data FROM states WHERE name > ? AND barrier <= ? "
            f"GROUP BY name ORDER BY name LIMIT {CHUNK}"
        )
        if row := self.log.row("SELECT data FROM states WHERE name = '' AND barrier <= ? ORDER BY barrier DESC", (at,)):
            yield "", self._loads(row[0])
        while rows := self.log.rows(sql, (name, at)):
            yield from ((each, self._loads(data)) for each, _, data in rows)
            name = rows[-1][0]

    def saver(self, keep: Literal["last", "all"] = "last", allow: Sequence[type] = ()) -> LogSaver:
        """The run's LangGraph checkpointer (one per run; what it is given is written by `commit`).

        `keep`: of each thread the last checkpoint before a barrier, or all of them (to step and fork within a page).
        `allow`: your own classes that may come back out of graph state; without it plain values and messages only.
        """
        if self._saver is None:
            from .saver import LogSaver

            self._saver = LogSaver(self.log, keep, allow)
        self._saver.keep = keep
        return self._saver

    def digest(self) -> str:
        """SHA-256 of what the run says, in hex: equal for equal runs, whatever time, place, retries and money they took."""
        from .digest import digest

        return digest(self)

    def agent_digest(self, agent: str) -> str:
        """SHA-256, in hex, of what one agent did: its events and the last state of its graph."""
        from .digest import agent_digest

        return agent_digest(self, agent)

    def write_tables(self) -> list[Path]:
        """Write every registered table as `tables/<name>.parquet`; returns the paths. Raises `DiskFull`."""
        from .tables import write_tables

        return write_tables(self)

    def table(self, name: str) -> pyarrow.Table:
        """A registered table, from its file where that is up to date, else from the log."""
        from .tables import read_table

        return read_table(self, name)

    def set_status(self, status: Status, reason: str = "") -> None:
        """Say how the run stands, and why; written at once."""
        self._check_writable()
        self.manifest = self.manifest.model_copy(update={"status": status, "reason": scrub(reason)})
        self.manifest.write(self.path)

    def revise(self, config: Mapping[str, Any], note: str) -> None:
        """Change settings of a resumed run (more pages, a new budget): top-level keys of `config` are replaced, and why is noted."""
        self._check_writable()
        changes = redact(json.loads(dumps(config, "config")))
        self.manifest = self.manifest.model_copy(
            update={"config": self.manifest.config | changes, "notes": [*self.manifest.notes, scrub(note)]}
        )
        self.manifest.write(self.path)

    def note(self, text: str) -> None:
        """Add a line to the manifest's notes, unless it is there."""
        self._check_writable()
        if (line := scrub(text)) not in self.manifest.notes:
            self.manifest = self.manifest.model_copy(update={"notes": [*self.manifest.notes, line]})
            self.manifest.write(self.path)

    def close(self) -> None:
        """Close the log and let the next writer in. What was not committed is dropped, as after a crash."""
        self.log.close()
        if self._lock:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None and self.writable and self.status == "running":
                stopped = issubclass(kind, KeyboardInterrupt | SystemExit | asyncio.CancelledError | DiskFull)
                with suppress(DiskFull, OSError):  # what went wrong first is what the caller must hear of
                    # The type only: a message may quote a credential.
                    self.set_status("paused" if stopped else "failed", kind.__name__)
        finally:
            self.close()

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, kind={self.kind!r}, status={self.status!r})"

    def _loads(self, packed: Packed) -> Any:
        return loads(packed, self.log.path)

    def _readable(self, barrier: int | None) -> int:
        if barrier is None:
            return 1 << 62
        row = self.log.row("SELECT max(CAST(value AS INTEGER)) FROM meta WHERE key = 'pruned_below'")
        if row and row[0] is not None and barrier < row[0]:
            raise PrunedAway(
                f"states before barrier {row[0]} of {self.path} were pruned", f"ask for barrier {row[0]} or a later one"
            )
        return barrier

    def _check_writable(self) -> None:
        if self._lock is None:
            raise NotWritable(f"the run {self.path} is not open for writing", "open it with Run.open(path, write=True)")


def event_row(event: Event, barrier: int) -> tuple[int, str, str, int, str, Packed]:
    """An event as `store` takes it."""
    where = f"event {event.kind!r} of agent {event.agent or '-'}, page {event.page}: data"
    return barrier, event.kind, event.agent, event.page, event.node, pack(dumps(event.data, where))


def state_row(name: str, barrier: int, value: Any) -> tuple[str, int, Packed]:
    """A state as `store` takes it."""
    return name, barrier, pack(dumps(value, f"state {name!r}"))


def store(log: LogFile, events: Iterable[tuple[Any, ...]], states: Iterable[tuple[Any, ...]]) -> None:
    """Write events and states, inside a transaction."""
    # seq: the next integers of the events' primary key, in order, without gaps
    log.db.executemany(
        "INSERT INTO main.events(seq, barrier, kind, agent, page, node, data) "
        f"VALUES ((SELECT ifnull(max(seq), {log.first - 1}) + 1 FROM main.events), ?, ?, ?, ?, ?, ?)",
        events,
    )
    log.db.executemany("INSERT INTO main.states(name, barrier, data) VALUES (?, ?, ?)", states)
