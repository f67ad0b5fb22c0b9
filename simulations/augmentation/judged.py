"""How good a recommender is on real held-out rows, after it has learned from simulated ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...data import Dataset
from ...evaluators import PerCase, Truth, evaluate
from ...methods.recommenders import Recommender

METRICS = ("ndcg@10", "recall@20")
DEPTH = 20


def judged(recommender: Recommender, train: Dataset, truth: Mapping[str, Truth], users: Sequence[str]) -> PerCase:
    """Metrics of `METRICS` per user. Left out of the lists are a user's real training rows and nothing else.

    What was only simulated stays a candidate: a recommender that took simulated rows for seen would otherwise never
    recommend a held-out item that the simulation had right.
    """
    known = {user: train.history(user).items for user in users}
    rankings = recommender.top_many(users, DEPTH, exclude_seen=False, exclude=known)
    return evaluate(dict(zip(users, rankings, strict=True)), {user: truth[user] for user in users}, METRICS)
