"""The nodes of a rewriting, and which comes after which. Each is data in, data out: state and context in, changes out.

The same functions run as nodes of the LangGraph graph (`graph.py`) or one after the other without it (`lived`), for rules and
replays; both follow `after`, and a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, cast

from ...llm.types import Place
from ...runs import FAILURES
from ..embedding import CachedEmbedder
from .judge import Judge, verdict_json
from .records import Rewrite, Searcher
from .writers import INTENT, REPAIRS, REWRITE, Fault, Writer

JUDGE, SETTLE = "judge", "settle"
WRITES: Mapping[str, Fault] = {REWRITE: "", **{node: cast("Fault", fault) for fault, node in REPAIRS.items()}}
"""Node that writes -> what was wrong before."""

SAYS = {
    "meaning": "it asks for something else",
    "role": "it is not in role",
    "both": "it asks for something else, out of role",
}


class RewriteState(TypedDict):
    """One (query, persona) on its way; small JSON. `round` counts rewrites tried, `text` is the last one that came."""

    query_id: str
    query: str
    persona: str
    intent: str
    round: int
    text: str
    fault: Fault
    reason: str
    rounds: list[dict[str, Any]]
    calls: list[str]
    lost: bool
    problem: str
    done: dict[str, Any]
    """What came of it, once it is settled: text, meaning, fit, similarity, fell_back, problem."""


@dataclass
class RewriteContext:
    """What a step may look at and never changes: who writes, who judges (None: nobody), the embedding check beside it.

    `cap`: most rewrites per (query, persona). `least`: a similarity below which a rewrite counts as asking for something else,
    whatever the judge says; 0 leaves it to the judge.
    """

    writer: Writer
    searchers: Mapping[str, Searcher]
    judge: Judge | None = None
    check: CachedEmbedder | None = None
    cap: int = 3
    least: float = 0.0


def new_state(query_id: str, query: str, persona: str) -> RewriteState:
    """Where a rewriting begins."""
    return RewriteState(
        query_id=query_id,
        query=query,
        persona=persona,
        intent="",
        round=0,
        text="",
        fault="",
        reason="",
        rounds=[],
        calls=[],
        lost=False,
        problem="",
        done={},
    )


async def intent(state: Mapping[str, Any], context: RewriteContext) -> dict[str, Any]:
    """What is needed (P_a in Agent4Ranking), in one sentence for all personas."""
    said = await context.writer.intent(state["query_id"], state["query"])
    changes: dict[str, Any] = {"intent": said.text, "calls": [*state["calls"], *said.calls]}
    if said.status != "ok":
        changes |= {"problem": f"no intent ({said.status}: {said.error})", "lost": said.status in FAILURES}
    return changes


async def write(state: Mapping[str, Any], context: RewriteContext, node: str = REWRITE) -> dict[str, Any]:
    """The first rewrite (P_b), or a repair of the last one (P_d, P_e, P_f)."""
    said = await context.writer.write(state, context.searchers[state["persona"]], WRITES[node])
    record = {
        "round": state["round"],
        "node": node,
        "text": said.text,
        "family": said.family,
        "status": said.status,
        "error": said.error,
        "meaning": None,
        "fit": None,
        "reason": "",
        "votes": [],
        "similarity": None,
        "calls": list(said.calls),
    }
    tried = int(said.status != "none")
    return {
        "round": state["round"] + tried,
        "text": said.text or state["text"],
        "rounds": [*state["rounds"], record] if tried else state["rounds"],
        "calls": [*state["calls"], *(key for key in said.calls if key not in state["calls"])],
        "lost": state["lost"] or said.status in FAILURES,
        "problem": "" if said.status == "ok" else f"no rewrite ({said.status}: {said.error})",
    }


async def judge(state: Mapping[str, Any], context: RewriteContext) -> dict[str, Any]:
    """Meaning and persona by votes (P_c), the similarity of the two texts beside them; `fault` says what must be mended."""
    record = dict(state["rounds"][-1])
    if context.check is not None:
        record["similarity"] = round(context.check.cosines(state["query"], [record["text"]])[0], 6)
    changes: dict[str, Any] = {"problem": ""}
    if context.judge is not None:
        at = Place(f"{state['query_id']}/{state['persona']}", record["round"], JUDGE)
        judged = await context.judge.judge(state["query"], record["text"], context.searchers[state["persona"]], at)
        record |= {**verdict_json(judged), "calls": [*record["calls"], *judged.calls]}
        changes |= {"calls": [*state["calls"], *judged.calls], "lost": state["lost"] or judged.lost}
        if judged.error:
            changes["problem"] = f"nobody could judge it ({judged.error})"
    far = context.least > 0 and record["similarity"] is not None and record["similarity"] < context.least
    drifted, out_of_role = far or record["meaning"] == -1, record["fit"] == -1
    fault: Fault = "both" if drifted and out_of_role else "meaning" if drifted else "role" if out_of_role else ""
    if far and not record["reason"]:
        record["reason"] = "the two texts have too little in common"
    return changes | {
        "rounds": [*state["rounds"][:-1], record],
        "fault": fault,
        "reason": record["reason"],
    }


async def settle(state: Mapping[str, Any], context: RewriteContext) -> dict[str, Any]:
    """The last rewrite where it passed; otherwise the raw query, and why."""
    last = state["rounds"][-1] if state["rounds"] else None
    problem = state["problem"]
    if not problem and last is not None and state["fault"]:
        problem = f"not passed after {state['round']} rewrites: {SAYS[state['fault']]}"
        problem += f" ({last['reason']})" if last["reason"] else ""
    if problem or last is None:
        done = {"text": state["query"], "meaning": None, "fit": None, "similarity": None}
        return {"done": done | {"fell_back": True, "problem": problem or "nothing was written"}}
    kept = {name: last[name] for name in ("text", "meaning", "fit", "similarity")}
    return {"done": kept | {"fell_back": False, "problem": ""}}


Node = Callable[[Mapping[str, Any], RewriteContext], Awaitable[dict[str, Any]]]

STEPS: Mapping[str, Node] = {
    INTENT: intent,
    **{node: partial(write, node=node) for node in WRITES},
    JUDGE: judge,
    SETTLE: settle,
}


def after(node: str, state: Mapping[str, Any], context: RewriteContext) -> str:
    """The node that follows; "" at the end."""
    if node == SETTLE:
        return ""
    if node == INTENT:
        return SETTLE if state["problem"] else REWRITE
    again = REPAIRS.get(state["fault"], REWRITE)
    if node in WRITES:
        if not state["problem"]:
            return JUDGE
        gone = state["lost"] or state["problem"].startswith("no rewrite (none")
        return SETTLE if gone or state["round"] >= context.cap else again
    passed = not state["fault"]
    return SETTLE if state["problem"] or passed or state["round"] >= context.cap else again


async def lived(state: RewriteState, context: RewriteContext) -> RewriteState:
    """The whole rewriting without a graph around it."""
    node, now = INTENT, cast("dict[str, Any]", dict(state))
    while node:
        now |= await STEPS[node](now, context)
        node = after(node, now, context)
    return cast("RewriteState", now)


def result(state: Mapping[str, Any], how: str) -> Rewrite:
    """A settled state as what came of it."""
    return Rewrite(
        query_id=state["query_id"],
        query=state["query"],
        persona=state["persona"],
        rounds=state["round"],
        intent=state["intent"],
        how=how,  # type: ignore[arg-type]
        calls=tuple(state["calls"]),
        **state["done"],
    )
