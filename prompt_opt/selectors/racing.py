"""Paired racing: all arms see the same cases, and an arm leaves once the best ones are surely better.

Hoeffding races (Maron and Moore, NIPS 1993) with what they lacked: differences are paired by case, bounds hold at all
looks at once, and a tie is an answer.
"""

from __future__ import annotations

import math
import sys
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from . import sequences
from .contract import FloatArray, IntArray, Pulls, Selecting, Selection
from .pairs import BoolArray, Pairs

Mode = Literal["planned", "asymptotic", "betting", "z"]


class RacingConfig(BaseModel):
    """How a race is run."""

    mode: Mode = "planned"
    """When an arm is surely worse. "planned": group-sequential boundary for the looks that this race will take at most.
    "asymptotic": normal-mixture confidence sequence, which would hold however long the race went on. Both for tens of cases
    and more. "betting": confidence sequence for differences in [-1, 1], right for any number of cases, slowest to decide.
    "z": so many standard errors at any look, the cheapest, with no promise: for search, where a lost good arm is no false
    claim."""
    delta: float = Field(default=0.1, gt=0.0, lt=1.0)
    """Chance, over the whole race, that one of the truly best arms is eliminated (shared out over rivals: Bonferroni).
    Not promised by "z"."""
    epsilon: NonNegativeFloat = 0.005
    """Stop when every arm left is so close to the leader: surely not better by more than this, and not worse by more as far
    as one can see. A tie. In units of the value."""
    z: PositiveFloat = 2.0
    """Standard errors, in mode "z"."""
    first: PositiveInt = 8
    """Cases of the first batch."""
    growth: NonNegativeFloat = 0.25
    """Next batch, as a share of the cases so far: batches grow because every one of them is a step to wait for."""
    budget: PositiveInt | None = None
    """Evaluations at most; who leads when they are spent has won, with a tie if others are still in the race."""
    minimum: PositiveInt = 8
    """Cases before which no arm is eliminated."""
    max_missing: float = Field(default=0.3, ge=0.0, le=1.0)
    """Share of an arm's cases without an answer above which it leaves as "too many missing": nothing is known of it."""
    shape: float = Field(default=0.35, ge=0.0, le=0.5)
    """Of the planned boundary: 1/2 spends its risk evenly over looks, 0 late."""
    best_at: PositiveFloat = 64.0
    """Number of cases for which the asymptotic sequence is tightest."""
    prior_sd: PositiveFloat = 0.17
    """Standard deviation of differences between two prompts before any is seen: of NDCG@10, recorded, 0.13 to 0.17."""
    prior_cases: NonNegativeFloat = 8.0
    """How many cases the prior counts for."""


class Racing:
    """See the top of this file. The best `keep` stay; whoever is surely worse than all of them leaves."""

    name = "racing"
    config_type = RacingConfig
    shared = True

    def __init__(self, config: RacingConfig = RacingConfig()) -> None:
        self.config = config

    def select(self, arms: int, cases: int, keep: int, rng: np.random.Generator) -> Selecting:
        order = rng.permutation(cases)
        looks = self.looks(cases)
        race = _Race(self.config, arms, keep, looks)
        done = 0
        for until in looks:
            if done >= self.config.minimum and not race.running():
                break
            inside = np.flatnonzero(race.inside)
            batch = order[done : min(until, done + race.room() // max(1, len(inside)))]
            if not len(batch):
                break
            values = yield Pulls(np.repeat(inside, len(batch)), np.tile(batch, len(inside)))
            done += len(batch)
            race.take(inside, values.reshape(len(inside), len(batch)), done)
        return race.result()

    def looks(self, cases: int) -> list[int]:
        """How many cases have been seen after each batch, if the race goes on to the end."""
        ends = [min(self.config.first, cases)]
        while ends[-1] < cases:
            ends.append(min(cases, ends[-1] + max(1, math.ceil(ends[-1] * self.config.growth))))
        return ends


class _Race:
    """Who is `inside`, bool (arms,), and what is known. `close`: nobody inside can be much better than the leader."""

    def __init__(self, config: RacingConfig, arms: int, keep: int, looks: list[int]) -> None:
        self.config, self.arms, self.keep = config, arms, keep
        self.inside = np.ones(arms, dtype=bool)
        self.close = False
        self.pairs = Pairs(arms)
        self.eliminated: dict[int, str] = {}
        self.alpha = config.delta / max(1, arms - 1)
        # Capital of the wagers "row is better than column", and "row is not worse than column by more than epsilon".
        claims = 0 if config.mode != "betting" else 2 if config.epsilon else 1
        self.capital = np.zeros((claims, len(sequences.BETS), arms, arms))
        self.z = config.z
        self.planned: dict[int, float] = {}
        if config.mode == "planned":
            judged = tuple(look for look in looks if look >= config.minimum) or (looks[-1],)
            bounds = sequences.planned_z(judged, self.alpha, config.shape)
            self.planned = dict(zip(judged, bounds.tolist(), strict=True))
            self.z = float(bounds[0])  # at a last batch that a budget has cut short: the bound of the look before

    def room(self) -> int:
        """Evaluations that may still be asked for."""
        return sys.maxsize if self.config.budget is None else self.config.budget - int(self.pairs.asked.sum())

    def running(self) -> bool:
        return int(self.inside.sum()) > self.keep and not self.close

    def take(self, rows: IntArray, values: FloatArray, done: int) -> None:
        """Take in a batch of the arms inside; let arms go."""
        self.pairs.add(rows, values)
        if len(self.capital):
            between = values[:, None, :] - values[None, :, :]
            for claim, capital in zip((0.0, -self.config.epsilon), self.capital, strict=False):
                capital[:, rows[:, None], rows[None, :]] += sequences.log_capital(between, claim)
        if done >= self.config.minimum:
            self.z = self.planned.get(done, self.z)
            self._drop_missing()
            self._drop_worse()

    def _drop_missing(self) -> None:
        for arm in np.flatnonzero(self.inside & self.pairs.unknown(self.config.max_missing)):
            asked, known = int(self.pairs.asked[arm]), int(self.pairs.known[arm])
            self._out(int(arm), f"too many missing: {asked - known} of {asked} cases")

    def _drop_worse(self) -> None:
        ranked = self.pairs.ranked(self.inside)
        leaders, rivals = ranked[: self.keep], ranked[self.keep :]
        if not len(rivals):
            return
        better, close = self._beyond_doubt(leaders, rivals)
        mean, first = self.pairs.mean(), int(leaders[0])
        self.close = bool((close & (mean[leaders[:, None], rivals[None, :]] <= self.config.epsilon)).all())
        for arm in rivals[better.all(axis=0)]:
            behind, pairs = float(mean[first, arm]), int(self.pairs.n[first, arm])
            self._out(int(arm), f"behind arm {first} by {behind:.4f} over {pairs} cases ({self.config.mode})")

    def _beyond_doubt(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> tuple[BoolArray, BoolArray]:
        """Of arms and other arms, bool (rows, columns): surely better; surely not worse by more than epsilon."""
        config, at = self.config, (rows[:, None], columns[None, :])
        if config.mode == "betting":
            enough = [sequences.log_mean_capital(one[:, *at]) >= -math.log(self.alpha) for one in self.capital]
            return enough[0], enough[1] if config.epsilon else np.zeros_like(enough[0])
        n, sd = self.pairs.n[at], self.pairs.sd(at, config.prior_sd, config.prior_cases)
        if config.mode == "asymptotic":
            bound = sequences.asymptotic_bound(n, sd, self.alpha, config.best_at)
        else:
            bound = sequences.z_bound(n, sd, self.z)
        low = self.pairs.mean()[at] - bound
        return low > 0.0, low >= (-config.epsilon if config.epsilon else np.inf)

    def _out(self, arm: int, why: str) -> None:
        self.inside[arm] = False
        self.eliminated[arm] = why

    def result(self) -> Selection:
        ranked = self.pairs.ranked(self.inside)
        kept = tuple(int(arm) for arm in ranked[: self.keep] if self.pairs.known[arm])
        estimates = self.pairs.estimates(kept[0]) if kept else np.full(self.arms, np.nan)
        tie = len(kept) > 0 and len(ranked) > 1 and not bool(self._beyond_doubt(ranked[:1], ranked[1:2])[0][0, 0])
        return Selection(kept, tie, estimates, int(self.pairs.asked.sum()), self.eliminated)
