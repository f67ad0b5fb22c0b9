"""The cassette: every settled model call of a run, by key; the same question is never paid for twice."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import CallConflict, CorruptRun
from .jsonform import PACK_FROM, Packed, canonical, canonical_of, damaged, dumps, loads, pack, parse, unpack
from .log import CHUNK, LogFile
from .records import FAILURES, CallRecord
from .redact import scrub

# A string of a stored request that starts with one of these stands for a stored text, or for what follows.
_STORED, _ESCAPED = "\x01t:", "\x01s:"
_REFERENCE = re.compile(rb'"\\u0001(?:t:(\d+)|s:((?:[^"\\]|\\.)*))"(?=[,\]}]|\Z)')
"""Both in canonical JSON, as values (a name is followed by a colon; inside a string, a backslash stands before)."""

TEXTS_READ = 4096
"""Stored texts kept in memory once they are read: some megabytes. Those of system prompts and personas come again and again."""

PAUSE = 60.0
"""Seconds without any call that count as a pause of the run, not as work between its calls."""

_COLUMNS = (
    "key, agent, page, node, sample, model, kind, request, status, response, error, prompt_tokens, completion_tokens, "
    "cost, latency, attempts, at"
)
_FIELDS = tuple(_COLUMNS.split(", "))


@dataclass(frozen=True, slots=True)
class CallTotals:
    """What the recorded calls took together. `cost` in US dollars over calls of known price; `unpriced` counts the rest.
    `latency` is a sum; `seconds` is the wall time from the first call to the last, without pauses."""

    calls: int = 0
    attempts: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    latency: float = 0.0
    by_status: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


Look = Callable[[CallRecord, bytes], None]
"""Is shown a call without its request and response, and the request in canonical form."""


class Cassette:
    """The recorded calls of a run.

    Only final outcomes are recorded, once the door has settled them: answers (`ok`, `parse_fail`, `refusal`), and
    failures (`timeout`, `transport`) after the last retry. A call that the budget held back was not made and is refused
    here. An answer is never replaced. A failure may be replaced by a later outcome as long as its page is open (no
    barrier committed since), for a resumed run asks again with `retry_failures`: what was open then stays so, since work
    of later barriers may be under way while earlier ones are committed.
    """

    def __init__(self, log: LogFile) -> None:
        self._log = log
        self._insert = (
            f"INSERT INTO main.calls(id, {_COLUMNS}, barrier) VALUES ({log.new_id('calls')}, "
            f"{', '.join('?' * len(_FIELDS))}, (SELECT ifnull(max(barrier), -1) FROM barriers)) "
            "ON CONFLICT(key) DO NOTHING"
        )
        self._expanded: dict[int, bytes] = {}
        self._digest: tuple[Any, str] | None = None
        self._reopened: tuple[int, int] | None = None

    @property
    def retry_failures(self) -> bool:
        """Where true, `get` does not return failures of the pages open when it was set, so that they are asked for again."""
        return self._reopened is not None

    @retry_failures.setter
    def retry_failures(self, again: bool) -> None:
        last = self._log.row("SELECT ifnull(max(id), -1) FROM calls") or (-1,)
        self._reopened = (self._barrier(), last[0]) if again else None

    def _open(self, barrier: int, id: int) -> bool:
        """Whether this call, recorded after this barrier, belongs to a page that is open, or that a resumed run found so."""
        if barrier == self._barrier():
            return True
        return self._reopened is not None and barrier >= self._reopened[0] and id <= self._reopened[1]

    def get(self, key: str, whole: bool = True) -> CallRecord | None:
        """The recorded call of this key, or None; `whole` False leaves the request out (the key was made of it)."""
        row = self._log.row(f"SELECT {_COLUMNS}, barrier, id FROM calls WHERE key = ?", (key,))
        if row is None:
            row = self._again(key) if self._log.first and self._log.writable else None
            return None if row is None else self._record(row, whole)
        if self.retry_failures and row[8] in FAILURES and self._open(row[17], row[18]) and row[18] > self._log.first:
            return None
        return self._record(row, whole)

    def _again(self, key: str) -> tuple[Any, ...] | None:
        """What a run that this fork stands on was answered to the same question, taken over as the fork's: it is not paid again.

        Failures of a page that is still open there are not: nobody has lived with them yet.
        """
        for number in range(1, len(self._log.layers)):
            row = self._log.row(f"SELECT {_COLUMNS}, barrier, id FROM p{number}.calls WHERE key = ?", (key,))
            if row is None:
                continue
            last = self._log.row(f"SELECT max(barrier) FROM p{number}.barriers")
            if row[8] in FAILURES and (last is None or last[0] is None or row[17] >= last[0]):
                return None
            with self._log.transaction() as db:
                db.execute("INSERT OR IGNORE INTO main.adopted VALUES (?, ?)", (row[18], self._barrier()))
            return row
        return None

    def put(self, record: CallRecord) -> None:
        """Record a settled call; it is committed when this returns.

        Putting the same call again changes nothing. What replaces a failure adds what that took (tries, tokens, cost) to
        its own: it was spent. Raises `CallConflict` for another content under a recorded key,
        `ValueError` for a call that was never made (status `budget`), `DiskFull`, `NotWritable`.
        """
        if record.status == "budget":
            raise ValueError("a call held back by the budget was not made: there is nothing to record")
        response = dumps(record.response, f"response of call {record.key}")
        with self._log.transaction() as db:
            request = self._shrink(record.request, f"request of call {record.key}")
            row = (
                *(record.key, record.agent, record.page, record.node, record.sample, record.model, record.kind),
                *(pack(request), record.status, pack(response), _clean(scrub(record.error)) if record.error else ""),
                *(record.prompt_tokens, record.completion_tokens, record.cost, record.latency, record.attempts),
                record.at or time.time(),
            )
            if db.execute(self._insert, row).rowcount == 0 and (failed := self._superseded(db, record)) is not None:
                tokens, more_tokens, cost, attempts = failed
                took = (record.prompt_tokens + tokens, record.completion_tokens + more_tokens, _sum(record.cost, cost))
                db.execute("DELETE FROM main.calls WHERE key = ?", (record.key,))
                db.execute(self._insert, (*row[:11], *took, record.latency, record.attempts + attempts, row[-1]))

    def adopt(self, other: Cassette) -> None:
        """Take over all calls of another run, as they are stored (a replay asked for them there). Only for a run without calls.

        Raises `CallConflict` where this run has calls of its own.
        """
        if len(self):
            raise CallConflict(
                f"{self._log.folder} has calls of its own", "adopt another run's calls into a new run only"
            )
        with self._log.transaction() as db:
            db.execute("DELETE FROM main.texts")
            for table in ("texts", "calls"):
                last = -1
                while rows := other._log.rows(f"SELECT * FROM {table} WHERE id > ? ORDER BY id LIMIT {CHUNK}", (last,)):
                    db.executemany(f"INSERT INTO main.{table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
                    last = rows[-1][0]
        self._digest = (self._state(), other.digest())

    def _superseded(self, db: sqlite3.Connection, record: CallRecord) -> tuple[int, int, float | None, int] | None:
        """What a recorded failure of the open page, which gives way to this record, took: tokens sent and received, cost,
        tries. None where the same call is put again."""
        request, status, response, barrier, id, at, *took = db.execute(
            "SELECT request, status, response, barrier, id, at, prompt_tokens, completion_tokens, cost, attempts "
            "FROM main.calls WHERE key = ?",
            (record.key,),
        ).fetchone()
        same_request = canonical(self._expand(request)) == canonical(record.request)
        same = (
            same_request
            and status == record.status
            and canonical(loads(response, self._log.path)) == canonical(record.response)
        )
        if same and (status not in FAILURES or at == record.at):
            return None
        if same_request and status in FAILURES and self._open(barrier, id):
            return tuple(took)
        what = f"an answer ({status})" if same_request else "another request"
        raise CallConflict(
            f"call {record.key} (agent {record.agent or '-'}, page {record.page}, node {record.node or '-'}) is already "
            f"recorded with {what}",
            "make keys of place and content (agent, page, node, sample, request), and ask the cassette first",
        )

    def all(
        self,
        *,
        agent: str | None = None,
        page: int | None = None,
        status: str | None = None,
        order: Literal["recorded", "key"] = "recorded",
        whole: bool = True,
    ) -> Iterator[CallRecord]:
        """The recorded calls, streamed: as they were recorded, or by key (the same in every equal run).

        `whole` False leaves requests out: what calls took is read ten times as fast.
        """
        for row in self._rows({"agent": agent, "page": page, "status": status}, order):
            yield self._record(row, whole)

    def facts(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """These fields of every call, by key: any but what was asked and answered, so that nothing is unpacked."""
        at = [_FIELDS.index(name) for name in names]
        for row in self._rows({}, "key"):
            yield {name: row[place] for name, place in zip(names, at, strict=True)}

    def contents(self, look: Look | None = None) -> Iterator[bytes]:
        """`content_of` of every call, by key; stored texts are put in as they stand, without being read. `look` is shown
        each call on the way."""
        for row in self._rows({}, "key"):
            place = dict(zip(("key", "agent", "page", "node", "model", "kind"), (*row[:4], *row[5:7]), strict=True))
            request = self._spelled(row[7])
            if look is not None:
                look(CallRecord(**place, sample=row[4], status=row[8]), request)
            response = canonical_of(unpack(row[9], self._log.path), self._log.path)
            yield b'%b,"request":%b,"response":%b,"sample":%b,"status":%b}' % (
                *(canonical(place)[:-1], request, response),
                *(canonical(row[4]), canonical(row[8])),
            )

    def digest(self, look: Look | None = None) -> str:
        """SHA-256, in hex, over `contents`, each followed by a newline. Kept while no call is added."""
        now = self._state()
        if self._digest is None or self._digest[0] != now or look is not None:
            total = hashlib.sha256()
            for content in self.contents(look):
                total.update(content + b"\n")
            self._digest = (now, total.hexdigest())
        return self._digest[1]

    def _state(self) -> Any:
        """Changes with every call that is recorded, or recorded anew."""
        return self._log.row("SELECT count(*), ifnull(max(id), 0) FROM calls")

    def _rows(self, wanted: dict[str, Any], order: str) -> Iterator[tuple[Any, ...]]:
        given = {name: value for name, value in wanted.items() if value is not None}
        column, last = ("id", -1) if order == "recorded" else ("key", "")
        where = " AND ".join([f"{column} > ?", *(f"{name} = ?" for name in given)])
        sql = f"SELECT {_COLUMNS}, {column} FROM calls WHERE {where} ORDER BY {column} LIMIT {CHUNK}"
        while rows := self._log.rows(sql, (last, *given.values())):
            yield from rows
            last = rows[-1][-1]

    def totals(self) -> CallTotals:
        """What all recorded calls took together; of a fork, those of the whole line that it lives."""
        return self._totals("calls")

    def spent(self) -> CallTotals:
        """What the calls took that this run made itself (a budget starts from here when a run is resumed).

        The same as `totals`, but for a fork: what it shares with its parent was paid there.
        """
        return self._totals("main.calls")

    def _totals(self, table: str) -> CallTotals:
        row = self._log.row(
            "SELECT count(*), total(attempts), total(prompt_tokens), total(completion_tokens), total(cost), "
            f"count(*) - count(cost), total(latency) FROM {table}"
        )
        assert row is not None
        by_status = dict(self._log.rows(f"SELECT status, count(*) FROM {table} GROUP BY status ORDER BY status"))
        # Calls as intervals in time, in the order of their beginnings: of each, what lies after all earlier ones, with the
        # gap before it unless that is a pause.
        seconds = self._log.row(
            f"SELECT total(max(0, at - iif(until IS NULL OR began - until > {PAUSE}, began, until))) FROM "
            "(SELECT at, at - latency AS began, max(at) OVER "
            f"(ORDER BY at - latency ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS until FROM {table})"
        )
        assert seconds is not None
        return CallTotals(row[0], int(row[1]), int(row[2]), int(row[3]), row[4], row[5], row[6], by_status, seconds[0])

    def __len__(self) -> int:
        row = self._log.row("SELECT count(*) FROM calls")
        return row[0] if row else 0

    def __contains__(self, key: str) -> bool:
        return self._log.row("SELECT 1 FROM calls WHERE key = ?", (key,)) is not None

    def _barrier(self) -> int:
        row = self._log.row("SELECT max(barrier) FROM barriers")
        return -1 if row is None or row[0] is None else row[0]

    def _record(self, row: tuple[Any, ...], whole: bool = True) -> CallRecord:
        request = self._expand(row[7]) if whole else None
        values: tuple[Any, ...] = (*row[:7], request, row[8], loads(row[9], self._log.path), *row[10:17])
        return CallRecord(**dict(zip(_FIELDS, values, strict=True)))

    # Prompts repeat (system texts, personas, schemas): long strings, and long objects right below the request, are
    # stored once and stand in the request as a reference.

    def _shrink(self, request: Any, where: str) -> str:
        if isinstance(request, dict):
            request = {
                name: self._object(each) if isinstance(each, dict) else self._strings(each)
                for name, each in request.items()
            }
        else:
            request = self._strings(request)
        return dumps(request, where)

    def _object(self, value: dict[str, Any]) -> Any:
        text = dumps(value)
        if len(text) < PACK_FROM:
            return self._strings(value)
        return f"{_STORED}{self._stored(text)}"

    def _strings(self, value: Any) -> Any:
        if isinstance(value, str):
            if len(value) >= PACK_FROM:
                return f"{_STORED}{self._stored(dumps(value))}"
            return f"{_ESCAPED}{value}" if value.startswith("\x01") else value
        if isinstance(value, dict):
            return {name: self._strings(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._strings(each) for each in value]
        return value

    def _stored(self, text: str) -> int:
        return self._log.text_id(text.encode(), lambda: pack(text))

    def _expand(self, packed: Packed) -> Any:
        text = unpack(packed, self._log.path)
        value = parse(text, self._log.path)
        return self._filled(value) if b"\\u0001" in text else value

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("\x01"):
            mark, rest = value[:3], value[3:]
            return rest if mark == _ESCAPED else parse(self._text(self._number(rest)), self._log.path)
        if isinstance(value, dict):
            return {name: self._filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        return value

    def _spelled(self, packed: Packed) -> bytes:
        """The canonical form of what a stored request stands for: references give way to the texts, unread."""

        def put_in(found: re.Match[bytes]) -> bytes:
            if found.string[found.start() - 1 : found.start()] == b"\\":
                return found[0]
            if found[1] is None:
                return b'"%b"' % found[2]
            text = self._text(int(found[1]))
            # A text with a lone surrogate is stored in another spelling.
            plain = text.startswith(b'"') and b"\\ud" not in text
            return text if plain else canonical_of(text, self._log.path)

        spelled = canonical_of(unpack(packed, self._log.path), self._log.path)
        return _REFERENCE.sub(put_in, spelled) if b"\\u0001" in spelled else spelled

    def _number(self, rest: str) -> int:
        if not rest.isdecimal():
            raise damaged(self._log.path, f"{rest[:20]!r} names no text")
        return int(rest)

    def _text(self, number: int) -> bytes:
        if (known := self._expanded.get(number)) is None:
            row = self._log.row("SELECT body FROM texts WHERE id = ?", (number,))
            if row is None:
                raise CorruptRun(f"{self._log.path} lacks text {number}, which a call refers to", "restore a copy")
            known = unpack(row[0], self._log.path)
            if len(self._expanded) >= TEXTS_READ:
                self._expanded.pop(next(iter(self._expanded)))
            self._expanded[number] = known
        return known


def _sum(cost: float | None, other: float | None) -> float | None:
    """Two costs together; unknown where neither is known."""
    return cost if other is None else (cost or 0.0) + other


def content_of(record: CallRecord) -> bytes:
    """The canonical form of what a call says, whatever it took: key, place, model, request, status, response."""
    fields = ("key", "agent", "page", "node", "sample", "model", "kind", "request", "status", "response")
    return canonical({name: getattr(record, name) for name in fields})


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
