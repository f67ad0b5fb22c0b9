"""The kind of runs that hold rewritings, and their tables, as views of events.

asked     barrier 0            queries, personas, and which ids ask for the same text
round     per rewrite tried    text, node, verdicts, votes, similarity, calls; its page is the round
rewrite   per query, persona   what came of it
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...runs import Column, Event, RunKind, TableSpec, register_kind, register_table
from .config import VOLATILE

KIND = "rewrite"
ASKED, ROUND, REWRITE = "asked", "round", "rewrite"

_WHO = (
    Column("query_id", "str", "the query's id"),
    Column("persona", "str", "in whose words"),
)


def _rewrite(event: Event) -> Iterator[dict[str, Any]]:
    yield dict(event.data)


def _round(event: Event) -> Iterator[dict[str, Any]]:
    query_id, _, persona = event.agent.rpartition("/")
    yield {"query_id": query_id, "persona": persona, **event.data}


SPECS = (
    TableSpec(
        "rewrites",
        REWRITE,
        (
            *_WHO,
            Column("query", "str", "the query as it was typed"),
            Column("text", "str", "the query in the persona's words; the raw query where none passed"),
            Column(
                "meaning",
                "int",
                "the judge's majority: 1 asks for the same, 0 cannot be told, -1 does not; null: not judged",
            ),
            Column("fit", "int", "the judge's majority: 1 in role, 0 cannot be told, -1 not; null: not judged"),
            Column("similarity", "float", "cosine of the vectors of query and text; null where none was worked out"),
            Column("rounds", "int", "rewrites tried"),
            Column("fell_back", "bool", "none passed, so the raw query stands"),
            Column("problem", "str", "why it fell back"),
            Column("intent", "str", "the need in the model's words; empty where rules write"),
            Column("how", "str", "model; likelihood (a small model chose among what rules proposed); rules"),
            Column("calls", "list[str]", "keys of the recorded calls, in order"),
        ),
        _rewrite,
        "every query in the words of every persona (simulated)",
        run_kind=KIND,
    ),
    TableSpec(
        "rounds",
        ROUND,
        (
            *_WHO,
            Column("round", "int", "number of the rewrite, from 0"),
            Column("node", "str", "rewrite, or the repair: repair_meaning, repair_role, repair_both"),
            Column("text", "str", "the rewrite; empty where none came"),
            Column("family", "str", "family of the rule that proposed it; empty where a model wrote"),
            Column("status", "str", "of the call that was to write it: ok, parse_fail, refusal, timeout, transport"),
            Column("error", "str", "what went wrong, empty if nothing did"),
            Column("meaning", "int", "the judge's majority, null where nobody judged"),
            Column("fit", "int", "the same, on the persona"),
            Column("reason", "str", "what a vote against it said"),
            Column("votes", "json", "the usable votes: pairs of meaning and fit"),
            Column("similarity", "float", "cosine of the vectors of query and text"),
            Column("calls", "list[str]", "keys of the recorded calls"),
        ),
        _round,
        "every rewrite that was tried",
        run_kind=KIND,
    ),
)

for _spec in SPECS:
    register_table(_spec)

register_kind(
    RunKind(
        KIND,
        resume="recloop.agents.rewriter.carry:resume",
        replay="recloop.agents.rewriter.carry:replay",
        summary="recloop.agents.rewriter.summary:numbers",
        volatile_config=VOLATILE,
    )
)
