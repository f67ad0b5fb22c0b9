"""The small formulas of a page: what it is remembered as, how much it matters, what counts as liked."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop import agents
from recloop.agents import Action, UserContext, action_set
from recloop.agents.ask import LONGEST_TITLE
from recloop.agents.user_steps import page_importance, page_memory
from stage import person, world

FILMS, SHOP = action_set("films"), action_set("shop")
ME = UserContext(person(mean_rating=3.0), world(), None)  # type: ignore[arg-type]


def watched(*ratings: float | None) -> list[Action]:
    return [Action(f"f{i}", "watch", rating=rating) for i, rating in enumerate(ratings)]


def test_a_page_is_remembered_in_the_words_of_the_catalogue() -> None:
    shared = world({"a": "Heat (1995)", "b": "Alien\n(1979)", "c": "x" * 500})
    actions = [Action("a", "watch", rating=4.5), Action("b", "watch"), Action("c", "skip")]
    text = page_memory(1, actions, shared)
    assert text.startswith("Page 2: chose Heat (1995) (rated 4.5); Alien (1979); passed over xxx")
    assert len(text) < 80 + LONGEST_TITLE
    assert page_memory(0, [Action("a", "skip")], shared) == "Page 1: chose nothing; passed over Heat (1995)."
    assert page_memory(0, [Action("a", "watch", rating=4.0)], shared) == "Page 1: chose Heat (1995) (rated 4)."


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0]), min_size=1, max_size=5), st.sampled_from([1.0, 5.0]))
def test_a_page_matters_more_the_further_a_rating_lies_from_the_usual(ratings: list[float], extreme: float) -> None:
    usual = page_importance(watched(3.0), ME)
    some = page_importance(watched(*ratings), ME)
    most = page_importance(watched(*ratings, extreme), ME)
    assert 1 <= usual == 2 <= some <= most == 8 <= 10
    by_hand = 2 + round(12 * max(abs(r - 3.0) for r in ratings) / 4)
    assert some == min(10, by_hand)


def test_a_page_without_ratings_matters_a_little_and_one_that_suits_nothing_a_little_more() -> None:
    assert page_importance(watched(None), ME) == 3
    assert page_importance([Action("f0", "skip")], ME) == 4


@pytest.mark.parametrize(
    ("actions", "scale", "action", "rating", "liked"),
    [
        (FILMS, True, "watch", 5.0, True),
        (FILMS, True, "watch", 4.0, False),
        (FILMS, True, "watch", None, False),
        (FILMS, True, "skip", None, False),
        (FILMS, False, "watch", None, True),
        (SHOP, True, "click", None, True),
        (SHOP, False, "buy", None, True),
        (SHOP, True, "view", None, False),
    ],
)
def test_liked_is_rated_in_the_top_fifth_or_taken_up_where_nothing_is_rated(
    actions: agents.ActionSet, scale: bool, action: str, rating: float | None, liked: bool
) -> None:
    shared = world(actions=actions) if scale else world(actions=actions, scale=None)
    assert shared.liked(actions[action], rating) is liked


def test_the_package_gives_what_it_lists() -> None:
    for name in agents.__all__:
        found = getattr(agents, name)
        assert not inspect.ismodule(found)
        assert getattr(found, "__name__", name) == name
