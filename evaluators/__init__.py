"""Metrics (per case first), distribution distances and paired statistics. Needs numpy only.

    ranking.py          what is judged: a `Ranking`, and the `Truth` it is judged by
    metric.py           the `Metric` contract, and names such as "ndcg@10"
    ranking_metrics.py  NDCG, Recall, Precision, HitRate, MRR, MAP, AUC
    evaluate.py         rankings + truths + metrics -> one value per case and metric
    estimate.py         means, paired differences and proportions with their doubt
    distributions.py    histograms and the distances between them
    chance.py           what a random order is worth, by formula
    calibration.py      probabilities against what happened; AUC of plain arrays
    stability.py        how much a ranking depends on how the query is put
    slots.py            how much the place on the page decides
    lingam.py           causes from observations: DirectLiNGAM, and how sure each edge is (imported by itself)
    topic_score.py      topics given as reasons: correctness and completeness, with a model as judge (imported by itself)

A new metric subclasses `Metric`, computes one case, and enters the table in `ranking_metrics.py`. It never aggregates:
intervals and tests live in `estimate.py` alone, so that every number comes with its rival and its doubt.
"""

from .calibration import auc, expected_calibration_error
from .chance import expected_by_chance
from .distributions import histogram, jensen_shannon, wasserstein
from .estimate import Estimate, PairedEstimate, bootstrap_mean, paired_difference, proportion
from .evaluate import PerCase, evaluate
from .metric import Metric
from .ranking import FloatArray, ItemId, Ranking, Truth, UserId
from .ranking_metrics import AUC, MAP, MRR, NDCG, HitRate, Precision, Recall, parse_metric
from .slots import slot_bias_ratio, watch_by_slot
from .stability import Stability, kendall_tau, stability, top_overlap

__all__ = [
    "AUC",
    "MAP",
    "MRR",
    "NDCG",
    "Estimate",
    "FloatArray",
    "HitRate",
    "ItemId",
    "Metric",
    "PairedEstimate",
    "PerCase",
    "Precision",
    "Ranking",
    "Recall",
    "Stability",
    "Truth",
    "UserId",
    "auc",
    "bootstrap_mean",
    "evaluate",
    "expected_by_chance",
    "expected_calibration_error",
    "histogram",
    "jensen_shannon",
    "kendall_tau",
    "paired_difference",
    "parse_metric",
    "proportion",
    "slot_bias_ratio",
    "stability",
    "top_overlap",
    "wasserstein",
    "watch_by_slot",
]
