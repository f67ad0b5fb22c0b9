"""The bill of a search, from its recorded calls: by role, and by candidate."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..runs import Run
from .history import History

Role = Literal["task", "proposer", "test", "other"]
ROLES: Mapping[Role, str] = {
    "task": "task model, searching",
    "proposer": "proposer",
    "test": "task model, sealed test",
    "other": "checks of the models",
}
"""Role -> its words."""

FIELDS = ("key", "agent", "node", "model", "prompt_tokens", "completion_tokens", "cost", "latency", "attempts")

_CANDIDATE = re.compile("[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Spent:
    """What calls took. `usd`: None where no price is known; `unpriced` calls are not in it. `seconds`: the calls' own
    times added up; calls overlap, so the search took less."""

    calls: float = 0
    attempts: float = 0
    prompt_tokens: float = 0
    completion_tokens: float = 0
    usd: float | None = None
    unpriced: float = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> float:
        return self.prompt_tokens + self.completion_tokens

    def json(self) -> dict[str, Any]:
        return {**asdict(self), "tokens": self.tokens}


@dataclass(frozen=True)
class Bill:
    """`roles`: by who was asked for what. `asked`: candidate -> what scoring it took, the sealed test included.
    `made`: candidate -> what its proposal took (a call that made several is shared out evenly). `wall`: seconds from
    the first call to the last, pauses left out."""

    total: Spent
    roles: Mapping[Role, Spent]
    asked: Mapping[str, Spent]
    made: Mapping[str, Spent]
    models: Mapping[Role, tuple[str, ...]]
    wall: float

    def json(self) -> dict[str, Any]:
        return {
            "total": {**self.total.json(), "wall_seconds": self.wall},
            "roles": {role: spent.json() | {"models": list(self.models[role])} for role, spent in self.roles.items()},
        }


def bill(run: Run, history: History) -> Bill:
    """What every call of the run took, and what for."""
    makers: defaultdict[str, list[str]] = defaultdict(list)
    for candidate in [*history.candidates.values(), *(each.candidate for each in history.refused)]:
        for key in dict.fromkeys(candidate.calls):
            makers[key].append(candidate.id)
    sealed = set(history.splits.get("test", ()))
    tested = {
        key
        for name in history.scores
        for case, result in history.scores.of(name).items()
        if case in sealed
        for key in result.calls
    }
    by_role: defaultdict[Role, list[tuple[Mapping[str, Any], float]]] = defaultdict(list)
    asked: defaultdict[str, list[tuple[Mapping[str, Any], float]]] = defaultdict(list)
    made: defaultdict[str, list[tuple[Mapping[str, Any], float]]] = defaultdict(list)
    models: defaultdict[Role, dict[str, None]] = defaultdict(dict)
    for call in run.calls.facts(FIELDS):
        role = _role(call, sealed, tested)
        by_role[role].append((call, 1.0))
        models[role][call["model"]] = None
        if call["agent"] in history.candidates:
            asked[call["agent"]].append((call, 1.0))
        for name in makers.get(call["key"], ()):
            made[name].append((call, 1 / len(makers[call["key"]])))
    roles: dict[Role, Spent] = {role: _sum(by_role[role]) for role in ROLES if by_role[role]}
    return Bill(
        total=_sum(pair for pairs in by_role.values() for pair in pairs),
        roles=roles,
        asked={name: _sum(pairs) for name, pairs in asked.items()},
        made={name: _sum(pairs) for name, pairs in made.items()},
        models={role: tuple(sorted(models[role])) for role in roles},
        wall=run.calls.totals().seconds,
    )


def _role(call: Mapping[str, Any], sealed: set[str], tested: set[str]) -> Role:
    """Cases are asked at a candidate's id; another library asks for prompts at its own name, node "propose"."""
    agent, node = call["agent"], call["node"]
    if agent == "proposer" or (node == "propose" and not _CANDIDATE.fullmatch(agent)):
        return "proposer"
    if not agent:
        return "other"
    return "test" if call["key"] in tested or node in sealed else "task"


def _sum(pairs: Iterable[tuple[Mapping[str, Any], float]]) -> Spent:
    total: defaultdict[str, float] = defaultdict(float)
    priced = 0
    for call, share in pairs:
        total["calls"] += share
        for name in ("attempts", "prompt_tokens", "completion_tokens"):
            total[name] += share * call[name]
        total["seconds"] += share * call["latency"]
        if call["cost"] is None:
            total["unpriced"] += share
        else:
            priced += 1
            total["usd"] += share * call["cost"]
    counts = ("calls", "attempts", "prompt_tokens", "completion_tokens", "unpriced")
    whole = {name: _whole(total[name]) for name in counts}
    return Spent(**whole, usd=total["usd"] if priced else None, seconds=total["seconds"])


def _whole(value: float) -> float:
    """Whole numbers as such; shares of a call to three digits."""
    return int(value) if value == int(value) else round(value, 3)
