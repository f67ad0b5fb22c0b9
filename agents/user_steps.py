"""The five steps of one agent-page. Each is data in, data out: state and context in, changed channels out.

The same functions run as one graph node (fast path) or as five (debugger). Nothing here draws from a shared random
stream or reads a clock: chance comes from (seed, user, page), time is the page counter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .actions import Action, Decision, Slate
from .ask import Asker, Reaction, World, lost
from .fatigue import fatigue_at
from .memory import Memory, Recalled
from .personas import Persona
from .satisfaction import next_satisfaction

T = TypeVar("T")

GIVE_UP_AFTER = 3
"""Pages in a row without a usable answer after which a user is taken out, so that a broken model does not browse for ever."""

RECALL_PAGES = "what was shown and watched on earlier pages"
RECALL_FEELING = "how satisfied with the recommendations so far"


@dataclass(frozen=True)
class UserContext:
    """What a step may look at and never changes: the persona, the shared world, and who answers."""

    persona: Persona
    world: World
    asker: Asker
    recalled: list[Recalled] = field(default_factory=list, init=False, repr=False, compare=False)
    """What has come back from memory on this page, with the parts of its scores: for whoever looks on."""
    _read: dict[str, tuple[Any, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What steps have read out of the state, by name, beside what they read it from: the next step need not read it again."""


def _memory(state: Mapping[str, Any], context: UserContext) -> Memory:
    """The memory, for this step alone: it may change it. `_kept` puts it back."""
    source, memory = context._read.pop("memory", (None, None))
    given = state.get("memory") or {}
    return memory if memory is not None and source is given else Memory.from_json(given, embed=context.world.embed)


def _kept(memory: Memory, context: UserContext) -> dict[str, Any]:
    """What of a memory goes into the state."""
    said = memory.json()
    context._read["memory"] = said, memory
    return said


def _once(name: str, source: Any, context: UserContext, read: Callable[[Any], T]) -> T:
    """`read(source)`, which is never changed, unless an earlier step has read the very same."""
    known = context._read.get(name)
    if known is None or known[0] is not source:
        known = context._read[name] = source, read(source)
    return known[1]


def _slate(state: Mapping[str, Any], context: UserContext) -> Slate:
    return _once("slate", state["slate"], context, Slate.from_json)


def _actions(record: Mapping[str, Any], context: UserContext) -> tuple[Action, ...]:
    return _once("actions", record["actions"], context, lambda rows: tuple(Action.from_json(a) for a in rows))


async def observe(state: Mapping[str, Any], context: UserContext) -> dict[str, Any]:
    """See the slate and recall what bears on it."""
    memory, slate = _memory(state, context), _slate(state, context)
    recalled = memory.retrieve(RECALL_PAGES, page=slate.page)
    context.recalled.extend(recalled)
    record = {
        "exposures": [e.json() for e in slate.exposures],
        "recalled": [{"id": r.id, "text": r.text, "score": round(r.score, 6)} for r in recalled],
        "actions": [],
        "memories": [],
        "failures": [],
    }
    return {"memory": _kept(memory, context), "record": record}


async def react(state: Mapping[str, Any], context: UserContext) -> dict[str, Any]:
    """Choose an action for every exposed item (Agent4Rec section 3.3)."""
    slate, record = _slate(state, context), dict(state["record"])
    recalled = [r["text"] for r in record["recalled"]]
    reaction = await context.asker.react(context.persona, slate, recalled, dict(state))
    record |= {
        "actions": [a.json() for a in reaction.actions],
        "feeling": reaction.feeling,
        "asked": reaction.call,
        "failures": record["failures"] + [f.json() for f in reaction.failures],
        "decided": None if reaction.decision is None else reaction.decision.json(),
    }
    positive = sum(context.world.actions[a.action].positive for a in reaction.actions)
    return {
        "record": record,
        "watched": state["watched"] + positive,
        "bad_pages": 0 if reaction.actions else state["bad_pages"] + 1,
    }


def _reaction(record: Mapping[str, Any], context: UserContext) -> Reaction:
    decided = record.get("decided")
    return Reaction(
        actions=_actions(record, context),
        feeling=record.get("feeling", ""),
        decision=None if decided is None else Decision.from_json(decided),
        call=record.get("asked", ""),
    )


async def remember(state: Mapping[str, Any], context: UserContext) -> dict[str, Any]:
    """Write the page into factual memory: what was shown, what was done, how it was rated."""
    world, record, page = context.world, dict(state["record"]), state["page"]
    memory, written = _memory(state, context), list(record["memories"])
    actions = _actions(record, context)
    if actions:
        text = page_memory(page, actions, world)
        importance = page_importance(actions, context)
        memory.write("factual", text, page=page, importance=importance)
        written.append({"kind": "factual", "text": text, "importance": importance, "call": record.get("asked", "")})
    record["memories"] = written
    return {"memory": _kept(memory, context), "record": record}


async def reflect(state: Mapping[str, Any], context: UserContext) -> dict[str, Any]:
    """When enough has gathered, turn it into one sentence of feeling (emotional memory) and update satisfaction."""
    record, page = dict(state["record"]), state["page"]
    memory, reaction = _memory(state, context), _reaction(state["record"], context)
    satisfaction = next_satisfaction(state["satisfaction"], reaction.actions, context.world, context.persona)
    if reaction.actions and memory.reflection_due():
        recalled = _on_mind(memory, record, page, context)
        said = await context.asker.reflect(context.persona, recalled, {**state, "satisfaction": satisfaction}, reaction)
        if said is not None and said.text:
            memory.write("emotional", said.text, page=page, importance=memory.reflection_importance())
            record["memories"] = [
                *record["memories"],
                {
                    "kind": "emotional",
                    "text": said.text,
                    "importance": memory.reflection_importance(),
                    "call": said.call,
                },
            ]
        if said is not None:
            record["failures"] = record["failures"] + [f.json() for f in said.failures]
        memory.reflected()
    return {"memory": _kept(memory, context), "record": record, "satisfaction": satisfaction}


async def decide(state: Mapping[str, Any], context: UserContext) -> dict[str, Any]:
    """Turn to the next page or leave; a move that was decided is remembered too.

    A page without a usable answer, or with a lost one, decides nothing: the user goes on, and after `GIVE_UP_AFTER` pages
    without any is taken out.
    """
    record, page = dict(state["record"]), state["page"]
    memory, reaction = _memory(state, context), _reaction(state["record"], context)
    if reaction.actions and not lost(record):
        recalled = [] if reaction.decision else _on_mind(memory, record, page, context)
        decision, failures = await context.asker.decide(
            context.persona, _slate(state, context), recalled, dict(state), reaction
        )
        record["failures"] = record["failures"] + [f.json() for f in failures]
    else:
        gone = state["bad_pages"] >= GIVE_UP_AFTER
        reason = f"no usable answer on {GIVE_UP_AFTER} pages in a row" if gone else "no usable answer on this page"
        decision = Decision(not gone, reason, call=reaction.call, invalid=True, source="code")
    satisfaction = state["satisfaction"] if decision.satisfaction is None else decision.satisfaction
    fatigue = context.world.fatigue * fatigue_at(page, context.persona.activity)
    decision = decision.replace(satisfaction=satisfaction, fatigue=min(1.0, fatigue))
    if not decision.invalid:
        text = (
            f"Wanted to go on after page {page + 1}."
            if decision.next
            else f"Left after page {page + 1}: {decision.reason}"
        )
        importance = 1 if decision.next else 5
        memory.write("navigation", text, page=page, importance=importance)
        record["memories"] = [
            *record["memories"],
            {"kind": "navigation", "text": text, "importance": importance, "call": decision.call},
        ]
    record["decision"] = decision.json()
    record.pop("decided", None)
    changed = {"satisfaction": satisfaction, "left": not decision.next}
    return {"memory": _kept(memory, context), "record": record, **changed}


def _on_mind(memory: Memory, record: Mapping[str, Any], page: int, context: UserContext) -> list[str]:
    """What bears on how the visit goes: the memories that come back, and always the page just seen."""
    recalled = memory.retrieve(RECALL_FEELING, page=page)
    context.recalled.extend(recalled)
    texts = [r.text for r in recalled]
    return [*texts, *(m["text"] for m in record["memories"] if m["text"] not in texts)]


STEPS = (observe, react, remember, reflect, decide)


async def whole_page(state: Mapping[str, Any], context: UserContext) -> dict[str, Any]:
    """All steps of a page, one after the other; what they change. The fast node of the graph, and what a replay runs without one."""
    changes: dict[str, Any] = {}
    for step in STEPS:
        changes |= await step({**state, **changes}, context)
    return changes


def page_memory(page: int, actions: Sequence[Action], world: World) -> str:
    """One factual record of a page, in the words of the catalogue."""
    done = [a for a in actions if world.actions[a.action].positive]
    passed = [a for a in actions if not world.actions[a.action].positive]
    name = world.title
    rated = [f"{name(a.item)}" + ("" if a.rating is None else f" (rated {a.rating:g})") for a in done]
    text = f"Page {page + 1}: " + ("chose " + "; ".join(rated) if rated else "chose nothing")
    return text + ("; passed over " + "; ".join(name(a.item) for a in passed) if passed else "") + "."


def page_importance(actions: Sequence[Action], context: UserContext) -> int:
    """1 to 10: a page matters more the further its ratings lie from what this user usually gives, and if nothing suited."""
    scale, mean = context.world.scale, context.persona.mean_rating
    ratings = [a.rating for a in actions if a.rating is not None]
    if scale is None or mean is None or not ratings:
        return 3 if any(context.world.actions[a.action].positive for a in actions) else 4
    surprise = max(abs(r - mean) for r in ratings) / (scale.high - scale.low)
    return max(1, min(10, 2 + round(12 * surprise)))
