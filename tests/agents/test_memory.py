"""Memory: simulated time, three live parts of a score, bounded size, small state."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.agents.embedding import CachedEmbedder, cached, hashed_words
from recloop.agents.memory import Memory, MemoryConfig


def memory(**config):
    return Memory(MemoryConfig(**config))


def texts(recalled):
    return [r.text for r in recalled]


def test_recency_alone_can_change_the_order():
    kept = memory()
    kept.write("factual", "same words here", page=0, importance=5)
    kept.write("factual", "same words here", page=4, importance=5)
    assert [r.record.created for r in kept.retrieve("words", page=5)] == [4, 0]
    kept = memory(recency=0)
    kept.write("factual", "about trains", page=0, importance=5)
    kept.write("factual", "about boats", page=4, importance=5)
    assert texts(kept.retrieve("trains", page=5)) == ["about trains", "about boats"]


def test_importance_alone_can_change_the_order():
    def order(first, second):
        kept = memory()
        kept.write("factual", "same words here", page=1, importance=first)
        kept.write("factual", "same words here", page=1, importance=second)
        return [r.id for r in kept.retrieve("words", page=2)]

    assert order(9, 2) == [0, 1]
    assert order(2, 9) == [1, 0]


def test_relevance_alone_can_change_the_order():
    kept = memory()
    for text in ("a western about horses", "a comedy about weddings"):
        kept.write("factual", text, page=1, importance=5)
    assert texts(kept.retrieve("horses of the west", page=2, touch=False))[0] == "a western about horses"
    assert texts(kept.retrieve("weddings", page=2, touch=False))[0] == "a comedy about weddings"


def test_recalling_a_record_makes_it_recent_unless_asked_not_to():
    kept = memory(k=1, importance=0)
    kept.write("factual", "trains", page=0, importance=5)
    kept.write("factual", "boats", page=3, importance=5)
    before = kept.json()
    kept.retrieve("trains", page=9, touch=False)
    assert kept.json() == before
    kept.retrieve("trains", page=9, k=2, kinds=["factual"])
    assert [r.accessed for r in kept.records] == [9, 9]


def test_equal_scores_put_the_newer_record_first():
    kept = memory()
    for _ in range(4):
        kept.write("factual", "same", page=1, importance=5)
    assert [r.id for r in kept.retrieve("same", page=1)] == [3, 2, 1, 0]


def test_the_weights_and_k_are_the_callers():
    kept = memory(k=2, relevance=0, recency=0)
    for weight in (3, 9, 5):
        kept.write("factual", f"text {weight}", page=1, importance=weight)
    assert texts(kept.retrieve("anything", page=1)) == ["text 9", "text 5"]
    assert texts(kept.retrieve("anything", page=1, k=1)) == ["text 9"]
    assert kept.retrieve("anything", page=1, kinds=["emotional"]) == []
    assert kept.retrieve("anything", page=1, k=0) == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=20), st.integers(-5, 20), st.integers(0, 9)), max_size=12), st.text(max_size=9)
)
def test_parts_of_a_score_stay_between_0_and_1_and_state_survives_json(rows, query):
    kept = memory()
    for text, importance, page in sorted(rows, key=lambda row: row[2]):
        kept.write("factual", text, page=page, importance=importance)
    again = Memory.from_json(json.loads(json.dumps(kept.json())))
    assert again.records == kept.records
    here, there = kept.retrieve(query, page=10), again.retrieve(query, page=10)
    assert here == there
    for r in here:
        assert all(0 <= part <= 1 for part in (r.recency, r.importance, r.relevance))
        assert r.score == pytest.approx(r.recency + r.importance + r.relevance)
        assert 1 <= r.record.importance <= 10


def test_a_resumed_memory_goes_on_as_if_nothing_had_happened():
    straight, resumed = memory(capacity=3), memory(capacity=3)
    for page in range(6):
        resumed = Memory.from_json(json.loads(json.dumps(resumed.json())), MemoryConfig(capacity=3))
        for kept in (straight, resumed):
            kept.write("factual", f"page {page}", page=page, importance=1 + page % 3)
            kept.retrieve("page 1", page=page)
    assert straight.json() == resumed.json()
    assert straight.records[-1].id == 5


def test_memory_stays_bounded_and_forgets_what_is_old_and_unimportant():
    kept = memory(capacity=3)
    kept.write("factual", "dear", page=0, importance=10)
    kept.write("factual", "old and dull", page=0, importance=1)
    kept.write("factual", "new and dull", page=5, importance=1)
    kept.write("factual", "newest", page=5, importance=1)
    assert [r.text for r in kept.records] == ["dear", "new and dull", "newest"]


def test_a_reflection_is_due_when_enough_has_gathered():
    kept = memory(reflect_above=8)
    kept.write("factual", "a", page=0, importance=5)
    kept.write("navigation", "b", page=0, importance=3)
    assert not kept.reflection_due()
    kept.write("navigation", "c", page=1, importance=1)
    assert kept.reflection_due()
    assert kept.reflection_importance() == 6
    kept.write("emotional", "feeling", page=1, importance=kept.reflection_importance())
    assert kept.reflection_importance() == 6
    kept.reflected()
    assert not kept.reflection_due()
    assert len(kept) == 4


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="factual, emotional, navigation"):
        memory().write("taste", "x", page=0, importance=1)  # type: ignore[arg-type]


def test_the_built_in_embedder_knows_shared_words_and_depends_on_the_text_alone():
    rows = hashed_words(["A horse opera", "horses and operas", "a wedding", "", "A horse opera"])
    assert rows.dtype == np.float32
    assert (rows[0] == rows[4]).all()
    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1, 0, 1])
    assert (hashed_words(["a wedding"])[0] == rows[2]).all()


def test_an_injected_embedder_decides_and_is_asked_once_per_text():
    asked = []

    def embed(batch):
        asked.extend(batch)
        return np.array([[1.0, 0.0] if "x" in text else [0.0, 1.0] for text in batch])

    kept = Memory(MemoryConfig(recency=0, importance=0), embed)
    for text in ("no", "x marks it"):
        kept.write("factual", text, page=0, importance=1)
    for _ in range(3):
        again = Memory.from_json(kept.json(), MemoryConfig(recency=0, importance=0), embed)
        assert texts(again.retrieve("x", page=1))[0] == "x marks it"
    assert sorted(asked) == ["no", "x", "x marks it"]
    assert cached(embed) is kept.embed


def test_the_cache_of_vectors_is_bounded_and_checks_what_it_is_given():
    cache = CachedEmbedder(hashed_words, size=3)
    cache([f"text {i}" for i in range(10)])
    assert len(cache._rows) == 3
    assert cache(["text 0", "text 0"]).shape == (2, 256)
    with pytest.raises(ValueError, match="for 2 texts"):
        CachedEmbedder(lambda batch: np.zeros((1, 4)))(["a", "b"])
