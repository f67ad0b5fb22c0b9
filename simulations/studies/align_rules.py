"""From scores to choices: a threshold chosen on validation users, and what the choices of a page are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from ...evaluators import auc
from ..outcome.facts import Bools, Floats

Criterion = Literal["balanced", "f1", "accuracy"]
MEASURES = ("accuracy", "balanced", "precision", "recall", "f1", "auc", "share")
CANDIDATES = 200
"""Thresholds tried on each scale, evenly spread over the validation scores."""


class Rule(NamedTuple):
    """Take up what scores above the threshold: in its own unit ("score"), or in standard deviations from the mean of its
    page ("page"), as somebody chooses who compares what is there. "answer": a yes stays a yes."""

    scale: Literal["score", "page", "answer"]
    threshold: float

    def taken(self, scores: Floats) -> Bools:
        """Scores (pages, items) -> what is taken up."""
        return (standing(scores) if self.scale == "page" else scores) > self.threshold


ANSWER = Rule("answer", 0.5)


def standing(scores: Floats) -> Floats:
    """Each score in standard deviations from the mean of its page; 0 where all are equal. NaN stays."""
    spread = scores.std(axis=1, keepdims=True)
    spread = np.where(spread < 1e-12, 1.0, spread)
    return (scores - scores.mean(axis=1, keepdims=True)) / spread


def fit_rule(scores: Floats, labels: Bools, criterion: Criterion) -> Rule:
    """The rule that is best by the mean over validation pages (pages, items); the first of equals."""
    usable = ~np.isnan(scores).any(axis=1)
    scores, labels = scores[usable], labels[usable]
    best, found = -1.0, Rule("page", 0.0)
    if not len(scores):
        return found
    for scale in ("page", "score"):
        values = standing(scores) if scale == "page" else scores
        levels = np.unique(np.quantile(values, np.linspace(0, 1, CANDIDATES)))
        middles = (levels[1:] + levels[:-1]) / 2
        for threshold in middles.tolist():
            worth = float(np.mean(_counted(labels, values > threshold)[criterion]))
            if worth > best + 1e-12:
                best, found = worth, Rule(scale, threshold)
    return found


def page_values(scores: Floats, labels: Bools, rule: Rule) -> dict[str, Floats]:
    """Every measure of each page: (pages,). NaN where a page has no scores; precision also where nothing was taken up."""
    lost = np.asarray(np.isnan(scores).any(axis=1))
    values = dict(_counted(labels, rule.taken(scores)))
    values["precision"] = np.where(rule.taken(scores).any(axis=1), values["precision"], np.nan)
    values["auc"] = np.array([np.nan if gone else auc(y, s) for gone, y, s in zip(lost, labels, scores, strict=True)])
    return {name: np.where(lost, np.nan, values[name]) for name in MEASURES}


def _counted(labels: Bools, taken: Bools) -> Mapping[str, Floats]:
    hits = (taken & labels).sum(axis=1).astype(float)
    passed = (~taken & ~labels).sum(axis=1)
    n_taken, n_met, n = taken.sum(axis=1), labels.sum(axis=1), labels.shape[1]
    recall = hits / np.maximum(n_met, 1)
    return {
        "accuracy": (hits + passed) / n,
        "balanced": (recall + passed / np.maximum(n - n_met, 1)) / 2,
        "precision": hits / np.maximum(n_taken, 1),
        "recall": recall,
        "f1": 2 * hits / np.maximum(n_taken + n_met, 1),
        "share": n_taken / n,
    }
