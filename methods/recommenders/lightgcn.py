"""LightGCN (He et al., SIGIR 2020): vectors averaged over the graph of who liked what, learned by pairwise ranking."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.sparse import csr_array

from .adam import Adam
from .bpr import negatives
from .early_stop import held_out_gain
from .epochs import EpochConfig, EpochRecommender
from .factors import FactorRecommender
from .past import Past


class LightGCNConfig(EpochConfig):
    dims: PositiveInt = 64
    """Length of the vectors."""
    layers: PositiveInt = 2
    """Steps on the graph (K): 2 reaches the users who share an item and the items that they liked."""
    epochs: PositiveInt = 60
    """Passes over the interactions, at most."""
    batch: PositiveInt = 2048
    """Pairs a step."""
    rate: PositiveFloat = 0.005
    """Step size (Adam)."""
    l2: NonNegativeFloat = 0.003
    """Ridge weight (lambda) on the unpropagated vectors of each pair. Small data wants more than the paper's 0.0001."""


class LightGCN(EpochRecommender[LightGCNConfig], FactorRecommender[LightGCNConfig]):
    """Minimises -ln sigmoid(s_liked - s_other) + l2 / 2 * the squared vectors of the pair, with scores of propagated vectors.

    State: `user_factors` (users, dims) and `item_factors` (items, dims), float64, as propagated: a score is their dot
    product. Time grows with epochs * interactions / batch * layers * (interactions * dims).
    """

    name = "lightgcn"
    config_type = LightGCNConfig

    def _learner(self, torch: Any, past: Past, pairs: NDArray[np.int64], rng: np.random.Generator) -> Fit:
        return Fit(torch, self.config, past, pairs, rng)

    def _keep(self, learned: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
        self.user_factors, self.item_factors = learned


class Fit:
    """One fit. Nodes of the graph are the users, then the items; `vectors` float32 (nodes, dims) is what is learned."""

    def __init__(
        self, torch: Any, config: LightGCNConfig, past: Past, pairs: NDArray[np.int64], rng: np.random.Generator
    ) -> None:
        self.torch, self.config, self.past, self.pairs, self.rng = torch, config, past, pairs, rng
        self.users, self.items = len(past.users), len(past.items)
        # Every liked pair counts as liked, held out or not: a negative is never something the user chose.
        self.liked = np.sort(np.ravel_multi_index(past.liked.nonzero(), (self.users, self.items)))
        self.propagate = Propagation(torch, pairs, self.users, self.items, config.layers)
        start = rng.normal(0, 0.1, (self.users + self.items, config.dims)).astype(np.float32)
        self.vectors = torch.from_numpy(start)
        self.adam = Adam(torch, [self.vectors], config.rate)

    def epoch(self) -> float:
        torch, batch = self.torch, self.config.batch
        # Drawn before shuffling: looking up sorted users is several times quicker.
        u, i = self.pairs
        j, drawn = negatives(u, self.items, self.liked, self.rng)
        order = self.rng.permutation(np.flatnonzero(drawn))
        nodes = torch.from_numpy(np.stack([u, self.users + i, self.users + j])[:, order])
        total = 0.0
        for start in range(0, nodes.shape[1], batch):
            triple = nodes[:, start : start + batch]
            loss, gradient = self.loss_and_gradient(triple)
            self.adam.step([gradient])
            total += float(loss) * triple.shape[1]
        return total / max(1, nodes.shape[1])

    def loss_and_gradient(self, triple: Any) -> tuple[Any, Any]:
        """Mean loss of `triple` int64 (3, pairs), the nodes user, liked and other, and its gradient by `vectors`."""
        torch, l2, pairs = self.torch, self.config.l2, triple.shape[1]
        flat = triple.flatten()
        user, liked, other = self.propagate(self.vectors).index_select(0, flat).split(pairs)
        difference = liked - other
        margin = (user * difference).sum(1)
        pull = (torch.sigmoid(-margin) / -pairs)[:, None]
        of_item = pull * user
        gradient = torch.zeros_like(self.vectors)
        gradient.index_add_(0, flat, torch.cat([pull * difference, of_item, -of_item]))
        gradient = self.propagate(gradient)
        # The ridge is on the vectors themselves, once for each time that a node occurs.
        weight = torch.bincount(flat, minlength=len(self.vectors)).to(torch.float32).mul_(l2 / pairs)[:, None]
        ridge = weight * self.vectors
        loss = torch.nn.functional.softplus(-margin).mean() + 0.5 * (ridge * self.vectors).sum()
        return loss, gradient.add_(ridge)

    def gain(self, check: NDArray[np.int64]) -> float:
        user, item = self.learned()
        return held_out_gain(check, lambda rows: user[rows] @ item.T, self.past.liked)

    def learned(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The propagated vectors: (users, dims), (items, dims)."""
        vectors = self.propagate(self.vectors).numpy().astype(np.float64)
        return vectors[: self.users], vectors[self.users :]


class Propagation:
    """X -> (X + AX + ... + A^K X) / (K + 1), where an edge of A weighs 1 / sqrt(degree of the user * degree of the item).

    A is symmetric, so the mean is its own adjoint: the gradient by X is the propagated gradient by what came out. That is
    the whole backward pass, without a graph of operations kept for it. State: `adjacency` float32 CSR (nodes, nodes).
    """

    def __init__(self, torch: Any, pairs: NDArray[np.int64], users: int, items: int, layers: int) -> None:
        self.torch, self.layers = torch, layers
        u, i = pairs[0], users + pairs[1]
        nodes = users + items
        degree = np.bincount(np.concatenate([u, i]), minlength=nodes).astype(np.float64)
        weight = (1.0 / np.sqrt(degree[u] * degree[i])).astype(np.float32)
        edges = (np.concatenate([u, i]), np.concatenate([i, u]))
        graph = csr_array((np.concatenate([weight, weight]), edges), shape=(nodes, nodes))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)")
            self.adjacency = torch.sparse_csr_tensor(
                torch.from_numpy(graph.indptr.astype(np.int64)),
                torch.from_numpy(graph.indices.astype(np.int64)),
                torch.from_numpy(graph.data),
                (nodes, nodes),
            )

    def __call__(self, vectors: Any) -> Any:
        out = vectors
        for _ in range(self.layers):  # Horner's rule: X + A(X + A(X + ...))
            out = self.torch.addmm(vectors, self.adjacency, out)
        return out / (self.layers + 1)
