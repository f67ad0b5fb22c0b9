"""A recommender's quality on interactions it has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...evaluators import Metric, PerCase, evaluate, parse_metric
from ...evaluators.ranking import ItemId, UserId
from .protocol import Recommender

if TYPE_CHECKING:
    from ...data import Dataset


def held_out_truth(test: Dataset, min_rating: float | None = None) -> dict[UserId, dict[ItemId, float]]:
    """Each user's held-out items, each worth 1; ratings below `min_rating` are no truth."""
    users, items = test.users.ids, test.items.ids
    truth: dict[UserId, dict[ItemId, float]] = defaultdict(dict)
    for user, item, value in zip(test.log.user, test.log.item, test.log.value, strict=True):
        if min_rating is None or value >= min_rating:
            truth[users[user]][items[item]] = 1.0
    return dict(truth)


def held_out_quality(
    recommender: Recommender,
    test: Dataset,
    metrics: Sequence[Metric | str] = ("ndcg@10", "recall@10"),
    min_rating: float | None = None,
) -> PerCase:
    """Judge a fitted recommender by held-out interactions: all items are candidates but those seen in the fitted data."""
    judges = [parse_metric(m) if isinstance(m, str) else m for m in metrics]
    truth = held_out_truth(test, min_rating)
    depth = max((judge.k or len(test.items) for judge in judges), default=10)
    users = list(truth)
    rankings = dict(zip(users, recommender.top_many(users, depth), strict=True))
    return evaluate(rankings, truth, judges)
