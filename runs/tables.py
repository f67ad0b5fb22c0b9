"""Documented tables of a run, made from its log. Higher floors register theirs; `calls` is built in.

A new table: a `TableSpec` with a documented column for everything its rows hold, and a pure function from one event to
rows, passed to `register_table` beside the code that writes the event.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import RunError
from .jsonform import damaged, dumps
from .manifest import disk_full
from .records import Event

if TYPE_CHECKING:
    import pyarrow

    from .run import Run

TABLES = "tables"
BATCH = 20_000
"""Rows held in memory while a table is written."""
THROUGH = b"recloop.through"
"""Key of the Parquet metadata that says how far into the log a table reaches."""

_TYPES = {
    "str": "string",
    "int": "int64",
    "float": "float64",
    "bool": "bool_",
    "json": "string",
    "list[str]": "string",
    "list[int]": "int64",
    "list[float]": "float64",
}


@dataclass(frozen=True)
class Column:
    """A column: its type (str, int, float, bool, json, list[str], list[int], list[float]; any may be null) and meaning."""

    name: str
    type: str
    doc: str

    def __post_init__(self) -> None:
        if self.type not in _TYPES:
            raise ValueError(f"column {self.name!r}: no type {self.type!r} (there are: {', '.join(_TYPES)})")


@dataclass(frozen=True)
class TableSpec:
    """A table made of the events of one kind: `rows` turns an event into none, one or many dicts of column to value.

    `run_kind`: only runs of this kind have the table ("": every run).
    """

    name: str
    event_kind: str
    columns: tuple[Column, ...] | list[Column]
    rows: Callable[[Event], Iterable[Mapping[str, Any]]]
    doc: str = ""
    run_kind: str = ""


_CALLS = TableSpec(
    "calls",
    "",
    (
        Column("key", "str", "names place and content of the call; unique in the run"),
        Column("agent", "str", "who asked"),
        Column("page", "int", "page of the simulated clock, -1 outside pages"),
        Column("node", "str", "step of the agent's graph"),
        Column("sample", "int", "number of the repeated draw or repair, from 0"),
        Column("model", "str", "the model's name"),
        Column("kind", "str", "sort of call: chat, score, …"),
        Column("status", "str", "ok, parse_fail, refusal, timeout, transport"),
        Column("error", "str", "what went wrong, empty if nothing did"),
        Column("prompt_tokens", "int", "tokens sent"),
        Column("completion_tokens", "int", "tokens received"),
        Column("cost", "float", "US dollars, null where the price is unknown"),
        Column("latency", "float", "seconds from asking to the answer"),
        Column("attempts", "int", "tries that were needed"),
        Column("at", "float", "when it was settled, seconds since the epoch"),
    ),
    lambda event: (),
    "every recorded model call, by key",
)
_specs: dict[str, TableSpec] = {}


@dataclass
class _Sink:
    """Rows of one table on their way into it."""

    spec: TableSpec
    pending: list[Mapping[str, Any]] = field(default_factory=list)
    count: int = 0


def register_table(spec: TableSpec) -> TableSpec:
    """Make a table known in this process. Returns it. Raises `ValueError` for a name that is taken by another table."""
    taken = _CALLS if spec.name == _CALLS.name else _specs.get(spec.name)
    if taken and (tuple(taken.columns), taken.event_kind) != (tuple(spec.columns), spec.event_kind):
        raise ValueError(f"a table {spec.name!r} with other columns is registered already")
    _specs[spec.name] = spec
    return spec


def table_specs(run_kind: str | None = None) -> dict[str, TableSpec]:
    """All registered tables by name, or those that runs of one kind have; the built-in one last."""
    fitting = {name: spec for name, spec in _specs.items() if run_kind is None or spec.run_kind in ("", run_kind)}
    return {**fitting, _CALLS.name: _CALLS}


def describe_tables(run_kind: str | None = None) -> str:
    """The registered tables (of runs of one kind) and their columns, as Markdown."""
    parts: list[str] = []
    for spec in table_specs(run_kind).values():
        parts += [f"### `{spec.name}`", "", spec.doc, ""] if spec.doc else [f"### `{spec.name}`", ""]
        parts += ["| column | type | meaning |", "| --- | --- | --- |"]
        parts += [f"| `{column.name}` | {column.type} | {column.doc} |" for column in spec.columns] + [""]
    return "\n".join(parts)


def count_rows(run: Run) -> dict[str, int]:
    """Rows per table of a run."""
    specs = table_specs(run.kind)
    counts = dict.fromkeys(specs, 0)
    for spec, _ in _rows(run, specs):
        counts[spec.name] += 1
    return counts


def write_tables(run: Run) -> list[Path]:
    """Write all tables in one pass over the log; each appears whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = run.path / TABLES
    through, specs = _through(run), table_specs(run.kind)
    targets = {name: folder / f"{name}.parquet" for name in specs}
    half = {name: folder / f".{name}.parquet.tmp" for name in targets}
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        tables_folder(run).mkdir(exist_ok=True)
        for each in half.values():
            each.unlink(missing_ok=True)  # a foreign folder's may be a link to elsewhere
        sinks = {name: _Sink(spec) for name, spec in specs.items()}
        schemas = {name: _schema(spec, through) for name, spec in specs.items()}
        for name in targets:
            writers[name] = pq.ParquetWriter(half[name], schemas[name], compression="zstd")

        def write(sink: _Sink) -> None:
            name = sink.spec.name
            writers[name].write_table(_arrow(pa, sink.spec, sink.pending, schemas[name]))
            sink.pending.clear()

        for spec, row in _rows(run, specs):
            sink = sinks[spec.name]
            sink.pending.append(row)
            if len(sink.pending) >= BATCH:
                write(sink)
        for sink in sinks.values():
            write(sink)
        for name in targets:
            writers[name].close()
        for name, target in targets.items():
            half[name].replace(target)
    except OSError as error:
        raise disk_full(run.path, error) from None
    finally:
        for writer in writers.values():
            with suppress(OSError):  # of a full disk, which is what has been raised
                writer.close()
            writer.is_open = False  # else it tries once more, aloud, when it is forgotten
        for temporary in half.values():
            temporary.unlink(missing_ok=True)
    return list(targets.values())


def tables_folder(run: Run) -> Path:
    """Where the tables of a run are written and dropped. Raises `RunError` where that would reach outside the run."""
    folder = run.path / TABLES
    if folder.is_symlink():
        raise RunError(f"{folder} is a symbolic link; nothing is written or dropped through one", "remove the link")
    return folder


def read_table(run: Run, name: str) -> pyarrow.Table:
    """A table of a run: its file where that reaches to the end of the log, else made from the log in memory.

    A table that this process does not know (the package that registers it is not imported) can be read from its file only.
    Raises `RunError` naming the tables there are.
    """
    specs = table_specs(run.kind)
    found = _from_file(run, name, specs)
    if found is not None:
        return found
    if name not in specs:
        files = {path.stem for path in (run.path / TABLES).glob("*.parquet")}
        raise RunError(
            f"there is no table {name!r} (there are: {', '.join(sorted({*specs, *files}))})"
            if name not in files
            else f"the file of table {name!r} lags behind the log, and nothing here knows how to make it again",
            f"import the package that makes runs of kind {run.kind!r} (recloop.simulations, ...), or give another name",
        )
    import pyarrow as pa

    spec = specs[name]
    rows = [row for _, row in _rows(run, {name: spec})]
    return _arrow(pa, spec, rows, _schema(spec, _through(run)))


def _from_file(run: Run, name: str, specs: Mapping[str, TableSpec]) -> pyarrow.Table | None:
    """The table from its file, if that says all that the log says, in the columns that this process knows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run.path / TABLES / f"{name}.parquet"
    if path not in set((run.path / TABLES).glob("*.parquet")):
        return None
    try:
        written = json.loads((pq.read_schema(path).metadata or {}).get(THROUGH, b"[]"))
        now = json.loads(_through(run))
        same = written == now if name in specs else written[:2] == now[:2]
        return pq.read_table(path) if same else None
    except (OSError, pa.ArrowInvalid, ValueError):
        return None  # a damaged table is no loss: the log has it all


def _rows(run: Run, specs: Mapping[str, TableSpec]) -> Iterator[tuple[TableSpec, Mapping[str, Any]]]:
    """Rows of these tables, in one pass over the events and one over the calls."""
    by_kind: dict[str, list[TableSpec]] = {}
    for spec in specs.values():
        if spec is not _CALLS:
            by_kind.setdefault(spec.event_kind, []).append(spec)
    only = next(iter(by_kind)) if len(by_kind) == 1 else None
    for event in run.events(kind=only) if by_kind else ():
        for spec in by_kind.get(event.kind, ()):
            try:
                rows = list(spec.rows(event))
            except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
                raise damaged(run.log.path, f"table {spec.name!r} of event {event.seq}: {error!r}") from error
            for row in rows:
                yield spec, row
    if _CALLS.name in specs:
        yield from ((_CALLS, row) for row in run.calls.facts([column.name for column in _CALLS.columns]))


def _through(run: Run) -> str:
    events = run.log.row("SELECT ifnull(max(seq), -1) FROM events")
    if run.fork:  # those whom it did not touch go on with every barrier, whatever the fork writes itself
        events = [*(events or ()), run.barrier]
    calls = run.log.row("SELECT count(*), ifnull(max(id), 0) FROM calls")
    columns = {name: [asdict(c) for c in spec.columns] for name, spec in table_specs(run.kind).items()}
    return json.dumps([events, calls, columns], separators=(",", ":"))


def _schema(spec: TableSpec, through: str) -> pyarrow.Schema:
    import pyarrow as pa

    fields = []
    for column in spec.columns:
        kind = getattr(pa, _TYPES[column.type])()
        kind = pa.list_(kind) if column.type.startswith("list") else kind
        fields.append(pa.field(column.name, kind, metadata={"doc": column.doc, "type": column.type}))
    return pa.schema(fields, metadata={"doc": spec.doc, "event_kind": spec.event_kind, THROUGH: through.encode()})


def _arrow(pa: Any, spec: TableSpec, rows: Sequence[Mapping[str, Any]], schema: pyarrow.Schema) -> pyarrow.Table:
    names = {column.name for column in spec.columns}
    as_json = [column.name for column in spec.columns if column.type == "json"]
    for row in rows:
        if not names.issuperset(row):
            raise RunError(
                f"table {spec.name!r} got a row with undocumented columns {sorted(row.keys() - names)}",
                "document them with a Column in its TableSpec, or leave them out of its rows",
            )
    if as_json:
        rows = [
            {**row, **{n: dumps(row[n], f"table {spec.name}, column {n}") for n in as_json if row.get(n) is not None}}
            for row in rows
        ]
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RunError(f"table {spec.name!r}: {error}", "make its rows hold what its columns say") from None
