"""Splits are disjoint, together the whole, in time order where they say so, and the same for one seed."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.data import DataError, Dataset, How, from_rows

WAYS = get_args(How)
rows = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 30)),
    min_size=1,
    max_size=60,
    unique_by=lambda r: r[:2],
)
shares = st.sampled_from([(0.2, 0.0), (0.2, 0.1), (0.5, 0.3), (0.0, 0.0), (0.34, 0.33)])


def built(listed) -> Dataset:
    return from_rows([(f"u{u}", f"i{i}", 3, t) for u, i, t in listed], scale=(1, 5))


def keys(data: Dataset) -> set[tuple[int, int]]:
    return set(zip(data.log.user.tolist(), data.log.item.tolist(), strict=True))


@given(rows, st.sampled_from(WAYS), shares, st.integers(0, 3), st.integers(0, 3))
def test_parts_are_disjoint_whole_and_leave_every_user_something_to_train_on(listed, how, share, seed, least):
    data = built(listed)
    parts = data.split(how, test=share[0], valid=share[1], seed=seed, min_train=least)
    assert sum(map(len, parts)) == len(data)
    assert set().union(*map(keys, parts)) == keys(data)
    assert all(part.users is data.users and part.items is data.items for part in parts)
    assert (parts.train.activity() >= np.minimum(data.activity(), least)).all()
    again = data.split(how, test=share[0], valid=share[1], seed=seed, min_train=least)
    assert [part.hash for part in again] == [part.hash for part in parts]


@given(rows, st.sampled_from(["user_time", "leave_last"]), shares)
def test_within_a_user_training_comes_before_validation_before_test(listed, how, share):
    data = built(listed)
    parts = data.split(how, test=share[0], valid=share[1])
    for user in data.users:
        times = [part.history(user).times.tolist() for part in parts]
        joined = [time for part in times for time in part]
        assert joined == sorted(joined)


@given(rows, shares)
def test_a_global_cut_is_clean_in_time_when_no_user_is_favoured(listed, share):
    parts = built(listed).split("global_time", test=share[0], valid=share[1], min_train=0)
    joined = [time for part in parts for time in part.log.time.tolist()]
    assert joined == sorted(joined)
    assert len(parts.test) == int(len(listed) * share[0] + 0.5)


@given(rows)
def test_leave_last_holds_out_one_row_of_every_user_with_two(listed):
    data = built(listed)
    assert (data.split("leave_last").test.activity() == (data.activity() >= 2)).all()
    parts = data.split("leave_last", valid=0.1)
    assert (parts.valid.activity() == (data.activity() >= 3)).all()


@given(rows, st.floats(0, 0.9))
def test_each_user_gives_the_share_asked_for_to_the_nearest_row(listed, test):
    data = built(listed)
    for how in ("user_time", "random"):
        held = data.split(how, test=test, min_train=0).test.activity()
        assert (np.abs(held - data.activity() * test) <= 0.5 + 1e-9).all()


def test_random_splits_differ_by_seed():
    data = built([(u, i, u + i) for u in range(6) for i in range(10)])
    assert len({data.split("random", seed=seed).test.hash for seed in range(5)}) == 5


def test_random_splits_do_not_prefer_a_place():
    data = built([(0, i, i) for i in range(10)])
    counts = sum(data.split("random", seed=seed).test.popularity() for seed in range(500))
    assert (np.abs(counts - 100) < 5 * np.sqrt(80)).all()  # 500 draws of 2 in 10: mean 100, variance 80


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"how": "by_moon"}, "one of: user_time"),
        ({"test": 0.6, "valid": 0.4}, "below 1"),
        ({"test": -0.1}, "below 1"),
        ({"test": float("nan")}, "below 1"),
        ({"min_train": -1}, "0 or more"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(arguments, complaint):
    with pytest.raises(DataError, match=complaint):
        built([(0, 0, 0)]).split(**arguments)
