"""What one rehearsal says of each of its users, as a test of two recommenders wants to know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ...agents.calibration import sigmoid
from ...agents.randomness import keys, uniforms
from ...agents.satisfaction import START
from ..outcome.facts import Facts, Floats
from ..outcome.numbers import Unit, known
from ..outcome.users import divided, held_out, last_satisfaction, pages_seen, watch_rate_per_user

MEASURES: dict[str, tuple[str, Unit]] = {
    "watch_rate": ("Watch rate", "share"),
    "likes": ("Likes per user", ""),
    "pages": ("Pages seen before leaving", ""),
    "satisfaction": ("Satisfaction at the last page", "points"),
    "returns": ("Comes back for another session", "share"),
    "hits": ("Held-out items shown per user", ""),
}
"""Name -> label, unit. Every one is a mean over users."""


class ReturnModel(BaseModel):
    """Whether a user comes back after a session: P = sigmoid(log-odds of `rate` + satisfaction * (s - 5.5) + watched * (w - 0.4)).

    `s` is the satisfaction after the last page (1 to 10), `w` the share watched of what was shown. The form and all numbers
    are a choice: no public log says how film ratings go with return visits. They say that contented users return more often,
    and nothing about how much more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Probability for a user in the middle (satisfaction 5.5, watched share 0.4). A choice."""
    satisfaction: float = 0.5
    """Log-odds per point of satisfaction. A choice."""
    watched: float = 2.0
    """Log-odds for having watched everything instead of nothing. A choice."""

    def probability(self, satisfaction: Floats, watched: Floats) -> Floats:
        """(users,); NaN where either is unknown."""
        middle = np.log(self.rate / (1.0 - self.rate))
        odds = middle + self.satisfaction * (satisfaction - START) + self.watched * (watched - 0.4)
        return np.asarray(sigmoid(odds), dtype=float)


def sessions(facts: Facts, model: ReturnModel, luck: int) -> dict[str, Floats]:
    """The measures of a run's users: name -> (users,) in the order of `facts.agents`; NaN where there is none.

    Whether a user returns is drawn at the address (luck, "return", user): the same draw under every recommender.
    """
    watched, satisfaction = watch_rate_per_user(facts), last_satisfaction(facts)
    pages = pages_seen(facts).astype(float)
    there = pages > 0
    pages[~there] = np.nan
    likes = facts.per_user(facts.liked, facts.answered)
    likes[~there] = np.nan
    if facts.reference.get("scale") is None:
        likes[:] = np.nan  # without ratings a like is a watch
    truth = held_out(facts)
    hits = (
        np.full(len(pages), np.nan) if truth is None else facts.per_user(truth, np.ones(len(facts.agent), dtype=bool))
    )
    hits[~there] = np.nan
    chance = model.probability(satisfaction, watched)
    back = np.where(np.isnan(chance), np.nan, uniforms(luck, "return", keys(facts.agents)) < chance)
    return {
        "watch_rate": watched,
        "likes": likes,
        "pages": pages,
        "satisfaction": satisfaction,
        "returns": back.astype(float),
        "hits": hits,
    }


Session = tuple[int, str]
"""A seed and a user: one session of that user's."""


@dataclass(frozen=True)
class Arm:
    """All sessions before one recommender, over all seeds. A user who was drawn under several seeds has several."""

    label: str
    sessions: tuple[Session, ...]
    values: Mapping[str, Floats]
    """Measure -> (sessions,), NaN where there is none."""
    first: Mapping[Session, tuple[str, ...]]
    """What the first page showed and got an answer for."""
    earned: float
    """Share of that which was watched."""

    def per_user(self, measure: str, against: Arm | None = None) -> Floats:
        """The measure, or its difference to another arm's same sessions, as one number per user: the mean of the user's
        sessions. NaN for a user without one."""
        value = self.values[measure]
        if against is not None:
            at = {key: i for i, key in enumerate(against.sessions)}
            there = np.append(against.values[measure], np.nan)
            value = value - there[[at.get(key, -1) for key in self.sessions]]
        who = np.unique([user for _, user in self.sessions], return_inverse=True)[1]
        is_known = ~np.isnan(value)
        sums = (np.asarray(np.bincount(who, each), float) for each in (np.where(is_known, value, 0.0), is_known))
        return divided(*sums)

    def rows(self) -> list[dict[str, Any]]:
        """The sessions as rows for people: arm, seed, user and each measure."""
        columns = {key: [known(v) for v in value.tolist()] for key, value in self.values.items()}
        return [
            {"arm": self.label, "seed": seed, "user": user} | {key: column[i] for key, column in columns.items()}
            for i, (seed, user) in enumerate(self.sessions)
        ]


def read_arm(label: str, runs: Mapping[int, Facts], luck: Mapping[int, int], model: ReturnModel) -> Arm:
    """An arm from the facts of its runs, by seed; `luck`: the seed of chance of each."""
    keys_, parts, first = [], [], dict[Session, list[str]]()
    watched = shown = 0
    for seed, facts in runs.items():
        keys_ += [(seed, user) for user in facts.agents]
        parts.append(sessions(facts, model, luck[seed]))
        here = facts.answered & (facts.page == 0)
        watched, shown = watched + int(facts.positive[here].sum()), shown + int(here.sum())
        for at in np.flatnonzero(here).tolist():
            first.setdefault((seed, facts.agents[facts.agent[at]]), []).append(facts.item[at])
    values = {measure: np.concatenate([part[measure] for part in parts]) for measure in MEASURES}
    pages = {key: tuple(items) for key, items in first.items()}
    return Arm(label, tuple(keys_), values, pages, watched / shown if shown else float("nan"))
