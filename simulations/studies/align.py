"""Taste alignment (Agent4Rec section 4.1): do agents tell items that a user did meet later from items never met?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from ...agents.ask import BudgetReached
from ..config import SimulateConfig
from ..outcome.behaviour import truth_rows
from ..outcome.facts import facts
from ..outcome.numbers import Row
from ..outcome.summary import FILMS, OTHERS
from .align_cells import cells_of, contrasts_of
from .align_design import AGENTS, MASKED, POPULARITY, SWAPPED, AlignConfig
from .align_judged import Judged, judge
from .align_shown import IN_FULL, LABELS, cases_of, gap_row, plots_of, rows_of, table_of, verdict_of
from .study import Result, StudyConfig
from .workshop import Halted, Workshop


class Align:
    """Agents and baselines judge the same pages, each with a threshold of its own from validation users.

    Personas and baselines know training rows only; labels come from `PromptGuard`. Users have one page per ratio and kind
    of negatives, and every number is a mean over users.
    """

    name: ClassVar[str] = "align"
    question: ClassVar[str] = "Do agents tell items that their user met later from items the user never met?"
    config_type: ClassVar[type[StudyConfig]] = AlignConfig

    async def carry_out(self, config: AlignConfig, workshop: Workshop) -> Result:
        if config.recorded:
            from .align_recorded import judge_recorded

            return judge_recorded(Path(config.recorded), config.seed)
        settings = config.settings()
        try:
            judged = await judge(config, settings, workshop)
        except BudgetReached as stop:
            raise Halted(str(stop)) from None
        return _result(config, settings, judged, await _on_policy(config, settings, workshop))


async def _on_policy(config: AlignConfig, settings: SimulateConfig, workshop: Workshop) -> list[Row]:
    """Precision among what a rehearsal's users take up, and its lift over what they were shown."""
    if not config.on_policy:
        return []
    await workshop.rehearse("on-policy", settings)
    with workshop.opened("on-policy") as run:
        rows = truth_rows(facts(run), FILMS if settings.actions == "films" else OTHERS)
    return [
        replace(row, key=f"on_policy_{row.key}", label=f"On policy ({settings.recommender}): {row.label}")
        for row in rows
    ]


def _result(config: AlignConfig, settings: SimulateConfig, judged: Judged, on_policy: list[Row]) -> Result:
    cells = list(cells_of(config, judged))
    controls = [arm for arm in judged.scores if arm in (SWAPPED, MASKED)]
    rivals = [arm for arm in judged.scores if arm != AGENTS and arm not in controls]
    arms = [AGENTS, *rivals, *controls]
    hardest = [cell for cell in cells if cell.ratio == max(config.ratios)]
    measure = "balanced" if judged.answers else "auc"
    contrasts = [
        *contrasts_of(hardest, [POPULARITY], measure),
        *contrasts_of(hardest, [rival for rival in rivals if rival != POPULARITY], measure),
    ]
    rows = [gap_row(each, measure) for each in [*contrasts, *contrasts_of(hardest, controls, measure)]]
    in_full = {min(config.ratios), max(config.ratios)}
    rows += [row for cell in cells for row in rows_of(cell, arms, LABELS if cell.ratio in in_full else IN_FULL)]
    notes = [
        *judged.notes,
        f"{_SAID[measure]} decides the verdict, at 1:{max(config.ratios)}, adjusted over {len(hardest)} looks at popularity and "
        f"{len(contrasts) - len(hardest)} at other rivals (Holm)",
        "an unmet item may be one the user would have liked: nobody reaches 1",
    ]
    return Result(
        verdict=verdict_of(contrasts, settings, max(config.ratios)),
        rows=[*rows, *on_policy],
        cases={"pages": list(cases_of(cells))},
        plots=list(plots_of(config, cells, arms, measure)),
        notes=notes,
        data={"table": [table_of(cell) for cell in cells]},
    )


_SAID = {
    "auc": "AUC (the chance that a held-out item is scored above an unmet one)",
    "balanced": "balanced accuracy (a yes or no has no finer order)",
}
