"""The tables of a search, as views of its events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..runs import Column, Event, RunKind, TableSpec, register_kind, register_table
from . import journal as log

KIND = "optimize"

VOLATILE = frozenset(
    {
        "concurrency",
        "budget",
        "price",
        "proposer_price",
        "timeout",
        "name",
        "base_url",
        "proposer_base_url",
        "approve",
    }
)
"""Settings that say how a search is carried out: left out of its digest."""


def _scores(event: Event) -> Iterator[dict[str, Any]]:
    for row in event.data["rows"]:
        said = row.get("diagnosis") or {}
        yield {
            "candidate": event.agent,
            "step": event.page,
            "split": event.node,
            "case": row["case"],
            "status": row["status"],
            "values": row.get("values", {}),
            "diagnosis": said.get("kind", ""),
            "tokens": row.get("tokens", 0),
            "calls": row.get("calls", []),
        }


def _candidate(event: Event) -> Iterator[dict[str, Any]]:
    data = event.data
    kept = ("operator", "parents", "reason", "shown", "maker", "texts")
    yield {"candidate": event.agent, "step": event.page, **{name: data[name] for name in kept}}


_CANDIDATE = Column("candidate", "str", "the prompt's id: twelve digits of its texts' hash")
_STEP = Column("step", "int", "number of the search's recorded step; -1 before the first and at the sealed test")

SPECS = (
    TableSpec(
        "candidates",
        log.CANDIDATE,
        (
            _CANDIDATE,
            _STEP,
            Column("operator", "str", "how it was made"),
            Column("parents", "list[str]", "ids of the prompts it was made from"),
            Column("reason", "str", "why it was made"),
            Column("shown", "list[str]", "cases its maker saw"),
            Column("maker", "str", "a model's name, bank (our own edits), or person"),
            Column("texts", "json", "component -> text"),
        ),
        _candidate,
        "every prompt that entered the search",
        run_kind=KIND,
    ),
    TableSpec(
        "scores",
        log.SCORES,
        (
            _CANDIDATE,
            _STEP,
            Column("split", "str", "search, selection or test"),
            Column("case", "str", "the case's id"),
            Column("status", "str", "ok, parse_fail, refusal; timeout and transport are missing, not 0"),
            Column("values", "json", "metric -> value"),
            Column("diagnosis", "str", "short name of what went wrong, or ok"),
            Column("tokens", "int", "tokens of its calls"),
            Column("calls", "list[str]", "keys of the recorded calls"),
        ),
        _scores,
        "every prompt on every case it was asked",
        run_kind=KIND,
    ),
)

for _spec in SPECS:
    register_table(_spec)

register_kind(
    RunKind(
        KIND,
        resume="recloop.prompt_opt.asked:resume",
        replay="recloop.prompt_opt.asked:replay",
        summary="recloop.prompt_opt.summary:numbers",
        volatile_config=VOLATILE,
    )
)
