"""One flat LangGraph graph per (query, persona): intent, rewrite, judge, a targeted repair, judged again, settled.

`fine=True` has a node per step, for stepping and breakpoints; the fast path runs the same steps in one node (four nodes take
as long as everything else that a rewrite does). A test holds the two equal. Flat on purpose (time travel inside subgraphs
restarts them). The graph has no state between queries: what must outlive it is in the run's events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from .records import Rewrite
from .steps import INTENT, JUDGE, SETTLE, STEPS, WRITES, RewriteContext, RewriteState, after, lived, new_state, result
from .writers import ModelWriter


def _node(name: str) -> Any:
    async def node(state: RewriteState, runtime: Runtime[RewriteContext]) -> dict[str, Any]:
        return await STEPS[name](state, runtime.context)

    node.__name__ = name
    return node


def _way(name: str) -> Any:
    def way(state: RewriteState, runtime: Runtime[RewriteContext]) -> str:
        return after(name, state, runtime.context) or END

    return way


FAST_NODE = "rewriting"


async def _whole(state: RewriteState, runtime: Runtime[RewriteContext]) -> dict[str, Any]:
    return dict(await lived(state, runtime.context))


def rewrite_graph(checkpointer: Any = None, *, fine: bool = False) -> Any:
    """The compiled graph. Invoke it with `new_state(...)` and `context=RewriteContext(...)`; see `live`."""
    builder = StateGraph(RewriteState, context_schema=RewriteContext)
    if not fine:
        builder.add_node(FAST_NODE, _whole)
        builder.add_edge(START, FAST_NODE)
        builder.add_edge(FAST_NODE, END)
        return builder.compile(checkpointer=checkpointer)
    for name in STEPS:
        builder.add_node(name, _node(name))
    builder.add_edge(START, INTENT)
    builder.add_conditional_edges(INTENT, _way(INTENT), ["rewrite", SETTLE])
    for name in WRITES:
        builder.add_conditional_edges(name, _way(name), [JUDGE, SETTLE, *WRITES])
    builder.add_conditional_edges(JUDGE, _way(JUDGE), [SETTLE, *WRITES])
    builder.add_edge(SETTLE, END)
    return builder.compile(checkpointer=checkpointer)


@cache
def _graph(fine: bool) -> Any:
    return rewrite_graph(fine=fine)


async def live(state: RewriteState, context: RewriteContext, *, fine: bool = False) -> RewriteState:
    """One (query, persona) from beginning to end. Raises `BudgetReached`, and nothing for a model's failure."""
    return await _graph(fine).ainvoke(state, {"recursion_limit": 2 * context.cap + 6}, context=context)


async def rewrite_query(
    query: str, context: RewriteContext, *, query_id: str = "q1", personas: Sequence[str] | None = None
) -> list[Rewrite]:
    """One query in the words of each persona of the context, all at once; no run is written."""
    names = list(context.searchers) if personas is None else list(personas)
    states = await asyncio.gather(*(live(new_state(query_id, query, name), context) for name in names))
    if isinstance(context.writer, ModelWriter):
        context.writer.forget(query_id)
    return [result(state, context.writer.how) for state in states]
