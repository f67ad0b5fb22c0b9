"""The tables of a sweep, as views of its events: one row per cell, per number of a cell, per number of a user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...runs import Column, Event, TableSpec, register_table

KIND = "sweep"
CELL = "cell"
"""The event of a finished cell."""


def _cell(event: Event) -> Iterator[dict[str, Any]]:
    yield {name: event.data[name] for name in ("cell", "arm", "seed", "path", "status", "digest")}


def _measures(event: Event) -> Iterator[dict[str, Any]]:
    for metric, number in event.data["numbers"].items():
        yield {**_of(event), "metric": metric, **number}


def _user_measures(event: Event) -> Iterator[dict[str, Any]]:
    from .measures import per_user

    for metric, values in per_user(event.data["sums"]).items():
        for agent, value in zip(event.data["users"], values.tolist(), strict=True):
            if value == value:  # NaN: this user has none
                yield {**_of(event), "agent": agent, "metric": metric, "value": value}


def _of(event: Event) -> dict[str, Any]:
    return {name: event.data[name] for name in ("cell", "arm", "seed")}


_CELL = Column("cell", "str", "the rehearsal's folder below runs/")
_ARM = Column("arm", "str", "the combination of all axes but the seed")
_SEED = Column("seed", "int", "seed of the rehearsal")
_METRIC = Column("metric", "str", "watch_rate, likes, hits, lift, rating, pages, satisfaction, invalid")

for _spec in (
    TableSpec(
        "cells",
        CELL,
        (
            _CELL,
            _ARM,
            _SEED,
            Column("path", "str", "its run, from the sweep's folder"),
            Column("status", "str", "finished"),
            Column("digest", "str", "its run's digest"),
        ),
        _cell,
        "the finished rehearsals",
        KIND,
    ),
    TableSpec(
        "measures",
        CELL,
        (
            _CELL,
            _ARM,
            _SEED,
            _METRIC,
            Column("value", "float", "the number over the cell's users; null where it is not defined"),
            Column("low", "float", "lower end of its 95 % interval over users; null where there is none"),
            Column("high", "float", "upper end"),
            Column("n", "int", "users it stands on"),
        ),
        _measures,
        "the numbers of each rehearsal",
        KIND,
    ),
    TableSpec(
        "user_measures",
        CELL,
        (
            _CELL,
            _ARM,
            _SEED,
            Column("agent", "str", "the simulated user's id in the data"),
            _METRIC,
            Column("value", "float", "the number of this user alone"),
        ),
        _user_measures,
        "the same, user by user: what pairs are made of",
        KIND,
    ),
):
    register_table(_spec)
