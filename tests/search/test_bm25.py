"""BM25: its formula, its ties, and whatever people type."""

from __future__ import annotations

import math

import numpy as np
import pytest
from recloop.data import Documents, load_search
from recloop.evaluators import Ranking, evaluate
from recloop.methods.search import NotIndexed, SearchError, open_retriever
from recloop.methods.search.bm25 import BM25, BM25Config
from recloop.methods.search.tokens import tokens


def by_hand(query: str, documents: Documents, k1: float, b: float) -> list[float]:
    """The formula, a document at a time."""
    words = [tokens(documents.full(place)) for place in range(len(documents))]
    mean = sum(map(len, words)) / len(words)
    scores = []
    for own in words:
        score = 0.0
        for word in tokens(query):
            holding = sum(word in other for other in words)
            idf = math.log(1 + (len(words) - holding + 0.5) / (holding + 0.5))
            often = own.count(word)
            score += idf * often / (often + k1 * (1 - b + b * len(own) / mean)) if often else 0.0
        scores.append(score)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.5, 0.0), (2.0, 1.0)])
def test_scores_are_those_of_the_formula(few: Documents, k1: float, b: float) -> None:
    engine = BM25(BM25Config(k1=k1, b=b)).fit(few)
    for query in ("red lamp", "lamp lamp desk", "東京", "blue by hand nonsense"):
        ranking = engine.rank([query], [few.ids])[0]
        expected = dict(zip(few.ids, by_hand(query, few, k1, b), strict=True))
        assert dict(zip(ranking.items, ranking.scores.tolist(), strict=True)) == pytest.approx(expected, abs=1e-6)


def test_the_best_come_first_and_what_has_no_word_of_the_query_does_not_come(few: Documents) -> None:
    engine = open_retriever("bm25").fit(few)
    assert [r.items for r in engine.search(["blue lamp", "東京のホテル", "woven"], k=2)] == [
        ("d2", "d1"),
        ("d4",),
        ("d3",),
    ]


def test_equal_scores_come_in_the_order_of_the_documents_at_any_depth() -> None:
    same = Documents(tuple(f"d{i}" for i in range(50)), ("lamp",) * 50, ("",) * 50)
    engine = open_retriever("bm25").fit(same)
    for k in (1, 7, 49, 50, 100):
        assert engine.search(["lamp"], k)[0].items == same.ids[:k]
    assert engine.rank(["lamp"], [["d9", "d3", "d7"]])[0].items == ("d3", "d7", "d9")
    assert engine.rank(["other"], [["d9", "d3"]])[0].items == ("d3", "d9"), "a pool's own order may tell its grades"


def test_the_order_of_words_changes_nothing_not_even_a_last_bit() -> None:
    data = load_search()
    engine = open_retriever("bm25").fit(data.documents)
    rng = np.random.default_rng(0)
    for query in list(data.queries.values())[:20]:
        words = [*query.split(), "large", "waterproof", "teal", "staff", "guarantee"]
        turned = " ".join(rng.permutation(words).tolist())
        assert engine.search([turned]) == engine.search([" ".join(words)])


@pytest.mark.parametrize(
    "query", ["", "   ", "🙂", "zzz", "a" * 10_000, "lamp " * 2_000, "\x00\ud800 lamp", "DROP TABLE; <b>"]
)
def test_whatever_is_typed_gives_a_ranking(few: Documents, query: str) -> None:
    engine = open_retriever("bm25").fit(few)
    ranking = engine.search([query])[0]
    assert isinstance(ranking, Ranking)
    assert bool(len(ranking)) == ("lamp" in query)
    assert sorted(engine.rank([query], [few.ids])[0].items) == sorted(few.ids)


def test_documents_without_a_word_can_be_indexed_and_nothing_is_found() -> None:
    engine = open_retriever("bm25").fit(Documents(("d1", "d2"), ("", "!"), ("", "")))
    assert len(engine.search(["lamp"])[0]) == 0
    assert engine.rank(["lamp"], [["d2", "d1"]])[0].items == ("d1", "d2")


def test_mistakes_of_a_caller_are_told(few: Documents) -> None:
    with pytest.raises(NotIndexed, match=r"fit\(documents\) first"):
        open_retriever("bm25").search(["lamp"])
    with pytest.raises(KeyError):
        open_retriever("bm25").fit(few).rank(["lamp"], [["d99"]])
    with pytest.raises(SearchError, match="fields: k1, b, stem"):
        open_retriever("bm25", {"k2": 1})


def test_settings_are_in_the_policy_id() -> None:
    assert open_retriever("bm25").policy_id == open_retriever("bm25", {"k1": 1.2}).policy_id
    assert open_retriever("bm25").policy_id != open_retriever("bm25", {"k1": 1.5}).policy_id


def test_it_finds_by_the_words_of_titles_and_fails_on_others() -> None:
    data = load_search()
    engine = open_retriever("bm25").fit(data.documents)
    means = {}
    for family in ("raw", "order", "typo"):
        texts = [
            data.queries[q] if family == "raw" else data.phrasings[q][data.families[q].index(family)]
            for q in data.queries
        ]
        found = dict(zip(data.queries, engine.search(texts), strict=True))
        means[family] = evaluate(found, data.judgements, ["ndcg@10"])["ndcg@10"].mean()
    assert means["raw"] > 0.7
    assert abs(means["raw"] - means["order"]) < 0.02
    assert means["typo"] < means["raw"] - 0.2
