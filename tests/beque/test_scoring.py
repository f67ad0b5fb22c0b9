"""Relevance, increment and hit rate: counted by hand, and what must hold for any lists."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listed_search import Listed, letters
from recloop.methods.beque import Judged, ScoreConfig, best_of, score_rewrite, score_rewrites
from recloop.methods.search import SearchError

K4 = ScoreConfig(k=4)


def test_the_three_figures_are_those_counted_by_hand() -> None:
    # Relevant to x: b d f g z. The query finds a b c d (b, d relevant), the rewrite c d e f (d, f relevant; e, f new).
    data = letters({"x": dict.fromkeys("bdfgz", 1.0)})
    scored = score_rewrite("x", "y", Listed({"x": "abcdgh", "y": "cdef"}), Judged(data), config=K4)
    (score,) = scored.scores
    assert score.relevance == 2 / 4
    assert score.increment == 1 / (2 + 1)
    assert score.printed == 3 / 2
    assert score.hit_rate == 3 / 5  # b, d and f of b d f g z
    assert score.reward == pytest.approx(0.4 * 0.5 + 0.4 * (1 / 3) / 3 + 0.2 * 0.6)
    counts = score.counts
    assert (counts.found, counts.relevant, counts.found_query, counts.relevant_query) == (4, 2, 4, 2)
    assert (counts.new, counts.added, counts.truth, counts.hits, counts.hits_query) == (2, 1, 5, 3, 2)
    # Two more documents of the query's own list are g (relevant) and h: reading on adds as much as the rewrite.
    assert (counts.read_on, score.beyond) == (1, 0.0)
    assert (scored.alone.relevance, scored.alone.increment, scored.alone.hit_rate) == (2 / 4, 0.0, 2 / 5)


def test_what_is_relevant_to_the_rewrite_alone_counts_for_nothing() -> None:
    data = letters({"x": {"a": 1.0}, "y": dict.fromkeys("efgh", 1.0)})
    (score,) = score_rewrite("x", "y", Listed({"x": "ab", "y": "efgh"}), Judged(data), config=K4).scores
    assert (score.relevance, score.increment, score.counts.added) == (0.0, 0.0, 0)


def test_an_increment_over_nothing_is_bounded_and_its_printed_form_is_undefined() -> None:
    data = letters({"x": dict.fromkeys("abcdef", 1.0)})
    (score,) = score_rewrite("x", "y", Listed({"x": "", "y": "abcdef"}), Judged(data), config=ScoreConfig(k=6)).scores
    assert score.counts.added == 6
    assert score.increment == 3.0  # 6 / (0 + 1), capped
    assert math.isnan(score.printed)


def test_hit_rate_is_of_what_people_took_where_that_is_told() -> None:
    data = letters({"x": dict.fromkeys("abf", 1.0)})
    # Of what people took, q is not relevant to x: it counts neither above nor below.
    (score,) = score_rewrite(
        "x", "y", Listed({"x": "ab", "y": "qf"}), Judged(data), external={"a", "f", "q"}, config=K4
    ).scores
    assert (score.hit_rate, score.counts.truth, score.counts.hits_query) == (1.0, 2, 1)


def test_external_truth_may_be_known_for_some_queries_only() -> None:
    data = letters({"x": dict.fromkeys("ab", 1.0), "w": dict.fromkeys("ab", 1.0)})
    lists = Listed({"x": "a", "w": "a", "y": "c"})
    told, simulated = score_rewrites(["x", "w"], [["y"], ["y"]], lists, Judged(data), external=[{"a"}, None], config=K4)
    assert (told.scores[0].hit_rate, simulated.scores[0].hit_rate) == (1.0, 0.5)


def test_without_anything_known_the_hit_rate_is_missing_and_the_reward_still_lies_between_0_and_1() -> None:
    data = letters({"other": {"a": 1.0}})
    scored = score_rewrite("x", "y", Listed({"x": "a", "y": "b"}), Judged(data), config=K4)
    assert math.isnan(scored.scores[0].hit_rate)
    assert scored.scores[0].counts.unjudged == 1
    assert scored.scores[0].reward == 0.0


def test_texts_that_are_no_rewrite_are_dropped_and_counted() -> None:
    data = letters({"red shoes": {"a": 1.0}})
    texts = ["RED  Shoes", "ｒｅｄ shoes", " ", "crimson shoes", "Crimson shoes ", "scarlet shoes"]
    scored = score_rewrite("red shoes", texts, Listed({}), Judged(data))
    assert [score.text for score in scored.scores] == ["crimson shoes", "scarlet shoes"]
    assert scored.dropped == {"the query itself": 2, "empty": 1, "repeated": 1}


def test_unjudged_documents_may_be_left_out() -> None:
    data = letters({"x": {"a": 1.0, "b": 0.0, "f": 1.0}}, whole=False)
    lists = Listed({"x": "pqab", "y": "rsfa"})
    (plain,) = score_rewrite("x", "y", lists, Judged(data), config=ScoreConfig(k=2)).scores
    (condensed,) = score_rewrite("x", "y", lists, Judged(data), config=ScoreConfig(k=2, judged_only=True)).scores
    assert (plain.relevance, plain.counts.unjudged) == (0.0, 2)
    assert (condensed.relevance, condensed.counts.unjudged, condensed.counts.added) == (1.0, 0, 1)


def test_each_text_is_searched_for_once() -> None:
    lists = Listed({})
    score_rewrites(["x", "w", "x"], [["y", "w"], ["y", "x"], ["z"]], lists, Judged(letters({"x": {"a": 1.0}})))
    assert sorted(lists.asked) == ["w", "x", "y", "z"]


def test_the_best_of_several_has_the_highest_reward_and_must_beat_the_query() -> None:
    data = letters({"x": dict.fromkeys("abcdef", 1.0)})
    lists = Listed({"x": "abgh", "bad": "mnop", "good": "abcd", "better": "cdef"})
    assert best_of(score_rewrite("x", ["bad", "good", "better"], lists, Judged(data), config=K4)).text == "better"
    assert best_of(score_rewrite("x", ["bad"], lists, Judged(data), config=K4)) is None
    assert best_of(score_rewrite("x", [], lists, Judged(data), config=K4)) is None


def test_a_purer_list_that_adds_nothing_is_no_better_rewrite() -> None:
    data = letters({"x": dict.fromkeys("ab", 1.0)})
    scored = score_rewrite("x", ["pure"], Listed({"x": "abgh", "pure": "ab"}), Judged(data), config=K4)
    assert scored.scores[0].reward > scored.alone.reward
    assert best_of(scored) is None


def test_a_retriever_does_not_judge_itself() -> None:
    judge = Judged(letters({"x": {"a": 1.0}}))
    judge.name = "dense"
    lists = Listed({})
    lists.name = "bm25+dense"
    with pytest.raises(SearchError, match="agree with itself"):
        score_rewrite("x", "y", lists, judge)


def test_lengths_that_differ_are_refused() -> None:
    judge = Judged(letters({"x": {"a": 1.0}}))
    with pytest.raises(ValueError, match="2 queries"):
        score_rewrites(["x", "y"], [["z"]], Listed({}), judge)
    with pytest.raises(ValueError, match="1 queries"):
        score_rewrites(["x"], [["z"]], Listed({}), judge, external=[None, None])


documents = st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=12).map("".join)


@given(own=documents, other=documents, relevant=documents, k=st.integers(1, 8))
def test_for_any_lists_the_figures_are_what_the_sets_say(own: str, other: str, relevant: str, k: int) -> None:
    data = letters({"x": {**dict.fromkeys("abcdefghijkl", 0.0), **dict.fromkeys(relevant, 1.0)}})
    scored = score_rewrite("x", "y", Listed({"x": own, "y": other}), Judged(data, 1.0), config=ScoreConfig(k=k))
    (score,) = scored.scores
    x, y, good = set(own[:k]), set(other[:k]), set(relevant)
    assert score.relevance == (len(y & good) / len(y) if y else 0.0)
    assert score.increment == min(3.0, len((y - x) & good) / (len(x & good) + 1))
    if x & good:
        assert score.printed == len((x | y) & good) / len(x & good)
        assert score.printed >= 1  # which is why the table's 90 % cannot be this quotient
    if good:
        assert score.hit_rate == len(good & (x | y)) / len(good) >= scored.alone.hit_rate
    assert 0 <= score.reward <= 1
    assert score.counts.read_on == len(set(own[k : k + len(y - x)]) & good)


@given(own=documents, relevant=documents)
def test_reading_on_is_the_rewrite_that_is_the_rest_of_the_list(own: str, relevant: str) -> None:
    rest = own[3:6]
    data = letters({"x": dict.fromkeys(relevant, 1.0)})
    (score,) = score_rewrite("x", "y", Listed({"x": own, "y": rest}), Judged(data, 1.0), config=ScoreConfig(k=3)).scores
    assert score.beyond == 0
