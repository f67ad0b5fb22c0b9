"""Searching as tools: put a query otherwise, rank for it, see how steady the ranking is, and whether a rewrite is worth it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from ...data.search import Documents, SearchSet
from ...evaluators.ranking import Ranking
from ...evaluators.stability import RAW, stability
from ...methods.beque import Relevance, ScoreConfig, Scored, query_key, score_rewrite
from ...methods.search.protocol import Retriever
from ..ask import BudgetReached
from ..rewriter.records import RewriteError
from .adapter import as_tool

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool

    from ..rewriter.steps import RewriteContext

Query = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
DEPTH = 100
"""Documents of each ranking that stability looks at."""


class RewriteArgs(BaseModel):
    query: Query = Field(description="the query as it was typed")
    personas: list[str] = Field(default_factory=list, description="names of personas; none: all there are")


class RankArgs(BaseModel):
    query: Query = Field(description="what to search for")
    k: int = Field(default=10, ge=1, le=100, description="how many documents")


class StabilityArgs(BaseModel):
    query: Query = Field(description="the query as it was typed")
    phrasings: list[Query] = Field(min_length=1, max_length=50, description="the same need in other words")
    k: int = Field(default=10, ge=1, le=100, description="how many places of each ranking count")


class ScoreArgs(BaseModel):
    query: Query = Field(description="the original query")
    rewrites: list[Query] = Field(min_length=1, max_length=200, description="rewrites to be compared")


def rewrite_tool(context: RewriteContext) -> StructuredTool:
    """`rewrite`, by the writer and judge of `context`, for its personas."""
    from ..rewriter.graph import rewrite_query

    async def rewrite(query: str, personas: list[str]) -> list[dict[str, Any]]:
        """Put a search query in the words of simulated personas. `meaning` 1: it asks for the same, -1: not, 0: unclear, null:
        nobody judged. Where `fell_back` is true no rewrite passed, and `text` is the query itself."""
        if unknown := [name for name in personas if name not in context.searchers]:
            raise RewriteError(f"no persona called {unknown[0]!r}; there are {', '.join(context.searchers)}")
        # Queries that are asked for at the same time must not share an id: what is known of one is kept under it.
        name = "tool-" + hashlib.sha256(query.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        found = await rewrite_query(query, context, query_id=name, personas=personas or None)
        shown = ("persona", "text", "meaning", "fit", "fell_back", "problem")
        return [{field: getattr(each, field) for field in shown} for each in found]

    return as_tool(rewrite, RewriteArgs, mistakes=(ValueError, LookupError, BudgetReached))


def rank_tool(retriever: Retriever, documents: Documents) -> StructuredTool:
    """`rank`, over the documents that `retriever` was fitted to."""
    place = {document: row for row, document in enumerate(documents.ids)}

    def rank(query: str, k: int) -> list[dict[str, Any]]:
        """Search the documents: the best k for a query, best first, with the search engine's own scores."""
        (found,) = retriever.search([query], k)
        return [
            {"id": document, "title": documents.titles[place[document]] or document, "score": round(score, 4)}
            for document, score in zip(found.items, found.scores.tolist(), strict=True)
        ]

    return as_tool(rank, RankArgs)


def stability_tool(retriever: Retriever, data: SearchSet) -> StructuredTool:
    """`stability` of one query's ranking under other phrasings; with NDCG where the query is one that `data` has judged."""
    known = {query_key(text): query for query, text in data.queries.items() if data.judgements.get(query)}

    def measure(query: str, phrasings: list[str], k: int) -> dict[str, Any]:
        """How much the ranking depends on the wording. `overlap`: mean share of the first k that two wordings have in common;
        `tau_min`: smallest rank correlation of two (1 the same order, -1 reversed). For queries with judgements also `ndcg`
        of each wording, the `worst` of them and their `variance`; otherwise these are null."""
        forms = {RAW: query, **{f"{n}: {text}": text for n, text in enumerate(phrasings, 1)}}
        judged = known.get(query_key(query))
        rankings: list[Ranking]
        if judged is not None and not data.whole:
            rankings = retriever.rank(list(forms.values()), [data.pool(judged)] * len(forms))
        else:
            rankings = retriever.search(list(forms.values()), DEPTH)
        truth = None if judged is None else {query: data.judgements[judged]}
        found = stability({query: dict(zip(forms, rankings, strict=True))}, truth, k)
        figures = {name: float(found.values(name)[0]) for name in ("overlap", "tau_min", "worst", "variance")}
        scores = dict(zip(found.forms, found.ndcg[0].tolist(), strict=True))
        return {**figures, "ndcg": None if all(map(math.isnan, scores.values())) else scores}

    return as_tool(measure, StabilityArgs, name="stability")


def score_rewrite_tool(
    retriever: Retriever, relevance: Relevance, config: ScoreConfig = ScoreConfig()
) -> StructuredTool:
    """`score_rewrite`, by what `retriever` finds and `relevance` says of it."""

    def score(query: str, rewrites: list[str]) -> dict[str, Any]:
        """Whether rewrites are worth it, best first: `relevance` of what each finds to the ORIGINAL query, `increment` (relevant
        documents that the query does not find, over those it does), `hit_rate` of both together, `beyond` (added more than
        reading on in the query's own results would add). `query`: the query itself, to compare with."""
        scored: Scored = score_rewrite(query, rewrites, retriever, relevance, config=config)
        rows = sorted(scored.scores, key=lambda each: -each.reward)
        told = [{**asdict(each), "beyond": each.beyond} for each in rows]
        return {"rewrites": told, "query": asdict(scored.alone), "dropped": dict(scored.dropped)}

    return as_tool(score, ScoreArgs, name="score_rewrite")
