"""Probabilities against what happened, on plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve by ranks; tied scores share their mean rank (Hanley & McNeil 1982).

    `labels`: bool (n,). `scores`: float (n,), no NaN. Returns NaN where all labels are alike.
    """
    positive = np.asarray(labels, dtype=bool).ravel()
    score = np.asarray(scores, dtype=float).ravel()
    if positive.shape != score.shape:
        raise ValueError(f"{len(positive)} labels for {len(score)} scores")
    if np.isnan(score).any():
        raise ValueError("scores hold NaN: drop those cases, or say what they are worth")
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    _, group, size = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(size) - (size - 1) / 2.0
    above = mean_rank[group][positive].sum() - n_positive * (n_positive + 1) / 2.0
    return float(above / (n_positive * n_negative))


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> float:
    """Mean gap between stated probability and observed rate over equal-width bins, weighted by cases
    (Naeini, Cooper & Hauskrecht 2015). 0 is perfect, 1 the worst. NaN without a case.

    `labels`: bool (n,). `probabilities`: float (n,) in [0, 1].
    """
    happened = np.asarray(labels, dtype=bool).astype(float).ravel()
    stated = np.asarray(probabilities, dtype=float).ravel()
    if happened.shape != stated.shape:
        raise ValueError(f"{len(happened)} labels for {len(stated)} probabilities")
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, got {bins}")
    if not len(stated):
        return float("nan")
    if not ((stated >= 0) & (stated <= 1)).all():
        raise ValueError("probabilities must lie in [0, 1]")
    which = np.minimum((stated * bins).astype(int), bins - 1)
    gap = np.bincount(which, happened - stated, minlength=bins)
    return float(np.abs(gap).sum() / len(stated))
