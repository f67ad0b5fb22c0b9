"""What every list task's options have in common, and the last step from cases to a `ListTask`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, PositiveInt

from ...agents.randomness import shuffled
from ...llm.fence import one_line
from ...llm.types import Abilities
from ..task import Case
from .asking import Asking, Read, ReadsLikelihood, WritesList, choose, component
from .baskets import Baskets
from .listwise import ListTask

R = TypeVar("R")
PROMPTS = Path(__file__).resolve().parents[1] / "prompts"
NOBODY = 100
"""Popular titles kept for the history that is nobody's; more than a case has candidates."""
FILMS = ("films", "a film")
ITEMS = ("items", "an item")


class ListOptions(BaseModel):
    """Options of every task that ranks candidates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    read: Read = "auto"
    """"list": the model writes the ids. "likelihood": its likelihoods of the titles are read. "auto": likelihoods of a
    small local model, a list from any other."""
    style: Literal["io", "cot"] = "io"
    """The seed prompt for lists: rank at once ("io"), or after a short thought ("cot"), for which the answer has room."""
    history: PositiveInt = 10
    """Most items of a history that are shown, the latest ones."""
    max_cases: PositiveInt | None = None
    """Most cases (of a part, where the data comes in parts); None: all that a file has, 300 from a data set."""
    noun: str | None = None
    """What is ranked, plural ("films"); None: told by the data where it is known, else "items"."""


def asking_of(
    options: ListOptions,
    abilities: Abilities | None,
    words: tuple[str, str],
    nobody: Sequence[str],
    writes: type[WritesList] = WritesList,
) -> Asking:
    """The way to ask. `words`: what is ranked, as ("films", "a film"). `nobody`: titles that everybody knows. `writes`: how
    lists are written."""
    noun, one = words if options.noun is None else (options.noun, f"one of many {options.noun}")
    if choose(options.read, abilities) == "likelihood":
        return ReadsLikelihood(noun, one, tuple(one_line(title) for title in nobody[:NOBODY]))
    return writes(noun, reason=options.style == "cot")


def build(
    name: str,
    cases: Sequence[Case],
    asking: Asking,
    options: ListOptions,
    *,
    metric: str,
    seed: int,
    about: str,
    baskets: Baskets,
    parts: Mapping[str, Sequence[str]] | None = None,
    notes: Sequence[str] = (),
    own_order: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
) -> ListTask:
    """A task over `cases`, with the seed prompt of its name and way of asking. `about`: what is guessed, in a clause."""
    file = f"{name}_{'next' if asking.component == 'next' else options.style}"
    told = {"read", "max_cases", "items", "columns"}  # by the asking and the cases; a path is this machine's alone
    settings: dict[str, Any] = options.model_dump(mode="json", exclude=told)
    cases, parts, notes = _once_each(cases, parts or {}, notes)
    return ListTask(
        name=name,
        metric=metric,
        asking=asking,
        components={asking.component: component(asking, seed_prompt(file), about)},
        cases=tuple(cases),
        seed=seed,
        parts=parts,
        baskets=baskets,
        own_order=own_order or {},
        notes=tuple(notes),
        settings=settings,
    )


def _once_each(
    cases: Sequence[Case], parts: Mapping[str, Sequence[str]], notes: Sequence[str]
) -> tuple[list[Case], Mapping[str, Sequence[str]], Sequence[str]]:
    """Each history with its answer in one part only (or once, where the parts are still to be drawn): else a search would
    be shown what it is judged by. Where it stands in several, the sealed part keeps it, then the one for selection."""
    part_of = {case: part for part, ids in parts.items() for case in ids}
    rank = {"test": 0, "selection": 1}
    home: dict[tuple[Any, ...], str] = {}
    kept: set[str] = set()
    for case in sorted(cases, key=lambda case: rank.get(part_of.get(case.id, ""), 2)):
        items, part = case.truth["items"], part_of.get(case.id, case.id)
        same = (tuple(case.truth["history"]), tuple(sorted(items[name] for name in case.truth["relevant"])))
        if not same[0] or home.setdefault(same, part) == part:
            kept.add(case.id)
    if len(kept) == len(cases):
        return list(cases), parts, notes
    said = f"{len(cases) - len(kept)} cases repeat the history and the answer of another part's and were left out"
    left = {part: [case for case in ids if case in kept] for part, ids in parts.items()}
    return [case for case in cases if case.id in kept], left, [*notes, said]


def seed_prompt(name: str) -> str:
    """The text of one of our own seed prompts, without its header."""
    return body((PROMPTS / f"{name}.md").read_text(encoding="utf-8"))


def limited(rows: Sequence[R], part_of: Callable[[R], str], most: int | None, seed: int) -> list[R]:
    """The rows that are kept where `most` of a part are wanted, in their own order, drawn by (seed, part)."""
    by_part: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        by_part.setdefault(part_of(row), []).append(place)
    kept: list[int] = []
    for part, places in by_part.items():
        kept += [places[int(n)] for n in shuffled(len(places), seed, "cases", part)[:most]]
    return [rows[place] for place in sorted(kept)]


def body(text: str) -> str:
    """A prompt file's text without its header."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return (text[4:].partition("\n---\n")[2] if text.startswith("---\n") else text).strip()
