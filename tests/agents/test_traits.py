"""Traits: the formulas of Agent4Rec section 3.1, by hand and by property."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.agents.trait_texts import TRAIT_NAMES, TRAIT_TEXTS, persona_text, trait_lines
from recloop.agents.traits import activity, conformity, diversity, levels, thresholds, traits
from recloop.data import from_rows

N_USERS, N_ITEMS = 6, 8
GENRES = [("a",), ("a", "b"), ("b",), ("c", "d", "e"), (), ("a", "e"), ("f",), ("b", "f")]
pairs = st.lists(
    st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1)), min_size=1, max_size=40, unique=True
)


def arrays(rows):
    users, items = (np.array(column, dtype=np.int32) for column in zip(*rows, strict=True))
    return users, items


def ratings_of(rows, seed=0):
    return np.random.default_rng(seed).integers(1, 6, len(rows)).astype(np.float32)


def test_the_three_statistics_by_hand():
    users = np.array([0, 0, 0, 1, 1, 2])
    items = np.array([0, 1, 2, 0, 1, 0])
    values = np.array([5, 3, 4, 1, 3, 3], dtype=np.float32)
    assert activity(users, items, 4, 3).tolist() == [3, 2, 1, 0]
    # Item means: 3, 3, 4. User 0 deviates by 2, 0, 0; user 1 by -2, 0; user 2 by 0.
    c = conformity(users, items, values, 4, 3)
    assert c[:3] == pytest.approx([4 / 3, 2.0, 0.0])
    assert np.isnan(c[3])
    genres = [("x", "y"), ("x",), ("x", "z")]
    # User 0 mentions x 3 times, y and z once: shares 0.6, 0.8, 1.0; exactly 0.8 still counts.
    assert diversity(users, items, genres, 4).tolist() == [2, 1, 1, 0]
    assert diversity(users, items, genres, 4, "distinct").tolist() == [3, 2, 2, 0]


def test_a_user_of_one_genre_has_mass80_zero_and_distinct_one():
    one = np.array([0, 0]), np.array([0, 1])
    assert diversity(*one, [("x",), ("x",)], 1).tolist() == [0]
    assert diversity(*one, [("x",), ("x",)], 1, "distinct").tolist() == [1]


def test_an_unknown_diversity_method_is_named():
    with pytest.raises(ValueError, match="'mass80' or 'distinct'"):
        diversity(np.array([0]), np.array([0]), [("x",)], 1, "entropy")  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    users, items = arrays(rows)
    values = ratings_of(rows)
    order = np.array(random.sample(range(len(rows)), len(rows)))
    assert (activity(users, items, N_USERS, N_ITEMS) == activity(users[order], items[order], N_USERS, N_ITEMS)).all()
    before = conformity(users, items, values, N_USERS, N_ITEMS)
    after = conformity(users[order], items[order], values[order], N_USERS, N_ITEMS)
    assert np.allclose(before, after, equal_nan=True)
    for method in ("mass80", "distinct"):
        assert (
            diversity(users, items, GENRES, N_USERS, method)
            == diversity(users[order], items[order], GENRES, N_USERS, method)
        ).all()


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_statistics_stay_within_their_bounds(rows):
    users, items = arrays(rows)
    values = ratings_of(rows)
    a = activity(users, items, N_USERS, N_ITEMS)
    assert a.sum() == len(rows)
    c = conformity(users, items, values, N_USERS, N_ITEMS)
    assert (np.isnan(c) == (a == 0)).all()
    assert ((c[a > 0] >= 0) & (c[a > 0] <= 16)).all()
    mass, distinct = (diversity(users, items, GENRES, N_USERS, m) for m in ("mass80", "distinct"))
    # The last genre always brings the share to 1, so mass80 stops short of it.
    assert (mass <= np.maximum(distinct - 1, 0)).all()
    for u in range(N_USERS):
        mine = {g for i in items[users == u] for g in GENRES[i]}
        assert distinct[u] == len(mine)


@settings(max_examples=40, deadline=None)
@given(pairs, st.sampled_from([0.5, 2.0, 4.0]), st.integers(-3, 3))
def test_conformity_ignores_a_shift_of_the_scale_and_squares_its_stretch(rows, stretch, shift):
    users, items = arrays(rows)
    values = ratings_of(rows)
    plain = conformity(users, items, values, N_USERS, N_ITEMS)
    moved = conformity(users, items, values * stretch + shift, N_USERS, N_ITEMS)
    assert np.allclose(moved, stretch**2 * plain, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_levels_rise_with_the_statistic(statistic):
    x = np.array(statistic)
    cuts = thresholds(x, (25.0, 80.0))
    level = levels(x, cuts)
    assert set(level) <= {1, 2, 3}
    assert (np.diff(level[np.argsort(x, kind="stable")]) >= 0).all()
    assert (level[x < cuts[0]] == 1).all()
    assert (level[x >= cuts[1]] == 3).all()


def test_ties_share_a_level_and_unknown_is_zero():
    level = levels([1, 1, 1, 2, np.nan], thresholds([1, 1, 1, 2, np.nan], (60.0, 90.0)))
    assert len(set(level[:3].tolist())) == 1
    assert level[4] == 0
    assert thresholds([np.nan], (1, 2)) != thresholds([1.0], (1, 2))


def test_traits_read_the_whole_dataset_and_know_what_they_cannot_tell():
    rows = [(f"u{u}", f"i{i}", 1 + (u * i) % 5, u + i) for u in range(12) for i in range(u + 1)]
    rated = traits(from_rows(rows, genres={f"i{i}": ["x", "y"][i % 2 :] for i in range(12)}, scale="1:5"))
    assert set(rated.activity) == {1, 2, 3}
    assert set(rated.conformity) <= {1, 2, 3}
    views = traits(from_rows([row[:2] for row in rows]))
    assert set(views.conformity) == {0}
    assert set(views.diversity) == {0}
    assert (views.activity == rated.activity).all()


def test_every_level_has_one_sentence_and_one_word():
    class Someone:
        activity, conformity, diversity = 1, None, 3

    assert trait_lines(Someone()) == (TRAIT_TEXTS["activity"][1], TRAIT_TEXTS["diversity"][3])
    assert persona_text(Someone()).count("\n") == 1
    for trait, texts in TRAIT_TEXTS.items():
        assert set(texts) == set(TRAIT_NAMES[trait]) == {1, 2, 3}
        assert all(text.endswith(".") and text.count(".") == 1 for text in texts.values())
