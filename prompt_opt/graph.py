"""A search as a LangGraph graph: decide -> propose | evaluate (fanned out) | approve | outside -> decide ... -> verdict.

State is the step's number and kind; what was found out lies in the run's log, in the same transactions as the graph's
checkpoints. So the graph can be stopped anywhere, looked at, and gone on with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

    from .sealed import Conducting

THREAD = "search"
"""The graph's thread in a run's checkpoints."""
NODES = {"evaluate": "evaluate", "think": "propose", "accept": "approve", "outside": "outside", "verdict": "verdict"}
"""Kind of step -> the node that does it."""


class SearchState(TypedDict, total=False):
    """`step`: the number of the recorded step under way; `kind`: what it is; `parts`: how many side by side."""

    step: int
    kind: str
    parts: int


class Part(TypedDict):
    """One part of a fanned-out step."""

    step: int
    part: int


def search_graph(
    conductor: Conducting, checkpointer: BaseCheckpointSaver[Any] | None = None
) -> CompiledStateGraph[Any]:
    """The graph of a search whose steps `conductor` does. `approve` interrupts: resume it with True, False or other texts."""
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send, interrupt

    async def decide(state: SearchState) -> dict[str, Any]:
        return await conductor.decide()

    async def evaluate(part: Part) -> None:
        await conductor.evaluate(part["part"])

    async def propose(part: Part) -> None:
        await conductor.think(part["part"])

    async def outside(state: SearchState) -> None:
        await conductor.outside()

    async def approve(state: SearchState) -> None:
        conductor.approved(interrupt(conductor.approval())["decision"])

    async def verdict(state: SearchState) -> None:
        await conductor.verdict()

    def then(state: SearchState) -> Any:
        node = NODES[state.get("kind", "verdict")]
        if node in ("evaluate", "propose"):
            step = state.get("step", 0)
            return [Send(node, Part(step=step, part=part)) for part in range(state.get("parts", 0))]
        return node

    graph = StateGraph(SearchState)
    for name, node in (
        ("decide", decide),
        ("evaluate", evaluate),
        ("propose", propose),
        ("approve", approve),
        ("outside", outside),
        ("verdict", verdict),
    ):
        graph.add_node(name, node)  # type: ignore[call-overload]
        if name not in ("decide", "verdict"):
            graph.add_edge(name, "decide")
    graph.add_edge(START, "decide")
    graph.add_conditional_edges("decide", then, list(NODES.values()))
    graph.add_edge("verdict", END)
    return graph.compile(checkpointer=checkpointer)
