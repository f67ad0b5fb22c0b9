"""LightGCN, MultVAE and the vectors of BPR and iALS are as good as other people's code, over seeds on MovieLens 100K."""

from __future__ import annotations

from statistics import mean

import numpy as np
import oracles
import pytest
from recloop.data import DataError, from_rows, load_dataset
from recloop.methods.recommenders import LightGCNConfig, held_out_quality, open_recommender
from recloop.methods.recommenders.lightgcn import Fit
from recloop.methods.recommenders.past import Past

SEEDS = range(5)
NOISE = 0.02
"""Share of the reference's NDCG@10 that ours may miss: the interval of a mean over five seeds is about as wide."""
EARLY = {"epochs": 200, "patience": 20}


def test_propagation_is_that_of_pytorch_geometric() -> None:
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("torch_geometric.nn.models")
    rng = np.random.default_rng(0)
    past = Past(from_rows((f"u{u}", f"i{i}") for u in range(30) for i in range(20) if rng.random() < 0.2))
    pairs = np.stack(past.liked.nonzero()).astype(np.int64)
    fit = Fit(torch, LightGCNConfig(dims=8, layers=3), past, pairs, rng)
    model = models.LightGCN(len(fit.vectors), 8, 3)
    model.embedding.weight.data = fit.vectors.clone()
    theirs = model.get_embedding(torch.from_numpy(oracles.normalised(past, pairs)[0])).detach().numpy()
    assert np.allclose(fit.propagate(fit.vectors).numpy(), theirs, atol=1e-6)


@pytest.fixture(scope="module")
def splits():
    try:
        return [load_dataset("movielens-100k").split("random", seed=seed) for seed in SEEDS]
    except DataError as error:
        pytest.skip(f"MovieLens 100K is not here: {error}")


def ndcg(splits, fit) -> list[float]:
    return [
        held_out_quality(fit(split.train, seed), split.test, ["ndcg@10"]).estimate("ndcg@10").mean
        for seed, split in enumerate(splits)
    ]


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("oracle", oracles.OTHERS)
def test_ours_is_as_good_as_the_reference_at_convergence(splits, oracle) -> None:
    needs, fit = oracles.OTHERS[oracle]
    ours, config = oracles.ORACLE_OF[oracle]
    for package in needs if ours in ("bpr", "ials") else ("torch", *needs):
        pytest.importorskip(package)
    reference = ndcg(splits, fit)
    found = ndcg(splits, lambda data, seed: open_recommender(ours, seed, config).fit(data))
    assert mean(reference) > 0.35, "the reference has learned something"
    assert mean(found) > (1 - NOISE) * mean(reference), (found, reference)


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ["lightgcn", "multvae"])
def test_early_stop_is_worth_the_settings_chosen_for_this_data(splits, name) -> None:
    pytest.importorskip("torch")
    fixed = ndcg(splits[:1], lambda data, seed: open_recommender(name, seed).fit(data))
    early = ndcg(splits[:1], lambda data, seed: open_recommender(name, seed, EARLY).fit(data))
    assert early[0] > 0.95 * fixed[0] > 0.35
