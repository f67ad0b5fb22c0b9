"""A bank of our own edits, for models that cannot write prompts: which edits help is learned, and those are combined.

An edit's effect is taken to add up with the others' (a linear model over main effects; Bayesian, with a normal prior).
What is drawn next is the best set of edits for one draw of the effects from what is known of them (Thompson 1933).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..candidate import Candidate
from ..context import Context
from ..task import Texts
from .edits import edits_of

Level = tuple[str, str, int]
"""Component, slot, level."""

PRIOR = 0.03
"""Standard deviation of an edit's effect before anything is known, in units of the metric."""
FEW = 4
"""A candidate with fewer cases in common with the seed tells nothing yet."""
TRIES = 20
"""Draws for one candidate before the bank counts as exhausted."""
WIDER = 1.1
"""How much further every draw looks after one that brought nothing new."""


class Bank:
    """The edits of one search. Remembers which of them each of its candidates is made of."""

    def __init__(self, context: Context) -> None:
        self.context = context
        seed = context.seed_candidate.texts
        self._edits = {name: edits_of(replace(known, text=seed[name])) for name, known in context.components.items()}
        self._what: dict[Level, str] = {}
        for name, edits in self._edits.items():
            for slot, levels in edits.slots.items():
                for number, what in enumerate(levels, 1):
                    if edits.apply({slot: number}) != seed[name].strip():
                        self._what[(name, slot, number)] = what
        self.levels: tuple[Level, ...] = tuple(self._what)
        self._column = {level: i for i, level in enumerate(self.levels)}
        self._made_of: dict[str, tuple[Level, ...]] = {}

    def propose(self, round: int, count: int) -> list[Candidate]:
        """New candidates: from the second round on the best known set of edits first, then draws. Fewer than `count`
        where the bank has nothing new."""
        if not self.levels:
            return []
        rng = self.context.chance("bank", round)
        mean, spread = self.effects()
        found: list[Candidate] = []
        if any(self._rows()):
            # Half a standard deviation above nothing: single effects are rarely certain, and their sum is raced anyway.
            self._offer(self._best(mean - 0.5 * np.sqrt(np.diag(spread)), len(self.levels)), "combine", found)
        lower = np.linalg.cholesky(spread + 1e-12 * np.eye(len(mean)))
        wider = 1.0
        for _ in range(count * TRIES):
            if len(found) == count:
                break
            drawn = mean + wider * lower @ rng.standard_normal(len(mean))
            if not self._offer(self._best(drawn, int(rng.integers(1, 4 + min(round, 3)))), "edit", found):
                wider *= WIDER  # what is likeliest has been said: look further
        return found[:count]

    def effects(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Posterior mean (levels,) and covariance (levels, levels) of each edit's effect on the metric."""
        precision = np.eye(len(self.levels)) / PRIOR**2
        weighted = np.zeros(len(self.levels))
        for columns, gain, variance in self._rows():
            x = np.zeros(len(self.levels))
            x[columns] = 1.0
            # Edits do not quite add up: what is left over counts as noise of the size of one effect's prior.
            precision += np.outer(x, x) / (variance + PRIOR**2 / 4)
            weighted += x * gain / (variance + PRIOR**2 / 4)
        covariance = np.linalg.inv(precision)
        return covariance @ weighted, covariance.astype(np.float64)

    def _rows(self) -> list[tuple[list[int], float, float]]:
        """Per scored candidate: its edits, its mean difference to the seed, the variance of that mean."""
        rows = []
        for name, levels in self._made_of.items():
            difference = self.context.scores.difference(name, self.context.seed_candidate.id, self.context.search)
            difference = difference[~np.isnan(difference)]
            if len(difference) >= FEW:
                variance = max(float(difference.var(ddof=1)) / len(difference), 1e-6)
                rows.append(([self._column[level] for level in levels], float(difference.mean()), variance))
        return rows

    def _best(self, effects: NDArray[np.float64], most: int) -> tuple[Level, ...]:
        """Of every slot its best level, if that helps; the `most` best of them; at least one."""
        best: dict[tuple[str, str], int] = {}
        for i, (component, slot, _) in enumerate(self.levels):
            if (component, slot) not in best or effects[i] > effects[best[component, slot]]:
                best[component, slot] = i
        order = sorted(best.values(), key=lambda i: -effects[i])[:most]
        kept = [i for n, i in enumerate(order) if n == 0 or effects[i] > 0]
        return tuple(self.levels[i] for i in sorted(kept))

    def _offer(self, levels: Sequence[Level], operator: str, found: list[Candidate]) -> bool:
        """Make a candidate of some edits, unless there was such a one; whether there is a new one."""
        candidate = Candidate(
            self._texts(levels),
            operator,
            (self.context.seed_candidate.id,),
            "; ".join(self._what[level] for level in levels),
            maker="bank",
        )
        if candidate.id in self._made_of or candidate.id == self.context.seed_candidate.id:
            return False
        self._made_of[candidate.id] = tuple(levels)
        found.append(candidate)
        return True

    def _texts(self, levels: Sequence[Level]) -> Texts:
        genomes: dict[str, dict[str, int]] = {name: {} for name in self._edits}
        for component, slot, number in levels:
            genomes[component][slot] = number
        texts: dict[str, Any] = dict(self.context.seed_candidate.texts)
        return texts | {name: self._edits[name].apply(genome) for name, genome in genomes.items() if genome}
