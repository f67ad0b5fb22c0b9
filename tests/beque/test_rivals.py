"""Pseudo-relevance feedback and other people's queries."""

from __future__ import annotations

from collections import Counter

import pytest
from recloop.data.search import Documents
from recloop.methods.beque import RM3Config, others_queries, query_key, rm3
from recloop.methods.search import open_retriever

DOCUMENTS = Documents(
    tuple("12345678"),
    (
        "sofa couch grey",
        "sofa couch blue",
        "couch velvet",
        "lamp grey",
        "lamp blue",
        "chair oak",
        "table oak",
        "rug wool",
    ),
    ("",) * 8,
)


def test_feedback_finds_what_the_query_has_no_word_for() -> None:
    bm25 = open_retriever("bm25").fit(DOCUMENTS)
    (widened,) = rm3(["sofa"], bm25, DOCUMENTS, RM3Config(common=0.5, documents=2))
    assert "3" not in bm25.search(["sofa"])[0].items
    assert "3" in bm25.search([widened])[0].items


def test_weights_are_numbers_of_repetitions() -> None:
    bm25 = open_retriever("bm25").fit(DOCUMENTS)
    config = RM3Config(common=0.9, documents=2, original=0.5, words=60)
    counts = Counter(rm3(["sofa"], bm25, DOCUMENTS, config)[0].split())
    # Both documents weigh alike; in each of the three words one third: sofa 1/2 + 1/2 * 1/3, couch 1/2 * 1/3, others half of it.
    assert counts == {"sofa": 40, "couch": 10, "grey": 5, "blue": 5}


def test_a_query_that_finds_nothing_stays_as_it_is() -> None:
    bm25 = open_retriever("bm25").fit(DOCUMENTS)
    assert rm3(["zzz", "", "?!"], bm25, DOCUMENTS) == ["zzz", "", "?!"]


def test_random_rewrites_are_other_queries_and_the_same_each_time() -> None:
    queries = ["one", "two", "three", "Two", "four"]
    drawn = others_queries(queries, 2, seed=1)
    assert drawn == others_queries(queries, 2, seed=1) != others_queries(queries, 2, seed=2)
    for query, texts in zip(queries, drawn, strict=True):
        assert len(texts) == 2
        assert query_key(query) not in {query_key(text) for text in texts}
    assert others_queries(["alone"], 3) == [[]]


@pytest.mark.parametrize("n", [1, 3])
def test_drawing_does_not_depend_on_the_order_of_queries(n: int) -> None:
    queries = ["one", "two", "three", "four", "five"]
    forward = dict(zip(queries, others_queries(queries, n), strict=True))
    backward = dict(zip(queries[::-1], others_queries(queries[::-1], n), strict=True))
    assert forward == backward
