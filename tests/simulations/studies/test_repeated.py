"""Values under several seeds: a user is one case, and few seeds give a wide interval."""

from __future__ import annotations

import math

import pytest
from recloop.simulations.studies.repeated import by_seed, claimed, difference, over_seeds, seeds_row, users_row


def test_a_user_under_several_seeds_is_one_case() -> None:
    once = {0: {f"u{n}": n / 10 for n in range(8)}}
    often = {seed: dict(once[0]) for seed in range(20)}
    one, many = users_row("k", "l", once, ""), users_row("k", "l", often, "")
    assert (one.value, one.low, one.high, one.n) == pytest.approx((many.value, many.low, many.high, 8))


def test_only_users_that_both_have_are_held_against_each_other() -> None:
    a = {0: {"u": 1.0, "v": 2.0, "only": 50.0}, 1: {"u": 1.0}}
    b = {0: {"u": 0.5, "v": 1.0, "other": 9.0}}
    found = difference(a, b)
    assert (found.value, found.n) == (pytest.approx(0.75), 2)
    assert by_seed(a, b) == [pytest.approx(0.75)]
    assert difference({0: {"u": 1.0}}, {0: {"v": 1.0}}).value is None


def test_an_interval_over_seeds_is_students() -> None:
    found = over_seeds([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.mean, found.low, found.high) == pytest.approx((3.0, 3 - 1.9632, 3 + 1.9632), abs=1e-3)


def test_two_seeds_are_too_few_for_an_interval() -> None:
    assert all(math.isnan(over_seeds([1.0, 2.0][:n]).low) for n in (1, 2))
    row = seeds_row("k", "l", [0.02, 0.06], "share")
    assert (row.value, row.low, row.high, row.n) == (pytest.approx(0.04), None, None, 2)


def test_an_interval_stays_where_its_values_can_lie() -> None:
    low, high, counts = ([0.0, 0.01, 0.1], [1.0, 0.99, 0.9], [0.0, 1.0, 9.0])
    assert seeds_row("k", "l", low, "share").low == 0.0
    assert seeds_row("k", "l", high, "share").high == 1.0
    assert seeds_row("k", "l", counts, "count").low == 0.0
    change = seeds_row("k", "l", low, "pp").low
    assert change is not None
    assert change < 0, "a difference may be below 0"


def test_a_claim_needs_interval_and_test() -> None:
    a = {0: {f"u{n}": 1.0 + (n % 3) / 10 for n in range(40)}}
    found = difference(a, {0: dict.fromkeys(a[0], 0.0)})
    assert claimed(found)
    assert not claimed(found, 0.2), "corrected away"
    assert not claimed(difference(a, a))
