"""Names that a condition over a search may use, in one table that help and docs are made from."""

from __future__ import annotations

from typing import NamedTuple

from ...runs.conditions import Condition, ConditionProblem
from .errors import ConditionError

KINDS = ("enter", "refused", "evaluate", "think", "outside", "accept", "choice")


class Field(NamedTuple):
    """A name, what kind of value it has, what it means, and all words that a text can be."""

    name: str
    kind: str
    doc: str
    words: tuple[str, ...] = ()


FIELDS = (
    Field("step", "number", "the step, from 0"),
    Field("kind", "text", "what happens", KINDS),
    Field("candidate", "text", "the candidate's id; empty where it is about none"),
    Field("operator", "text", "how the candidate was made (`seed`, `refine`, `edited by hand`, …)"),
    Field("score", "number", "the candidate's mean on the open cases so far"),
    Field("best", "number", "the best mean so far, of candidates with 8 cases or more"),
    Field("cases", "number", "open cases on which the candidate has been scored"),
    Field("calls", "number", "calls of the whole search so far"),
    Field("tokens", "number", "tokens of the whole search so far"),
    Field("cost", "number", "US dollars of the whole search so far; none where no price is known"),
    Field("accepted", "truth", "whether the candidate is accepted here (live: is about to be)"),
    Field("stopped", "text", "why the budget ended the search here; else empty"),
    Field("refused", "list", "why the guards kept a candidate out"),
)
BY_NAME = {each.name: each for each in FIELDS}


def condition(text: str) -> Condition:
    """A condition over these fields. Raises `ConditionError`, pointing at the place."""
    try:
        found = Condition.parse(text, BY_NAME)
        for sign, name, value in found.comparisons():
            field = BY_NAME[name.name]
            if field.words and isinstance(value.value, str) and value.value not in field.words and sign != "has":
                raise ConditionProblem(
                    f"{field.name} is never {value.value[:40]!r}", text, *value.span, f"it is {', '.join(field.words)}"
                )
            if field.kind in ("number", "truth") and isinstance(value.value, str):
                raise ConditionProblem(f"{field.name} is a {field.kind}, no text", text, *value.span)
    except ConditionProblem as problem:
        raise ConditionError(str(problem)) from None
    return found


def describe_fields() -> str:
    """The fields as a Markdown table."""
    rows = []
    for name, kind, doc, words in FIELDS:
        listed = ": " + ", ".join(f"`{word}`" for word in words) if words else ""
        rows.append(f"| `{name}` | {kind} | {doc}{listed} |")
    return "\n".join(["| name | kind | at a moment |", "| --- | --- | --- |", *rows])
