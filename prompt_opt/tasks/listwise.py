"""`ListTask`: what all tasks of ranking candidates after a history have in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ...evaluators import Ranking
from ...llm.types import Model, Outcome, Place
from ..errors import OptimizeError
from ..task import MISSING, Case, Component, Diagnosis, Result, Texts
from .asking import Asking
from .baskets import Baskets, rivals
from .items import listed, names_of, title_of
from .metrics import checked_metric, floor_of, values_of, worst
from .permutation import by_score
from .position import places, position_bias

LOW_RANK = 10
"""A first hit here or below (or in the lower half of a short list) is an error worth a reason (PO4ISR's threshold)."""
ANSWER_SHOWN = 5
"""Places of an answer that a diagnosis quotes."""


@dataclass(frozen=True, eq=False)
class ListTask:
    """Rank the candidates of each case; a `Task`.

    `baskets`: what the baselines may know. `own_order`: baseline's name -> case id -> scores of the candidates in the
    order shown, for a ranking that the data brought along. `notes`: what a report has to say of the cases.
    """

    name: str
    metric: str
    asking: Asking
    components: Mapping[str, Component]
    cases: Sequence[Case]
    seed: int
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    baskets: Baskets = field(default_factory=Baskets)
    own_order: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", checked_metric(self.metric))
        for case in self.cases:
            if not 0 < len(case.truth["relevant"]) < len(case.shown["candidates"]):
                raise OptimizeError(
                    f"{self.name}: case {case.id!r} has {len(case.truth['relevant'])} relevant items among "
                    f"{len(case.shown['candidates'])} candidates\n  a case needs a relevant one, and one that is not"
                )

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the cases and settings. The seed prompt is no part of it: it is a candidate like any other."""
        told = {
            "task": self.name,
            "metric": self.metric,
            "seed": self.seed,
            "asking": dict(self.asking.settings),
            "settings": dict(self.settings),
            "cases": [[case.id, dict(case.shown), dict(case.truth)] for case in self.cases],
            "baskets": self.baskets.hash,
            "parts": {name: list(ids) for name, ids in self.parts.items()},
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=True).encode()).hexdigest()

    async def run(self, texts: Texts, case: Case, model: Model, at: Place) -> Outcome[Any]:
        """One call: the list is written, or the likelihoods of all titles are read."""
        return await self.asking.ask(texts[self.asking.component], case, model, at)

    def score(self, case: Case, outcome: Outcome[Any]) -> Result:
        """Judge an outcome by the policy of `permutation.py`."""
        calls = outcome.keys or ((outcome.key,) if outcome.key else ())
        bare = Result(case.id, outcome.status, tokens=outcome.usage.total, calls=calls)
        if outcome.status in MISSING:
            return bare
        value = outcome.value if outcome.ok else None
        read = self.asking.ranking(case, value, self.seed) if value else None
        if value is None or read is None:
            status = "parse_fail" if outcome.ok else outcome.status
            return replace(bare, status=status, values=worst(), diagnosis=self._no_answer(case, outcome))
        ranking, counts = read
        values = {**values_of(ranking, case.truth["relevant"]), **places(names_of(case), ranking.items)}
        values |= value.get("also", {})
        return replace(bare, values=values, counts=counts, diagnosis=self._diagnosis(case, ranking, counts))

    def baselines(self, cases: Sequence[Case]) -> Mapping[str, Sequence[float]]:
        """The analytic floor, and rankings that need no prompt; those of the data's own order first."""
        found: dict[str, list[float]] = {"random": []}
        for case in cases:
            found["random"].append(floor_of(self.metric, len(case.shown["candidates"]), len(case.truth["relevant"])))
            own = {name: scores[case.id] for name, scores in self.own_order.items()}
            for name, scores in {**own, **rivals(case, self.baskets)}.items():
                ranking = by_score(names_of(case), scores, self.seed, case.id)
                found.setdefault(name, []).append(values_of(ranking, case.truth["relevant"])[self.metric])
        return found

    def story(self, case: Case) -> str:
        """History and candidates, fenced."""
        return (
            f"What the person met, oldest first:\n{listed(case.shown['history'], 'history')}\n"
            f"Candidates, in the order shown:\n{listed(case.shown['candidates'], 'candidates')}"
        )

    def remarks(self, cases: Sequence[Case], results: Sequence[Result]) -> list[str]:
        """What a report adds on these results of one prompt: how the cases came about, and whether places decide."""
        bias = position_bias(results, self.seed)
        return [*self.notes, *self.asking.remarks, *([] if bias is None else [f"position: {bias}"])]

    def _no_answer(self, case: Case, outcome: Outcome[Any]) -> Diagnosis:
        why = outcome.error or "it names no candidate"
        text = f"The answer could not be used: {why[:200]}."
        return Diagnosis("no answer", text, outcome.text.strip()[:200], _truth(case))

    def _diagnosis(self, case: Case, ranking: Ranking, counts: Mapping[str, int]) -> Diagnosis:
        relevant, titles = case.truth["relevant"], title_of(case)
        total, best = len(ranking), min(ranking.items.index(name) + 1 for name in relevant)
        left_out = set(ranking.items[total - counts.get("missing", 0) :])
        chosen = "The chosen item" if len(relevant) == 1 else f"The best of {len(relevant)} chosen items"
        text = f"{chosen} was ranked {best} of {total}."
        if best < LOW_RANK and best <= max(1, total // 2):
            kind = "ok"
        elif counts.get("invented"):
            kind = "unknown ids"
            text = f"{counts['invented']} of the answered ids are no candidate's. {text}"
        elif left_out.issuperset(relevant):
            kind = "incomplete list"
            text = f"The answer leaves {len(left_out)} of {total} candidates out, the chosen one among them."
        else:
            kind = "low rank"
        answered = [name for name in ranking.items if name not in left_out][:ANSWER_SHOWN]
        answer = "; ".join(f"{place}. {name} {titles[name]}" for place, name in enumerate(answered, 1))
        return Diagnosis(kind, text, answer, _truth(case))


def _truth(case: Case) -> str:
    titles = title_of(case)
    return "; ".join(f"{name} {titles[name]}" for name in case.truth["relevant"])
