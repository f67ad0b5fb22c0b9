"""Score mode's first stage: what the model's margins mean for these users, learned from held-in rows only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..agents.ask import failure
from ..agents.ask_score import ItemScores, ScoreReader
from ..agents.calibration import Calibration, HeldIn, RatingCalibration, fit_calibration, fit_ratings, target_rate
from ..agents.calibration_items import CalibrationItems
from ..agents.personas import Persona
from ..evaluators import auc, bootstrap_mean
from ..llm.types import Place
from ..runs.progress import Progress
from .settling import all_settled

if TYPE_CHECKING:
    from .preparation import Prepared

NODE = "calibrate"


@dataclass(frozen=True)
class Calibrated:
    """The two calibrations, and what the report shows of them."""

    watching: Calibration
    ratings: RatingCalibration | None
    report: dict[str, Any]


async def calibrate(
    prepared: Prepared,
    personas: Sequence[Persona],
    sets: Mapping[str, CalibrationItems],
    reader: ScoreReader,
    progress: Progress,
) -> Calibrated:
    """One scoring batch per user over held-in liked and popularity-matched unobserved items; then two small fits.

    The personas are those that browse afterwards, and their texts are made without the liked items of `sets`: so no
    prompt holds the answer, and prompts of calibration and of pages are alike. A user whose call fails is left to the
    pooled fit.
    """
    progress.stage("calibrating", len(personas))

    async def one(persona: Persona) -> list[ItemScores]:
        items = sets[persona.user].items
        scores: list[ItemScores] = []
        if items:
            at = Place(persona.user, -1, NODE)
            outcome, scores = await reader.read(persona, items, at=at)
            if not scores:
                failure(outcome, at)  # raises where the budget is at its end; any other failure leaves this user pooled
        progress.advance()
        return scores

    scores = await all_settled(one(persona) for persona in personas)
    read = {persona.user: found for persona, found in zip(personas, scores, strict=True)}
    return _fit(prepared, personas, sets, read)


def _fit(
    prepared: Prepared,
    personas: Sequence[Persona],
    sets: Mapping[str, CalibrationItems],
    read: Mapping[str, list[ItemScores]],
) -> Calibrated:
    config, train = prepared.config, prepared.split.train
    held_in: dict[str, HeldIn] = {}
    for user, scores in read.items():
        n = len(sets[user].positives)
        margins = [s.margin for s in scores]
        held_in[user] = HeldIn(positives=tuple(margins[:n]), negatives=tuple(margins[n:]))
    targets = {p.user: target_rate(p.activity, *config.watch_rate) for p in personas}
    watching = fit_calibration(held_in, {p.user: p.activity for p in personas}, targets=targets)
    ratings = None
    if train.scale is not None:
        verdicts = {u: [s.verdict for s in scores[: len(sets[u].positives)]] for u, scores in read.items()}
        ratings = fit_ratings(verdicts, {u: sets[u].ratings if read[u] else () for u in read}, train)
    raw = np.array([s.raw_margin for scores in read.values() for s in scores])
    per_user = [
        auc([1] * len(h.positives) + [0] * len(h.negatives), h.margins)
        for h in held_in.values()
        if h.positives and h.negatives
    ]
    area = bootstrap_mean(per_user, seed=config.seed) if per_user else None
    report = {
        "slope": watching.slope,
        "signal": watching.signal,
        "auc": None if area is None else area.mean,
        "auc_low": None if area is None else area.low,
        "auc_high": None if area is None else area.high,
        "n": watching.n,
        "target": targets,
        "intercepts": watching.intercepts,
        "raw_margin_quantiles": np.quantile(raw, [0, 0.25, 0.5, 0.75, 1]).tolist() if len(raw) else [],
        "uncalibrated_rate": float(np.mean(raw > 0)) if len(raw) else None,
        "positive_margins": [m for h in held_in.values() for m in h.positives],
        "negative_margins": [m for h in held_in.values() for m in h.negatives],
        "rating_spearman": None if ratings is None else ratings.spearman,
        "rating_n": 0 if ratings is None else ratings.n,
    }
    return Calibrated(watching, ratings, report)
