"""No label comes from a pair whose truth an LLM has been shown, and none is shown that has been labelled."""

from __future__ import annotations

import copy
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.data import DataError, LabelledRow, LeakError, PromptGuard, from_rows

DATA = from_rows([(u, i, r, t) for t, (u, i, r) in enumerate([
    ("ann", "a", 5), ("bob", "a", 1), ("ann", "b", 4), ("bob", "c", 3), ("ann", "c", 0), ("bob", "d", 2)])], scale=(0, 5))  # fmt: skip
SPLIT = DATA.split("leave_last")  # held out: ann-c (rated 0), bob-d


def guard() -> PromptGuard:
    return PromptGuard(SPLIT.train, SPLIT.test)


def test_labels_say_what_was_held_out():
    rows = guard().labelled("ann", ["c", "d"])
    assert [(row.user, row.item, row.label, row.value) for row in rows] == [("ann", "c", 1, 0.0), ("ann", "d", 0, None)]


def test_a_shown_pair_is_never_labelled_and_the_error_names_it():
    watch = guard()
    watch.show("ann", ["b", "c"])
    with pytest.raises(LeakError, match=r"user 'ann', item 'c'.*has been shown"):
        watch.labelled("ann", ["d", "c"])
    assert not watch.may_label("ann", "c")
    assert watch.labelled("ann", ["d"])[0].label == 0
    assert watch.labelled("bob", ["d"])[0].label == 1, "what was shown of one user says nothing of another"
    assert watch.audit() == (2, 1, 2, 1, 1)


def test_a_labelled_pair_is_never_shown_afterwards():
    watch = guard()
    watch.labelled("bob", ["d"])
    with pytest.raises(LeakError, match=r"user 'bob', item 'd'.*has been labelled"):
        watch.show("bob", ["a", "d"])
    assert watch.shown == [], "a refused showing records nothing"
    watch.show("bob", ["a"])


def test_a_training_row_is_no_negative():
    with pytest.raises(LeakError, match=r"user 'ann', item 'a'.*training row"):
        guard().labelled("ann", ["a"])


def test_rows_cannot_be_made_by_hand():
    row = guard().labelled("ann", ["c"])[0]
    with pytest.raises(LeakError, match="made by hand"):
        LabelledRow("ann", "c", 1, 5.0)
    with pytest.raises(LeakError, match="made by hand"):
        LabelledRow("ann", "c", 1, 5.0, object())
    with pytest.raises((LeakError, ValueError)):
        dataclasses.replace(row, label=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.label = 0  # type: ignore[misc]
    assert copy.copy(row) == row


def test_parts_that_overlap_or_belong_to_different_data_are_refused():
    with pytest.raises(LeakError, match="in both train and held-out"):
        PromptGuard(DATA, SPLIT.test)
    with pytest.raises(DataError, match="different users or items"):
        PromptGuard(SPLIT.train.compact(), SPLIT.test.compact())


def test_unknown_ids_are_refused():
    with pytest.raises(DataError, match="no user"):
        guard().show("eve", ["a"])
    with pytest.raises(DataError, match="no item"):
        guard().labelled("ann", ["z"])


def test_what_was_shown_survives_in_a_runs_state():
    first, second = guard(), guard()
    first.show("ann", ["c", "b"])
    for user, item in first.shown:
        second.show(user, [item])
    assert second.shown == first.shown == [("ann", "b"), ("ann", "c")]


steps = st.lists(st.tuples(st.booleans(), st.sampled_from(["ann", "bob"]), st.sampled_from("abcd")), max_size=20)


@given(steps)
def test_in_any_order_of_acts_shown_and_labelled_never_meet(acts):
    watch, shown, labelled = guard(), set(), set()
    for show, user, item in acts:
        try:
            if show:
                watch.show(user, [item])
                shown.add((user, item))
            else:
                labelled |= {(row.user, row.item) for row in watch.labelled(user, [item])}
        except LeakError:
            pass
    assert not shown & labelled
    trained = {(user, item) for user in DATA.users for item in SPLIT.train.history(user).items}
    assert not trained & labelled
    assert (watch.audit().shown, watch.audit().labelled) == (len(shown), len(labelled))
