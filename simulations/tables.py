"""The tables of a rehearsal, as views of its events; every column says what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..runs import Column, Event, TableSpec, register_table

KIND = "simulate"


def _nested(name: str) -> Any:
    def rows(event: Event) -> Iterator[dict[str, Any]]:
        for row in event.data[name]:
            yield {"agent": event.agent, "page": event.page, **row}

    return rows


def _one(name: str) -> Any:
    def rows(event: Event) -> Iterator[dict[str, Any]]:
        row = event.data.get(name)
        if row is not None:
            yield {"agent": event.agent, "page": event.page, **row}

    return rows


def _decision(event: Event) -> Iterator[dict[str, Any]]:
    row = dict(event.data["decision"])
    decision = "next" if row.pop("next") else "exit"
    yield {"agent": event.agent, "page": event.page, "decision": decision, **row}


def _persona(event: Event) -> Iterator[dict[str, Any]]:
    kept = ("activity", "conformity", "diversity", "n_history", "mean_rating", "tastes_source")
    yield {"agent": event.agent, **{k: event.data[k] for k in kept}, "tastes": " ".join(event.data["tastes"])}


_AGENT = Column("agent", "str", "the simulated user's id in the data")
_PAGE = Column("page", "int", "page of the simulated clock, from 0")
_CALL = Column("call", "str", "key of the recorded model call behind it; empty where code decided without one")

SPECS = (
    TableSpec(
        "exposures",
        "page",
        (
            _AGENT,
            _PAGE,
            Column("slot", "int", "position in the recommender's own order, from 0"),
            Column("shown_at", "int", "position in which the user saw it, from 0"),
            Column("item", "str", "item id"),
            Column("policy", "str", "recommender and its configuration's hash"),
            Column("score", "float", "the recommender's score"),
            Column("propensity", "float", "probability that the policy showed this item in this slate"),
        ),
        _nested("exposures"),
        "what each user was shown",
    ),
    TableSpec(
        "actions",
        "page",
        (
            _AGENT,
            _PAGE,
            Column("item", "str", "item id"),
            Column("action", "str", "what the user did with it"),
            Column("positive", "bool", "whether that action takes the item up (watch, click, cart, buy)"),
            Column("rating", "float", "rating given, on the data's scale; null where none was"),
            Column("liked", "bool", "taken up and rated as a like"),
            Column("fits", "bool", "whether the user's model said the item fits their tastes (generate mode)"),
            Column(
                "margin",
                "float",
                "score mode and scripted users: how much the item suits, nats (a model's log-odds, corrected)",
            ),
            Column("probability", "float", "probability of taking it up, where one was computed"),
            Column("feeling", "str", "the reason in the model's words"),
            _CALL,
        ),
        _nested("actions"),
        "what each user did with each item shown",
    ),
    TableSpec(
        "decisions",
        "page",
        (
            _AGENT,
            _PAGE,
            Column("decision", "str", "next or exit"),
            Column("reason", "str", "why"),
            Column("satisfaction", "float", "satisfaction so far, 1 to 10"),
            Column("fatigue", "float", "fatigue, 0 to 1"),
            Column("invalid", "bool", "the model gave no usable answer; the user went on by rule"),
            Column("source", "str", "model or code"),
            _CALL,
        ),
        _decision,
        "next page or exit, after each page",
    ),
    TableSpec(
        "memories",
        "page",
        (
            _AGENT,
            _PAGE,
            Column("kind", "str", "factual, emotional or navigation"),
            Column("text", "str", "the memory"),
            Column("importance", "float", "1 to 10"),
            _CALL,
        ),
        _nested("memories"),
        "what was written into memory",
    ),
    TableSpec(
        "interviews",
        "page",
        (
            _AGENT,
            _PAGE,
            Column("satisfaction", "float", "1 to 10; null where no usable answer came"),
            Column("text", "str", "the reason"),
            Column("source", "str", "model or code"),
            _CALL,
        ),
        _one("interview"),
        "exit interviews",
    ),
    TableSpec(
        "personas",
        "persona",
        (
            _AGENT,
            Column("activity", "int", "1 rare, 2 regular, 3 heavy (Agent4Rec section 3.1)"),
            Column("conformity", "int", "1 follower, 2 balanced, 3 maverick; null without ratings"),
            Column("diversity", "int", "1 narrow, 2 mixed, 3 broad"),
            Column("n_history", "int", "training rows"),
            Column("mean_rating", "float", "mean of the user's training ratings"),
            Column("tastes", "str", "taste sentences"),
            Column("tastes_source", "str", "who summarised the tastes: genres, keywords, or a model's name"),
        ),
        _persona,
        "who the simulated users are",
    ),
)

for _spec in SPECS:
    register_table(replace(_spec, run_kind=KIND))
