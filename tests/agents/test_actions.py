"""Actions: plain values through JSON, and action sets of any domain."""

import json

import pytest
from recloop.agents.actions import (
    FILMS,
    SHOP,
    Action,
    ActionSet,
    ActionSpec,
    Decision,
    Exposure,
    Slate,
    action_set,
    liked_from,
)
from recloop.data import RatingScale

SLATE = Slate("u1", 2, (Exposure("a", 0, 1, 0.5, 1.0, "ease"), Exposure("b", 1, 0)))


@pytest.mark.parametrize(
    "value",
    [
        SLATE,
        SLATE.exposures[0],
        Action("a", "watch", 4.0, True, None, -1.2, 0.4, "nice", "key"),
        Action("b", "skip"),
        Decision(False, "tired", 3.5, 0.8, "key", source="code"),
        Decision(True, satisfaction=None, invalid=True),
    ],
)
def test_values_survive_json(value):
    assert type(value).from_json(json.loads(json.dumps(value.json()))) == value


@pytest.mark.parametrize("data", [{"item": "a"}, {"item": "a", "action": "watch", "title": "A"}])
def test_a_value_with_missing_or_unknown_fields_is_refused(data):
    with pytest.raises(ValueError, match=r"not one action: missing or unknown (action|title)"):
        Action.from_json(data)


def test_a_slate_knows_both_orders():
    assert SLATE.items == ("a", "b")
    assert [e.item for e in SLATE.as_shown()] == ["b", "a"]


def test_replace_changes_a_copy():
    decision = Decision(True)
    assert decision.replace(next=False).next is False
    assert decision.next is True


def test_films_and_shop_ship():
    assert (FILMS.positive.name, FILMS.negative.name) == ("watch", "skip")
    assert FILMS["watch"].wants_rating
    assert SHOP.names == ("view", "click", "cart", "buy")
    assert [name for name in SHOP.names if SHOP[name].positive] == ["click", "cart", "buy"]
    assert action_set("shop") is SHOP
    assert FILMS.describe().split("\n") == ["- skip: pass it over", "- watch: watch it, and rate it"]


def test_effects_are_applied_at_commit():
    state: dict = {}
    for action, item in (("cart", "a"), ("cart", "a"), ("cart", "b"), ("buy", "a"), ("view", "c")):
        SHOP.commit(state, action, item)
    assert state == {"cart": ["b"], "bought": ["a"]}
    assert json.loads(json.dumps(state)) == state


def test_a_domain_of_ones_own_is_a_few_lines():
    def bookmark(state, item):
        state["last"] = item

    news = ActionSet("news", (ActionSpec("scroll", "go on"), ActionSpec("read", "read it", True, effect=bookmark)))
    state: dict = {}
    news.commit(state, "read", "n1")
    assert state == {"last": "n1"}


@pytest.mark.parametrize(
    ("actions", "says"),
    [
        ([ActionSpec("a", "x", True), ActionSpec("a", "y")], "a name of its own"),
        ([ActionSpec("a", "x", True)], "one that is not"),
        ([ActionSpec("a", "x")], "at least one positive"),
    ],
)
def test_an_action_set_that_cannot_work_says_why(actions, says):
    with pytest.raises(ValueError, match=says):
        ActionSet("odd", tuple(actions))


def test_unknown_names_list_those_there_are():
    with pytest.raises(KeyError, match="skip, watch"):
        FILMS["dance"]
    with pytest.raises(ValueError, match="films, shop"):
        action_set("dance")


@pytest.mark.parametrize(("scale", "least"), [((1, 5, 1), 5), ((0, 10, 1), 9), ((0.5, 5, 0.5), 4.5), ((0, 1, 1), 1)])
def test_a_like_is_the_top_fifth_of_the_levels(scale, least):
    assert liked_from(RatingScale(*scale)) == least
