"""Text rows to interactions: every check of a row lives here, once, for all readers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .ids import Ids, natural_order
from .interactions import Interactions
from .readers.arrays import from_arrow
from .readers.pieces import TextTable
from .report import KEPT, REPEATED
from .scale import RatingScale
from .titles import plain

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_LARGEST = 1e15  # a value float32 cannot hold to the unit of anything people rate in
# Unix times finer than seconds, told by their size: nanoseconds, microseconds, milliseconds (seconds reach 1e11 in 5138).
_FINER = ((1e17, 1_000_000_000, "nanoseconds"), (1e14, 1_000_000, "microseconds"), (1e11, 1_000, "milliseconds"))


@dataclass(frozen=True)
class Cleaned:
    """Interactions over the ids that have any, with what was noted on the way. `scale` is None for implicit feedback."""

    users: Ids
    items: Ids
    log: Interactions
    scale: RatingScale | None
    notes: tuple[str, ...]


def clean(table: TextTable, roles: Mapping[str, str], feedback: str, scale: RatingScale | None) -> Cleaned:
    """Check and convert every row; a row that fails is tallied in `table.tally` under its first reason and left out.

    A repeated (user, item) keeps its latest row (the last in the file where there are no times). Raises `DataError`
    where no row is left.
    """
    rows = len(table)
    users = _Ids.read(table.columns[roles["user"]])
    items = _Ids.read(table.columns[roles["item"]])
    checks: list[tuple[NDArray[np.bool_], str]] = []
    for coded, name in ((users, "user"), (items, "item")):
        checks.append((coded.codes == _BLANK, f"blank {name} id"))
        checks.append((coded.codes == _CONTROL, f"control characters in the {name} id"))
    rated = feedback == "rating"
    value = np.ones(rows, dtype=np.float64)
    if rated:
        value, state = _convert(table.columns[roles["rating"]], _rating, np.float64)
        checks += [(state == _NO_NUMBER, "rating is not a number"), (state == _NOT_FINITE, "rating is not finite")]
        if scale is not None:
            outside = (state == _GOOD) & ((value < scale.low - 1e-6) | (value > scale.high + 1e-6))
            checks.append((outside, f"rating outside the scale {scale.low:g} to {scale.high:g}"))
    timed = "time" in roles
    time = np.zeros(rows, dtype=np.int64)
    if timed:
        time, state = _times(table.columns[roles["time"]])
        checks += [
            (state == _NO_NUMBER, "time is neither a Unix time nor an ISO date"),
            (state == _NOT_FINITE, "negative time"),
        ]
    good = _pass(table, roles, checks)
    notes = [] if timed else ["no time column: the order of events is unknown, so only random splits are possible"]
    if timed and (finer := next(((unit, name) for least, unit, name in _FINER if _median(time[good]) > least), None)):
        time //= finer[0]
        notes.append(f"times were {finer[1]}, now seconds")
    kept = _latest(table, roles, np.flatnonzero(good), users.codes, items.codes, time)
    if not len(kept):
        found = "; ".join(f"{count:,} x {reason}" for reason, count in table.tally.counts.most_common(5))
        raise DataError(
            f"no usable row in {table.file} ({found or 'it has a header only'})", "check the columns and the delimiter"
        )
    if rated and scale is None:
        scale = RatingScale.infer(value[kept].astype(np.float32))
        if scale is None:
            notes.append(
                f"every rating is {value[kept[0]]:g}, which shows no scale: read as views (give the scale to keep them)"
            )
            value[kept] = 1.0
        else:
            notes.append(f"rating scale inferred from the values: {scale}")
    user_ids, user = users.used(kept, "user")
    item_ids, item = items.used(kept, "item")
    lost = users.good - len(user_ids)
    if lost:
        notes.append(f"{lost:,} user{'s' if lost > 1 else ''} left without any usable row")
    log = Interactions.ordered(user, item, value[kept].astype(np.float32), time[kept], timed)
    return Cleaned(user_ids, item_ids, log, scale, tuple(notes))


def _median(times: NDArray[np.int64]) -> float:
    return float(np.median(times)) if len(times) else 0.0


def _text_of(table: TextTable, roles: Mapping[str, str], row: int) -> str:
    return ", ".join(f"{table.columns[roles[role]][row].as_py()}" for role in roles)


def _examples(table: TextTable, roles: Mapping[str, str], rows: NDArray[Any]) -> list[tuple[int, str]]:
    return [(int(table.lines[row]), _text_of(table, roles, row)) for row in rows[:KEPT].tolist()]


def _pass(table: TextTable, roles: Mapping[str, str], checks: list[tuple[NDArray[np.bool_], str]]) -> NDArray[np.bool_]:
    good = np.ones(len(table), dtype=bool)
    for failed, reason in checks:
        fresh = np.flatnonzero(failed & good)
        table.tally.note(reason, len(fresh), _examples(table, roles, fresh))
        good[fresh] = False
    return good


def _latest(
    table: TextTable,
    roles: Mapping[str, str],
    rows: NDArray[np.intp],
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    time: NDArray[np.int64],
) -> NDArray[np.intp]:
    pair = user[rows] * (int(item.max(initial=0)) + 1) + item[rows]
    order = np.lexsort((rows, time[rows], pair))
    last = np.ones(len(rows), dtype=bool)
    last[:-1] = pair[order][1:] != pair[order][:-1]
    dropped = np.sort(rows[order[~last]])
    table.tally.note(REPEATED, len(dropped), _examples(table, roles, dropped))
    return np.sort(rows[order[last]])


_BLANK, _CONTROL = -1, -2
_GOOD, _NO_NUMBER, _NOT_FINITE = 0, 1, 2


@dataclass(frozen=True)
class _Ids:
    """A column of ids as codes into `names`; `_BLANK` and `_CONTROL` mark rows without a usable id."""

    codes: NDArray[np.int64]
    names: list[str]

    @property
    def good(self) -> int:
        return len(self.names)

    @classmethod
    def read(cls, column: pa.ChunkedArray) -> _Ids:
        codes, texts = _encode(column)
        place: dict[str, int] = {}
        of_text = np.empty(len(texts), dtype=np.int64)
        for number, text in enumerate(texts):
            name = text.strip()
            if not name:
                of_text[number] = _BLANK
            elif not (name.isascii() and name.isprintable()) and plain(name) != name:
                of_text[number] = _CONTROL
            else:
                of_text[number] = place.setdefault(name, len(place))
        return cls(of_text[codes] if len(texts) else codes, list(place))

    def used(self, rows: NDArray[np.intp], kind: str) -> tuple[Ids, NDArray[np.int32]]:
        """The ids of `rows` in natural order, and each row's position among them."""
        codes = self.codes[rows]
        seen = np.unique(codes)
        names = [self.names[code] for code in seen.tolist()]
        ordered = natural_order(names)
        place = {name: position for position, name in enumerate(ordered)}
        position = np.zeros(len(self.names), dtype=np.int32)
        position[seen] = [place[name] for name in names]
        return Ids(tuple(ordered), kind), position[codes]


def _encode(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """Codes of a text column and the distinct texts they stand for: each text is then looked at once."""
    if not column.num_chunks or not len(column):
        return np.empty(0, dtype=np.int64), []
    coded = column.dictionary_encode().unify_dictionaries()
    codes = from_arrow(chunk.indices for chunk in coded.chunks)
    return codes.astype(np.int64), coded.chunk(0).dictionary.to_pylist()


def _convert(
    column: pa.ChunkedArray, read: Callable[[str], tuple[Any, int]], kind: type
) -> tuple[NDArray[Any], NDArray[np.int8]]:
    codes, texts = _encode(column)
    if not texts:
        return np.zeros(len(codes), dtype=kind), np.zeros(len(codes), dtype=np.int8)
    pairs = [read(text.strip()) for text in texts]
    values = np.array([value for value, _ in pairs], dtype=kind)
    states = np.array([state for _, state in pairs], dtype=np.int8)
    return values[codes], states[codes]


def _rating(text: str) -> tuple[float, int]:
    if _NUMBER.fullmatch(text):
        value = float(text)
        return (value, _GOOD) if abs(value) <= _LARGEST else (0.0, _NOT_FINITE)
    return 0.0, _NOT_FINITE if text.lower().lstrip("+-") in ("nan", "inf", "infinity") else _NO_NUMBER


def _times(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    import pyarrow as pa

    try:
        whole = from_arrow(column.cast(pa.int64()).chunks)  # the usual case, all at once
    except pa.ArrowInvalid:
        return _convert(column, _time, np.int64)
    return whole.astype(np.int64), np.where(whole < 0, _NOT_FINITE, _GOOD).astype(np.int8)


def _time(text: str) -> tuple[int, int]:
    if _NUMBER.fullmatch(text):
        number = float(text)
        if not abs(number) < 2**62:
            return 0, _NO_NUMBER
        seconds = int(text) if text.lstrip("+-").isdigit() else int(number // 1)
    else:
        try:
            moment = datetime.fromisoformat(text)
            seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)
        except (ValueError, OverflowError):
            return 0, _NO_NUMBER
    return (seconds, _GOOD) if seconds >= 0 else (0, _NOT_FINITE)
