"""A selector inside a search: arms are candidates, pulls are `Evaluate` steps."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..candidate import Candidate
from ..context import Context
from ..scores import Scores
from ..steps import Evaluate, Note, Step
from .contract import FloatArray, Pulls, Selector


@dataclass(frozen=True)
class Picked:
    """What a selection found among candidates. `candidates`: the best, best first (none: too much was missing to rank);
    `kept`: their places in the list given. The rest is as in `Selection`; `eliminated` is by candidate id."""

    candidates: tuple[Candidate, ...]
    kept: tuple[int, ...]
    tie: bool
    estimates: FloatArray
    pulls: int
    eliminated: Mapping[str, str]


def select_candidates(
    selector: Selector,
    candidates: Sequence[Candidate],
    cases: Sequence[str],
    context: Context,
    keep: int = 1,
    at: Sequence[int | str] = (),
) -> Generator[Step, Any, Picked]:
    """The best `keep` of the candidates over these cases; to `yield from` in an optimizer.

    A selector that shows all arms the same cases does so in one order for the whole search, so that what an earlier
    selection asked is known already; the others draw anew for every set of candidates. `at` makes another draw of chance.
    Who was eliminated is noted in the lineage when the selection has ended.
    """
    shared = getattr(selector, "shared", True)
    parts = at or (() if shared else tuple(each.id for each in candidates))
    choosing = selector.select(len(candidates), len(cases), keep, context.chance("select", selector.name, *parts))
    try:
        pulls = next(choosing)
        while True:
            scores: Scores = yield Evaluate(_work(pulls, candidates, cases))
            pulls = choosing.send(_values(pulls, candidates, cases, scores))
    except StopIteration as ended:
        found = ended.value
    for arm, why in found.eliminated.items():
        told = {"estimate": _plain(found.estimates[arm]), "cases": len(cases)}
        yield Note("eliminated", candidates[arm].id, _named(why, candidates), told)
    eliminated = {candidates[arm].id: _named(why, candidates) for arm, why in found.eliminated.items()}
    best = tuple(candidates[arm] for arm in found.kept)
    return Picked(best, tuple(found.kept), found.tie, found.estimates, found.pulls, eliminated)


def _work(pulls: Pulls, candidates: Sequence[Candidate], cases: Sequence[str]) -> list[tuple[Candidate, list[str]]]:
    """Cases by candidate, in the order of the pulls; a case pulled twice is asked once."""
    wanted: dict[int, dict[str, None]] = {}
    for arm, case in zip(pulls.arms.tolist(), pulls.cases.tolist(), strict=True):
        wanted.setdefault(arm, {})[cases[int(case)]] = None
    return [(candidates[arm], list(asked)) for arm, asked in wanted.items()]


def _values(pulls: Pulls, candidates: Sequence[Candidate], cases: Sequence[str], scores: Scores) -> FloatArray:
    told = zip(pulls.arms.tolist(), pulls.cases.tolist(), strict=True)
    values = (scores.value(candidates[arm].id, cases[int(case)]) for arm, case in told)
    return np.fromiter(values, dtype=np.float64, count=len(pulls.arms))


def _named(why: str, candidates: Sequence[Candidate]) -> str:
    """Selectors know numbers; people know candidates."""
    words = why.split(" ")
    if "arm" in words[:-1]:
        place = words.index("arm")
        words[place : place + 2] = [candidates[int(words[place + 1])].id]
    return " ".join(words)


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
