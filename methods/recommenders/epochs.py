"""Learning in epochs with torch: early stop on held-out pairs, and how much longer it takes."""

from __future__ import annotations

import sys
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from .base import BlockRecommender, RecommenderConfig
from .early_stop import hold_out
from .past import Past
from .torch_extra import import_torch, one_thread

SLOW = 2.0
"""Seconds of training before a word about it is due."""
AGAIN = 10.0
"""Seconds between one word and the next."""


class EpochConfig(RecommenderConfig):
    """What everything that learns in epochs can be told."""

    epochs: PositiveInt = 60
    """Passes over the data, at most."""
    patience: PositiveInt | None = None
    """Stop after so many epochs without gain on held-out items, and keep the best epoch. None: all epochs, no held-out."""


EC = TypeVar("EC", bound=EpochConfig)


class Epoch(NamedTuple):
    """How far a fit is."""

    done: int
    of: int
    """Early stop may end it before."""
    loss: float
    """The epoch's mean."""
    seconds: float
    """Since training began."""

    @property
    def left(self) -> float:
        """Seconds that the other epochs will take at this pace."""
        return self.seconds / self.done * (self.of - self.done)


class TellWhenSlow:
    """A line on stderr with the time left once a fit has taken two seconds, and every ten seconds from there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._due = SLOW

    def __call__(self, epoch: Epoch) -> None:
        if epoch.done == 1:
            self._due = SLOW
        if epoch.seconds >= self._due and epoch.done < epoch.of:
            self._due = epoch.seconds + AGAIN
            line = f"{self.name}: epoch {epoch.done} of {epoch.of}, about {epoch.left:.0f} s left"
            print(line, file=sys.stderr, flush=True)


class Learner(Protocol):
    """One fit under way."""

    def epoch(self) -> float:
        """Learn from everything once. Returns the mean loss."""
        ...

    def gain(self, check: NDArray[np.int64]) -> float:
        """How high held-out pairs rank now (`held_out_gain`)."""
        ...

    def learned(self) -> Any:
        """What has been learned so far, in numpy; later epochs do not change it."""
        ...


class EpochRecommender(BlockRecommender[EC]):
    """A recommender that torch teaches in epochs, and numpy scores with. Deterministic by seed.

    A subclass writes `_learner` and `_keep`. Everything random comes from one numpy generator: torch's own stays as it
    was. `on_epoch` is called after each epoch; assign to it for a progress bar of your own, or to hear nothing.

    State: `epochs_run`, the epochs that the kept state has seen; `losses`, the mean loss of each of them.
    """

    seeded = True
    epochs_run: int
    losses: list[float]

    def __init__(self, config: EC | None = None, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.on_epoch: Callable[[Epoch], None] = TellWhenSlow(self.name)

    @abstractmethod
    def _learner(self, torch: Any, past: Past, pairs: NDArray[np.int64], rng: np.random.Generator) -> Learner:
        """A fit of `pairs` (2, n), rows and columns: what was liked, less what is held out."""

    @abstractmethod
    def _keep(self, learned: Any) -> None:
        """Take over what a learner has learned."""

    def _train(self, past: Past) -> None:
        torch = import_torch(self.name)
        config, rng = self.config, np.random.default_rng(self.seed)
        pairs = np.stack(past.liked.nonzero()).astype(np.int64)
        check = np.empty((2, 0), np.int64)
        if config.patience is not None:
            pairs, check = hold_out(pairs, len(past.users), rng)
        losses, best, waited = [], (-np.inf, 0, None), 0
        with one_thread(torch):
            learner = self._learner(torch, past, pairs, rng)
            began = time.perf_counter()
            for epoch in range(1, config.epochs + 1):
                losses.append(learner.epoch())
                self.on_epoch(Epoch(epoch, config.epochs, losses[-1], time.perf_counter() - began))
                if config.patience is None:
                    continue
                gain = learner.gain(check)
                if gain > best[0]:
                    best, waited = (gain, epoch, learner.learned()), 0
                else:
                    waited += 1
                    if waited >= config.patience:
                        break
            if config.patience is None:
                best = (0.0, config.epochs, learner.learned())
        _, self.epochs_run, learned = best
        self.losses = losses[: self.epochs_run]
        self._keep(learned)
