"""The measures of `align` by kind of negatives and ratio, and the agents held against each rival."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...agents.unmet import Negatives
from ...evaluators import paired_difference
from ..outcome.facts import Bools, Floats
from ..outcome.numbers import known, resamples
from ..sweep.contrast import holm
from .align_design import AGENTS, CHANCE, AlignConfig
from .align_judged import Judged
from .align_rules import ANSWER, Rule, fit_rule, page_values


@dataclass
class Cell:
    """One kind of negatives at one ratio: the test users' values by arm and measure, (users,), NaN where one is lost."""

    kind: Negatives
    ratio: int
    users: list[str]
    values: dict[str, dict[str, Floats]]
    rules: dict[str, Rule]

    @property
    def name(self) -> str:
        return f"{self.kind} 1:{self.ratio}"

    def of(self, arm: str, measure: str) -> Floats:
        """Values over the users whom the agents have answered for: the same ones in every arm."""
        return np.where(np.isnan(self.values[AGENTS]["auc"]), np.nan, self.values[arm][measure])

    def mean(self, arm: str, measure: str) -> float | None:
        """Their mean; None without one."""
        value = self.of(arm, measure)
        value = value[~np.isnan(value)]
        return known(float(value.mean())) if len(value) else None


def cells_of(config: AlignConfig, judged: Judged) -> Iterator[Cell]:
    for kind in config.negatives:
        for ratio in config.ratios:
            rows = [i for i, page in enumerate(judged.pages) if (page.kind, page.ratio) == (kind, ratio)]
            pages = [judged.pages[i] for i in rows]
            labels: Bools = np.array([page.labels for page in pages], dtype=bool)
            test = np.array([page.user in judged.test for page in pages])
            owners = [page.user for page in pages if page.user in judged.test]
            cell = Cell(kind, ratio, list(dict.fromkeys(owners)), {}, {})
            place = {user: at for at, user in enumerate(cell.users)}
            who = np.array([place[user] for user in owners])
            for arm, all_scores in judged.scores.items():
                scores = np.array([all_scores[i] or [np.nan] * config.items for i in rows], dtype=float)
                own = judged.answers and arm.startswith(AGENTS)
                rule = ANSWER if own else fit_rule(scores[~test], labels[~test], config.criterion)
                cell.rules[arm] = rule
                values = page_values(scores[test], labels[test], rule)
                cell.values[arm] = {name: _by_user(value, who, len(place)) for name, value in values.items()}
            yield cell


def _by_user(values: Floats, who: npt.NDArray[np.int64], users: int) -> Floats:
    """Mean over each user's pages that have a value: (users,), NaN where none has."""
    there = ~np.isnan(values)
    count = np.bincount(who[there], minlength=users)
    total = np.bincount(who[there], values[there], minlength=users)
    return np.divide(total, count, out=np.full(users, np.nan), where=count > 0)


@dataclass(frozen=True)
class Contrast:
    """The agents against one rival in one cell. `p`: adjusted for all contrasts of a verdict (Holm)."""

    cell: Cell
    rival: str
    value: float
    low: float
    high: float
    n: int
    p: float

    @property
    def says(self) -> str:
        """better, worse, or no difference: where interval and test agree."""
        if self.p < 0.05 and (self.low > 0 or self.high < 0):
            return "better" if self.value > 0 else "worse"
        return "no difference"


def contrasts_of(cells: Sequence[Cell], rivals: Sequence[str], measure: str) -> list[Contrast]:
    found = []
    for cell in cells:
        for rival in rivals:
            a = cell.of(AGENTS, measure)
            # What chance is worth on a page is known: a drawn order would only add its own noise.
            b = np.full(len(a), 0.5) if rival == CHANCE else cell.of(rival, measure)
            if np.isnan(a - b).all():
                continue
            found.append((cell, rival, paired_difference(a, b, draws=resamples(len(a)))))
    adjusted = holm([gap.p_value for *_, gap in found])
    return [
        Contrast(cell, rival, gap.mean, gap.low, gap.high, gap.n, p)
        for (cell, rival, gap), p in zip(found, adjusted, strict=True)
    ]
