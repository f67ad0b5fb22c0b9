"""A run is a folder: manifest, event log, call cassette, checkpoints, documented tables.

This floor knows nothing of recommendation or models; higher floors register their tables and run kinds here.

    run.py        `Run`: create, open, commit, events, states      start reading here
    records.py    `Event`, `CallRecord`: what a run records
    calls.py      `Cassette`: settled model calls by key            (run.calls)
    saver.py      `LogSaver`: LangGraph's checkpointer              (run.saver(); checkpoints.py has its rows)
    log.py        log.sqlite: schema, transactions, errors; a new record type gets its table here
    manifest.py   manifest.json, atomic writes, versions;           redact.py keeps credentials out of it
    digest.py     what two equal runs have in common;               jsonform.py the JSON it is taken over
    tables.py     Parquet tables from events                        kinds.py resume, replay, summary by kind
    visible.py    hostile text made visible, for terminals and pages
    fork.py       a run that goes on from a barrier of another;     overlay.py what its log sees
    conditions.py small expressions over named values, read by a parser of their own
    looking.py    any run's log, looked into event by event
    folders.py    names of runs, list of runs                       compare.py, prune.py two runs; smaller runs

The format is documented in docs/runs.md.
"""

from .calls import CallTotals, Cassette
from .compare import Comparison, Divergence, compare_agents, compare_runs
from .errors import (
    BarrierOrder,
    CallConflict,
    CorruptRun,
    DiskFull,
    NotARun,
    NotJson,
    NotWritable,
    OtherVersion,
    PrunedAway,
    RunError,
    RunInUse,
    UnknownKind,
)
from .folders import ROOT, RunInfo, check_vacant, family, forks_of, is_run, list_runs, new_run_path, run_info
from .fork import fork_run
from .kinds import RunKind, get_kind, kinds, register_kind
from .manifest import Manifest
from .overlay import ForkOf
from .prune import Pruned, prune
from .records import FAILURES, CallRecord, Event
from .redact import redact, scrub
from .run import Run
from .tables import Column, TableSpec, describe_tables, register_table, table_specs

__all__ = [
    "BarrierOrder",
    "CallConflict",
    "CallRecord",
    "CallTotals",
    "Cassette",
    "Column",
    "Comparison",
    "CorruptRun",
    "DiskFull",
    "Divergence",
    "Event",
    "FAILURES",
    "ForkOf",
    "Manifest",
    "NotARun",
    "NotJson",
    "NotWritable",
    "OtherVersion",
    "Pruned",
    "PrunedAway",
    "ROOT",
    "Run",
    "RunError",
    "RunInUse",
    "RunInfo",
    "RunKind",
    "TableSpec",
    "UnknownKind",
    "check_vacant",
    "compare_agents",
    "compare_runs",
    "describe_tables",
    "family",
    "fork_run",
    "forks_of",
    "get_kind",
    "is_run",
    "kinds",
    "list_runs",
    "new_run_path",
    "prune",
    "redact",
    "register_kind",
    "register_table",
    "run_info",
    "scrub",
    "table_specs",
]
