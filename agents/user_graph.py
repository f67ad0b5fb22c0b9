"""The user agent as one flat LangGraph graph per page: observe, react, remember, reflect, decide.

`fine=True` has one node per step, for stepping and breakpoints; the fast path runs the same steps in one node (a graph
node costs about as much as everything else a page does). A test holds the two equal.
"""

from __future__ import annotations

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from .user_state import UserState
from .user_steps import STEPS, UserContext, whole_page

FAST_NODE = "page"


def _fine(step: Any) -> Any:
    async def node(state: UserState, runtime: Runtime[UserContext]) -> dict[str, Any]:
        return await step(state, runtime.context)

    node.__name__ = step.__name__
    return node


async def _fast(state: UserState, runtime: Runtime[UserContext]) -> dict[str, Any]:
    return await whole_page(state, runtime.context)


def page_graph(checkpointer: Any = None, *, fine: bool = False) -> Any:
    """The compiled graph of one agent-page. Invoke it with `page_input(slate)`, `context=UserContext(...)` and the user's
    id as thread; flat on purpose (time travel inside subgraphs restarts them)."""
    builder = StateGraph(UserState, context_schema=UserContext)
    if fine:
        names = [step.__name__ for step in STEPS]
        for name, step in zip(names, STEPS, strict=True):
            builder.add_node(name, _fine(step))
        for before, after in zip([START, *names], [*names, END], strict=True):
            builder.add_edge(before, after)
    else:
        builder.add_node(FAST_NODE, _fast)
        builder.add_edge(START, FAST_NODE)
        builder.add_edge(FAST_NODE, END)
    return builder.compile(checkpointer=checkpointer)
