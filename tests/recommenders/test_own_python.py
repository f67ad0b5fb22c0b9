"""The user's own recommender as Python: every shape is understood, every fault is counted or clearly said."""

import itertools
import math
import sys
import textwrap
import time

import numpy as np
import pytest
from recloop.data import from_rows
from recloop.methods.recommenders import (
    Ranking,
    Recommender,
    RecommenderError,
    UnknownItem,
    UnknownRecommender,
    UnusableAnswer,
    open_recommender,
    slow,
)

DATA = from_rows(
    [("u", "1", 5, 1), ("u", "2", 4, 2), ("v", "3", 3, 3), ("v", "1", 2, 4), ("w", "4", 1, 5)], scale=(1, 5, 1)
)


def best_unseen(user, history, k, exclude):
    return [item for item in DATA.items.ids if item not in exclude][:k]


class WithTop:
    def fit(self, data):
        self.items = data.items.ids
        return self

    def top(self, user, k, exclude=()):
        left = [item for item in self.items if item not in exclude][:k]
        return Ranking(tuple(left), np.ones(len(left), np.float32))


class WithScores:
    def __init__(self, sign=1.0, seed=0):
        self.sign, self.seed = sign, seed

    def fit(self, data):
        self.fitted = len(data)

    def scores(self, user, items):
        return [self.sign * float(item) for item in items]


def answering(answer):
    return open_recommender(lambda user, history, k, exclude: answer).fit(DATA)


@pytest.mark.parametrize(
    "answer",
    [
        ["4", "3"],
        [4, np.int64(3)],
        [("4", 2.0), ("3", 1.0)],
        [["4", 2.0], ["3", 1.0]],
        {"items": ["4", "3"], "scores": [2.0, 1.0]},
        {"items": ["4", "3"]},
        {"3": 1.0, "4": 2.0},
        (["4", "3"], np.array([2.0, 1.0])),
        np.array(["4", "3"]),
        (item for item in ("4", "3")),
        Ranking(("4", "3"), np.array([2.0, 1.0])),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_every_sensible_shape_of_an_answer_is_the_same_ranking(answer):
    ranking = answering(answer).top("u", 2)
    assert ranking.items == ("4", "3")
    assert ranking.scores[0] > ranking.scores[1]


def test_a_plain_function_is_told_user_history_k_and_exclude():
    asked = []

    def function(user, history, k, exclude):
        asked.append((user, history, k, exclude))
        return ["4"]

    model = open_recommender(function).fit(DATA)
    model.top_many(["u"], 1, exclude={"u": ["3"]})
    model.top("a stranger", 2)
    assert asked == [("u", ["1", "2"], 1, ["1", "2", "3"]), ("a stranger", [], 2, [])]


@pytest.mark.parametrize(
    ("answer", "kept", "problem"),
    [
        (["nowhere", "4"], ("4",), "unknown_item"),
        ([None, True, 4], ("4",), "unknown_item"),
        (["4", "4", "3"], ("4", "3"), "duplicate"),
        (["1", "4"], ("4",), "excluded"),
        ([("4", math.nan), ("3", 1.0)], ("3",), "bad_score"),
        ([("4", "high"), ("3", 1.0)], ("3",), "bad_score"),
        (["4"], ("4",), "too_few"),
        ([], (), "empty"),
    ],
)
def test_what_cannot_be_shown_is_dropped_and_counted(answer, kept, problem):
    model = answering(answer)
    assert model.top("u", 2, exclude=["1"]).items == kept
    assert model.problems[problem] >= 1
    assert problem in "\n".join(model.problems.lines())


def test_an_answer_of_which_nothing_is_left_is_an_error_that_says_what_is_wanted():
    with pytest.raises(UnusableAnswer, match=r"'Toy Story'(.|\n)*ids of the catalogue, such as '1'"):
        answering(["Toy Story"]).top("u", 2)
    with pytest.raises(UnusableAnswer, match="understood"):
        answering(7).top("u", 2)
    with pytest.raises(UnusableAnswer, match="understood"):
        answering("4").top("u", 2)
    with pytest.raises(UnusableAnswer, match="one score per item"):
        answering({"items": ["4", "3"], "scores": [1.0]}).top("u", 2)


def test_more_than_k_is_cut_and_a_full_list_is_no_problem():
    model = open_recommender(best_unseen).fit(DATA)
    assert model.top("u", 3, exclude=["1"]).items == ("2", "3", "4")
    assert model.top("u", 9, exclude=["1", "2", "3", "4"]).items == ()
    assert not model.problems


@pytest.mark.parametrize(
    "thing",
    [WithTop, WithTop(), WithScores, WithScores(), best_unseen],
    ids=["class with top", "object with top", "class with scores", "object with scores", "function"],
)
def test_objects_classes_and_functions_keep_the_contract(thing):
    model = open_recommender(thing).fit(DATA)
    assert isinstance(model, Recommender)
    for user, ranking in zip(["u", "v"], model.top_many(["u", "v"], 10), strict=True):
        assert set(ranking.items) == set(DATA.items.ids) - set(DATA.history(user).items)
    assert model.top("u", 2, exclude=["4", "3"]).items in {("1", "2"), ("2", "1")}
    with pytest.raises(UnknownItem):
        model.scores("u", ["nowhere"])


def test_scores_become_a_ranking_and_those_that_are_no_numbers_are_left_out():
    model = open_recommender(WithScores()).fit(DATA)
    assert model.top("u", 2).items == ("4", "3")
    assert model.scores("u", ["2", "4"]).tolist() == [2.0, 4.0]
    broken = WithScores()
    broken.scores = lambda user, items: [math.nan if item == "4" else 1.0 for item in items]
    model = open_recommender(broken).fit(DATA)
    assert model.top("u", 2).items == ("1", "2")
    assert model.problems["bad_score"] == 1
    broken.scores = lambda user, items: [1.0]
    with pytest.raises(UnusableAnswer, match="1 scores for 4 items"):
        open_recommender(broken).fit(DATA).top("u", 2)


def test_a_list_only_recommender_scores_what_it_lists_and_nothing_else():
    scores = answering(["4", "3"]).scores("u", ["3", "1", "4"])
    assert scores.tolist() == [0.5, -math.inf, 1.0]


def test_a_top_that_cannot_exclude_is_asked_for_more():
    class Simple:
        def top(self, user, k):
            return ["1", "2", "3", "4"][:k]

    model = open_recommender(Simple()).fit(DATA)
    assert model.top("u", 2, exclude=["1", "2"]).items == ("3", "4")
    assert not model.problems


def test_a_factory_gets_its_configuration_and_the_seed():
    model = open_recommender(WithScores, seed=7, config={"sign": -1.0}).fit(DATA)
    assert model.top("u", 1).items == ("1",)
    assert model.thing.seed == 7
    assert model.policy_id != open_recommender(WithScores, seed=7).policy_id
    with pytest.raises(RecommenderError, match="sing"):
        open_recommender(WithScores, config={"sing": 1})
    with pytest.raises(RecommenderError, match="ready made"):
        open_recommender(WithScores(), config={"sign": 1})


def test_its_own_exceptions_name_it_and_the_user():
    def failing(user, history, k, exclude):
        raise KeyError("embedding")

    with pytest.raises(RecommenderError, match=r"failing failed for user 'u': KeyError: 'embedding'"):
        open_recommender(failing).fit(DATA).top("u", 1)


async def _async(user, history, k, exclude):
    return []


@pytest.mark.parametrize(
    ("thing", "said"),
    [(7, "no recommender"), (lambda a, b, c: [], "signature"), (_async, "async"), (object(), "understood")],
)
def test_what_is_no_recommender_is_refused_at_once(thing, said):
    with pytest.raises(RecommenderError, match=said):
        open_recommender(thing)


def test_a_second_fit_is_passed_on():
    model = open_recommender(WithScores()).fit(DATA)
    more = from_rows([("u", "1"), ("u", "9"), ("x", "2")])
    assert model.fit(more).thing.fitted == 3
    assert model.top_many(["u"], 5)[0].items == ("2",)


def test_a_module_or_a_file_in_the_current_folder_is_found(tmp_path, monkeypatch):
    (tmp_path / "helper_of_mine.py").write_text("FAVOURITES = ['4', '3']\n")
    (tmp_path / "recommender_of_mine.py").write_text(
        textwrap.dedent(
            """
            from helper_of_mine import FAVOURITES
            class Shop:
                @staticmethod
                def top(user, k, exclude=()):
                    return [i for i in FAVOURITES if i not in exclude][:k]
            def plain(user, history, k, exclude):
                return FAVOURITES
            """
        )
    )
    monkeypatch.chdir(tmp_path)
    for spec in ("recommender_of_mine:plain", "recommender_of_mine:Shop", f"{tmp_path}/recommender_of_mine.py:plain"):
        model = open_recommender(spec).fit(DATA)
        assert model.top("u", 2).items == ("4", "3")
        assert str(tmp_path) not in model.name + model.policy_id
    with pytest.raises(UnknownRecommender, match=r"has no 'plian'\n  it has: plain"):
        open_recommender("recommender_of_mine:plian")
    with pytest.raises(UnknownRecommender, match="no module 'nowhere_at_all'"):
        open_recommender("nowhere_at_all:x")
    with pytest.raises(UnknownRecommender, match="no file"):
        open_recommender("nowhere.py:x")
    (tmp_path / "broken_of_mine.py").write_text("import not_installed_anywhere\n")
    with pytest.raises(RecommenderError, match="not_installed_anywhere"):
        open_recommender("broken_of_mine:x")


def leave(*_, **__):
    sys.exit("no licence")


def test_leaving_the_program_is_an_error_of_the_recommender(tmp_path):
    with pytest.raises(RecommenderError, match="for user 'u': SystemExit: no licence"):
        open_recommender(lambda user, history, k, exclude: leave()).fit(DATA).top("u", 1)
    with pytest.raises(RecommenderError, match="could not be made: SystemExit: no licence"):
        open_recommender(lambda: leave())
    with pytest.raises(RecommenderError, match="failed while its answer was read: SystemExit: no licence"):
        answering(leave() for _ in range(3)).top("u", 1)
    (tmp_path / "leaver.py").write_text("raise SystemExit('no licence')")
    with pytest.raises(RecommenderError, match=r"importing .*leaver.py failed: SystemExit: no licence"):
        open_recommender(f"{tmp_path / 'leaver.py'}:x")


def test_a_set_is_refused_for_it_has_no_order():
    for answer in ({"3", "4"}, frozenset({"3"}), {"items": {"3", "4"}}):
        with pytest.raises(UnusableAnswer, match="a set, which has no order"):
            answering(answer).top("u", 2)


def test_an_endless_answer_is_read_as_far_as_needed_and_the_rest_is_counted():
    model = answering(itertools.chain(["4"], itertools.repeat("nowhere")))
    assert model.top("u", 2, exclude=["1"]).items == ("4",)
    assert model.problems["unread"] == 1
    assert model.problems["unknown_item"] == 2 + 1 + 1000 - 1


class Slow:
    def __init__(self, where):
        self.where = where

    def fit(self, data):
        time.sleep(0.2 if self.where == "fit" else 0)

    def top(self, user, k, exclude):
        time.sleep(0.2 if self.where == "top" else 0)
        return ["4"]


@pytest.mark.parametrize(
    ("where", "what"), [("fit", "to learn from the training rows"), ("top", "to rank for user 'u'"), ("", None)]
)
def test_what_lets_one_wait_is_named(caplog, monkeypatch, where, what):
    monkeypatch.setattr(slow, "AFTER", 0.05)
    mine = open_recommender(Slow(where))
    mine.name = "shop:\x1bbest"
    mine.fit(DATA).top_many(["u"], 1)
    said = [record.getMessage() for record in caplog.records]
    assert said == ([f"still waiting for shop:?best {what} (0.05 s so far)"] if what else [])
