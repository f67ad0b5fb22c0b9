"""For users of gepa itself: whether to accept a proposal, and which cases to score it on, decided in pairs.

    gepa.optimize(..., reflection_minibatch_size=8,
                  acceptance_criterion=PairedAcceptance(), val_evaluation_policy=SharedCases(cases=60))

gepa accepts a child whose sum over three examples is higher than its parent's: one that is worse by two points passes
that test almost every other time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...agents.randomness import shuffled

EXACT = 14
"""Differences up to which all signs are tried; beyond, the sum of signs is taken as normal."""


def sign_flip(differences: Sequence[float] | NDArray[np.float64]) -> float:
    """One-sided p-value of paired differences being no better than nought: the share of sign patterns whose sum is at
    least the observed one. Exact up to 14 differences that are not nought."""
    found = np.asarray([d for d in differences if d], np.float64)
    if not len(found):
        return 1.0
    if len(found) > EXACT:
        z = found.sum() / np.sqrt((found**2).sum())
        return 0.5 * math.erfc(z / math.sqrt(2))
    signs = 1 - 2 * ((np.arange(1 << len(found))[:, None] >> np.arange(len(found))) & 1)
    return float(np.mean(signs @ found >= found.sum() - 1e-12))


class PairedAcceptance:
    """gepa's `AcceptanceCriterion`: accept a child that beats its parent on the same examples at a stated level.

    `level`: most often that a child no better than its parent is accepted. With n examples p cannot be below 2**-n, so
    a level of 0.1 needs minibatches of at least four; eight or more tell something.
    """

    def __init__(self, level: float = 0.1) -> None:
        if not 0 < level < 1:
            raise ValueError(f"level={level}: a probability between 0 and 1")
        self.level = level

    def should_accept(self, proposal: Any, state: Any) -> bool:
        return self._p(proposal) <= self.level

    def reject_reason(self, proposal: Any, state: Any) -> str:
        n = len(_differences(proposal))
        return f"not better on the same {n} examples: sign-flip p = {self._p(proposal):.3f} > {self.level:g}"

    def _p(self, proposal: Any) -> float:
        differences = _differences(proposal)
        if 2.0 ** -len(differences) > self.level:
            raise ValueError(
                f"{len(differences)} examples cannot show an improvement at level {self.level:g}\n"
                f"  reflection_minibatch_size={math.ceil(-math.log2(self.level))} is the least"
            )
        return sign_flip(differences)


class SharedCases:
    """gepa's `EvaluationPolicy`: all candidates are scored on the same cases, drawn once, and compared in pairs.

    `cases`: how many of the validation set, None for all. `z`: standard errors by which a later candidate must lead the
    best so far; a tie goes to the earlier one, so that the best of many equal prompts is not the luckiest.
    """

    def __init__(self, cases: int | None = None, *, z: float = 1.0, seed: int = 0) -> None:
        if cases is not None and cases < 2:
            raise ValueError("cases: two at least")
        self.cases, self.z, self.seed = cases, z, seed

    def get_seed_eval_batch(self, loader: Any) -> list[Any]:
        """Cases of the first candidate: those of every other."""
        ids = list(loader.all_ids())
        drawn = [ids[place] for place in shuffled(len(ids), self.seed, "gepa", "cases")]
        return drawn[: self.cases]

    def get_eval_batch(self, loader: Any, state: Any, target_program_idx: int | None = None) -> list[Any]:
        return self.get_seed_eval_batch(loader)

    def get_best_program(self, state: Any) -> int:
        best, scores = 0, state.prog_candidate_val_subscores
        for challenger in range(1, len(scores)):
            if _leads(scores[challenger], scores[best], self.z):
                best = challenger
        return best

    def get_valset_score(self, program_idx: int, state: Any) -> float:
        scores = state.prog_candidate_val_subscores[program_idx]
        return float(np.mean(list(scores.values()))) if scores else -math.inf


def _differences(proposal: Any) -> NDArray[np.float64]:
    before, after = proposal.subsample_scores_before or (), proposal.subsample_scores_after or ()
    return np.asarray(after, np.float64) - np.asarray(before, np.float64)


def _leads(challenger: dict[Any, float], best: dict[Any, float], z: float) -> bool:
    shared = [challenger[case] - best[case] for case in challenger if case in best]
    if len(shared) < 2:
        return False
    found = np.asarray(shared, np.float64)
    return found.mean() > z * found.std(ddof=1) / np.sqrt(len(found))
