"""The user's own search engine: asked query by query, its answers read and checked, problems counted."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel

from ...data.search import Documents
from ...evaluators.ranking import Ranking
from ..recommenders.answers import item_name, most_read, read_answer
from ..recommenders.errors import UnusableAnswer
from ..recommenders.policy import policy_id
from ..recommenders.problems import Problems
from .best import NOTHING, places
from .errors import NotIndexed, SearchError
from .protocol import Retriever

Ask = Callable[[Sequence[str], int, Sequence[Sequence[str] | None]], Sequence[Any]]
"""(queries, k, pools or None) -> one raw answer per query, in any of the shapes that `read_answer` understands."""

SHAPES = """a retriever: an object with name, policy_id, fit(documents), search(queries, k) and rank(queries, pools)
    a class or factory of one, called without arguments (or with the fields of config)
    a function (query, k) -> document ids, best first, or (id, score) pairs"""


class OwnRetriever:
    """Any engine that answers a query with document ids. Ids of the set are the truth: unknown ones are dropped and counted.

    In a pool, what the engine does not list stands behind what it lists, with one score, in the order of the documents.
    """

    def __init__(self, ask: Ask, name: str, identity: str = "") -> None:
        self.name, self.policy_id = name, identity or policy_id(name)
        self.problems = Problems()
        self._ask = ask
        self._place: dict[str, int] | None = None

    def fit(self, documents: Documents) -> Self:
        self._place = places(documents)
        return self

    def search(self, queries: Sequence[str], k: int = 100) -> list[Ranking]:
        self._indexed()
        asked = [place for place, query in enumerate(queries) if query.strip()]
        answers = self._ask([queries[place] for place in asked], k, [None] * len(asked))
        found = [NOTHING] * len(queries)
        for place, answer in zip(asked, answers, strict=True):
            found[place] = self._read(answer, k)
        return found

    def rank(self, queries: Sequence[str], pools: Sequence[Sequence[str]]) -> list[Ranking]:
        place = self._indexed()
        for pool in pools:
            for document in pool:
                place[document]  # an unknown id is a mistake of the caller's
        answers = self._ask(queries, len(place), list(pools))
        return [
            self._in_pool(self._read(answer, len(place)), pool) for answer, pool in zip(answers, pools, strict=True)
        ]

    def _indexed(self) -> dict[str, int]:
        if self._place is None:
            raise NotIndexed(self.name)
        return self._place

    def _read(self, answer: Any, k: int) -> Ranking:
        """At most k known documents in the order answered; scores that do not fall with it are replaced by 1 / place."""
        known = self._indexed()
        if isinstance(answer, Mapping) and "documents" in answer:
            answer = {"items": answer["documents"], "scores": answer.get("scores")}
        try:
            scored = read_answer(answer, self.name, most_read(k, ()), self.problems)
        except UnusableAnswer as error:
            raise SearchError(str(error)) from error
        kept: dict[str, float] = {}
        for item, score in scored:
            document = item_name(item)
            if document is None or document not in known:
                self.problems.note("unknown_item", f"document {item!r:.60}")
            elif document in kept:
                self.problems.note("duplicate", f"document {item!r:.60}")
            elif len(kept) < k:
                kept[document] = _number(score)
        scores = np.array(list(kept.values()), dtype=np.float32)
        if not np.isfinite(scores).all() or np.any(np.diff(scores) > 0):
            if not np.isnan(scores).all():
                self.problems.note("bad_score", "scores that are no numbers, or do not fall with the place")
            scores = 1.0 / np.arange(1, len(kept) + 1, dtype=np.float32)
        return Ranking(tuple(kept), scores)

    def _in_pool(self, ranking: Ranking, pool: Sequence[str]) -> Ranking:
        place = self._indexed()
        wanted = dict.fromkeys(pool)
        listed = {
            item: float(score) for item, score in zip(ranking.items, ranking.scores, strict=True) if item in wanted
        }
        rest = sorted((document for document in wanted if document not in listed), key=place.__getitem__)
        behind = min(listed.values(), default=1.0) - 1.0
        return Ranking((*listed, *rest), np.array([*listed.values(), *[behind] * len(rest)], dtype=np.float32))


def adapt(thing: Any, name: str, config: BaseModel | Mapping[str, Any] | None = None) -> Retriever:
    """`thing` as a `Retriever`. Raises `SearchError` for what is none of the `SHAPES`."""
    fields = config.model_dump() if isinstance(config, BaseModel) else dict(config or {})
    if inspect.isclass(thing) or (
        callable(thing) and not isinstance(thing, Retriever) and not takes(thing, "query", 10)
    ):
        try:
            thing = thing(**fields)
        except Exception as error:  # the user's code
            raise SearchError(
                f"{name} cannot be made: {type(error).__name__}: {error}\n  understood: {SHAPES}"
            ) from error
    elif fields:
        raise SearchError(f"{name} takes no configuration: it is ready made\n  name its class or a factory instead")
    if isinstance(thing, Retriever):
        return thing
    if not callable(thing):
        raise SearchError(f"{name} is no retriever: {type(thing).__name__} {thing!r:.80}\n  understood: {SHAPES}")

    def ask(queries: Sequence[str], k: int, pools: Sequence[Sequence[str] | None]) -> list[Any]:
        return [_called(thing, name, query, k) for query in queries]

    return OwnRetriever(ask, name, policy_id(name, fields))


def takes(function: Callable[..., Any], *arguments: Any) -> bool:
    """Whether it can be called so, and not without arguments."""
    try:
        signature = inspect.signature(function)
        signature.bind(*arguments)
    except (TypeError, ValueError):
        return False
    try:
        signature.bind()
    except TypeError:
        return True
    return False


def _called(function: Callable[..., Any], name: str, query: str, k: int) -> Any:
    try:
        return function(query, k)
    except Exception as error:  # the user's code
        raise SearchError(
            f"{name} failed on a query: {type(error).__name__}: {error}\n  recloop --traceback shows where"
        ) from error


def _number(score: Any) -> float:
    try:
        return math.nan if score is None else float(score)
    except (TypeError, ValueError):
        return math.nan
