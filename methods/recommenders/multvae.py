"""MultVAE (Liang et al., WWW 2018): a variational autoencoder of what a user liked, with a multinomial likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.sparse import csr_array

from ...evaluators.ranking import FloatArray, ItemId
from .adam import Adam
from .early_stop import held_out_gain
from .epochs import EpochConfig, EpochRecommender
from .past import Past


class MultVAEConfig(EpochConfig):
    dims: PositiveInt = 200
    """Length of a user's latent vector."""
    hidden: PositiveInt = 600
    """Width of the layer before the latent vector, and of the one behind it."""
    epochs: PositiveInt = 100
    """Passes over the users, at most."""
    batch: PositiveInt = 200
    """Users a step."""
    rate: PositiveFloat = 0.001
    """Step size (Adam)."""
    beta: NonNegativeFloat = 1.0
    """Weight of the divergence from the prior, once it is annealed. Small data wants more than the paper's 0.2."""
    anneal: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the epochs over which that weight climbs from 0. Large data, where training is long, wants it."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of a user's items that the encoder is not shown. The paper's, for large data: 0.5."""


class Layer(NamedTuple):
    """x -> x @ weight + bias."""

    weight: Any
    """(in, out)."""
    bias: Any
    """(out,)."""


class MultVAE(EpochRecommender[MultVAEConfig]):
    """Scores users by what they liked, and by nothing else: `scores_from` ranks for people who were not fitted.

    State: `layers`, float64: items -> hidden, hidden -> mean and log variance of the latent vector, latent -> hidden,
    hidden -> items. Memory while training: about 16 * (2 * items * hidden) bytes.
    """

    name = "multvae"
    config_type = MultVAEConfig
    layers: list[Layer]

    def _learner(self, torch: Any, past: Past, pairs: NDArray[np.int64], rng: np.random.Generator) -> Fit:
        return Fit(torch, self.config, past, pairs, rng)

    def _keep(self, learned: list[Layer]) -> None:
        self.layers = learned

    def _score_block(self, rows: NDArray[np.int64]) -> FloatArray:
        return scores_of(self.layers, self.past.liked[rows]).astype(np.float32)

    def scores_from(self, liked: Sequence[ItemId]) -> FloatArray:
        """float32 (items,) for somebody who liked these items, fitted or not. Raises `UnknownItem`."""
        columns = np.unique(self.past.columns(liked))
        row = csr_array(
            (np.ones(len(columns), np.float32), (np.zeros(len(columns), np.int64), columns)),
            shape=(1, len(self.past.items)),
        )
        return scores_of(self.layers, row)[0].astype(np.float32)


def scores_of(layers: Sequence[Layer], liked: csr_array) -> NDArray[np.float64]:
    """Logits of the items by the mean of the latent vector: (rows of `liked`, items). In float64 for the reason given in
    factors.py."""
    first, middle, third, last = layers
    hidden = np.tanh(unit_length(liked).astype(np.float64) @ first.weight + first.bias)
    mean = (hidden @ middle.weight + middle.bias)[:, : len(third.weight)]
    return np.tanh(mean @ third.weight + third.bias) @ last.weight + last.bias


def unit_length(rows: csr_array) -> csr_array:
    """Binary rows, each divided by its Euclidean length."""
    count = np.diff(rows.indptr)
    each = np.repeat(1.0 / np.sqrt(np.maximum(count, 1)), count).astype(np.float32)
    return csr_array((each, rows.indices, rows.indptr), shape=rows.shape)


class Fit:
    """One fit: `layers` of float32 parameters."""

    def __init__(
        self, torch: Any, config: MultVAEConfig, past: Past, pairs: NDArray[np.int64], rng: np.random.Generator
    ) -> None:
        self.torch, self.config, self.past, self.rng = torch, config, past, rng
        items, hidden, dims = len(past.items), config.hidden, config.dims
        self.liked = csr_array((np.ones(pairs.shape[1], np.float32), tuple(pairs)), shape=past.liked.shape)
        self.users = np.flatnonzero(np.diff(self.liked.indptr))
        self.layers = [
            self._layer(*shape) for shape in ((items, hidden), (hidden, 2 * dims), (dims, hidden), (hidden, items))
        ]
        self.parts = [part for layer in self.layers for part in layer]
        self.adam = Adam(torch, self.parts, config.rate)
        self.step, self.climb = 0, config.anneal * config.epochs * -(-len(self.users) // config.batch)

    def _layer(self, inside: int, outside: int) -> Layer:
        """Glorot & Bengio's (2010) normal start; no bias."""
        weight = self.rng.normal(0, np.sqrt(2 / (inside + outside)), (inside, outside)).astype(np.float32)
        return Layer(
            *(self.torch.from_numpy(part).requires_grad_() for part in (weight, np.zeros(outside, np.float32)))
        )

    def epoch(self) -> float:
        order, total = self.rng.permutation(self.users), 0.0
        for start in range(0, len(order), self.config.batch):
            chosen = order[start : start + self.config.batch]
            rows = self.liked[chosen]
            shown, noise = self.draw(rows)
            beta = self.config.beta * min(1.0, self.step / self.climb if self.climb else 1.0)
            loss = self.loss(rows, shown, noise, beta)
            self.adam.step(self.torch.autograd.grad(loss, self.parts))
            self.step += 1
            total += float(loss.detach()) * len(chosen)
        return total / max(1, len(order))

    def draw(self, rows: csr_array) -> tuple[csr_array, NDArray[np.float32]]:
        """What the encoder is shown of `rows`, scaled up for what is left out; and standard normal noise (rows, dims)."""
        shown, left_out = unit_length(rows), self.config.dropout
        shown.data *= (self.rng.random(len(shown.data)) >= left_out) / np.float32(1 - left_out)
        return shown, self.rng.standard_normal((len(shown.indptr) - 1, self.config.dims), np.float32)

    def loss(self, rows: csr_array, shown: csr_array, noise: NDArray[np.float32], beta: float) -> Any:
        """Mean over users of -ln p(liked | latent) + beta * KL(latent || standard normal)."""
        torch, (first, middle, third, last) = self.torch, self.layers
        hidden = torch.nn.functional.embedding_bag(
            torch.from_numpy(shown.indices.astype(np.int64)),
            first.weight,
            torch.from_numpy(shown.indptr[:-1].astype(np.int64)),
            mode="sum",
            per_sample_weights=torch.from_numpy(shown.data),
        )
        hidden = torch.tanh(hidden + first.bias)
        mean, log_variance = (hidden @ middle.weight + middle.bias).split(self.config.dims, 1)
        latent = mean + torch.from_numpy(noise) * torch.exp(0.5 * log_variance)
        logits = torch.tanh(latent @ third.weight + third.bias) @ last.weight + last.bias
        count = np.diff(rows.indptr)
        row, column = (
            torch.from_numpy(of.astype(np.int64)) for of in (np.repeat(np.arange(len(count)), count), rows.indices)
        )
        surprise = (torch.from_numpy(count) * logits.logsumexp(1)).sum() - logits[row, column].sum()
        divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
        return (surprise + beta * divergence) / len(count)

    def gain(self, check: NDArray[np.int64]) -> float:
        layers = self.learned()
        return held_out_gain(check, lambda rows: scores_of(layers, self.liked[rows]), self.past.liked)

    def learned(self) -> list[Layer]:
        return [Layer(*(part.detach().numpy().astype(np.float64) for part in layer)) for layer in self.layers]
