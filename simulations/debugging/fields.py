"""The names that a condition may use, and what they are at a moment. Help and documentation are made from the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ...agents.user_steps import STEPS
from ...llm.asking import REPAIR_SAMPLE
from ...runs.conditions import Condition, ConditionProblem
from .errors import ConditionError

NODES = tuple(step.__name__ for step in STEPS)
INTERVIEW = "interview"
SCRIPTED = "page"
"""The one node of a scripted user."""


class CallFacts(NamedTuple):
    """What a condition may ask of a call."""

    sample: int
    status: str
    tokens: int
    cost: float | None
    tools: Sequence[str] = ()


@dataclass(slots=True)
class Facts:
    """A moment, as far as conditions may ask: after a node, or after the whole page (`node` None)."""

    agent: str
    page: int
    node: str | None
    record: Mapping[str, Any]
    """The page's record as the log keeps it, as far as it has got."""
    state: Mapping[str, Any]
    """satisfaction, watched, left, bad_pages."""
    calls: Sequence[CallFacts] = ()
    """Of this moment: of the node, or of the page."""
    before: Sequence[CallFacts] = ()
    """The agent's before it, summed up in one."""
    made: int = 0
    """How many those were."""
    spent: float | None = None
    edited: bool = False
    diverged: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One name: its kind, what it is, how it is found out. `steady`: the same at all nodes of a page.

    `words`: all that a text can be, where that is known.
    """

    name: str
    kind: Literal["number", "text", "truth", "list"]
    doc: str
    of: Callable[[Facts], Any]
    words: tuple[str, ...] = ()
    steady: bool = False


def _actions(facts: Facts) -> Sequence[Mapping[str, Any]]:
    return facts.record.get("actions", ())


def _decision(facts: Facts, name: str) -> Any:
    return (facts.record.get("decision") or {}).get(name)


def _decided(facts: Facts) -> str | None:
    goes_on = _decision(facts, "next")
    return None if goes_on is None else "next" if goes_on else "leave"


def _ratings(facts: Facts) -> list[float]:
    return [action["rating"] for action in _actions(facts) if action.get("rating") is not None]


def _cost(facts: Facts) -> float | None:
    known = [call.cost for call in (*facts.before, *facts.calls) if call.cost is not None]
    return sum(known) if known else None


FIELDS = (
    Field("agent", "text", "the user's id", lambda f: f.agent, steady=True),
    Field("page", "number", "the page, from 0", lambda f: f.page, steady=True),
    Field(
        "node",
        "text",
        "the node just passed; a condition that names it is asked at every node, any other once a page, at its end",
        lambda f: f.node,
        words=(*NODES, INTERVIEW, SCRIPTED),
    ),
    Field("satisfaction", "number", "how satisfied the user is, 1 to 10", lambda f: f.state["satisfaction"]),
    Field("watched", "number", "items taken up so far, on all pages", lambda f: f.state["watched"]),
    Field("left", "truth", "whether the user has left", lambda f: f.state["left"]),
    Field("bad_pages", "number", "pages in a row without a usable answer", lambda f: f.state["bad_pages"]),
    Field("fatigue", "number", "fatigue after the page, 0 to 1", lambda f: _decision(f, "fatigue")),
    Field("decision", "text", "what was decided after the page", _decided, words=("next", "leave")),
    Field("reason", "text", "the reason of the decision", lambda f: _decision(f, "reason")),
    Field("actions", "list", "names of the actions on this page", lambda f: [a["action"] for a in _actions(f)]),
    Field(
        "shown",
        "list",
        "ids of the items on this page",
        lambda f: [e["item"] for e in f.record.get("exposures", ())],
        steady=True,
    ),
    Field(
        "chosen", "list", "ids of the items taken up", lambda f: [a["item"] for a in _actions(f) if a.get("positive")]
    ),
    Field("liked", "list", "ids of the items liked", lambda f: [a["item"] for a in _actions(f) if a.get("liked")]),
    Field("ratings", "list", "the ratings given on this page", _ratings),
    Field("rating", "number", "the lowest rating given on this page", lambda f: min(_ratings(f), default=None)),
    Field("feeling", "text", "how the page left the user, in the model's words", lambda f: f.record.get("feeling")),
    Field(
        "memories", "list", "texts remembered of this page", lambda f: [m["text"] for m in f.record.get("memories", ())]
    ),
    Field(
        "interview",
        "number",
        "satisfaction as given in an interview after the page",
        lambda f: (f.record.get("interview") or {}).get("satisfaction"),
    ),
    Field(
        "failures",
        "number",
        "calls of this page that gave no usable answer",
        lambda f: len(f.record.get("failures", ())),
    ),
    Field(
        "status",
        "list",
        "how the calls ended",
        lambda f: [call.status for call in f.calls],
        words=("ok", "parse_fail", "refusal", "timeout", "transport"),
    ),
    Field(
        "repaired",
        "truth",
        "whether an answer was sent back to be mended",
        lambda f: any(call.sample >= REPAIR_SAMPLE for call in f.calls),
    ),
    Field("tool", "list", "names of the tools called", lambda f: [name for call in f.calls for name in call.tools]),
    Field("calls", "number", "the agent's calls so far", lambda f: f.made + len(f.calls)),
    Field(
        "tokens", "number", "the agent's tokens so far", lambda f: sum(call.tokens for call in (*f.before, *f.calls))
    ),
    Field("cost", "number", "US dollars for the agent so far; none where no price is known", _cost),
    Field("spent", "number", "US dollars for everybody up to and with this page", lambda f: f.spent),
    Field(
        "diverged",
        "truth",
        "whether this is the agent's first page that is another than in the run named by `against`",
        lambda f: f.diverged,
        steady=True,
    ),
    Field("edited", "truth", "whether an edit of a fork bears on this page", lambda f: f.edited, steady=True),
)

BY_NAME = {each.name: each for each in FIELDS}
STEADY = frozenset(each.name for each in FIELDS if each.steady)
OF_CALLS = frozenset({"status", "repaired", "tool", "calls", "tokens", "cost", "spent"})
RUNNING = frozenset({"watched", "bad_pages", "calls", "tokens", "cost", "spent", "diverged"})
"""Names whose value depends on earlier pages."""


def condition(text: str) -> Condition:
    """A condition over these fields. Raises `ConditionError`, pointing at the place."""
    try:
        found = Condition.parse(text, BY_NAME)
        for sign, name, value in found.comparisons():
            _check(text, sign, BY_NAME[name.name], value.value, value.span)
    except ConditionProblem as problem:
        raise ConditionError(str(problem)) from None
    return found


def check_against(found: Condition, against: str) -> None:
    """Raises `ConditionError` where `diverged` is asked without a run to hold this one against."""
    if "diverged" in found.names and not against:
        raise ConditionError(
            "`diverged` needs a run to hold this one against\n  name it: --against RUN, or against=PATH"
        )


def _check(text: str, sign: str, field: Field, value: Any, span: tuple[int, int]) -> None:
    """Raises `ConditionProblem` for a comparison that never holds, whatever happens."""
    what, hint = "", ""
    if field.words and isinstance(value, str) and value not in field.words and sign != "has":
        what, hint = f"{field.name} is never {value[:40]!r}", f"it is {', '.join(field.words)}"
    elif field.kind in ("number", "truth") and isinstance(value, str):
        what, hint = (
            f"{field.name} is a {field.kind}, no text",
            "compare it with a number" if field.kind == "number" else "",
        )
    elif sign in ("<", "<=", ">", ">=") and field.kind in ("truth", "list"):
        example = f"not {field.name}" if field.kind == "truth" else f'"…" in {field.name}'
        what, hint = f"{field.name} is a {field.kind} and has no order", f"write for example: {example}"
    elif sign in ("==", "!=") and field.kind == "list" and isinstance(value, str | int | float):
        what, hint = f"{field.name} is a list", f'write for example: "{value}" in {field.name}'
    if what:
        raise ConditionProblem(what, text, *span, hint)


def describe_fields() -> str:
    """The fields as a Markdown table."""
    rows = [f"| `{f.name}` | {f.kind} | {f.doc}{f': {_listed(f.words)}' if f.words else ''} |" for f in FIELDS]
    return "\n".join(["| name | kind | at a moment |", "| --- | --- | --- |", *rows])


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
