"""BPR-MF (Rendle et al., UAI 2009): vectors learned so that a liked item beats one that is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.sparse import csr_array

from ...evaluators.ranking import ItemId, UserId
from .base import RecommenderConfig
from .early_stop import held_out_gain, hold_out
from .errors import RecommenderError
from .factors import FactorRecommender
from .past import Past

if TYPE_CHECKING:
    from ...data import Dataset

REDRAWS = 8
"""Times that a negative which turns out to be liked is drawn again, before its pair is left out of the batch."""


class BPRConfig(RecommenderConfig):
    dims: PositiveInt = 64
    """Length of the vectors, beside the item bias."""
    epochs: PositiveInt = 40
    """Passes over the interactions, at most."""
    batch: PositiveInt = 1024
    """Pairs a step."""
    rate: PositiveFloat = 0.05
    """Step size (Adagrad, Duchi et al. 2011)."""
    l2: NonNegativeFloat = 0.01
    """Ridge weight on the vectors of each pair."""
    patience: PositiveInt | None = None
    """Stop after so many epochs without gain on held-out items, and keep the best epoch. None: all epochs, no held-out."""


class BPR(FactorRecommender[BPRConfig]):
    """Stochastic ascent on ln sigmoid(s_liked - s_other), in vectorised minibatches. Deterministic by seed.

    The item bias is the last dimension of `item_factors`, where `user_factors` is 1. `epochs_run` says how many epochs
    the kept vectors have seen.
    """

    name = "bpr"
    config_type = BPRConfig
    seeded = True
    epochs_run: int
    _compared: Sequence[tuple[UserId, ItemId, ItemId]] = ()

    def fit(self, data: Dataset, compared: Sequence[tuple[UserId, ItemId, ItemId]] = ()) -> Self:
        """Learn from `data`, and from pairs that were compared outright: (user, the item preferred, the other), each a
        pair of its own in every epoch beside those whose negative is drawn."""
        self._compared = compared
        return super().fit(data)

    def _train(self, past: Past) -> None:
        config, rng = self.config, np.random.default_rng(self.seed)
        users, items = len(past.users), len(past.items)
        pairs = np.stack(past.liked.nonzero()).astype(np.int64)
        check = np.empty((2, 0), np.int64)
        if config.patience is not None:
            pairs, check = hold_out(pairs, users, rng)
        # Every liked pair counts as liked, held out or not: a negative is never something the user chose.
        liked = np.sort(np.ravel_multi_index(past.liked.nonzero(), (users, items)))
        compared = self._pairs_compared(past)
        user = np.hstack([rng.normal(0, 0.1, (users, config.dims)), np.ones((users, 1))])
        item = np.hstack([rng.normal(0, 0.1, (items, config.dims)), np.zeros((items, 1))])
        speed = np.full_like(user, 1e-8), np.full_like(item, 1e-8)
        best, waited = (-np.inf, 0, user, item), 0
        for epoch in range(1, config.epochs + 1):
            order = rng.permutation(pairs.shape[1] + compared.shape[1])
            for start in range(0, len(order), config.batch):
                batch = order[start : start + config.batch]
                u, i = pairs[:, batch[batch < pairs.shape[1]]]
                j, drawn = negatives(u, items, liked, rng)
                told = compared[:, batch[batch >= pairs.shape[1]] - pairs.shape[1]]
                u, i, j = np.hstack([np.stack([u, i, j]), told])
                drawn = np.append(drawn, np.ones(told.shape[1], dtype=bool))
                self._step(u, i, j, drawn, user, item, speed)
            if config.patience is None:
                continue
            quality = held_out_gain(check, lambda rows: user[rows] @ item.T, past.liked)
            if quality > best[0]:
                best, waited = (quality, epoch, user.copy(), item.copy()), 0
            else:
                waited += 1
                if waited >= config.patience:
                    break
        if config.patience is None:
            self.epochs_run, self.user_factors, self.item_factors = config.epochs, user, item
        else:
            _, self.epochs_run, self.user_factors, self.item_factors = best

    def _pairs_compared(self, past: Past) -> NDArray[np.int64]:
        """Rows of users and columns of both items: int64 (3, pairs). Raises `RecommenderError` for a stranger."""
        users = past.rows([user for user, _, _ in self._compared])
        if (users < 0).any():
            stranger = self._compared[int(np.argmin(users))][0]
            raise RecommenderError(f"user {stranger!r} compared items and has no interactions in the data")
        better, worse = (past.columns([each[place] for each in self._compared]) for place in (1, 2))
        return np.stack([users, better, worse]).astype(np.int64)

    def _step(self, u, i, j, drawn, user, item, speed) -> None:
        """One ascent step, in place, over pairs where user u likes i and not j; `drawn` False leaves a pair out."""
        u, i, j = u[drawn], i[drawn], j[drawn]
        if not len(u):
            return
        of_user, difference = user[u], item[i] - item[j]
        pull = 1.0 / (1.0 + np.exp(np.clip(np.einsum("nd,nd->n", of_user, difference), -30, 30)))[:, None]
        l2 = self.config.l2
        up = pull * difference - l2 * of_user
        up[:, -1] = 0.0  # the bias dimension of a user stays 1
        ascend(user, speed[0], u, up, self.config.rate)
        both = np.concatenate([pull * of_user - l2 * item[i], -pull * of_user - l2 * item[j]])
        ascend(item, speed[1], np.concatenate([i, j]), both, self.config.rate)


def negatives(
    u: NDArray[np.int64], items: int, liked: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """An item for each user that the user did not like, drawn uniformly, and whether one was found.

    `liked`: sorted keys user * items + item.
    """
    j = rng.integers(0, items, len(u))
    clash = np.flatnonzero(is_liked(u * items + j, liked))
    for _ in range(REDRAWS):
        if not len(clash):
            break
        j[clash] = rng.integers(0, items, len(clash))
        clash = clash[is_liked(u[clash] * items + j[clash], liked)]
    drawn = np.ones(len(u), dtype=bool)
    drawn[clash] = False
    return j, drawn


def is_liked(key: NDArray[np.int64], liked: NDArray[np.int64]) -> NDArray[np.bool_]:
    place = np.minimum(np.searchsorted(liked, key), len(liked) - 1)
    return liked[place] == key


def ascend(vectors, speed, rows, gradient, rate: float) -> None:
    """Adagrad, in place, on the rows touched. Gradients of a row that occurs often in the batch are summed."""
    touched, where = np.unique(rows, return_inverse=True)
    gather = csr_array((np.ones(len(rows)), (where, np.arange(len(rows)))), shape=(len(touched), len(rows)))
    total = gather @ gradient
    speed[touched] += total**2
    vectors[touched] += rate * total / np.sqrt(speed[touched])
