"""What the head is taught by: right grades in every view, and the same grades in all of them (Agent4Ranking, section 3.4)."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor


def jensen_shannon(log_p: Tensor, log_q: Tensor) -> Tensor:
    """JSD of two distributions given as log-probabilities (..., classes), in nats: (...), from 0 (equal) to ln 2 (disjoint).

    KL(p || a) / 2 + KL(q || a) / 2 with a = (p + q) / 2, whose logarithm comes from the two logarithms: no probability is
    ever divided by, and none that has become 0 on the way is taken the logarithm of.
    """
    log_a = torch.logaddexp(log_p, log_q) - math.log(2)
    terms = log_p.exp() * (log_p - log_a) + log_q.exp() * (log_q - log_a)
    return (terms.sum(-1) / 2).clamp_min(0.0)  # rounding alone makes it negative


def accuracy_loss(log_p: Tensor, labels: Tensor) -> Tensor:
    """L_acc: cross-entropy, mean over pairs and views. `log_p` (pairs, views, classes), `labels` int64 (pairs,)."""
    wanted = labels[:, None, None].expand(-1, log_p.shape[1], 1)
    return -log_p.gather(2, wanted).mean()


def robust_loss(log_p: Tensor) -> Tensor:
    """L_rob: JSD summed over every two views, mean over pairs. `log_p` (pairs, views, classes); 0 for a single view."""
    views = range(log_p.shape[1])
    total = log_p.new_zeros(())
    for one, other in combinations(views, 2):
        total = total + jensen_shannon(log_p[:, one], log_p[:, other]).mean()
    return total
