"""The user agent as one flat LangGraph graph per page: observe, react, remember, reflect, decide.

`fine=True` has one node per step, for stepping and breakpoints; the fast path runs the same steps in one node (a graph
node costs about as much as everything else a page does). A test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from .user_state import UserState
from .user_steps import STEPS, UserContext, whole_page

FAST_NODE = "page"


ContextOf = Callable[[UserState], UserContext]
"""Who looks and who answers, told from the state: for graphs that are run where no context can be handed in."""


def _node(step: Any, context_of: ContextOf | None) -> Any:
    async def node(state: UserState, runtime: Runtime[UserContext]) -> dict[str, Any]:
        return await step(state, runtime.context if context_of is None else context_of(state))

    node.__name__ = step.__name__
    return node


def page_graph(
    checkpointer: Any = None, *, fine: bool = False, show: Any = None, context_of: ContextOf | None = None
) -> Any:
    """The compiled graph of one agent-page. Invoke it with `page_input(slate)`, `context=UserContext(...)` and the user's
    id as thread; flat on purpose (time travel inside subgraphs restarts them).

    `show`: a node before all others that puts the page's slate into the state; `context_of` in place of a context.
    """
    builder = StateGraph(UserState, context_schema=None if context_of else UserContext)
    nodes = (
        {step.__name__: _node(step, context_of) for step in STEPS}
        if fine
        else {FAST_NODE: _node(whole_page, context_of)}
    )
    if show is not None:
        nodes = {"show": show, **nodes}
    for name, node in nodes.items():
        builder.add_node(name, node)
    for before, after in zip([START, *nodes], [*nodes, END], strict=True):
        builder.add_edge(before, after)
    return builder.compile(checkpointer=checkpointer)
