"""Reading and checking what a recommender of the user's answered."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sized
from itertools import islice
from typing import Any

import numpy as np

from ...evaluators.ranking import Ranking
from .errors import UnusableAnswer
from .past import Past
from .problems import Problems

SHAPES = (
    "a list of ids, a list of (id, score) pairs, {'items': [...], 'scores': [...]}, or an object with items and scores"
)

Scored = tuple[Any, Any]
"""An item and its score, as answered; the score is None where there was none."""


SLACK = 1000
"""Items read of an answer without a length beyond what was asked for and excluded: room for those that are dropped."""


def most_read(k: int, exclude: Collection[str]) -> int:
    """Items read, at most, of a generator: it may be endless."""
    return k + len(exclude) + SLACK


def read_answer(answer: Any, source: str, most: int, problems: Problems) -> list[Scored]:
    """Items best first, in whichever of the `SHAPES` they came.

    A tuple of two lists is (ids, scores); a mapping id -> score is sorted by score. Of a generator `most` items are read,
    and it is counted that there were more. Raises `UnusableAnswer` for another shape, saying which are understood.
    """
    if isinstance(answer, Mapping):
        if "items" not in answer:
            pairs = list(answer.items())
            return sorted(pairs, key=lambda pair: -_number(pair[1]) if math.isfinite(_number(pair[1])) else math.inf)
        return _together(answer["items"], answer.get("scores"), source, most, problems)
    items = getattr(answer, "items", None)
    if items is not None and not callable(items):
        return _together(items, getattr(answer, "scores", None), source, most, problems)
    if isinstance(answer, tuple) and len(answer) == 2 and all(isinstance(part, list | np.ndarray) for part in answer):
        return _together(*answer, source, most, problems)
    if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
        raise UnusableAnswer(f"{source} answered {type(answer).__name__} {answer!r:.80}\n  understood: {SHAPES}")
    return [
        (entry[0], entry[1]) if isinstance(entry, tuple | list) and len(entry) == 2 else (entry, None)
        for entry in _listed(answer, source, most, problems)
    ]


def _listed(values: Iterable[Any], source: str, most: int, problems: Problems) -> list[Any]:
    if isinstance(values, set | frozenset):  # its order changes from one process to the next
        raise UnusableAnswer(f"{source} answered a set, which has no order\n  give a list, best first: {SHAPES}")
    try:
        read = list(values if isinstance(values, Sized) else islice(values, most + 1))
    except (Exception, SystemExit) as error:  # a generator runs the user's code
        raise UnusableAnswer(
            f"{source} failed while its answer was read: {type(error).__name__}: {error}\n  recloop --traceback shows where"
        ) from error
    if len(read) > most and not isinstance(values, Sized):
        problems.note("unread", f"whatever a generator gave after {most} items")
        del read[most:]
    return read


def _together(items: Any, scores: Any, source: str, most: int, problems: Problems) -> list[Scored]:
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise UnusableAnswer(f"{source} answered items that are no list but {items!r:.80}\n  understood: {SHAPES}")
    listed = _listed(items, source, most, problems)
    if scores is None:
        return [(item, None) for item in listed]
    worth = _listed(scores, source, most, problems)
    if len(worth) != len(listed):
        raise UnusableAnswer(f"{source} answered {len(listed)} items with {len(worth)} scores: give one score per item")
    return list(zip(listed, worth, strict=True))


def _number(score: Any) -> float:
    try:
        return float(score)
    except (TypeError, ValueError):
        return math.nan


def item_name(item: Any) -> str | None:
    """An item's id as text: ids are strings, and many a recommender keeps them as whole numbers."""
    if isinstance(item, str):
        return item
    return str(int(item)) if isinstance(item, int | np.integer) and not isinstance(item, bool) else None


def check_answer(
    scored: list[Scored], user: str, k: int, exclude: frozenset[str], past: Past, problems: Problems, source: str
) -> Ranking:
    """A ranking of at most k items of the catalogue, in the order answered; what cannot be shown is dropped and counted.

    Items without a score get 1 / their place. Raises `UnusableAnswer` where something was answered and nothing of it
    can be shown; an empty answer is an empty ranking, counted.
    """
    wanted = min(k, len(past.items) - sum(item in past for item in exclude))
    if wanted <= 0:
        return Ranking((), np.empty(0, np.float32))
    kept: dict[str, float] = {}
    faults: dict[str, str] = {}
    for place, (item, score) in enumerate(scored, start=1):
        if len(kept) == wanted:
            break
        name = item_name(item)
        worth = 1.0 / place if score is None else _number(score)
        fault = (
            "unknown_item" if name is None or name not in past
            else "duplicate" if name in kept
            else "excluded" if name in exclude
            else "bad_score" if not math.isfinite(worth)
            else ""
        )  # fmt: skip
        if name is not None and not fault:
            kept[name] = worth
        else:
            faults.setdefault(fault, f"item {item!r:.60} for user {user!r}")
            problems.note(fault, faults[fault])
    if scored and not kept:
        what = "; ".join(f"{fault}: {example}" for fault, example in faults.items())
        raise UnusableAnswer(
            f"{source} answered {len(scored)} items for user {user!r} and none can be shown ({what})\n"
            f"  it must answer ids of the catalogue, such as {', '.join(map(repr, past.items[:3]))}, none of them in exclude"
        )
    if len(kept) < wanted:
        problems.note("too_few" if kept else "empty", f"{len(kept)} of {wanted} for user {user!r}")
    return Ranking(tuple(kept), np.fromiter(kept.values(), np.float32, len(kept)))
