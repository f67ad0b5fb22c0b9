"""LightGCN and MultVAE compute what their papers say, the same for a seed on any number of cores."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import autograd_lightgcn
from recloop.data import from_rows
from recloop.methods.recommenders import LightGCN, LightGCNConfig, MultVAE, MultVAEConfig, UnknownItem, open_recommender
from recloop.methods.recommenders import lightgcn as lightgcn_file
from recloop.methods.recommenders import multvae as multvae_file
from recloop.methods.recommenders.epochs import Epoch, TellWhenSlow
from recloop.methods.recommenders.past import Past
from scipy.sparse import csr_array

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

pairs = st.sets(st.tuples(st.integers(0, 7), st.integers(0, 9)), min_size=1)
SMALL = {
    "lightgcn": LightGCNConfig(dims=8, epochs=30, batch=256, rate=0.05),
    "multvae": MultVAEConfig(dims=8, hidden=32, epochs=60, batch=50, rate=0.01),
}
each = pytest.mark.parametrize("name", SMALL)


def views(chosen):
    return from_rows((f"u{user}", f"i{item}") for user, item in sorted(chosen))


def communities(users=200, items=80, groups=4, noise=0.02, seed=0):
    """Users like items of their own group."""
    rng = np.random.default_rng(seed)
    return from_rows(
        (f"u{u}", f"i{i}")
        for u, i in itertools.product(range(users), range(items))
        if rng.random() < (0.5 if u % groups == i % groups else noise)
    )


def liked_pairs(past):
    return np.stack(past.liked.nonzero()).astype(np.int64)


def of_own_group(ranking_of, users, groups=4):
    return np.mean([int(item[1:]) % groups == int(user[1:]) % groups for user in users for item in ranking_of(user)])


@each
def test_planted_communities_are_found(name):
    data = communities()
    model = open_recommender(name, config=SMALL[name]).fit(data)
    assert of_own_group(lambda user: model.top_many([user], 3)[0].items, data.users.ids) > 0.95, "chance is 0.15"
    assert model.losses[-1] < model.losses[0]
    assert len(model.losses) == model.epochs_run == SMALL[name].epochs


# -- LightGCN ---------------------------------------------------------------------------------------------------------


def dense_propagation(past, layers):
    """Mean over 0..layers of the powers of D^-1/2 A D^-1/2, as a full float64 matrix."""
    likes = past.liked.toarray().astype(np.float64)
    users, items = likes.shape
    whole = np.block([[np.zeros((users, users)), likes], [likes.T, np.zeros((items, items))]])
    root = np.sqrt(np.maximum(whole.sum(axis=1), 1))
    whole /= np.outer(root, root)
    return sum(np.linalg.matrix_power(whole, k) for k in range(layers + 1)) / (layers + 1)


@settings(max_examples=25, deadline=None)
@given(pairs, st.integers(1, 4))
def test_propagation_is_the_mean_over_layers_of_the_normalised_graph(chosen, layers):
    past = Past(views(chosen))
    nodes = len(past.users) + len(past.items)
    propagate = lightgcn_file.Propagation(torch, liked_pairs(past), len(past.users), len(past.items), layers)
    whole = propagate(torch.eye(nodes)).numpy()
    assert np.allclose(whole, dense_propagation(past, layers), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(pairs, st.integers(1, 3), st.sampled_from([0.0, 0.5]), st.integers(0, 99))
def test_the_gradient_without_autograd_is_the_gradient_of_autograd(chosen, layers, l2, seed):
    past, rng = Past(views(chosen)), np.random.default_rng(seed)
    users, items = len(past.users), len(past.items)
    fit = lightgcn_file.Fit(
        torch, LightGCNConfig(dims=5, layers=layers, l2=l2), past, liked_pairs(past), np.random.default_rng(seed)
    )
    u, i, j = (
        rng.integers(0, users, 17),
        users + rng.integers(0, items, 17),
        users + rng.integers(0, items, 17),
    )
    loss, gradient = fit.loss_and_gradient(torch.from_numpy(np.stack([u, i, j])))

    vectors = fit.vectors.double().requires_grad_()
    out = torch.from_numpy(dense_propagation(past, layers)) @ vectors
    margin = (out[u] * (out[i] - out[j])).sum(1)
    ridge = (vectors[u] ** 2).sum() + (vectors[i] ** 2).sum() + (vectors[j] ** 2).sum()
    expected = -torch.log(torch.sigmoid(margin)).mean() + l2 / 2 * ridge / len(u)
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-5)
    assert np.allclose(gradient.numpy(), vectors.grad.numpy(), atol=1e-5)


def test_a_whole_fit_is_that_of_dense_autograd_in_double_precision():
    data, config = communities(60, 40), LightGCNConfig(dims=8, epochs=8, batch=200, rate=0.02)
    model = LightGCN(config, seed=3).fit(data)
    reference = autograd_lightgcn(model.past, config, "dense", seed=3)
    assert np.allclose(model.losses, reference.losses, rtol=1e-5)
    assert model.losses[-1] < 0.9 * model.losses[0], "something was learned"
    assert np.allclose(model.user_factors @ model.item_factors.T, reference.scores, atol=1e-3)


def test_early_stop_keeps_the_best_epoch_and_learns_nothing_from_what_is_held_out(monkeypatch):
    data, seen, gains = communities(), [], []
    fit, gain = lightgcn_file.Fit.__init__, lightgcn_file.Fit.gain

    def watched(self, torch, config, past, pairs, rng):
        seen.append(pairs)
        fit(self, torch, config, past, pairs, rng)

    def measured(self, check):
        seen.append(check)
        gains.append(gain(self, check))
        return gains[-1]

    monkeypatch.setattr(lightgcn_file.Fit, "__init__", watched)
    monkeypatch.setattr(lightgcn_file.Fit, "gain", measured)
    model = LightGCN(LightGCNConfig(dims=8, epochs=200, batch=256, rate=0.05, patience=3)).fit(data)
    assert model.epochs_run == 1 + int(np.argmax(gains)) == len(gains) - 3
    assert len(model.losses) == model.epochs_run
    learned, checked = (set(map(tuple, pairs.T)) for pairs in seen[:2])
    assert len(checked) == 200
    assert not learned & checked
    assert learned | checked == set(map(tuple, liked_pairs(model.past).T))


# -- MultVAE ----------------------------------------------------------------------------------------------------------


def fitting(data, **config):
    past = Past(data)
    return multvae_file.Fit(torch, MultVAEConfig(**config), past, liked_pairs(past), np.random.default_rng(0))


@settings(max_examples=20, deadline=None)
@given(pairs, st.sampled_from([0.0, 0.2, 1.0]))
def test_the_loss_is_the_multinomial_bound_of_the_paper_and_so_is_its_gradient(chosen, beta):
    fit = fitting(views(chosen), dims=3, hidden=6)
    rows = fit.liked[fit.users]
    shown, noise = fit.draw(rows)
    loss = fit.loss(rows, shown, noise, beta)
    loss.backward()

    weights = [tuple(part.detach().double().requires_grad_() for part in layer) for layer in fit.layers]
    x = torch.from_numpy(rows.toarray().astype(np.float64))
    hidden = torch.tanh(torch.from_numpy(shown.toarray().astype(np.float64)) @ weights[0][0] + weights[0][1])
    latent = hidden @ weights[1][0] + weights[1][1]
    prior = torch.distributions.Normal(0.0, 1.0)
    posterior = torch.distributions.Normal(latent[:, :3], torch.exp(0.5 * latent[:, 3:]))
    z = posterior.mean + posterior.stddev * torch.from_numpy(noise)
    logits = torch.tanh(z @ weights[2][0] + weights[2][1]) @ weights[3][0] + weights[3][1]
    likelihood = (x * torch.log_softmax(logits, 1)).sum(1)
    divergence = torch.distributions.kl_divergence(posterior, prior).sum(1)
    expected = (beta * divergence - likelihood).mean()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for layer, reference in zip(fit.layers, weights, strict=True):
        for part, other in zip(layer, reference, strict=True):
            assert np.allclose(part.grad.numpy(), other.grad.numpy(), atol=1e-5)


def test_the_encoder_is_shown_half_of_each_user_and_as_much_of_it_in_the_mean():
    fit = fitting(communities(), dropout=0.5)
    whole = multvae_file.unit_length(fit.liked)
    assert np.allclose((whole**2).sum(axis=1), 1)
    draws = np.stack([fit.draw(fit.liked)[0].toarray() for _ in range(300)])
    assert (draws[:, fit.liked.toarray() > 0] == 0).mean() == pytest.approx(0.5, abs=0.01)
    assert np.abs(draws.mean(axis=0) - whole.toarray()).max() < 5 * whole.data.max() / np.sqrt(300)
    assert np.array_equal(fitting(communities(), dropout=0.0).draw(fit.liked)[0].toarray(), whole.toarray())


def test_the_divergence_is_let_in_step_by_step(monkeypatch):
    betas, loss = [], multvae_file.Fit.loss

    def watched(self, rows, shown, noise, beta):
        betas.append(beta)
        return loss(self, rows, shown, noise, beta)

    monkeypatch.setattr(multvae_file.Fit, "loss", watched)
    data = communities(100)
    MultVAE(MultVAEConfig(dims=2, hidden=4, epochs=4, batch=50, beta=0.6, anneal=0.5)).fit(data)
    assert betas == pytest.approx([0, 0.15, 0.3, 0.45, 0.6, 0.6, 0.6, 0.6])
    betas.clear()
    MultVAE(MultVAEConfig(dims=2, hidden=4, epochs=1, batch=50, beta=0.6, anneal=0)).fit(data)
    assert betas == [0.6, 0.6]


def test_people_who_were_not_fitted_are_ranked_by_what_they_liked():
    data = communities()
    model = MultVAE(SMALL["multvae"]).fit(data)
    for user in data.users.ids[:5]:
        again = model.scores_from(data.history(user).items)
        assert np.array_equal(again, model.scores(user, data.items.ids))
    for group in range(4):
        scores = model.scores_from([f"i{group}", f"i{group + 4}", f"i{group + 8}"])
        best = np.argsort(-scores)[:5]
        assert [int(data.items.ids[n][1:]) % 4 for n in best] == [group] * 5
    with pytest.raises(UnknownItem, match="nowhere"):
        model.scores_from(["nowhere"])


def test_early_stop_shows_the_autoencoder_no_held_out_item(monkeypatch):
    shown, gain = [], multvae_file.Fit.gain

    def watched(self, check):
        shown.append(self.liked[check[0], check[1]].sum())
        assert isinstance(self.liked, csr_array)
        return gain(self, check)

    monkeypatch.setattr(multvae_file.Fit, "gain", watched)
    model = MultVAE(MultVAEConfig(dims=8, hidden=32, epochs=100, batch=50, rate=0.01, patience=2)).fit(communities())
    assert set(shown) == {0.0}
    assert 1 <= model.epochs_run < 100


# -- both -------------------------------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("patience", [None, 4])
def test_a_fit_runs_on_one_thread_and_leaves_torch_as_it_was(name, patience):
    data, config = communities(), SMALL[name].model_copy(update={"epochs": 6, "patience": patience})
    before, found, threads = torch.get_num_threads(), [], []
    try:
        for allowed in (1, 2):
            torch.set_num_threads(allowed)
            torch.manual_seed(allowed)
            state = torch.get_rng_state()
            model = open_recommender(name, seed=1, config=config)
            model.on_epoch = lambda epoch: threads.append(torch.get_num_threads())
            model.fit(data)
            found.append(np.stack([model.scores(user, data.items.ids) for user in data.users.ids]))
            assert torch.get_num_threads() == allowed
            assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(before)
    assert set(threads) == {1}
    assert np.array_equal(*found)


@each
def test_low_ratings_are_no_positives_and_data_without_any_is_ranked_by_popularity(name):
    rows = [(f"u{u}", f"i{i}", 5 if u % 2 == i % 2 else 1) for u in range(20) for i in range(20) if (u + 2 * i) % 3]
    rows += [("sour", "i0", 1), ("sour", "i1", 2)]
    data = from_rows(rows, scale=(1, 5, 1))
    config = SMALL[name].model_copy(update={"min_rating": 4})
    model = open_recommender(name, config=config).fit(data)
    users = [user for user in data.users.ids if user != "sour"]
    right = of_own_group(lambda user: model.top(user, 5).items, users, groups=2)
    assert right > 0.9, "what was rated 1 is known, and still not what they like"
    assert model.top("sour", 3).fallback
    assert not model.top("u0", 3).fallback
    nobody = open_recommender(name, config=SMALL[name].model_copy(update={"min_rating": 6})).fit(data)
    assert nobody.top("u0", 3).fallback


@each
def test_every_epoch_is_told(name):
    model, told = open_recommender(name, config=SMALL[name].model_copy(update={"epochs": 3})), []
    model.on_epoch = told.append
    model.fit(communities(40))
    assert [(epoch.done, epoch.of) for epoch in told] == [(1, 3), (2, 3), (3, 3)]
    assert [epoch.loss for epoch in told] == model.losses
    assert 0 < told[0].seconds < told[2].seconds


def test_a_slow_fit_says_how_long_it_will_take_and_a_quick_one_nothing(capsys):
    tell = TellWhenSlow("lightgcn")
    for second in range(1, 31):
        tell(Epoch(second, 30, 0.5, float(second)))
    lines = ["epoch 2 of 30, about 28 s left", "epoch 12 of 30, about 18 s left", "epoch 22 of 30, about 8 s left"]
    assert capsys.readouterr().err.splitlines() == [f"lightgcn: {line}" for line in lines]
    for done in range(1, 31):
        tell(Epoch(done, 30, 0.5, 0.05 * done))
    assert not capsys.readouterr().err
