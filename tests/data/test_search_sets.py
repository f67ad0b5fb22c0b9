"""Search sets: read from whatever they lie in, broken rows counted, parted by query; the embedded one is what its generator makes."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from recloop.data import DataError, load_search, own_phrasings, read_phrasings, split_queries
from recloop.data.search_load import clean_text
from recloop.data.search_shelf import search_folder

QUERIES = "query_id,query\nq1,red lamp\nq2,\nq1,again\nq3,blue rug\n"
DOCUMENTS = 'id,title,text\nd1,Red lamp,"for the desk\nand more"\nd2,Blue rug,\n,lost,\nd1,twice,\n'
JUDGEMENTS = "qid,doc,grade\nq1,d1,2\nq1,d2,0\nq3,d2,many\nq9,d1,1\nq3,d9,1\nq3,d2,1\nq3,d2,3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"queries": QUERIES, "documents": DOCUMENTS, "judgements": JUDGEMENTS}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def test_a_folder_is_read_and_broken_rows_are_counted_with_their_lines(folder: Path) -> None:
    data = load_search(folder)
    assert data.queries == {"q1": "red lamp", "q3": "blue rug"}
    assert (data.documents.ids, data.documents.titles) == (("d1", "d2"), ("Red lamp", "Blue rug"))
    assert data.documents.full(0) == "Red lamp. for the desk and more"
    assert data.judgements == {"q1": {"d1": 2, "d2": 0}, "q3": {"d2": 3}}
    assert data.whole
    assert data.report is not None
    assert data.report.reasons == {
        "queries.csv: no query text": 1,
        "queries.csv: repeated query id (the first is kept)": 1,
        "documents.csv: no document id": 1,
        "documents.csv: repeated document id (the first is kept)": 1,
        "judgements.csv: grade is no number": 1,
        "judgements.csv: query is not among the queries": 1,
        "judgements.csv: document is not among the documents": 1,
        "judgements.csv: repeated query and document (the latest grade is kept)": 1,
    }
    assert (data.report.rows, data.report.kept) == (15, 7)
    assert {(p.file, p.line) for p in data.report.problems} >= {
        ("queries.csv", 3),
        ("documents.csv", 5),
        ("judgements.csv", 4),
    }
    with pytest.raises(DataError, match="8 bad rows"):
        load_search(folder, strict=True)


def test_one_content_in_any_dress_has_one_hash(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    rows = {"queries": QUERIES, "documents": DOCUMENTS, "judgements": JUDGEMENTS}
    for name, text in rows.items():
        lines = list(csv.DictReader(text.splitlines(keepends=True)))
        packed = "\n".join(json.dumps(row) for row in lines).encode()
        (other / f"{name}.jsonl.gz").write_bytes(gzip.compress(packed))
    assert load_search(other).hash == load_search(folder).hash
    (folder / "judgements.csv").write_text(JUDGEMENTS.replace("q1,d1,2", "q1,d1,1"))
    assert load_search(other).hash != load_search(folder).hash


def test_a_retrieval_benchmarks_folder_is_read_as_it_lies(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "1", "title": "A", "text": "x"}\n{"_id": "2", "text": "y"}\nno json\n'
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "7", "text": "find x"}\n')
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n7\t1\t1\n")
    data = load_search(tmp_path)
    assert (data.queries, data.judgements) == ({"7": "find x"}, {"7": {"1": 1}})
    assert data.report is not None
    assert dict(data.report.reasons) == {"corpus.jsonl: no JSON object": 1}


def test_judgements_as_trec_eval_writes_them(folder: Path) -> None:
    (folder / "judgements.csv").unlink()
    (folder / "qrels.txt").write_text("q1 0 d1 2\nq3 0 d2 1\n")
    assert load_search(folder).judgements == {"q1": {"d1": 2}, "q3": {"d2": 1}}


def test_judged_pairs_are_pools_and_grades_may_begin_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(
        "id,search,name,about,stars\n1,lamp,Red,<b>big &amp; red</b>,4\n2,lamp,Blue,,1\n3,rug,Red,big & red,2\n"
    )
    columns = "query=search,title=name,text=about,grade=stars"
    data = load_search(file, columns=columns, zero=1)
    assert data.documents.titles == ("Red", "Blue"), "the same title and text is the same document"
    assert data.judgements == {"lamp": {"d1": 3, "d2": 0}, "rug": {"d1": 1}}
    assert data.pool("rug") == ("d1",)
    assert data.documents.texts[0] == "big & red"
    notes = load_search(file, columns=columns).report
    assert notes is not None
    assert any("lowest grade is 1" in note for note in notes.notes)
    with pytest.raises(DataError, match=r"no column for query and grade in mine.csv \(found: id, search"):
        load_search(file)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("<script>alert(1)</script>a<br/>b", "a b"),
        ("3 < 4 and 5 > 2", "3 < 4 and 5 > 2"),
        ("a\x1b[31mb\u202ec &eacute;", "abc é"),
        ("<style>never closed", ""),
        ("", ""),
    ],
)
def test_texts_are_words_without_markup_or_hidden_characters(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


@pytest.mark.parametrize("name", ["shop-serch", "", "no/such/folder"])
def test_what_is_not_there_is_told_with_what_is(name: str) -> None:
    with pytest.raises(DataError, match="known names: shop-search, crowdflower-relevance"):
        load_search(name)


def test_a_split_shares_no_query_and_ignores_the_order_of_rows() -> None:
    data = load_search()
    split = split_queries(data, test=0.25, valid=0.1, seed=3)
    parts = [set(part.queries) for part in split]
    assert [len(part) for part in parts] == [52, 8, 20]
    assert set.union(*parts) == set(data.queries)
    turned = data.subset(reversed(list(data.queries)))
    assert set(split_queries(turned, test=0.25, valid=0.1, seed=3).test.queries) == parts[2]
    assert set(split_queries(data, test=0.25, valid=0.1, seed=4).test.queries) != parts[2]
    assert set(split.test.phrasings) == set(split.test.families) == parts[2]
    assert len(split.test.documents) == 400


def test_one_need_in_two_spellings_stays_in_one_part(tmp_path: Path) -> None:
    rows = "".join(f"a{i},query {i}\nb{i},Query  {i}\n" for i in range(20))
    (tmp_path / "queries.csv").write_text("query_id,query\n" + rows)
    (tmp_path / "documents.csv").write_text("id,title\nd,x\n")
    test = split_queries(load_search(tmp_path), test=0.5).test.queries
    assert {name[1:] for name in test if name[0] == "a"} == {name[1:] for name in test if name[0] == "b"}


def test_the_embedded_set_is_what_its_generator_makes(tmp_path: Path) -> None:
    folder = search_folder("shop-search")
    assert folder is not None
    subprocess.run([sys.executable, str(folder / "make.py"), str(tmp_path)], check=True, timeout=60)
    made = sorted(tmp_path.iterdir())
    assert [file.name for file in made] == ["documents.csv", "judgements.csv", "phrasings.csv", "queries.csv"]
    for file in made:
        assert file.read_bytes() == (folder / file.name).read_bytes(), file.name


def test_the_embedded_set_has_words_that_no_title_has_and_a_phrasing_of_each_family() -> None:
    data = load_search("shop-search")
    assert (len(data.queries), len(data.documents), data.highest) == (80, 400, 3)
    assert data.report is not None
    assert data.report.skipped == 0
    titles = {word for title in data.documents.titles for word in title.lower().replace(",", "").split()}
    strange = [query for query in data.queries.values() if not set(query.split()) <= titles]
    assert len(strange) > 40
    families = {"typo", "order", "synonym", "verbose", "terse", "question"}
    for query, text in data.queries.items():
        assert set(data.families[query]) == families
        assert text not in data.phrasings[query]
        assert len(set(data.phrasings[query])) == 6
        assert Counter(data.judgements[query].values())[3] >= 1


def test_rewrites_are_matched_by_id_or_text_and_those_that_fell_back_are_left_out(tmp_path: Path) -> None:
    data = load_search()
    file = tmp_path / "rewrites.jsonl"
    rows = [
        {"query_id": "q01", "persona": "student", "text": "cheap runners", "fell_back": False},
        {"query_id": "q01", "persona": "student", "text": "runners pls", "fell_back": False},
        {"query_id": "q02", "persona": "student", "text": "the raw query", "fell_back": True},
        {"query_id": data.queries["q03"].upper(), "persona": "", "text": "found by its text"},
        {"query_id": "q999", "persona": "student", "text": "of no query"},
        {"query_id": "q04", "persona": "student", "text": " "},
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    read = read_phrasings(file, data)
    assert read.forms == {
        "q01": {"student": "cheap runners", "student 2": "runners pls"},
        "q03": {"phrasing": "found by its text"},
    }
    assert (read.fell_back, read.count, dict(read.tally.counts)) == (
        1,
        3,
        {"query is not in the set": 1, "no phrasing": 1},
    )
    file.write_text(json.dumps(rows[4]))
    with pytest.raises(DataError, match="no wording of a query"):
        read_phrasings(file, data)
    assert own_phrasings(data).count == 480


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "queries", "documents", "judged", "highest", "whole"),
    [
        ("crowdflower", 196, 7482, 7541, 3, False),
        ("home-depot", 9392, 45422, 58977, 2, False),
        ("cranfield", 173, 1400, 1453, 1, True),
        ("esci", 150, 6597, 6678, 3, False),
    ],
)
def test_known_sets_are_read_whole(
    name: str, queries: int, documents: int, judged: int, highest: float, whole: bool
) -> None:
    try:
        data = load_search(name)
    except DataError as error:
        pytest.skip(f"{name} is not at hand: {error.what}")
    pools = data.judgements.values()
    assert (len(data.queries), len(data.documents), sum(map(len, pools))) == (queries, documents, judged)
    assert (data.highest, min(g for pool in pools for g in pool.values()), data.whole) == (highest, 0, whole)


def test_a_description_of_many_lines_is_one_field(tmp_path: Path) -> None:
    long = "\n".join(f"line {i} of many" for i in range(450))
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["query", "title", "text", "grade"], ["lamp", "Red", long + ' "so"', 1], ["rug", "Blue", "x", 2]]
        )
    data = load_search(tmp_path / "pairs.csv")
    assert (len(data.documents), data.documents.texts[0][-5:]) == (2, ' "so"')
    assert data.report is not None
    assert data.report.skipped == 0
