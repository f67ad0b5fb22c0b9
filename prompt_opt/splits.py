"""Three parts of the cases: one to search on, one to choose on, and a sealed one that is opened once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, PositiveInt

from ..agents.randomness import shuffled
from .errors import OptimizeError
from .task import Task

LEAST = 10
"""Fewer cases than this in a part tell nothing."""


class Sizes(BaseModel):
    """Most cases of each part. Where there are fewer, all parts shrink alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    search: PositiveInt = 80
    """Cases that prompts are raced on and errors are shown from."""
    selection: PositiveInt = 60
    """Cases that the finalists are chosen on; no proposer sees them."""
    test: PositiveInt = 100
    """Sealed cases: the winner and the seed are held against each other on them, once."""

    @property
    def total(self) -> int:
        return self.search + self.selection + self.test


class Splits(NamedTuple):
    """Case ids of the three parts, each in a drawn order."""

    search: tuple[str, ...]
    selection: tuple[str, ...]
    test: tuple[str, ...]


def draw_splits(task: Task, sizes: Sizes, seed: int) -> Splits:
    """The three parts of a task's cases. Parts that the data came in are kept apart; what is missing is cut from "search".

    Raises `OptimizeError` where a part would have fewer than ten cases, or where a case stands in two parts.
    """
    parts = {name: list(dict.fromkeys(ids)) for name, ids in task.parts.items() if ids}
    if not parts:
        parts = {"search": [case.id for case in task.cases]}
    _check(task, parts)
    drawn = {name: [ids[i] for i in shuffled(len(ids), seed, "split", name)] for name, ids in parts.items()}
    wanted = {"search": sizes.search, "selection": sizes.selection, "test": sizes.test}
    for name, number in wanted.items():
        if number < LEAST:
            raise OptimizeError(
                f"{number} cases for the {name} split are too few: {LEAST} are the least\n  for example  --{name} 60"
            )
    from_search = [name for name in wanted if name == "search" or name not in drawn]
    pool = drawn.pop("search", [])
    share = min(1.0, len(pool) / sum(wanted[name] for name in from_search))
    found: dict[str, tuple[str, ...]] = {name: tuple(drawn[name][: wanted[name]]) for name in drawn}
    for name in from_search:
        take = int(wanted[name] * share)
        found[name], pool = tuple(pool[:take]), pool[take:]
    for name in wanted:
        if len(found[name]) < LEAST:
            raise OptimizeError(
                f"{task.name}: {len(task.cases)} cases leave {len(found[name])} for the {name} split\n"
                f"  give more data; {LEAST} a split are the least, and a hundred show differences of a few points"
            )
    return Splits(found["search"], found["selection"], found["test"])


def _check(task: Task, parts: Mapping[str, Sequence[str]]) -> None:
    known = {case.id for case in task.cases}
    if len(known) != len(task.cases):
        raise OptimizeError(f"{task.name}: two cases share an id\n  give every case an id of its own")
    where: dict[str, str] = {}
    for name, ids in parts.items():
        if name not in Splits._fields:
            raise OptimizeError(f"{task.name}: no part {name!r}; there are {', '.join(Splits._fields)}")
        for case in ids:
            if case not in known:
                raise OptimizeError(f"{task.name}: part {name!r} names a case {case!r} that is not there")
            if case in where:
                raise OptimizeError(f"{task.name}: case {case!r} is in {where[case]!r} and in {name!r}")
            where[case] = name
