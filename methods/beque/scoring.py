"""Relevance, increment and hit rate of rewrites (BEQUE, arXiv 2311.03758), counted in what a retriever finds.

Z_x and Z_y are the first k documents that the query x and its rewrite y find, f says what is relevant to x (never to y: else
drifting away would be rewarded), E_x is what people took who asked x.

    relevance(x, y) = |rel(Z_y)| / |Z_y|
    increment(x, y) = |rel(Z_y \\ Z_x)| / (|rel(Z_x)| + 1), at most `cap`
    hit rate(x, y)  = |rel(E_x) & (Z_x | Z_y)| / |rel(E_x)|

Increment. The formula goes round as |rel(Z_x | Z_y)| / |rel(Z_x)|, while the table beside it has 90.0 %. A union is never
smaller than its part, so the printed quotient is never below 100 %: the figures of the table can only be the ADDED part,
|rel(Z_y \\ Z_x)| / |rel(Z_x)|, which is the printed quotient less 1. We report the added part. Since it explodes where the
query finds one relevant document or none, 1 is added below: (|rel(Z_x | Z_y)| + 1) / (|rel(Z_x)| + 1) - 1. `printed` holds
the quotient as it is printed.

Hit rate. As printed the numerator counts all of E_x and the denominator only what is relevant of it, so that it may pass 1.
Both are of rel(E_x) here. Where no E_x is given, retrieval is simulated: E_x is all that is known to be relevant to x, and
the hit rate is the recall of the union.

Whoever reads on in the query's own list also finds more. `read_on` counts what as many further documents of that list would
have added: a rewrite is worth its search only as far as it adds more than that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat, PositiveInt

from ..search.protocol import Retriever
from .keys import query_key
from .relevance import Relevance, check_apart

EMPTY, SAME, REPEATED = "empty", "the query itself", "repeated"


class ScoreConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    k: PositiveInt = 10
    """How many documents of each list are looked at."""
    cap: PositiveFloat = 3.0
    """Most that an increment counts for, in reward and in figures."""
    relevance: NonNegativeFloat = 0.4
    """Weight of relevance in the reward."""
    increment: NonNegativeFloat = 0.4
    """Weight of increment, as a share of `cap`."""
    hit_rate: NonNegativeFloat = 0.2
    """Weight of the hit rate. Where that is not known, the other two weights count in proportion."""
    judged_only: bool = False
    """Leave documents out that nobody judged, and take the first k of the rest (condensed lists, Sakai 2007)."""
    deep: PositiveInt = 1000
    """How many documents are retrieved where unjudged ones are to be left out."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of documents behind a score.

    `found`, `relevant`, `unjudged`: of the rewrite's list; `found_query`, `relevant_query`: of the query's; `new`: what only
    the rewrite's has, `added`: relevant ones among these; `read_on`: relevant ones among the next `new` documents of the
    query's own list; `truth`: what people took, or all that is known to be relevant; `hits`: of it in the union,
    `hits_query`: in the query's list.
    """

    found: int
    relevant: int
    unjudged: int
    found_query: int
    relevant_query: int
    new: int
    added: int
    read_on: int
    truth: int
    hits: int
    hits_query: int


@dataclass(frozen=True, slots=True)
class RewriteScore:
    """What one rewrite is worth. `hit_rate` and `printed` are NaN where nothing is known to be relevant, or nothing relevant
    is found by the query. `reward`: between 0 and 1 for the default weights."""

    text: str
    relevance: float
    increment: float
    hit_rate: float
    reward: float
    printed: float
    counts: Counts

    @property
    def beyond(self) -> float:
        """Relevant documents added over those of reading on, in the unit of `increment` before its cap."""
        return (self.counts.added - self.counts.read_on) / (self.counts.relevant_query + 1)


@dataclass(frozen=True, slots=True)
class Scored:
    """The rewrites of one query, in the order given. `alone`: the query as its own rewrite, which adds nothing.

    `dropped`: how many texts were no rewrite, by the reason (`empty`, `the query itself`, `repeated`).
    """

    query: str
    alone: RewriteScore
    scores: tuple[RewriteScore, ...]
    dropped: Mapping[str, int]


def score_rewrite(
    query: str,
    rewrites: str | Sequence[str],
    retriever: Retriever,
    relevance: Relevance,
    *,
    external: Collection[str] | None = None,
    config: ScoreConfig = ScoreConfig(),
) -> Scored:
    """Score the rewrites of one query; see `score_rewrites`."""
    texts = [rewrites] if isinstance(rewrites, str) else rewrites
    return score_rewrites([query], [texts], retriever, relevance, external=[external], config=config)[0]


def score_rewrites(
    queries: Sequence[str],
    rewrites: Sequence[Sequence[str]],
    retriever: Retriever,
    relevance: Relevance,
    *,
    external: Sequence[Collection[str] | None] | None = None,
    config: ScoreConfig = ScoreConfig(),
) -> list[Scored]:
    """Score each query's rewrites. All texts are searched for at once, each once.

    `external`: for each query the documents that people took who did not come by this search. Raises `SearchError` where
    the retriever is to judge itself, `ValueError` where lengths differ.
    """
    check_apart(relevance, retriever)
    if not len(queries) == len(rewrites) == len(queries if external is None else external):
        raise ValueError(f"{len(queries)} queries, but rewrites for {len(rewrites)}")
    kept, dropped = [], []
    for query, texts in zip(queries, rewrites, strict=True):
        good, why = _kept(query, texts)
        kept.append(good)
        dropped.append(why)
    depth = config.deep if config.judged_only else config.k
    own = list(dict.fromkeys(queries))
    others = list(dict.fromkeys(text for good in kept for text in good if text not in set(own)))
    found = dict(zip(others, retriever.search(others, depth) if others else [], strict=True))
    # Of the queries twice as much: what reading on would have found.
    found |= dict(zip(own, retriever.search(own, 2 * depth), strict=True))
    pools = [
        list(dict.fromkeys(document for text in (query, *good) for document in found[text].items))
        for query, good in zip(queries, kept, strict=True)
    ]
    result = []
    for query, good, why, pool, verdict, truth in zip(
        queries,
        kept,
        dropped,
        pools,
        relevance.verdicts(queries, pools),
        _truths(queries, relevance, external),
        strict=True,
    ):
        lists = _Lists(found[query].items, dict(zip(pool, verdict.tolist(), strict=True)), truth, config)
        scores = tuple(lists.score(text, found[text].items) for text in good)
        result.append(Scored(query, lists.score(query, found[query].items), scores, why))
    return result


def worth_it(scored: Scored, least_gap: float = 0.0) -> list[RewriteScore]:
    """The rewrites that beat the query alone by more than `least_gap`, best first. One that adds no relevant document is
    none of them, however pure its list: in the union of both lists it is a second search for nothing."""
    better = [s for s in scored.scores if s.counts.added and s.reward > scored.alone.reward + least_gap]
    return sorted(better, key=lambda score: -score.reward)


def best_of(scored: Scored, least_gap: float = 0.0) -> RewriteScore | None:
    """The rewrite with the highest reward of those that are `worth_it`, the first of equals; None where none is. Whoever
    reports the winner's figures measures them by another f than the one it was chosen by."""
    return next(iter(worth_it(scored, least_gap)), None)


def _truths(
    queries: Sequence[str], relevance: Relevance, external: Sequence[Collection[str] | None] | None
) -> list[Collection[str] | None]:
    """rel(E_x) of each query: what is relevant of what people took, or all that is relevant; None where nothing is known."""
    if external is None:
        return relevance.everything(queries)
    given = [list(dict.fromkeys(truth or ())) for truth in external]
    taken = relevance.verdicts(queries, given)
    relevant = [[d for d, v in zip(*pair, strict=True) if v > 0] for pair in zip(given, taken, strict=True)]
    known = relevance.everything(queries) if None in external else relevant
    return [mine if truth is not None else other for truth, mine, other in zip(external, relevant, known, strict=True)]


def _kept(query: str, texts: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Texts that are rewrites, and how many are none, by reason."""
    seen, kept, dropped = {query_key(query): SAME}, list[str](), Counter[str]()
    for text in texts:
        key = query_key(text)
        if not key or key in seen:
            dropped[EMPTY if not key else seen[key]] += 1
            continue
        seen[key] = REPEATED
        kept.append(text)
    return kept, dict(dropped)


class _Lists:
    """One query's list, and the count of others against it."""

    def __init__(
        self,
        found: Sequence[str],
        verdicts: Mapping[str, int],
        truth: Collection[str] | None,
        config: ScoreConfig,
    ) -> None:
        self.config, self.verdicts = config, verdicts
        self.truth = None if truth is None else frozenset(truth)
        self.all = self._list(found)
        self.head = set(self.all[: config.k])
        self.relevant = self._relevant(self.head)

    def score(self, text: str, found: Sequence[str]) -> RewriteScore:
        config = self.config
        listed = self._list(found)[: config.k]
        new = [document for document in listed if document not in self.head]
        both = self.head.union(listed)
        truth = self.truth or frozenset()
        counts = Counts(
            found=len(listed),
            relevant=self._relevant(listed),
            unjudged=sum(self.verdicts[document] == 0 for document in listed),
            found_query=len(self.head),
            relevant_query=self.relevant,
            new=len(new),
            added=self._relevant(new),
            read_on=self._relevant(self.all[config.k : config.k + len(new)]),
            truth=len(truth),
            hits=len(truth & both),
            hits_query=len(truth & self.head),
        )
        relevance = counts.relevant / counts.found if counts.found else 0.0
        increment = min(counts.added / (self.relevant + 1), config.cap)
        hit_rate = counts.hits / counts.truth if counts.truth else math.nan
        printed = (self.relevant + counts.added) / self.relevant if self.relevant else math.nan
        reward = config.relevance * relevance + config.increment * increment / config.cap
        if counts.truth:
            reward += config.hit_rate * hit_rate
        elif weighed := config.relevance + config.increment:
            reward *= (weighed + config.hit_rate) / weighed
        return RewriteScore(text, relevance, increment, hit_rate, reward, printed, counts)

    def _list(self, found: Sequence[str]) -> list[str]:
        return [document for document in found if self.verdicts[document]] if self.config.judged_only else list(found)

    def _relevant(self, documents: Collection[str]) -> int:
        return sum(self.verdicts[document] > 0 for document in documents)
