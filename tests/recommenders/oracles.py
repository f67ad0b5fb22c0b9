"""Other ways to compute the same: plain autograd, and other people's code behind the face that `held_out_quality` needs.

Each oracle is `fit(data, seed) -> Fitted`. Imports stand in the functions: an oracle asks for its package when it is used.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from recloop.data import Dataset
from recloop.evaluators.ranking import Ranking
from recloop.methods.recommenders import IALSConfig, LightGCNConfig, MultVAEConfig
from recloop.methods.recommenders.bpr import negatives
from recloop.methods.recommenders.past import Past
from recloop.methods.recommenders.top_k import top_k
from recloop.methods.recommenders.torch_extra import import_torch, one_thread


class Fitted(NamedTuple):
    """Scores of all users and items, and what it cost."""

    past: Past
    scores: np.ndarray
    """float32 (users, items)."""
    losses: list[float]
    cpu_per_epoch: float

    def top_many(self, users: Sequence[str], k: int) -> list[Ranking]:
        """As ours: without what was seen; strangers by popularity."""
        rankings = []
        for row in self.past.rows(users).tolist():
            scores = (self.scores[row] if row >= 0 else self.past.popularity)[None].astype(np.float32)
            if row >= 0:
                scores[0, self.past.seen[[row]].indices] = -np.inf
            columns, values = top_k(scores, k).of(0)
            items = tuple(self.past.items[column] for column in columns)
            rankings.append(Ranking(items, values, np.ones(len(columns), np.float32), fallback=row < 0))
        return rankings


def normalised(past: Past, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """LightGCN's adjacency as edges (2, 2 * pairs) and their weights: users first, then items."""
    u, i = pairs[0], len(past.users) + pairs[1]
    degree = np.bincount(np.concatenate([u, i]), minlength=len(past.users) + len(past.items))
    weight = degree[u] ** -0.5 * degree[i] ** -0.5
    return np.stack([np.concatenate([u, i]), np.concatenate([i, u])]), np.concatenate([weight, weight])


def autograd_lightgcn(past: Past, config: LightGCNConfig, layout: str, seed: int = 0) -> Fitted:
    """LightGCN as it is usually written, with ours' random numbers: `layout` dense (float64), coo or csr (float32)."""
    torch = import_torch("autograd")
    rng = np.random.default_rng(seed)
    pairs = np.stack(past.liked.nonzero()).astype(np.int64)
    users, items = len(past.users), len(past.items)
    nodes, dtype = users + items, torch.float64 if layout == "dense" else torch.float32
    edges, weight = normalised(past, pairs)
    graph = torch.sparse_coo_tensor(torch.from_numpy(edges), torch.from_numpy(weight).to(dtype), (nodes, nodes))
    graph = {"dense": graph.to_dense, "coo": graph.coalesce, "csr": graph.to_sparse_csr}[layout]()
    start = rng.normal(0, 0.1, (nodes, config.dims)).astype(np.float32)
    vectors = torch.nn.Parameter(torch.from_numpy(start).to(dtype))
    adam = torch.optim.Adam([vectors], lr=config.rate)
    liked = np.sort(np.ravel_multi_index(past.liked.nonzero(), (users, items)))

    def propagated() -> Any:
        layers = [vectors]
        for _ in range(config.layers):
            layers.append(graph @ layers[-1] if layout == "dense" else torch.sparse.mm(graph, layers[-1]))
        return torch.stack(layers).mean(0)

    def loss_of(u: Any, i: Any, j: Any) -> Any:
        out = propagated()
        margin = (out[u] * out[i]).sum(1) - (out[u] * out[j]).sum(1)
        ridge = sum((vectors[node] ** 2).sum() for node in (u, i, j))
        return torch.nn.functional.softplus(-margin).mean() + 0.5 * config.l2 * ridge / len(u)

    losses, marks = [], []
    with one_thread(torch):
        for _ in range(config.epochs):
            j, drawn = negatives(pairs[0], items, liked, rng)
            order = rng.permutation(np.flatnonzero(drawn))
            triples = torch.from_numpy(np.stack([pairs[0], users + pairs[1], users + j])[:, order])
            total = 0.0
            for triple in triples.split(config.batch, 1):
                adam.zero_grad()
                loss = loss_of(*triple)
                loss.backward()
                adam.step()
                total += loss.item() * triple.shape[1]
            losses.append(total / triples.shape[1])
            marks.append(time.process_time())
        out = propagated().detach().numpy()
    each = (marks[-1] - marks[0]) / max(1, len(marks) - 1)
    return Fitted(past, (out[:users] @ out[users:].T).astype(np.float32), losses, each)


def geometric_lightgcn(data: Dataset, seed: int) -> Fitted:
    """PyTorch Geometric's model, loss and start; ours' settings. Its ridge has no factor 1/2."""
    import torch
    from torch_geometric.nn.models import LightGCN

    config, past, rng = LightGCNConfig(), Past(data), np.random.default_rng(seed)
    users, items = len(past.users), len(past.items)
    pairs = np.stack(past.liked.nonzero()).astype(np.int64)
    liked = np.sort(np.ravel_multi_index(past.liked.nonzero(), (users, items)))
    edges = torch.from_numpy(normalised(past, pairs)[0])
    ones = torch.ones(edges.shape[1])
    graph = torch.sparse_coo_tensor(edges, ones, (users + items, users + items)).to_sparse_csr()
    torch.manual_seed(seed)
    model = LightGCN(users + items, config.dims, config.layers)
    adam = torch.optim.Adam(model.parameters(), lr=config.rate)
    with one_thread(torch):
        for _ in range(config.epochs):
            j, drawn = negatives(pairs[0], items, liked, rng)
            order = rng.permutation(np.flatnonzero(drawn))
            triples = torch.from_numpy(np.stack([pairs[0], users + pairs[1], users + j])[:, order])
            for u, i, j in triples.split(config.batch, 1):
                ranks = model(graph, torch.stack([torch.cat([u, u]), torch.cat([i, j])]))
                loss = model.recommendation_loss(*ranks.split(len(u)), torch.cat([u, i, j]), config.l2 / 2)
                adam.zero_grad()
                loss.backward()
                adam.step()
        out = model.get_embedding(graph).detach().numpy()
    return Fitted(past, out[:users] @ out[users:].T, [], 0.0)


def cornac_data(past: Past) -> Any:
    import cornac

    row, column = (index.astype(np.int64) for index in past.liked.nonzero())
    ids = [OrderedDict((n, n) for n in range(size)) for size in (len(past.users), len(past.items))]
    triples = (row, column, np.ones(len(row)))
    return cornac.data.Dataset(len(past.users), len(past.items), *ids, triples, seed=0)


def cornac_vaecf(data: Dataset, seed: int) -> Fitted:
    """cornac's variational autoencoder with the multinomial likelihood: no dropout, no annealing, counts not scaled."""
    import torch
    from cornac.models import VAECF

    config, past = MultVAEConfig(), Past(data)
    model = VAECF(
        k=config.dims,
        autoencoder_structure=[config.hidden],
        n_epochs=config.epochs,
        batch_size=config.batch,
        learning_rate=config.rate,
        beta=config.beta,
        seed=seed,
    )
    with one_thread(torch):
        model.fit(cornac_data(past))
        scores = np.stack([model.score(row) for row in range(len(past.users))])
    return Fitted(past, scores.astype(np.float32), [], 0.0)


def cornac_lightgcn(data: Dataset, seed: int) -> Fitted:
    """cornac's model on dgl. Its ridge is on the propagated vectors."""
    import torch
    from cornac.models import LightGCN

    config, past = LightGCNConfig(), Past(data)
    model = LightGCN(
        emb_size=config.dims,
        num_epochs=config.epochs,
        learning_rate=config.rate,
        batch_size=config.batch,
        num_layers=config.layers,
        lambda_reg=config.l2,
        seed=seed,
    )
    with one_thread(torch):
        model.fit(cornac_data(past))
    return Fitted(past, (model.U @ model.V.T).astype(np.float32), [], 0.0)


def cornac_bpr(data: Dataset, seed: int) -> Fitted:
    """cornac's BPR by plain stochastic descent; steps and epochs chosen on a part of the training rows."""
    from cornac.models import BPR

    past = Past(data)
    model = BPR(k=64, max_iter=200, learning_rate=0.01, lambda_reg=0.01, num_threads=1, seed=seed)
    model.fit(cornac_data(past))
    return Fitted(past, np.stack([model.score(row) for row in range(len(past.users))]).astype(np.float32), [], 0.0)


def implicit_als(data: Dataset, seed: int) -> Fitted:
    """implicit's alternating least squares, with ours' weights times ten; its one ridge chosen in the same way."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    config, past = IALSConfig(), Past(data)
    model = AlternatingLeastSquares(config.dims, regularization=60.0, iterations=15, num_threads=1, random_state=seed)
    model.fit(csr_matrix(past.liked * np.float32(1 + 1 / config.unobserved)), show_progress=False)
    return Fitted(past, np.asarray(model.user_factors) @ np.asarray(model.item_factors).T, [], 0.0)


OTHERS: dict[str, tuple[tuple[str, ...], Callable[[Dataset, int], Fitted]]] = {
    "cornac BPR": (("cornac",), cornac_bpr),
    "implicit ALS": (("implicit",), implicit_als),
    "cornac VAECF": (("cornac",), cornac_vaecf),
    "geometric LightGCN": (("torch_geometric",), geometric_lightgcn),
    "cornac LightGCN": (("cornac", "dgl"), cornac_lightgcn),
}
"""Name -> the packages it needs, and how it is fitted."""

ORACLE_OF: dict[str, tuple[str, dict[str, float]]] = {
    "cornac BPR": ("bpr", {}),
    "implicit ALS": ("ials", {"l2": 6.0, "frequency": 0.0}),
    "cornac VAECF": ("multvae", {}),
    "geometric LightGCN": ("lightgcn", {}),
    "cornac LightGCN": ("lightgcn", {}),
}
"""Name -> ours that does the same, and with which configuration."""
