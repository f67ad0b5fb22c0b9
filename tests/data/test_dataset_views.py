"""A dataset's views agree with a plain reading of its rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.data import DataError, Dataset, Ids, Interactions, ItemTable, RatingScale, describe, from_rows

pairs = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=60, unique=True)


def built(rows: list[tuple[int, int]]) -> Dataset:
    return from_rows([(f"u{u}", f"i{i}", (u + i) % 5 + 1, 100 - n // 2) for n, (u, i) in enumerate(rows)], scale=(1, 5))


def present(data: Dataset) -> set[tuple[str, str]]:
    return {(data.users[u], data.items[i]) for u, i in zip(data.log.user.tolist(), data.log.item.tolist(), strict=True)}


def plain_core(rows: set[tuple[int, int]], k: int) -> set[tuple[int, int]]:
    while True:
        left = {(u, i) for u, i in rows if sum(a == u for a, _ in rows) >= k and sum(b == i for _, b in rows) >= k}
        if left == rows:
            return left
        rows = left


@given(pairs, st.integers(1, 4))
def test_the_k_core_is_the_largest_set_where_all_have_k_rows(rows, k):
    data, expected = built(rows), {(f"u{u}", f"i{i}") for u, i in plain_core(set(rows), k)}
    if not expected:
        with pytest.raises(DataError, match="core"):
            data.core(k)
        return
    core = data.core(k)
    assert present(core) == expected
    assert core.activity().min() >= k
    assert core.popularity().min() >= k
    assert core.catalogue.ids == core.items


@given(pairs)
def test_matrix_counts_and_history_agree_with_the_rows(rows):
    data = built(rows)
    binary, valued = data.matrix(), data.matrix(binary=False)
    assert binary.nnz == valued.nnz == len(rows)
    assert binary.has_sorted_indices
    assert binary.has_canonical_format
    for user in data.users:
        history = data.history(user)
        assert history.times.tolist() == sorted(history.times.tolist())
        row = valued[data.users.index(user)].toarray().ravel()
        assert {item: row[data.items.index(item)] for item in history.items} == dict(
            zip(history.items, history.values.tolist(), strict=True)
        )
        assert [data.items[p] for p in history.positions.tolist()] == list(history.items)
    assert data.popularity().tolist() == [sum(f"i{i}" == item for _, i in rows) for item in data.items]
    means = [np.mean([(u + i) % 5 + 1 for u, i in rows if f"i{i}" == item]) for item in data.items]
    assert np.allclose(data.mean_rating(), means)


@given(pairs, st.randoms(use_true_random=False))
def test_the_hash_is_of_content_not_of_order(rows, random):
    values = [(f"u{u}", f"i{i}", (u * 3 + i) % 5 + 1, u + i) for u, i in rows]
    one = from_rows(values, scale=(1, 5))
    random.shuffle(values)
    assert from_rows(values, scale=(1, 5)).hash == one.hash
    first = values[0]
    assert from_rows([(*first[:2], first[2] % 5 + 1, first[3]), *values[1:]], scale=(1, 5)).hash != one.hash
    assert from_rows([(*first[:3], first[3] + 1), *values[1:]], scale=(1, 5)).hash != one.hash


def test_the_hash_is_of_titles_too_and_not_of_how_ids_happen_to_be_ordered():
    rows = [("9", "a", 1, 1), ("10", "b", 2, 2), ("x", "a", 3, 3)]
    whole = from_rows(rows, scale=(1, 5))
    numbers = whole.subset(users=["9", "10"])  # keeps the order of a mixed set of ids
    assert numbers.users.ids != from_rows(rows[:2], scale=(1, 5)).users.ids
    assert numbers.hash == from_rows(rows[:2], scale=(1, 5)).hash
    assert from_rows(rows, scale=(1, 5), titles={"a": "A"}).hash != whole.hash


@given(pairs, st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)), st.randoms(use_true_random=False))
def test_a_subset_has_just_the_rows_asked_for(rows, users, items, random):
    data = built(rows)
    names = [user for user in data.users if int(user[1:]) in users]
    things = [item for item in data.items if int(item[1:]) in items]
    mask = np.array([random.random() < 0.7 for _ in range(len(data))], dtype=bool)
    expected = {
        (data.users[u], data.items[i])
        for u, i, kept in zip(data.log.user.tolist(), data.log.item.tolist(), mask.tolist(), strict=True)
        if kept and data.users[u] in names and data.items[i] in things
    }
    part = data.subset(users=names, items=things, mask=mask)
    assert present(part) == expected
    assert set(part.users) == {u for u, _ in expected}
    assert part.catalogue.titles == tuple(part.items)


def test_unknown_ids_name_near_matches():
    data = built([(1, 1), (2, 2)])
    with pytest.raises(DataError, match=r"no user with id 'u11'.*\n.*did you mean u1"):
        data.history("u11")
    with pytest.raises(DataError, match="no item"):
        data.subset(items=["nope"])
    with pytest.raises(DataError, match="no item"):
        data.catalogue.title("nope")
    with pytest.raises(DataError, match="2 booleans"):
        data.subset(mask=np.array([True]))


def test_arrays_are_frozen_and_the_callers_own_are_not():
    mine = np.zeros(1, dtype=np.int32)
    log = Interactions(mine, np.zeros(1, np.int32), np.ones(1, np.float32), np.zeros(1, np.int64))
    with pytest.raises(ValueError):
        log.user[0] = 1
    mine[0] = 3
    assert log.user[0] == 0


def test_parts_that_do_not_fit_are_refused():
    ids, log = Ids(("a",), "item"), built([(0, 0)]).log
    table = ItemTable.bare(ids)
    with pytest.raises(DataError, match="ratings need a scale"):
        Dataset(Ids(("u",), "user"), ids, table, log, "rating")
    with pytest.raises(DataError, match="ratings need a scale"):
        Dataset(Ids(("u",), "user"), ids, table, log, "view", RatingScale(1, 5))
    with pytest.raises(DataError, match="item table"):
        Dataset(Ids(("u",), "user"), Ids(("b",)), table, log, "view")
    with pytest.raises(DataError, match="outside the 0 users"):
        Dataset(Ids((), "user"), ids, table, log, "view")
    with pytest.raises(DataError, match="one of: rating"):
        Dataset(Ids(("u",), "user"), ids, table, log, "like")  # type: ignore[arg-type]


@given(st.integers(-5, 5), st.integers(1, 20), st.sampled_from([0.1, 0.25, 0.5, 1.0, 2.0]))
def test_a_scale_is_recovered_from_its_levels(low, steps, step):
    scale = RatingScale(low, low + steps * step, step)
    assert len(scale.levels) == steps + 1
    assert all(level in scale for level in scale.levels)
    assert RatingScale.infer(np.array(scale.levels, dtype=np.float32)) == RatingScale(
        low, round(low + steps * step, 4), step
    )
    assert scale.unit(scale.low) == 0
    assert scale.unit(scale.high) == 1


def test_describe_says_what_is_there():
    import json

    data = from_rows(
        [("a", "x", 1, 0), ("a", "y", 2, 86400), ("b", "x", 2, 5), ("b", "y", "bad", 5)],
        genres={"x": ["Drama"], "y": ["Drama", "War"]},
        scale=(1, 5),
    )
    told = describe(data)
    assert json.loads(json.dumps(told)) == told
    assert (told["users"], told["items"], told["interactions"], told["density"]) == (2, 2, 3, 0.75)
    assert told["ratings"] == {"1": 1, "2": 2}
    assert told["time"] == {"first": "1970-01-01 00:00:00", "last": "1970-01-02 00:00:00"}
    assert told["genres"] == {"Drama": 3, "War": 1}
    assert told["per_user"]["max"] == 2
    assert told["warnings"] == ["1 x rating is not a number"]


def test_rows_may_be_views_and_must_be_alike():
    assert from_rows([("a", "x"), ("b", "x")]).feedback == "view"
    for rows in ([("a",)], [("a", "x"), ("a", "x", 1)], []):
        with pytest.raises(DataError, match="all alike"):
            from_rows(rows)


@pytest.mark.parametrize(
    ("values", "step"),
    [((1, 2.5, 5), 0.5), ((1.1, 2.3, 3.7, 4.9), 0.2), ((-5, -3, 0, 2, 5), 1.0), ((0.5, 1, 4), 0.5), ((1, 2, 5), 1.0)],
)
def test_the_scale_seen_in_ratings_has_a_level_for_each_of_them(values: tuple[float, ...], step: float) -> None:
    scale = RatingScale.infer(np.array(values, dtype=np.float32))
    assert scale is not None
    assert scale.step == pytest.approx(step)
    assert all(min(abs(level - value) for level in scale.levels) < 1e-5 for value in values)


def test_ratings_too_fine_for_levels_get_a_thousand_and_one() -> None:
    scale = RatingScale.infer(np.linspace(0, 1, 7919, dtype=np.float32))
    assert scale is not None
    assert len(scale.levels) == 1001
