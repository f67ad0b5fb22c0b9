"""The look-up table: keys, files, stale scores, and what a search with it finds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listed_search import Listed, letters
from recloop.data.search import Documents
from recloop.methods.beque import (
    Entry,
    Judged,
    RewriteTable,
    ScoreConfig,
    UnionSearch,
    index_version,
    score_rewrites,
    table_of,
)
from recloop.methods.beque import query_key as key
from recloop.methods.search import SearchError, open_retriever


@given(st.text())
def test_the_key_of_a_key_is_the_key(text: str) -> None:
    assert key(key(text)) == key(text)


@given(st.text())
def test_case_and_spaces_make_no_difference(text: str) -> None:
    assert key(f"  {text}\u00a0\n") == key(text)
    assert key(text.casefold()) == key(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café", "cafe\u0301"),
        ("ｉＰｈｏｎｅ １２", "iphone 12"),
        ("STRASSE", "straße"),
        ("run\u200bning", "running"),
        ("a\u00adb", "AB"),
        ("two   words", "Two\twords"),
    ],
)
def test_several_spellings_of_a_query_have_one_key(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(("one", "other"), [("cafe", "café"), ("12 v", "12v"), ("wi-fi", "wifi")])
def test_queries_that_differ_have_different_keys(one: str, other: str) -> None:
    assert key(one) != key(other)


ENTRIES = [
    Entry("Red Shoes", ("crimson shoes", "red trainers"), (0.5, None), "m", "bm25-1/ab"),
    Entry("läufer größe 38", ("跑鞋",), (0.25,), "m", "bm25-1/ab"),
    Entry("nothing better", ()),
]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_saved_table_is_read_back_whole(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "new folder" / f"table.{ending}"
    RewriteTable(ENTRIES).save(path)
    assert list(RewriteTable.load(path)) == ENTRIES
    assert [each.name for each in path.parent.iterdir()] == [path.name]  # no half-written file is left


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    RewriteTable(ENTRIES).save(path)
    before = path.read_bytes()
    with pytest.raises(SearchError, match=r"\.jsonl or a \.parquet"):
        RewriteTable().save(tmp_path / "table.csv")
    bad = RewriteTable([Entry("\ud800", ("x",))])
    with pytest.raises(SearchError, match="cannot be written"):
        bad.save(path)
    assert path.read_bytes() == before


def test_a_broken_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    for row, why in (("{", "row 2"), ('{"query": "x"}', "required"), ('{"query": " ", "texts": []}', "blanks"),
                     ('{"query": "x", "texts": ["y"], "rewards": [1, 2]}', "1 rewrites with 2"),
                     ('{"query": "x", "texts": [], "format": 9}', "format 9")):  # fmt: skip
        path.write_text('{"query": "good", "texts": ["better"]}\n' + row + "\n")
        with pytest.raises(SearchError, match=why):
            RewriteTable.load(path)
    (tmp_path / "t.parquet").write_text("no")
    with pytest.raises(SearchError, match="no Parquet"):
        RewriteTable.load(tmp_path / "t.parquet")
    with pytest.raises(SearchError, match="cannot be read"):
        RewriteTable.load(tmp_path / "absent.jsonl")


def test_a_refreshed_index_forgets_scores_and_keeps_texts() -> None:
    table = RewriteTable(ENTRIES)
    assert table.on_index("bm25-1/ab").look("red shoes") == ENTRIES[0]
    fresh = table.on_index("bm25-1/cd")
    assert fresh.look("RED shoes") == Entry("Red Shoes", ("crimson shoes", "red trainers"), (), "m", "")
    assert fresh.stale() == ["Red Shoes", "läufer größe 38"]


def test_the_index_version_follows_texts_and_settings() -> None:
    documents, other = (Documents(("1", "2"), ("red", title), ("", "")) for title in ("blue", "green"))
    bm25, sharper = open_retriever("bm25"), open_retriever("bm25", {"k1": 2.0})
    versions = {index_version(bm25, documents), index_version(bm25, other), index_version(sharper, documents)}
    assert len(versions) == 3
    assert index_version(open_retriever("bm25"), documents) in versions


def test_a_look_up_takes_microseconds() -> None:
    table = RewriteTable(Entry(f"query number {n}", ("a rewrite",)) for n in range(20_000))
    wanted = [f" Query  NUMBER {n}" for n in range(0, 20_000, 20)]
    start = time.perf_counter()
    found = [table.look(query) for query in wanted]
    each = (time.perf_counter() - start) / len(wanted)
    assert all(found)
    assert each < 100e-6, f"{each * 1e6:.1f} microseconds"


def test_a_built_table_keeps_what_beats_the_query_best_first() -> None:
    data = letters({"x": dict.fromkeys("abcdef", 1.0), "w": {"a": 1.0}})
    lists = Listed({"x": "abgh", "bad": "mnop", "good": "abcd", "better": "cdef", "w": "a"})
    written = [["bad", "good", "better", "X"], ["bad"], ["bad"]]
    scored = score_rewrites(["x", "w", " "], written, lists, Judged(data), config=ScoreConfig(k=4))
    table = table_of(scored, model="m", index="i", n=2)
    kept = table.look("x")
    assert kept is not None
    assert kept.texts == ("better", "good")
    assert kept.rewards[0] > kept.rewards[1]
    assert table.look("w") == Entry("w", (), (), "m", "i")
    assert len(table) == 2


def test_a_search_says_who_found_what() -> None:
    lists = Listed({"x": "abcd", "y": "bef", "Unknown": "q"})
    search = UnionSearch(lists, RewriteTable([Entry("X", ("y",))]))
    lists.lists |= {"x": "abcd"}
    found = search.search("x", 3)
    # a b c | b e f: b stands in both, then by rank, the query's own before the rewrite's.
    assert [(each.document, each.source, each.by) for each in found] == [
        ("b", "orig", ("x", "y")),
        ("a", "orig", ("x",)),
        ("e", "rewrite", ("y",)),
        ("c", "orig", ("x",)),
        ("f", "rewrite", ("y",)),
    ]
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert [each.document for each in search.search("Unknown", 3)] == ["q"]


@given(
    st.lists(st.lists(st.sampled_from("abcdef"), unique=True).map("".join), min_size=1, max_size=4), st.integers(1, 6)
)
def test_the_union_is_the_union(lists: list[str], k: int) -> None:
    texts = [f"t{n}" for n in range(len(lists))]
    retriever = Listed(dict(zip(texts, lists, strict=True)))
    found = UnionSearch(retriever, RewriteTable([Entry("t0", tuple(texts[1:]))])).search("t0", k)
    assert {each.document for each in found} == {document for each in lists for document in each[:k]}
    assert len(found) == len({each.document for each in found})
    for each in found:
        assert (each.source == "orig") == (each.document in lists[0][:k])
