"""Every baseline keeps the contract, and scores what its paper says."""

import importlib.util
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.data import from_rows
from recloop.methods.recommenders import (
    BPR,
    EASE,
    IALS,
    BPRConfig,
    CatalogueTooLarge,
    EASEConfig,
    IALSConfig,
    ItemKNN,
    ItemKNNConfig,
    LightGCN,
    LightGCNConfig,
    MultVAE,
    MultVAEConfig,
    NotFitted,
    Pop,
    Random,
    Recommender,
    RecommenderConfig,
    RecommenderError,
    UnknownItem,
)
from recloop.methods.recommenders.bpr import negatives

SMALL = {
    "random": lambda seed=0: Random(seed=seed),
    "pop": lambda seed=0: Pop(seed=seed),
    "itemknn": lambda seed=0: ItemKNN(ItemKNNConfig(neighbours=3, shrink=1.0), seed),
    "ease": lambda seed=0: EASE(EASEConfig(l2=5.0), seed),
    "ials": lambda seed=0: IALS(IALSConfig(dims=4, sweeps=3), seed),
    "bpr": lambda seed=0: BPR(BPRConfig(dims=4, epochs=3), seed),
}
TORCH = {
    "lightgcn": lambda seed=0: LightGCN(LightGCNConfig(dims=4, epochs=3), seed),
    "multvae": lambda seed=0: MultVAE(MultVAEConfig(dims=4, hidden=8, epochs=3), seed),
}
if importlib.util.find_spec("torch"):  # the `torch` extra
    SMALL |= TORCH
each = pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)

pairs = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1)


def views(chosen):
    return from_rows((f"u{user}", f"i{item}") for user, item in sorted(chosen))


def communities(seed=0, users=60, items=40, groups=4, noise=0.02):
    """Users like items of their own group: (data, group of each user, group of each item)."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"u{u}", f"i{i}")
        for u, i in itertools.product(range(users), range(items))
        if rng.random() < (0.5 if u % groups == i % groups else noise)
    ]
    return from_rows(rows), groups


@each
@settings(max_examples=12, deadline=None)
@given(chosen=pairs, k=st.integers(0, 10), left_out=st.sets(st.integers(0, 9)))
def test_top_is_the_best_of_scores_without_what_is_excluded(make, chosen, k, left_out):
    data = views(chosen)
    model = make().fit(data)
    exclude = {f"i{n}" for n in left_out}
    for user in [*data.users.ids, "a stranger"]:
        scores = model.scores(user, data.items.ids)
        ranked = sorted(
            zip(data.items.ids, scores.tolist(), strict=True), key=lambda p: (-p[1], data.items.index(p[0]))
        )
        expected = [item for item, _ in ranked if item not in exclude][:k]
        top = model.top(user, k, exclude)
        assert list(top.items) == expected
        assert top.scores.tolist() == [dict(ranked)[item] for item in expected]


@each
@settings(max_examples=12, deadline=None)
@given(chosen=pairs, k=st.integers(0, 10))
def test_many_rankings_are_the_single_ones_without_what_was_seen(make, chosen, k):
    data = views(chosen)
    model = make().fit(data)
    users = [*data.users.ids, "a stranger", data.users.ids[0]]
    seen = {user: set(data.history(user).items) if user in data.users else set() for user in users}
    more = {users[0]: [data.items.ids[-1], "not in the catalogue"]}
    assert model.top_many(users, k) == [model.top(user, k, seen[user]) for user in users]
    assert model.top_many(users, k, False, more) == [model.top(user, k, more.get(user, ())) for user in users]
    left = len(data.items) - len(seen[users[0]])
    assert len(model.top_many(users[:1], 100)[0]) == left


@each
def test_blocks_of_users_change_nothing(make, monkeypatch):
    data, _ = communities(users=150)
    model = make().fit(data)
    whole = model.top_many(data.users.ids, 7)
    monkeypatch.setattr("recloop.methods.recommenders.base.BLOCK_CELLS", 13 * len(data.items))
    assert model.top_many(data.users.ids, 7) == whole


@each
def test_the_same_seed_gives_the_same_rankings_and_a_second_fit_forgets_the_first(make):
    first, other = communities(0)[0], communities(1, users=30, items=20)[0]
    fresh = make().fit(first).top_many(first.users.ids, 10)
    assert make().fit(first).top_many(first.users.ids, 10) == fresh
    refitted = make().fit(other)
    assert refitted.fit(first).top_many(first.users.ids, 10) == fresh


@pytest.mark.parametrize("name", [name for name in SMALL if SMALL[name]().seeded])
def test_another_seed_gives_other_rankings_and_another_policy_id(name):
    data = communities()[0]
    a, b = SMALL[name](0).fit(data), SMALL[name](1).fit(data)
    assert a.top_many(data.users.ids, 10) != b.top_many(data.users.ids, 10)
    assert a.policy_id != b.policy_id


@each
def test_the_contract_is_kept_and_asking_too_early_or_for_nothing_known_is_a_clear_error(make):
    model = make()
    assert isinstance(model, Recommender)
    with pytest.raises(NotFitted, match="call fit"):
        model.top("u0", 1)
    model.fit(views({(0, 0), (0, 1)}))
    with pytest.raises(UnknownItem, match="'nowhere'"):
        model.scores("u0", ["nowhere"])
    with pytest.raises(RecommenderError, match="k must be"):
        model.top("u0", -1)


@pytest.mark.parametrize("name", [name for name in SMALL if name not in ("random", "pop")])
def test_a_stranger_gets_popularity_and_the_fallback_is_stated(name):
    data = views({(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)})
    model = SMALL[name]().fit(data)
    ranking = model.top("a stranger", 3)
    assert ranking.fallback
    assert ranking.items == ("i0", "i1", "i2")
    assert ranking.scores.tolist() == pytest.approx([1.0, 2 / 3, 1 / 3])
    assert model.problems["cold_user"] == 1
    assert not model.top("u2", 3).fallback


async def test_inside_an_event_loop_the_rankings_are_the_same():
    data = communities()[0]
    model = SMALL["ease"]().fit(data)
    assert await model.atop_many(data.users.ids, 5) == model.top_many(data.users.ids, 5)


def test_low_ratings_are_seen_but_not_liked_where_a_least_rating_is_set():
    data = from_rows(
        [("u", "good", 5), ("u", "bad", 1), ("v", "bad", 1), ("w", "bad", 2), ("w", "fine", 4)], scale=(1, 5, 1)
    )
    model = Pop(RecommenderConfig(min_rating=3)).fit(data)
    assert model.scores("u", ["good", "bad", "fine"]).tolist() == pytest.approx([1 / 3, 0, 1 / 3])
    assert model.top_many(["u"], 5)[0].items == ("fine",)
    assert EASE(EASEConfig(min_rating=3)).fit(data).top("v", 1).fallback, "v liked nothing"
    with pytest.raises(RecommenderError, match="views"):
        Pop(RecommenderConfig(min_rating=3)).fit(views({(0, 0)}))


# -- what each one scores ---------------------------------------------------------------------------------------------


def dense(data):
    return data.matrix().toarray().astype(float)


def all_scores(model, data):
    return np.stack([model.scores(user, data.items.ids) for user in data.users.ids])


@settings(max_examples=40, deadline=None)
@given(pairs)
def test_popularity_is_the_share_of_users(chosen):
    data = views(chosen)
    assert np.allclose(all_scores(Pop().fit(data), data), dense(data).mean(axis=0))


@settings(max_examples=40, deadline=None)
@given(pairs, st.sampled_from([1.0, 20.0]))
def test_ease_is_the_closed_form_of_its_paper(chosen, l2):
    data = views(chosen)
    x = dense(data)
    inverse = np.linalg.inv(x.T @ x + l2 * np.eye(x.shape[1]))
    weights = np.eye(x.shape[1]) - inverse / np.diag(inverse)
    model = EASE(EASEConfig(l2=l2)).fit(data)
    assert np.all(np.diag(model.weights) == 0)
    assert np.allclose(model.weights, weights, atol=1e-4)
    assert np.allclose(all_scores(model, data), x @ weights, atol=1e-4)


def test_ease_mirrors_a_matrix_of_several_blocks_of_rows(monkeypatch):
    data = communities(items=50)[0]
    whole = EASE().fit(data).weights
    monkeypatch.setattr("recloop.methods.recommenders.ease.GRAM_ROWS", 7)
    assert np.array_equal(EASE().fit(data).weights, whole)


def test_ease_minimises_its_ridge_loss_with_a_zero_diagonal():
    data = communities()[0]
    x, model = dense(data), EASE(EASEConfig(l2=10.0)).fit(data)
    gradient = x.T @ (x @ model.weights - x) + 10.0 * model.weights
    np.fill_diagonal(gradient, 0.0)
    assert np.abs(gradient).max() < 1e-3


@settings(max_examples=40, deadline=None)
@given(pairs, st.integers(1, 8), st.sampled_from([0.0, 2.0]))
def test_itemknn_sums_the_shrunk_cosines_of_the_nearest_items(chosen, neighbours, shrink):
    data = views(chosen)
    x = dense(data)
    norm = np.sqrt(x.sum(axis=0))
    similar = (x.T @ x) / np.maximum(np.outer(norm, norm) + shrink, 1e-12)
    np.fill_diagonal(similar, 0)
    for item in range(len(similar)):
        order = sorted(range(len(similar)), key=lambda other: (-np.float32(similar[item, other]), other))
        similar[item, order[neighbours:]] = 0
    model = ItemKNN(ItemKNNConfig(neighbours=neighbours, shrink=shrink)).fit(data)
    # Neighbours that tie in single precision may fall either way in double: compare where no tie is cut.
    if neighbours >= x.shape[1]:
        assert np.allclose(all_scores(model, data), x @ similar.T, atol=1e-5)
    assert np.all(np.diff(model.weights.tocsc().indptr) <= neighbours)
    assert np.allclose(np.sort(model.weights.toarray().T, axis=1), np.sort(similar, axis=1), atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(pairs, st.sampled_from([0.0, 1.0]))
def test_ials_solves_each_row_exactly(chosen, frequency):
    data = views(chosen)
    x = dense(data)
    config = IALSConfig(dims=3, sweeps=2, unobserved=0.2, l2=0.1, frequency=frequency)
    model = IALS(config).fit(data)
    users = model.user_factors
    for item, vector in enumerate(model.item_factors):
        mine = users[x[:, item] > 0]
        ridge = 0.1 * (len(mine) + 0.2 * len(users)) ** frequency
        left = mine.T @ mine + 0.2 * users.T @ users + ridge * np.eye(3)
        assert np.allclose(vector, np.linalg.solve(left, mine.sum(axis=0)), atol=1e-8)


def test_ials_in_small_batches_solves_the_same(monkeypatch):
    data = communities()[0]
    whole = IALS(IALSConfig(dims=8, sweeps=2)).fit(data)
    monkeypatch.setattr("recloop.methods.recommenders.ials.BATCH_CELLS", 1)
    assert np.allclose(IALS(IALSConfig(dims=8, sweeps=2)).fit(data).item_factors, whole.item_factors, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(pairs, st.integers(0, 99))
def test_a_drawn_negative_is_never_liked_and_who_likes_all_has_none(chosen, seed):
    likes = dense(views(chosen | {(9, item) for _, item in chosen}))
    users, items = likes.shape
    liked = np.flatnonzero(likes)
    asked = np.repeat(np.arange(users), 20)
    other, drawn = negatives(asked, items, liked, np.random.default_rng(seed))
    assert not likes[asked[drawn], other[drawn]].any()
    full = likes.all(axis=1)[asked]
    assert not drawn[full].any()
    free = likes.mean(axis=1)[asked] <= 0.5
    assert not free.any() or drawn[free].mean() > 0.9


def test_bpr_keeps_the_user_side_of_the_bias_at_one_and_stops_early_when_asked():
    data = communities()[0]
    model = BPR(BPRConfig(dims=8, epochs=60, patience=2)).fit(data)
    assert np.all(model.user_factors[:, -1] == 1)
    assert 1 <= model.epochs_run < 60


@pytest.mark.parametrize(
    "model",
    [
        ItemKNN(),
        EASE(EASEConfig(l2=10.0)),
        IALS(IALSConfig(dims=8)),
        BPR(BPRConfig(dims=8)),
        BPR(BPRConfig(dims=8, patience=5)),
    ],
    ids=["itemknn", "ease", "ials", "bpr", "bpr-early"],
)
def test_planted_communities_are_found(model):
    data, groups = communities(users=200, items=80)
    model.fit(data)
    right = [
        int(item[1:]) % groups == int(user[1:]) % groups
        for user, ranking in zip(data.users.ids, model.top_many(data.users.ids, 3), strict=True)
        for item in ranking
    ]
    assert np.mean(right) > 0.95, "chance is 0.15"


def test_ease_refuses_a_catalogue_that_is_too_large_and_names_what_scales():
    with pytest.raises(CatalogueTooLarge, match=r"ials or itemknn(.|\n)*max_items=8"):
        EASE(EASEConfig(max_items=5)).fit(from_rows(("u", f"i{n}") for n in range(8)))


def test_random_says_how_likely_each_item_was_and_orders_differ_between_users():
    data = communities()[0]
    model = Random().fit(data)
    ranking = model.top("u0", 4, exclude=data.items.ids[:30])
    assert ranking.propensities.tolist() == pytest.approx([0.1] * 4)
    assert model.top("u0", 10).items != model.top("u1", 10).items
    first = [model.top(f"stranger {n}", 1).items[0] for n in range(4000)]
    shares = np.array([first.count(item) for item in data.items.ids]) / len(first)
    assert np.abs(shares - 1 / 40).max() < 0.012


def test_a_deterministic_ranker_is_certain_of_its_slots():
    data = communities()[0]
    assert set(EASE().fit(data).top("u0", 5).propensities.tolist()) == {1.0}
