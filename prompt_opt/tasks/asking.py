"""Two ways to ask a model for a ranking: it writes the list, or its likelihoods of the titles are read.

A capable model writes a list well. A small local one does not: its lists are the order shown, or one id again and again.
What it can do is find a title more or less likely after a list of other titles. The score of a candidate is the
log-likelihood of its title after the filled template, minus the same after the template filled with a history that is
nobody's: what is left is how much more likely this history makes the title.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal, Protocol

from ...evaluators import Ranking
from ...llm.prompts import Prompt
from ...llm.types import Abilities, Model, Outcome, Place, Question
from ..task import Case, Component
from .items import listed, names_of
from .permutation import RankingForm, by_score, permutation

Read = Literal["auto", "list", "likelihood"]

RECENT = 5
"""Titles in the field `recent`."""
NO_BLANK_AFTER = ('"', "“", "'", "(", "[", "«")
"""A template that ends so is followed by the title at once, others by a blank."""

LIST_FIELDS: Mapping[str, str] = {
    "history": "what the person met, oldest first, one a line after its id, fenced",
    "candidates": "the items to rank, one a line after its id, in a drawn order, fenced",
    "count": "how many candidates there are",
    "noun": "what is ranked, plural (films)",
}
NEXT_FIELDS: Mapping[str, str] = {
    "history": "titles the person met, oldest first, one a line after a dash",
    "recent": f"the last {RECENT} of these titles, one a line after a dash",
    "inline": "the titles in one line, with commas",
    "last": "the last title",
    "count": "how many titles there are",
    "noun": "what is ranked, plural (films)",
    "Noun": "the same with a capital (Films)",
}


def choose(read: Read, abilities: Abilities | None) -> Literal["list", "likelihood"]:
    """The way to ask a model of these abilities, unless `read` says which."""
    if read != "auto":
        return read
    small = abilities is not None and abilities.score and abilities.plumbing_grade
    return "likelihood" if small else "list"


class Asking(Protocol):
    """One way to ask. `component` is the name of the text under search; `settings` is all that changes an answer;
    `remarks` is what a report has to say of it."""

    component: ClassVar[str]
    fields: ClassVar[Mapping[str, str]]
    required: ClassVar[tuple[str, ...]]
    remarks: ClassVar[tuple[str, ...]]

    @property
    def settings(self) -> Mapping[str, Any]: ...

    async def ask(self, text: str, case: Case, model: Model, at: Place) -> Outcome[Any]:
        """The outcome; its value, where there is one, is a JSON object. Under "also" it may hold values that are no
        metric of the ranking."""
        ...

    def ranking(self, case: Case, value: Mapping[str, Any], seed: int) -> tuple[Ranking, dict[str, int]] | None:
        """The ranking that the value means and how it was mended; None where it means none."""
        ...


@dataclass(frozen=True)
class WritesList:
    """The model writes the ids, best first. `reason`: after a short thought. `topics`: after the topics of each item."""

    noun: str
    reason: bool = False
    topics: bool = False
    _shown: dict[str, tuple[Case, str, str]] = field(default_factory=dict, compare=False, repr=False)
    """History and candidates as they are shown, by case: a search shows each case to many prompts."""
    component: ClassVar[str] = "rank"
    fields: ClassVar[Mapping[str, str]] = LIST_FIELDS
    required: ClassVar[tuple[str, ...]] = ("history", "candidates")
    remarks: ClassVar[tuple[str, ...]] = ()

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"read": "list", "noun": self.noun, "reason": self.reason, "topics": self.topics}

    async def ask(self, text: str, case: Case, model: Model, at: Place) -> Outcome[Any]:
        history, candidates = case.shown["history"], case.shown["candidates"]
        shown = self._shown.get(case.id)
        if shown is None or shown[0] is not case:
            shown = self._shown[case.id] = (case, listed(history, "history"), listed(candidates, "candidates"))
        messages = parsed(text, self.component).render(
            history=shown[1], candidates=shown[2], count=len(candidates), noun=self.noun
        )
        form = RankingForm(names_of(case), tuple(row["id"] for row in history), self.reason, self.topics)
        room = 64 + 12 * len(candidates) + 640 * self.reason + 40 * self.topics * (len(history) + len(candidates))
        return await model.complete(messages, schema=form, at=at, temperature=0.0, max_tokens=room)

    def ranking(self, case: Case, value: Mapping[str, Any], seed: int) -> tuple[Ranking, dict[str, int]] | None:
        return permutation(value.get("ranking", ()), names_of(case), seed, case.id)


@dataclass(frozen=True)
class ReadsLikelihood:
    """Log-likelihood of each title after the filled template, minus the same after a history that is nobody's.

    `nobody`: titles that everybody knows, best known first; the first that is no candidate is that history. `one`: what
    stands there where no such title is known ("a film").
    """

    noun: str
    one: str
    nobody: tuple[str, ...] = ()
    component: ClassVar[str] = "next"
    fields: ClassVar[Mapping[str, str]] = NEXT_FIELDS
    required: ClassVar[tuple[str, ...]] = ("history|recent|inline",)
    remarks: ClassVar[tuple[str, ...]] = ()

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"read": "likelihood", "noun": self.noun, "one": self.one, "nobody": list(self.nobody)}

    async def ask(self, text: str, case: Case, model: Model, at: Place) -> Outcome[Any]:
        titles = [row["title"] for row in case.shown["candidates"]]
        free = next((title for title in self.nobody if title not in titles), self.one)
        own = self._filled(text, [row["title"] for row in case.shown["history"]] or [self.one])
        nobody = self._filled(text, [free])
        # Blank for blank the same labels in both, so that the difference is the history's alone.
        blank = "" if own.endswith(NO_BLANK_AFTER) else " "
        labels = tuple(blank + title for title in titles)
        outcome = await model.score(own, [Question("", labels), Question(nobody, labels, alone=True)], at=at)
        if not outcome.ok or outcome.value is None:
            return outcome
        scores = [with_it - without for with_it, without in zip(*outcome.value, strict=True)]
        return replace(outcome, value={"scores": dict(zip(names_of(case), scores, strict=True))})

    def _filled(self, text: str, titles: Sequence[str]) -> str:
        messages = parsed(text, self.component).render(
            history=_dashed(titles),
            recent=_dashed(titles[-RECENT:]),
            inline=", ".join(titles),
            last=titles[-1],
            count=len(titles),
            noun=self.noun,
            Noun=self.noun[:1].upper() + self.noun[1:],
        )
        return "\n\n".join(str(message["content"]) for message in messages).strip()

    def ranking(self, case: Case, value: Mapping[str, Any], seed: int) -> tuple[Ranking, dict[str, int]] | None:
        names, scores = names_of(case), value.get("scores", {})
        if any(name not in scores for name in names):
            return None
        return by_score(names, [scores[name] for name in names], seed, case.id), {}


def component(asking: Asking, text: str, what: str) -> Component:
    """The text under search. `what`: what the cases are about, in a clause ("from the films somebody liked …")."""
    if asking.component == "next":
        purpose = (
            f"Raw text for a small language model, no instructions: it must end where a title would follow. Read is how "
            f"much likelier each candidate becomes as the next title, {what}."
        )
        return Component(text, purpose, asking.fields, asking.required, max_tokens=400)
    purpose = f"Instructions to a language model that ranks candidates, best first, by their ids, {what}."
    return Component(text, purpose, asking.fields, asking.required)


@lru_cache(maxsize=256)
def parsed(text: str, component: str) -> Prompt:
    """A text under search as a prompt. Raises `PromptError` for fields there are not."""
    return Prompt.parse(text, f"component {component!r}", known=NEXT_FIELDS if component == "next" else LIST_FIELDS)


def _dashed(titles: Sequence[str]) -> str:
    return "\n".join(f"- {title}" for title in titles)
