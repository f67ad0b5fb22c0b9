"""How much a ranking depends on how the query is put: one case is one query in all its phrasings.

Formulas follow Agent4Ranking (arXiv 2312.15450) where it has them; the per-query variance is the figure to compare rankers
by, since it is paired and has as many cases as there are queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .estimate import Estimate, PairedEstimate, bootstrap_mean, paired_difference
from .ranking import Ranking, Truth, grades
from .ranking_metrics import MAP, NDCG

FloatTable = NDArray[np.float64]

RAW = "raw"
"""The form in which the query was given; other forms are named by their family or persona."""

Figure = Literal["ndcg", "raw", "worst", "variance", "vnap", "tau_min", "overlap", "spread"]
FIGURES: dict[Figure, str] = {
    "ndcg": "mean NDCG over all forms of a query",
    "raw": "NDCG of the query as it was given",
    "worst": "NDCG of the query's worst form",
    "variance": "population variance of NDCG over a query's forms",
    "vnap": "population variance over a query's forms of average precision divided by its mean",
    "tau_min": "smallest Kendall tau between two forms of a query",
    "overlap": "mean share of the first k that two forms of a query have in common",
    "spread": "standard deviation of scores within a ranking, mean over a query's forms",
}

LEAST_SPREAD = 0.5
"""Of the rival's spread: a ranker whose scores lie closer together has become steady by saying nothing."""
TAU_DEPTH = 100


@dataclass(frozen=True, eq=False)
class Stability:
    """What was measured, per case first.

    `queries` and `forms` name the rows and columns of `ndcg`, `ap` and `spreads`, float64 (queries, forms), NaN where a query
    has no such form or (`ndcg`, `ap`) nothing relevant. `tau_min` and `overlap`, float64 (queries,), are NaN where a query has
    one form only. `flat`: rankings of two and more documents in which all have the same score; `rankings`: of how many.
    """

    queries: tuple[str, ...]
    forms: tuple[str, ...]
    k: int
    ndcg: FloatTable
    ap: FloatTable
    spreads: FloatTable
    tau_min: NDArray[np.float64]
    overlap: NDArray[np.float64]
    flat: int
    rankings: int

    def values(self, figure: Figure) -> NDArray[np.float64]:
        """One figure for every query, NaN where it is undefined. Raises `ValueError` for an unknown one."""
        if figure not in FIGURES:
            raise ValueError(f"no figure {figure!r}\n  known: {', '.join(FIGURES)}")
        if figure == "tau_min" or figure == "overlap":
            return self.tau_min if figure == "tau_min" else self.overlap
        if figure == "raw":
            return self.ndcg[:, self.forms.index(RAW)] if RAW in self.forms else np.full(len(self.queries), np.nan)
        if figure == "worst":
            return _by_row(self.ndcg, np.min)
        if figure == "variance":
            return _by_row(self.ndcg, _variance, least=2)
        if figure == "vnap":
            return _by_row(self.ap, lambda row: _variance(row / row.mean()) if row.mean() > 0 else np.nan, least=2)
        return _by_row(self.ndcg if figure == "ndcg" else self.spreads, np.mean)

    def estimate(self, figure: Figure, seed: int = 0) -> Estimate | None:
        """The figure's mean over queries with a bootstrap interval; None where no query has it."""
        values = self.values(figure)
        return bootstrap_mean(values, seed) if not np.isnan(values).all() else None

    def against(self, rival: Stability, figure: Figure, seed: int = 0) -> PairedEstimate:
        """Mean difference to `rival` over the same queries. Raises `ValueError` where queries or depths differ."""
        if (self.queries, self.k) != (rival.queries, rival.k):
            raise ValueError("the two were measured on different queries or depths: use the same for both")
        return paired_difference(self.values(figure), rival.values(figure), seed)

    def form_means(self) -> dict[str, float]:
        """Mean NDCG of each form over the queries that have all forms; NaN where there is none."""
        whole = self.ndcg[~np.isnan(self.ndcg).any(axis=1)]
        means = whole.mean(axis=0) if len(whole) else np.full(len(self.forms), np.nan)
        return dict(zip(self.forms, means.tolist(), strict=True))

    @property
    def v_ndcg(self) -> float:
        """V-NDCG: population variance over forms of the means over queries. Variances of single queries average out in it."""
        return _variance(np.array(list(self.form_means().values())))

    def spread_ratio(self, rival: Stability) -> float:
        """Mean spread of the scores over the rival's, of the same queries; below `LEAST_SPREAD` steadiness is no merit.

        Says something only where both score in one unit, such as two trainings of one model.
        """
        mine, other = np.nanmean(self.spreads), np.nanmean(rival.spreads)
        return float(mine / other) if other > 0 else float("inf" if mine > 0 else "nan")

    @property
    def tells_apart(self) -> bool:
        """Whether at least half of the rankings give two documents different scores."""
        return 2 * self.flat <= self.rankings

    def fragile(self, n: int = 5) -> list[str]:
        """The n queries that depend most on their wording: by variance of NDCG, without judgements by Kendall's tau."""
        variance = self.values("variance")
        key = -variance if not np.isnan(variance).all() else self.tau_min
        order = np.argsort(key, kind="stable")
        return [self.queries[place] for place in order[:n].tolist() if not np.isnan(key[place])]


def stability(
    rankings: Mapping[str, Mapping[str, Ranking]],
    truth: Mapping[str, Truth] | None = None,
    k: int = 10,
    gain: Literal["linear", "exponential"] = "linear",
) -> Stability:
    """Measure the forms of each query: query -> form -> ranking. `truth`: query -> relevant documents; without it (or for a
    query that is not in it) there are tau, overlap and spread only.

    Forms need not be the same for all queries. Rankings may be cut: what one does not list stands, tied, behind what it lists.
    """
    queries = tuple(rankings)
    forms = tuple(dict.fromkeys(form for of_query in rankings.values() for form in of_query))
    column = {form: place for place, form in enumerate(forms)}
    ndcg, ap, spreads = (np.full((len(queries), len(forms)), np.nan) for _ in range(3))
    tau_min, overlap = np.full(len(queries), np.nan), np.full(len(queries), np.nan)
    judge, precise = NDCG(k, gain), MAP(None)
    flat = counted = 0
    for row, query in enumerate(queries):
        of_query = rankings[query]
        relevant = grades(truth[query]) if truth is not None and query in truth else {}
        for form, ranking in of_query.items():
            ndcg[row, column[form]] = judge.per_case(ranking, relevant)
            ap[row, column[form]] = precise.per_case(ranking, relevant)
            if len(ranking) > 1:
                spreads[row, column[form]] = np.std(ranking.scores.astype(np.float64))
                counted += 1
                flat += bool(ranking.scores.min() == ranking.scores.max())
        if pairs := list(combinations(of_query.values(), 2)):
            tau_min[row] = _tau_min(list(of_query.values()))
            overlap[row] = np.mean([top_overlap(a, b, k) for a, b in pairs])
    return Stability(queries, forms, k, ndcg, ap, spreads, tau_min, overlap, flat, counted)


def kendall_tau(a: Ranking, b: Ranking, depth: int = TAU_DEPTH) -> float:
    """Kendall's tau of the order of two lists' first `depth`, over the documents of either.

    A document that one list lacks stands behind all that it has; pairs that a list leaves open count as neither agreeing
    nor disagreeing (Fagin, Kumar & Sivakumar 2003, with penalty 1/2). 1 the same order, -1 reversed. Scores are not looked
    at: what counts is the order that people are shown. With fewer than two documents: 1 where both lists are equal, else 0.
    """
    return _tau_min([a, b], depth)


def top_overlap(a: Ranking, b: Ranking, k: int = 10) -> float:
    """Share of the first k that both have, by the longer list; two empty lists have everything in common."""
    first, second = set(a.items[:k]), set(b.items[:k])
    longer = max(len(first), len(second))
    return len(first & second) / longer if longer else 1.0


def _tau_min(lists: Sequence[Ranking], depth: int = TAU_DEPTH) -> float:
    """The smallest tau between any two of the lists, each pair over the documents of these two."""
    cut = [ranking.items[:depth] for ranking in lists]
    everything = {document: place for place, document in enumerate(dict.fromkeys(d for items in cut for d in items))}
    at = np.full((len(cut), len(everything)), depth, dtype=np.int32)
    for row, items in enumerate(cut):
        at[row, [everything[document] for document in items]] = np.arange(len(items))
    # For every list: the sign of each pair of documents, 0 where it has neither.
    signs = np.sign(at[:, :, None] - at[:, None, :]).astype(np.int8).reshape(len(cut), -1).astype(np.float32)
    agreement = signs @ signs.T
    smallest = 1.0
    for i, j in combinations(range(len(cut)), 2):
        n = len({*cut[i], *cut[j]})
        if n < 2:
            tau = float(cut[i] == cut[j])
        else:
            tau = float(agreement[i, j]) / (n * (n - 1))
        smallest = min(smallest, tau)
    return smallest


def _variance(values: NDArray[np.float64]) -> float:
    """Population variance, exactly 0 where all are equal."""
    return float(np.var(values - values[0]))


def _by_row(table: FloatTable, of: Callable[[NDArray[np.float64]], float], least: int = 1) -> NDArray[np.float64]:
    """`of` each row's numbers without its NaNs; NaN where there are fewer than `least`."""
    rows = [row[~np.isnan(row)] for row in table]
    return np.array([of(row) if len(row) >= least else np.nan for row in rows], dtype=float)
