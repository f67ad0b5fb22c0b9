"""A small model's likelihoods play the user: it scores, code decides.

One fixed-order batch per page. It holds the persona once, then all shown titles as possible next entries of the list of
what this person liked, the same titles after a list that is nobody's, and a verdict question per item and one about no item
in particular. What the model says about nobody and nothing is subtracted (content-free correction): the difference is how
much more likely this person makes a title. A calibration fitted on held-in rows turns it into this user's probabilities,
and the verdicts into ratings. `signal="yesno"` asks instead whether the person would like to watch each item.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..llm.fence import fence, one_line
from ..llm.prompts import Prompt
from ..llm.types import Model, Outcome, Place, Question
from .actions import Action, Decision, Slate
from .ask import Failure, Reaction, Said, World, failure
from .ask_generate import load_prompts
from .calibration import Calibration, RatingCalibration
from .fatigue import fatigue_at
from .personas import Persona
from .randomness import uniform
from .satisfaction import exit_probability, satisfaction_text

NODES = ("score_user", "score_nobody", "score_watch", "score_rate", "say")

Signal = Literal["title", "yesno"]

WATCH_LABELS = (" Yes", " No")
VERDICTS = (" terrible", " bad", " okay", " good", " great")
"""Labels of the verdict question, worst first; read as equally spaced positions 0 to 1, then mapped to the user's own ratings."""

ENTRY = "\n-"
"""What comes before the next title of the list of liked ones."""
LIKED_SHOWN = 12
MEMORY_CHARS = 240


@dataclass(frozen=True)
class ItemScores:
    """Corrected readings of one item. `margin`: how much more likely this person makes it than nobody in particular (nats;
    with "yesno" log-odds of yes). `verdict`: expected verdict in 0..1, the middle where nothing is rated.
    `raw_margin`: before the correction."""

    margin: float
    verdict: float
    raw_margin: float


class ScoreReader:
    """Builds the scoring batches of some items for one user and reads their answers. Pure but for the model calls."""

    def __init__(
        self, model: Model, world: World, prompts: Mapping[str, Prompt] | None = None, signal: Signal = "title"
    ) -> None:
        self.model, self.world, self.signal = model, world, signal
        self.prompts = dict(prompts) if prompts is not None else load_prompts({}, NODES)

    def prompt(self, user: Persona, recalled: Sequence[str] = ()) -> str:
        """The shared beginning: tastes, what was recalled (cut short: a small model reads little), liked titles."""
        memories = one_line(" ".join(recalled))[:MEMORY_CHARS]
        return _text(
            self.prompts["score_user"].render(
                noun=self.world.noun.capitalize(),
                tastes="\n".join(one_line(taste) for taste in user.tastes),
                liked=self._list(user.liked[:LIKED_SHOWN]),
                memories=f"Earlier on this visit: {memories}" if memories else "",
            )
        )

    def nobody(self, items: Sequence[str]) -> str:
        """The list that is nobody's: the most popular title that is not asked about."""
        popular = next((i for i in self.world.popular if i not in items), None)
        liked = self._list([] if popular is None else [popular])
        return _text(self.prompts["score_nobody"].render(noun=self.world.noun.capitalize(), liked=liked))

    def _list(self, items: Sequence[str]) -> str:
        titles = [self.world.title(item) for item in items]
        return "\n".join(f"- {title}" for title in titles or [self.world.one])

    def questions(self, items: Sequence[str]) -> list[Question]:
        """With "title": all titles as next entries of the person's list, and of nobody's; with "yesno": a watch question per
        item, and about nothing. Then, where items are rated, a verdict question per item, and about nothing."""
        lines = [*(self.world.line(item) for item in items), self.world.one]
        act = self.world.actions.positive.name
        asked = (
            self._titles(items) if self.signal == "title" else self._each("score_watch", lines, WATCH_LABELS, act=act)
        )
        return asked if self.world.rated is None else asked + self._each("score_rate", lines, VERDICTS)

    def _each(self, node: str, lines: Sequence[str], labels: tuple[str, ...], **fields: str) -> list[Question]:
        return [Question("\n" + _text(self.prompts[node].render(item=line, **fields)), labels) for line in lines]

    def _titles(self, items: Sequence[str]) -> list[Question]:
        titles = tuple(" " + self.world.title(item) for item in items)
        return [Question(ENTRY, titles), Question(self.nobody(items) + ENTRY, titles, alone=True)]

    async def read(
        self, user: Persona, items: Sequence[str], *, at: Place, recalled: Sequence[str] = ()
    ) -> tuple[Outcome[list[list[float]]], list[ItemScores]]:
        """The outcome of the page's call and one `ItemScores` per item (none where it failed)."""
        outcome = await self.model.score(self.prompt(user, recalled), self.questions(items), at=at)
        if not outcome.ok or outcome.value is None:
            return outcome, []
        if self.signal == "yesno":
            own = [yes - no for yes, no in outcome.value[: len(items) + 1]]
            free = [own[-1]] * len(items)
        else:
            own, free = outcome.value[:2]
        rated = self.world.rated is not None
        verdicts = expected_verdicts(outcome.value[-len(items) - 1 :]) if rated else [0.5] * len(items)
        return outcome, [
            ItemScores(margin=a - b, verdict=v, raw_margin=a)
            for a, b, v in zip(own, free, verdicts, strict=False)  # own holds the content-free one too
        ]


def expected_verdicts(values: Sequence[Sequence[float]]) -> list[float]:
    """Expected verdict (0..1) of each item from log-probabilities (items + 1, labels), the content-free row last.

    The content-free log-probabilities are subtracted before the labels are weighed: a model that says "good" of
    everything then says nothing.
    """
    rows = np.asarray(values, dtype=np.float64)
    weights = rows[:-1] - rows[-1]
    weights = np.exp(weights - weights.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return (weights @ np.linspace(0.0, 1.0, rows.shape[1])).tolist()


class ScoreAsker:
    """Plays users by likelihood: margins from `ScoreReader`, probabilities from a calibration, chance from (seed, user, page, item)."""

    def __init__(
        self,
        reader: ScoreReader,
        calibration: Calibration,
        ratings: RatingCalibration | None,
        *,
        say: bool = False,
    ) -> None:
        self.reader, self.world = reader, reader.world
        self.calibration, self.ratings, self.say = calibration, ratings, say

    async def react(self, user: Persona, slate: Slate, recalled: list[str], state: dict[str, Any]) -> Reaction:
        at = Place(user.user, slate.page, "score")
        shown = slate.as_shown()
        outcome, scores = await self.reader.read(user, [e.item for e in shown], at=at, recalled=recalled)
        if not scores:
            return Reaction(failures=(failure(outcome, at),), call=outcome.key)
        positive, passing = self.world.actions.positive, self.world.actions.negative
        actions = []
        for exposure, score in zip(shown, scores, strict=True):
            p = float(self.calibration.probability(user.user, score.margin))
            chosen = uniform(self.world.seed, "watch", user.user, slate.page, exposure.item) < p
            rating = None
            if chosen and positive.wants_rating and self.ratings is not None:
                rating = self.ratings.rate(user.user, score.verdict)
            spec = positive if chosen else passing
            actions.append(
                Action(
                    item=exposure.item,
                    action=spec.name,
                    rating=rating,
                    liked=self.world.liked(spec, rating),
                    margin=score.margin,
                    probability=p,
                    call=outcome.key,
                )
            )
        return Reaction(actions=tuple(actions), call=outcome.key)

    async def reflect(
        self, user: Persona, recalled: list[str], state: dict[str, Any], reaction: Reaction
    ) -> Said | None:
        chosen = sum(self.world.actions[a.action].positive for a in reaction.actions)
        text = satisfaction_text(state["satisfaction"], chosen, len(reaction.actions))
        return Said(text, source="code", call=reaction.call)

    async def decide(
        self, user: Persona, slate: Slate, recalled: list[str], state: dict[str, Any], reaction: Reaction
    ) -> tuple[Decision, tuple[Failure, ...]]:
        fatigue = min(1.0, self.world.fatigue * fatigue_at(slate.page, user.activity))
        p = exit_probability(state["satisfaction"], fatigue, user.activity)
        leaves = uniform(self.world.seed, "exit", user.user, slate.page) < p
        reason = f"chance of leaving {p:.2f} (satisfaction {state['satisfaction']:.1f}, fatigue {fatigue:.2f})"
        return Decision(not leaves, reason, state["satisfaction"], fatigue, call=reaction.call, source="code"), ()

    async def interview(self, user: Persona, memories: list[str], state: dict[str, Any]) -> Said:
        satisfaction = float(max(1, min(10, round(state["satisfaction"]))))
        if not self.say:
            return Said(f"Computed from {state['watched']} chosen items.", satisfaction, source="code")
        at = Place(user.user, state["page"], "say")
        messages = self.reader.prompts["say"].render(
            service=self.world.service,
            memories=fence("\n".join(memories) or "nothing", "memories"),
            satisfaction=f"{satisfaction:g}",
        )
        outcome = await self.reader.model.complete(messages, at=at, temperature=0.0, max_tokens=32)
        if not outcome.ok:
            return Said("", satisfaction, source="code", call=outcome.key, failures=(failure(outcome, at),))
        return Said(first_sentence(str(outcome.value)), satisfaction, call=outcome.key)


def first_sentence(text: str) -> str:
    """The first sentence of what a model said, as one short line: small models do not stop by themselves."""
    line = one_line(text, 200).strip('"“” ')
    return re.split(r"(?<=[.!?…])\W*\s", line, maxsplit=1)[0]


def _text(messages: Sequence[Mapping[str, Any]]) -> str:
    """A raw-text prompt: the file's body without a chat around it."""
    return str(messages[-1]["content"]).strip()
