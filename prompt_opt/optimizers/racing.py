"""`racing`, the default: candidates are raced on shared cases, and nothing is believed that paired evidence does not say.

A round: choose parents and operators, ask for candidates (or take edits from the bank), drop what the guards refuse and
what is there already, race the rest against the incumbent, and accept the winner if the evidence leans to it.

    accepted   mean paired difference to the incumbent over the search cases > 0, and its sign-flip test (one-sided)
               p <= accept
    chosen     at the end, on the selection split, which no proposer and no race has seen: the finalists are tested against
               the seed in the order of what the search found, each at the level `choose`, up to the first that fails
               (a fixed sequence needs no correction); of those that pass the one ahead most, else the seed, as a tie

Both levels are mild, and the accepted one is not corrected for the number of prompts raced: an accepted prompt is where
the search goes on from, a chosen one is what the sealed test is asked about, and claims are made there alone. Strict levels
keep the seed where it is worse. A scarce budget is spread: over fewer cases to search and to choose on, not fewer prompts.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from itertools import takewhile
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator

from ...evaluators import paired_difference
from ..candidate import Candidate
from ..context import Context
from ..fallback import best_known
from ..guards import duplicate
from ..overlap import folded, jaccard
from ..proposers import OPERATORS, Brief
from ..proposers.bank import Bank
from ..proposers.errors import Cluster, clusters
from ..scores import FloatArray
from ..selectors import Selector, open_selector, select_candidates
from ..steps import Accept, Choice, Enter, Evaluate, Note, OutOfBudget, Search, Step
from .bandit import GainPerToken
from .fronts import Merits, front, merits, shrunk, wins

LEAST = 8
"""Cases in common below which no difference is believed."""


SHORTEST = 24
"""Cases at least to race on, to search on and to choose on, where the budget is scarce."""

PROMPTS = 16
"""Prompts that the budget is to score on all search cases; where it does not, there are fewer cases."""

LAST = 0.2
"""Share of the budget for holding one finalist against the seed; where it is not enough, on fewer cases."""


class RacingConfig(BaseModel):
    """Settings of `Racing`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: PositiveInt = 8
    """Rounds of proposing and racing at most."""
    patience: PositiveInt = 4
    """Rounds in a row without an accepted prompt after which the search ends."""
    width: PositiveInt = 4
    """New candidates a round."""
    operators: tuple[str, ...] = tuple(OPERATORS)
    """Operators that the bandit may choose from."""
    operators_per_round: PositiveInt = 2
    """Operators that share a round's candidates."""
    selector: str = "racing"
    """Who races the candidates of a round (`selectors/`)."""
    selector_options: Mapping[str, Any] | None = None
    """Fields of the selector's config. None: its defaults, and mode "z" where it races: no race ends in a claim here, so
    the cheapest mode will do."""
    accept: float = Field(default=0.25, gt=0.0, lt=1.0)
    """Level of the test that makes the winner of a race the incumbent."""
    choose: float = Field(default=0.25, gt=0.0, lt=1.0)
    """Level of the tests that prefer a finalist to the seed."""
    finalists: PositiveInt = 3
    """Candidates that are held against the seed on the selection split."""
    alike: float = Field(default=0.95, gt=0.0, le=1.0)
    """Overlap of word triples from which on two prompts are one. Triples, not words: order and a "not" make a prompt."""
    bank: bool | None = None
    """Take candidates from the bank of edits. None: where the proposer model cannot write prompts."""

    @field_validator("operators")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in OPERATORS] or ([] if names else ["none"]):
            raise ValueError(f"no operator {', '.join(unknown)}; there are {', '.join(OPERATORS)}")
        return names


class Racing:
    """The default optimizer; see the top of this file. A selector given here goes before the config's."""

    name: ClassVar[str] = "racing"
    config_type: ClassVar[type[RacingConfig]] = RacingConfig

    def __init__(self, config: RacingConfig = RacingConfig(), selector: Selector | None = None) -> None:
        self.config = config
        options = config.selector_options
        if options is None:
            options = {"mode": "z"} if config.selector == "racing" else {}
        self.selector = selector or open_selector(config.selector, **options)

    def search(self, context: Context) -> Search:
        search = _Search(self.config, self.selector, context)
        try:
            return (yield from search.run())
        except OutOfBudget as spent:
            allowed = {name: each for name, each in search.known.items() if name not in search.refused}
            return best_known(context, allowed, str(spent))

    def forecast(self, context: Context) -> Mapping[str, Any]:
        """Most calls: no race eliminates anybody, every round is played, every operator asks for reasons too. Likely: a
        round beyond `patience`, races that take half, half of the questions, one finalist."""
        config = self.config
        raced = (1 + config.rounds * config.width) * len(context.search)
        final = (1 + config.finalists) * len(context.selection)
        asks = 0 if _from_bank(config, context) else config.rounds * 2 * config.width
        rounds = min(config.rounds, config.patience + 1)
        halves = rounds * config.width * len(context.search) + asks * rounds // config.rounds
        likely = len(context.search) + halves // 2 + 2 * len(context.selection)
        return {"task": raced + final, "proposals": asks, "likely": likely}


def _from_bank(config: RacingConfig, context: Context) -> bool:
    return not context.can_write if config.bank is None else config.bank


class _Search:
    """One search under way. `known`: every candidate that entered, by id, in order; `words`: theirs, to tell twins by."""

    def __init__(self, config: RacingConfig, selector: Selector, context: Context) -> None:
        self.config, self.selector, self.context = config, selector, context
        self.seed = self.incumbent = context.seed_candidate
        self.known: dict[str, Candidate] = {self.seed.id: self.seed}
        self.words: dict[str, list[str]] = {self.seed.id: _words(self.seed)}
        self.cases, self.final = context.search, context.selection  # fewer where the budget is scarce, see `spread`
        self.bank = Bank(context) if _from_bank(config, context) else None
        self.bandit = GainPerToken(config.operators)
        self.accepted: set[str] = {self.seed.id}  # what may be returned without asking; `refused` may not be at all
        self.refused: set[str] = set()
        self._errors: dict[tuple[str, int], tuple[Cluster, ...]] = {}

    # -- the whole

    def run(self) -> Search:
        yield from self.evaluate(self.seed, self.context.search[:SHORTEST])
        self.spread()
        yield from self.evaluate(self.seed, self.cases)
        if self.perfect():
            return Choice(self.seed, "the seed prompt is right on every search case: nothing can be gained", tie=True)
        why, idle = "all rounds are done", 0
        for round in range(self.config.rounds):
            width, cases = self.affordable_race()
            if not width:
                why = "the budget holds no further race beside the choice among finalists"
                break
            accepted = yield from self.round(round, width, cases)
            idle = 0 if accepted else idle + 1
            if idle == self.config.patience:
                why = f"{idle} rounds in a row brought no better prompt"
                break
            if self.perfect():
                why = "the incumbent is right on every search case"
                break
        return (yield from self.finish(why))

    def round(self, round: int, width: int, cases: int) -> Generator[Step, Any, bool]:
        """Propose, drop, race, accept; whether there is a new incumbent."""
        before = self.incumbent
        plays: list[tuple[str, list[Candidate], int]] = []
        if self.bank is not None:
            made = self.bank.propose(round, width)
            if not made:
                yield Note("exhausted", before.id, "the bank of edits has nothing new")
            plays.append(("bank", (yield from self.enter(made, round)), 0))
        else:
            for name, count in self.operators(round, width):
                made, tokens = yield from self.ask(name, round, count)
                plays.append((name, (yield from self.enter(made, round)), tokens))
        fresh = [candidate for _, entered, _ in plays for candidate in entered]
        accepted = bool(fresh) and (yield from self.race(round, fresh, before, cases))
        if self.bank is None:
            for name, entered, tokens in plays:
                self.bandit.learn(name, max((self.gain(each, before) for each in entered), default=0.0), tokens)
        return accepted

    def perfect(self) -> bool:
        """Whether there is nothing left to gain on the search split."""
        return self.context.scores.mean(self.incumbent.id, self.cases) >= 1.0

    # -- candidates

    def operators(self, round: int, width: int) -> list[tuple[str, int]]:
        """This round's operators, and how many candidates each is to make."""
        brief = Brief(self.context, tuple(self.parents(round, 0, 2)), self.errors(self.incumbent, round), width, round)
        fitting = [name for name in self.config.operators if OPERATORS[name].fits(brief)]
        count = min(self.config.operators_per_round, len(fitting), width)
        chosen = self.bandit.choose(fitting, count, self.context.chance("operator", round)) if fitting else []
        return [(name, width // count + (i < width % count)) for i, name in enumerate(chosen)]

    def ask(self, name: str, round: int, count: int) -> Generator[Step, Any, tuple[list[Candidate], int]]:
        """What an operator makes, and the tokens it takes."""
        operator = OPERATORS[name]
        parents = self.parents(round, self.config.operators.index(name), operator.parents)
        brief = Brief(self.context, tuple(parents), self.errors(parents[0], round), count, round)
        if not operator.fits(brief):  # the parent that was drawn gives it nothing to work on: the incumbent does
            parents = list({each.id: each for each in (self.incumbent, *parents)}.values())[: operator.parents]
            brief = Brief(self.context, tuple(parents), self.errors(self.incumbent, round), count, round)
            if not operator.fits(brief):
                return [], 0
        made, tokens = yield from operator.propose(brief)
        if not made:
            yield Note("nothing", parents[0].id, f"{name}: no usable answer from the proposer")
        return made, tokens

    def errors(self, parent: Candidate, round: int) -> tuple[Cluster, ...]:
        key = (parent.id, round)  # nothing is scored while a round's candidates are made
        if key not in self._errors:
            self._errors[key] = clusters(self.context, parent, round)
        return self._errors[key]

    def parents(self, round: int, turn: int, count: int) -> list[Candidate]:
        """Parents by chance: the incumbent half of the time, else one that is best on some cases, or one that is on the
        front of quality, tokens and length without being told worse than the incumbent; further ones by their wins."""
        pool = [each for each in self.known.values() if merits(self.context, each) is not None]
        if len(pool) < 2:
            return [self.incumbent]
        rng = self.context.chance("parents", round, turn)
        share = wins(self.context, pool)
        where = rng.random()
        first = self.incumbent
        if 0.5 <= where < 0.8:
            first = pool[int(rng.choice(len(pool), p=share))]
        elif where >= 0.8:
            level = [each for each in self.on_front(pool) if not self.told_worse(each)] or [first]
            first = level[int(rng.integers(len(level)))]
        chosen = [first]
        while len(chosen) < min(count, len(pool)):
            left = np.array([0.0 if each in chosen else s for each, s in zip(pool, share, strict=True)])
            if not left.sum():
                left = np.array([float(each not in chosen) for each in pool])
            chosen.append(pool[int(rng.choice(len(pool), p=left / left.sum()))])
        return chosen

    def on_front(self, pool: Sequence[Candidate]) -> list[Candidate]:
        rows = {each.id: found for each in pool if (found := merits(self.context, each)) is not None}
        return [self.known[name] for name in front(rows)]

    def told_worse(self, candidate: Candidate) -> bool:
        """Whether it lags the incumbent by more than two standard errors."""
        lag = _there(self.context.scores.difference(candidate.id, self.incumbent.id, self.context.search))
        return len(lag) >= 2 and float(lag.mean()) < -2.0 * float(lag.std(ddof=1)) / np.sqrt(len(lag))

    def enter(self, made: Sequence[Candidate], round: int) -> Generator[Step, Any, list[Candidate]]:
        """Those candidates that are new and that the guards let in."""
        fresh: list[Candidate] = []
        for candidate in made:
            if twin := self.twin(candidate, fresh):
                yield Note("duplicate", candidate.id, f"says what {twin.id} says", {"round": round, "of": twin.id})
            else:
                fresh.append(candidate)
        entered: list[Candidate] = (yield Enter(fresh)) if fresh else []
        for candidate in entered:
            self.known[candidate.id] = candidate
            self.words[candidate.id] = _words(candidate)
        return entered

    def twin(self, candidate: Candidate, fresh: Sequence[Candidate]) -> Candidate | None:
        """A candidate that says the same, but for capitals, blanks and a word or two in a long text."""
        others = [*self.known.values(), *fresh]
        if same := self.known.get(candidate.id) or duplicate(candidate, others):
            return same
        words = _words(candidate)
        near = (o for o in others if jaccard(words, self.words.get(o.id) or _words(o), 3) >= self.config.alike)
        return next(near, None)

    # -- evidence

    def evaluate(self, candidate: Candidate, cases: Sequence[str]) -> Generator[Step, Any, None]:
        yield Evaluate([(candidate, cases)])

    def race(self, round: int, fresh: list[Candidate], before: Candidate, cases: int) -> Generator[Step, Any, bool]:
        """Race new candidates with the incumbent; whether one of them takes its place."""
        arms = [before, *fresh]
        found = yield from select_candidates(self.selector, arms, self.cases[:cases], self.context, 1)
        winner = found.candidates[0] if found.candidates else before
        for arm, each in enumerate(arms):
            if each not in (winner, before) and each.id not in found.eliminated:
                told = {"round": round, "estimate": _plain(found.estimates[arm])}
                yield Note("behind", each.id, f"level with {winner.id} as far as the race went, and not ahead", told)
        if winner is before:
            yield Note("kept", before.id, "no new prompt was ahead of the incumbent", {"round": round})
            return False
        yield from self.evaluate(winner, self.cases)  # a race stops where it likes; the test has all cases
        lead, p, n = self.evidence(winner, before, self.cases)
        told = f"{lead:+.4f} over {n} search cases, one-sided p = {p:.3g}, level {self.config.accept:.3g}"
        if n < LEAST or lead <= 0 or p > self.config.accept:
            yield Note("not accepted", winner.id, f"won the race, but on too little evidence: {told}", {"round": round})
            return False
        accepted = yield Accept(winner, before, told)
        if accepted is None:
            self.refused.add(winner.id)
            yield Note("refused", winner.id, "refused at its approval", {"round": round})
            return False
        self.accepted.add(accepted.id)
        if accepted.id != winner.id:  # edited by a person: nothing is known of it yet, and the first wording is barred
            self.refused.add(winner.id)
            self.known[accepted.id] = accepted
            self.words[accepted.id] = _words(accepted)
            yield from self.evaluate(accepted, self.cases)
        self.incumbent = accepted
        return True

    def evidence(self, a: Candidate, b: Candidate, cases: Sequence[str]) -> tuple[float, float, int]:
        """Mean paired difference a - b, one-sided p that it is not above 0, and the number of cases."""
        difference = _there(self.context.scores.difference(a.id, b.id, cases))
        if len(difference) < 2:
            return 0.0, 1.0, len(difference)
        found = paired_difference(difference, np.zeros(len(difference)), seed=self.context.seed)
        return found.mean, found.p_value / 2 if found.mean > 0 else 1.0, found.n

    def gain(self, candidate: Candidate, before: Candidate) -> float:
        """Lead over the incumbent less one standard error; 0 where it is none."""
        lead = _there(self.context.scores.difference(candidate.id, before.id, self.context.search))
        if len(lead) < LEAST:
            return 0.0
        return max(0.0, float(lead.mean() - lead.std(ddof=1) / np.sqrt(len(lead))))

    # -- budget

    def share_per_case(self) -> float:
        """Share of the budget that one evaluated case has taken so far, proposals included."""
        done = sum(len(self.context.scores.of(name)) for name in self.known)
        return (1.0 - self.context.remaining()) / done if done else 0.0

    def affordable(self) -> float:
        """Evaluations that the budget still holds."""
        share = self.share_per_case()
        return self.context.remaining() / share if share > 0 else float("inf")

    def spread(self) -> None:
        """Set how many cases there are to search on and to choose on, by the price of the first ones."""
        held = self.affordable() + SHORTEST

        def first(cases: Sequence[str], share: float) -> Sequence[str]:
            return cases if held * share >= len(cases) else cases[: max(SHORTEST, int(held * share))]

        self.cases, self.final = first(self.cases, 1 / PROMPTS), first(self.final, LAST / 2)

    def affordable_race(self) -> tuple[int, int]:
        """How many new candidates can be raced, over how many cases: in the worst case nobody is eliminated, the winner
        is scored on all the rest, and one finalist is held against the seed. Scarce budgets shorten races first, then
        take fewer candidates; (0, 0) ends the search."""
        whole, left = len(self.cases), self.affordable() - 2 * len(self.final) + 1e-6
        for width in range(self.config.width, 1, -1):
            cases = whole if left >= width * whole else int((left - whole) / (width - 1))
            if cases >= min(SHORTEST, whole):
                return width, cases
        return (1, whole) if left >= whole else (0, 0)

    # -- the end

    def finish(self, why: str) -> Search:
        """Hold the finalists against the seed on the selection split."""
        rows = {name: m for name in self.known if (m := merits(self.context, self.known[name])) is not None}
        for name in front(rows):
            yield Note("front", name, "none is better in quality, tokens and length alike", _told(rows[name]))
        leads = shrunk({name: row for name, row in rows.items() if name != self.seed.id})
        ranking = tuple(sorted(leads.items(), key=lambda row: (-row[1], row[0])))
        able = [self.known[name] for name, lead in ranking if lead > 0 and rows[name].cases >= LEAST]
        able = [each for each in able if each.id not in self.refused]
        first = [self.incumbent] if self.incumbent is not self.seed else []
        finalists = list({each.id: each for each in [*first, *able]}.values())
        room = (self.affordable() + 1e-6) / max(1, len(self.final)) - 1  # the seed is scored there too
        finalists = finalists[: int(max(0.0, min(self.config.finalists, room)))]
        if not finalists:
            return Choice(self.seed, f"{why}; no candidate was ahead of the seed", tie=True, ranking=ranking)
        if not self.final:
            return Choice(self.incumbent, f"{why}; chosen on the search split", self.incumbent is self.seed, ranking)
        yield Evaluate([(each, self.final) for each in [self.seed, *finalists]])
        tested = [(self.evidence(each, self.seed, self.final), each) for each in finalists]
        passed = list(takewhile(lambda row: row[0][1] <= self.config.choose and row[0][2] >= LEAST, tested))
        (lead, p, n), best = max(passed or tested[:1], key=lambda row: row[0][0])
        told = (
            f"{lead:+.4f} to the seed over {n} selection cases, one-sided p = {p:.3g}, level {self.config.choose:.3g}"
        )
        for (own, own_p, own_n), each in tested:
            kept = "chosen" if passed and each is best else "finalist"
            yield Note(kept, each.id, f"{own:+.4f} to the seed over {own_n} selection cases, one-sided p = {own_p:.3g}")
        if not passed:
            return Choice(self.seed, f"{why}; the first finalist is not told from the seed: {told}", True, ranking)
        if best.id not in self.accepted:
            accepted = yield Accept(best, self.incumbent, told)
            if accepted is None:
                return Choice(self.seed, f"{why}; {best.id} was refused at its approval: {told}", True, ranking)
            best = accepted
        return Choice(best, f"{why}; {told}", False, ranking)


def _words(candidate: Candidate) -> list[str]:
    return [word for name in sorted(candidate.texts) for word in folded(candidate.texts[name])]


def _there(values: FloatArray) -> FloatArray:
    return values[~np.isnan(values)]


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def _told(row: Merits) -> dict[str, Any]:
    return {"lead": round(row.lead, 6), "cases": row.cases, "tokens": round(row.spent, 1), "length": row.length}
