"""`LogSaver`: LangGraph's checkpoints, in the run's own log and in its transactions.

Imported only when a run is asked for its saver, for LangGraph takes seconds to import.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    empty_checkpoint,
    get_checkpoint_id,
    get_checkpoint_metadata,
    writes_sort_key,
)
from langgraph.checkpoint.serde.event_hooks import SerdeEvent, register_serde_event_listener
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from . import checkpoints
from .checkpoints import Row, Write
from .errors import RunError
from .jsonform import damaged
from .redact import redact

if TYPE_CHECKING:
    import sqlite3

    from .log import LogFile

Place = tuple[str, str, str]
Keep = Literal["last", "all"]

_blocked = threading.local()


def _note_blocked(event: SerdeEvent) -> None:
    if event["kind"].endswith("_blocked") and (met := getattr(_blocked, "types", None)) is not None:
        met.append(f"{event['module']}.{event['name']}")


register_serde_event_listener(_note_blocked)


class Buffer:
    """What has been saved since the last commit. Shared by a saver and its clones; changed in place only."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.rows: dict[tuple[str, str], dict[str, Row]] = {}
        """Thread and namespace -> id -> checkpoint."""
        self.writes: dict[Place, dict[tuple[str, int], Write]] = {}
        self.deleted: set[str] = set()

    def clear(self) -> None:
        """Forget everything (it has been committed)."""
        self.rows.clear()
        self.writes.clear()
        self.deleted.clear()


class LogSaver(BaseCheckpointSaver[int]):
    """A LangGraph checkpointer that keeps what it is given in memory until `Run.commit` writes it with everything else.

    So a graph's state and the run's events cannot disagree: after a crash both stand at the last barrier. Reads see
    what is not committed yet. Of each thread, the last checkpoint before a barrier is kept (`keep="all"`: every one);
    those of older barriers stay for forks until pruned. Works on any thread and in any event loop; nothing it does waits.

    Values are stored by msgpack, never pickle, and only plain types come back as they were: name your own classes in
    `allow`. Raises `RunError` on reading a value of a class that is not allowed, since a run folder may come from anyone.
    """

    def __init__(self, log: LogFile, keep: Keep = "last", allow: Sequence[type] = ()) -> None:
        super().__init__(serde=JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=list(allow) or None))
        self._log = log
        self._buffer = Buffer()
        self._kept_last: dict[str, str] = {}
        self.keep: Keep = keep

    # What LangGraph calls

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint until the next commit; its values are serialised now, so later changes do not show."""
        thread, ns, parent = _place(config)
        body = cast("dict[str, Any]", checkpoint.copy())
        values: dict[str, Any] = body.pop("channel_values")
        with self._buffer.lock:
            before = self._find(thread, ns, parent) if parent else None
            seen = self._body(before)["channel_versions"] if before else {}
            channels: dict[str, bytes] = {}
            for name, value in values.items():
                version = checkpoint["channel_versions"].get(name)
                unchanged = before and version is not None and seen.get(name) == version and name in before.channels
                channels[name] = before.channels[name] if before and unchanged else self._dump(value)
            meta = redact(cast("dict[str, Any]", get_checkpoint_metadata(config, metadata)))
            chained = bool(meta.get("counters_since_delta_snapshot"))
            id = checkpoint["id"]
            row = Row(thread, ns, id, parent, self._dump(body), self._dump(meta), channels, chained)
            self._buffer.rows.setdefault((thread, ns), {})[id] = row
        return _config(thread, ns, id)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep the writes of a task on a checkpoint until the next commit."""
        thread, ns, id = _place(config)
        assert id is not None
        with self._buffer.lock:
            here = self._buffer.writes.setdefault((thread, ns, id), {})
            for i, (channel, value) in enumerate(writes):
                idx = WRITES_IDX_MAP.get(channel, i)
                if idx < 0 or (task_id, idx) not in here:
                    here[(task_id, idx)] = Write(task_id, idx, channel, task_path, self._dump(value))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint the config names, or its thread's newest."""
        thread, ns, id = _place(config)
        with self._buffer.lock:
            row = self._find(thread, ns, id)
            return self._tuple(row) if row else None

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, newest first within a thread; `filter` by metadata, `before` another checkpoint."""
        thread, ns, only = None, None, None
        if config:
            where = config.get("configurable", {})
            thread, ns, only = where["thread_id"], where.get("checkpoint_ns"), where.get("checkpoint_id")
        end = get_checkpoint_id(before) if before else None
        found = 0
        for place in self._places(thread, ns):
            if (only and place[2] != only) or (end and place[2] >= end):
                continue
            if limit is not None and found >= limit:
                return
            with self._buffer.lock:
                row = self._find(*place)
                if row is None:
                    continue
                each = self._tuple(row)
            if filter and any(each.metadata.get(name) != value for name, value in filter.items()):
                continue
            found += 1
            yield each

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread: at once for readers of this saver, in the log with the next commit."""
        with self._buffer.lock:
            for here in [here for here in self._buffer.rows if here[0] == thread_id]:
                del self._buffer.rows[here]
            for place in [place for place in self._buffer.writes if place[0] == thread_id]:
                del self._buffer.writes[place]
            self._buffer.deleted.add(thread_id)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """`put`, for async graphs (nothing in it waits)."""
        return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """`put_writes`, for async graphs."""
        self.put_writes(config, writes, task_id, task_path)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """`get_tuple`, for async graphs."""
        return self.get_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """`list`, for async graphs."""
        for each in self.list(config, filter=filter, before=before, limit=limit):
            yield each

    async def adelete_thread(self, thread_id: str) -> None:
        """`delete_thread`, for async graphs."""
        self.delete_thread(thread_id)

    # For graphs whose steps were run without the graph

    def keep_state(self, thread: str, values: Mapping[str, Any], step: int) -> None:
        """Keep `values` as the newest state of a thread, as if its graph had just ended with them.

        For replays, which run a graph's own steps without the graph around them; the graph itself goes on from here.
        """
        checkpoint = cast("dict[str, Any]", empty_checkpoint())
        del checkpoint["channel_values"]
        checkpoint["channel_versions"] = dict.fromkeys(values, step + 1)
        channels = {name: self._dump(value) for name, value in values.items()}
        metadata = {"source": "loop", "step": step, "parents": {}}
        id = checkpoint["id"]
        with self._buffer.lock:
            row = Row(
                thread, "", id, self._kept_last.get(thread), self._dump(checkpoint), self._dump(metadata), channels
            )
            self._buffer.rows.setdefault((thread, ""), {})[id] = row
            self._kept_last[thread] = id

    # What the run calls

    def flush(self, db: sqlite3.Connection, barrier: int) -> None:
        """Write what is kept, as a part of the run's transaction. `settled` follows once that has succeeded."""
        with self._buffer.lock:
            for thread in sorted(self._buffer.deleted):
                checkpoints.forget(self._log, db, thread)
            rows = self._kept()
            ids = {(row.thread, row.ns, row.id) for row in rows}
            writes = [
                (place, write)
                for place, writes in self._buffer.writes.items()
                if place in ids or place[2] not in self._buffer.rows.get(place[:2], ())
                for write in writes.values()
            ]
            checkpoints.store(self._log, db, barrier, rows, writes)

    def settled(self) -> None:
        """The commit has succeeded: nothing is waiting any more."""
        with self._buffer.lock:
            self._buffer.clear()

    def discard(self) -> None:
        """Forget what has been saved since the last commit, as after a crash."""
        self.settled()

    def _kept(self) -> list[Row]:
        """Of each thread and namespace the last buffered checkpoint, hung onto the nearest ancestor that is kept."""
        kept: list[Row] = []
        for here in self._buffer.rows.values():
            if self.keep == "all" or any(row.chained for row in here.values()):
                kept += here.values()
                continue
            last = here[max(here)]
            parent = last.parent
            while parent and (above := here.get(parent)):
                parent = above.parent
            kept.append(replace(last, parent=parent))
        return kept

    # Reading: the buffer first, then the log

    def _find(self, thread: str, ns: str, id: str | None) -> Row | None:
        here = self._buffer.rows.get((thread, ns), {})
        if id:
            return here.get(id) or self._stored(thread, ns, id)
        newest = here[max(here)] if here else None
        stored = self._stored(thread, ns, None)
        return newest if newest and (stored is None or newest.id >= stored.id) else stored

    def _stored(self, thread: str, ns: str, id: str | None) -> Row | None:
        return None if thread in self._buffer.deleted else checkpoints.find(self._log, thread, ns, id)

    def _places(self, thread: str | None, ns: str | None) -> list[Place]:
        with self._buffer.lock:
            stored = [p for p in checkpoints.places(self._log, thread, ns) if p[0] not in self._buffer.deleted]
            here = [
                (t, n, id)
                for (t, n), rows in self._buffer.rows.items()
                if thread in (None, t) and ns in (None, n)
                for id in rows
            ]
        newest_first = sorted({*stored, *here}, key=lambda place: place[2], reverse=True)
        return sorted(newest_first, key=lambda place: place[0])

    def _tuple(self, row: Row) -> CheckpointTuple:
        writes = {}
        if row.thread not in self._buffer.deleted:
            stored = checkpoints.waiting(self._log, row.thread, row.ns, row.id)
            writes = {(write.task, write.idx): write for write in stored}
        for key, write in self._buffer.writes.get((row.thread, row.ns, row.id), {}).items():
            if key[1] < 0 or key not in writes:
                writes[key] = write
        ordered = sorted(writes.values(), key=lambda write: writes_sort_key(write.path, write.task, write.idx))
        try:
            values = {name: self._load(value) for name, value in row.channels.items()}
            checkpoint = cast("Checkpoint", {**self._body(row), "channel_values": values})
            pending = [(write.task, write.channel, self._load(write.body)) for write in ordered]
        except _NotAllowed as error:
            raise RunError(
                f"thread {row.thread} holds a value of class {error}, which is not rebuilt from a run folder unasked",
                f"keep plain dicts and lists in graph state, or name the class: run.saver(allow=[{error}])",
            ) from None
        parent = _config(row.thread, row.ns, row.parent) if row.parent else None
        metadata = cast("CheckpointMetadata", self._load(row.metadata))
        return CheckpointTuple(_config(row.thread, row.ns, row.id), checkpoint, metadata, parent, pending)

    def _dump(self, value: Any) -> bytes:
        kind, data = self.serde.dumps_typed(value)
        return kind.encode() + b"\0" + data

    def _body(self, row: Row) -> dict[str, Any]:
        body = self._load(row.body)
        if not isinstance(body, dict) or not isinstance(body.get("channel_versions"), dict):
            raise damaged(self._log.path, f"a checkpoint of thread {row.thread}")
        return body

    def _load(self, data: bytes) -> Any:
        kind, _, body = data.partition(b"\0")
        met = _blocked.types = []
        try:
            value = self.serde.loads_typed((kind.decode(), body))
        except Exception as error:  # of msgpack, of LangGraph, of the classes that it rebuilds
            raise damaged(self._log.path, error) from error
        finally:
            _blocked.types = None
        if met:
            raise _NotAllowed(met[0])
        return value


class _NotAllowed(Exception):
    """A class met in stored bytes that nobody allowed."""


def _place(config: RunnableConfig) -> tuple[str, str, str | None]:
    where = config.get("configurable", {})
    return str(where["thread_id"]), where.get("checkpoint_ns", ""), where.get("checkpoint_id")


def _config(thread: str, ns: str, id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": id}}
