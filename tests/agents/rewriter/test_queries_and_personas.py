"""Which queries are rewritten, and as whom: whatever file they come from, and what is said of a bad one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recloop.agents.rewriter.personas import PAPER, SETS, SHOP, load_searchers, searchers
from recloop.agents.rewriter.queries import Asked, queries_of_file, queries_of_set, queries_of_words
from recloop.agents.rewriter.records import RewriteError
from recloop.agents.rewriter.rules import ALL
from recloop.data.errors import DataError

FILES = {
    "q.csv": "id,query\n7,red shoes\n8,blue shoes\n",
    "q.tsv": "query_id\tquery\n7\tred shoes\n8\tblue shoes\n",
    "q.jsonl": '{"qid": "7", "text": "red shoes"}\n{"qid": "8", "text": "blue shoes"}\n',
}


@pytest.mark.parametrize("name", FILES)
def test_queries_of_a_table_keep_their_ids(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name])
    assert queries_of_file(tmp_path / name).asked == [Asked("7", "red shoes"), Asked("8", "blue shoes")]


def test_queries_of_a_text_file_are_numbered_by_line(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("\ufeffred shoes\n\n防水 靴\nred shoes\n", encoding="utf-8")
    found = queries_of_file(tmp_path / "q.txt")
    assert found.asked == [Asked("q1", "red shoes"), Asked("q3", "防水 靴")]
    assert sum(int(line.split()[0]) for line in found.left_out) == 2


def test_columns_can_be_named_and_a_missing_one_is_said_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("n,what\n1,red shoes\n")
    assert queries_of_file(tmp_path / "q.csv", {"query": "what", "query_id": "n"}).asked == [Asked("1", "red shoes")]
    with pytest.raises(DataError, match="no column for query in q"):
        queries_of_file(tmp_path / "q.csv")
    with pytest.raises(DataError, match="no column 'term' in q"):
        queries_of_file(tmp_path / "q.csv", "query=term")
    with pytest.raises(RewriteError, match="no file at"):
        queries_of_file(tmp_path / "none.csv")


def test_a_search_sets_queries_are_taken() -> None:
    assert len(queries_of_set("shop-search").asked) > 50


def test_rows_that_reading_a_search_set_left_out_are_told_too(tmp_path: Path) -> None:
    (tmp_path / "documents.csv").write_text("document_id,title\nd1,Red shoes\n")
    (tmp_path / "queries.csv").write_text(f"query_id,query\n1,red shoes\n2,\n1,blue shoes\n3,{'x' * 3000}\n")
    found = queries_of_set(str(tmp_path))
    assert found.asked == [Asked("1", "red shoes")]
    assert found.left_out == [
        "1 left out: queries.csv: no query text",
        "1 left out: queries.csv: repeated query id (the first is kept)",
        f"1 left out: longer than 2,000 characters, first number 2 of the queries of {tmp_path.name}",
    ]


def test_control_characters_and_blanks_go_and_every_script_stays() -> None:
    found = queries_of_words(["  red\t\x1b[31mshoes\u202e ", "حذاء للجري", "रनिंग जूते"])
    assert [each.query for each in found.asked] == ["red shoes", "حذاء للجري", "रनिंग जूते"]


def test_the_shipped_personas_are_whole() -> None:
    everybody = [each for group in SETS.values() for each in group]
    assert (len(PAPER), len(SHOP)) == (4, 6)
    assert len({each.name for each in everybody}) == 10
    assert all(each.description and set(each.families) <= set(ALL) for each in everybody)


def test_sets_and_names_can_be_mixed_and_ones_own_come_first(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[student]\ndescription = "Mine."\n[clerk]\ndescription = "Dry."\nfamilies = ["terse"]\n')
    own = load_searchers(file)
    found = searchers(("student", "paper", "clerk"), own)
    assert [each.name for each in found] == ["student", "woman", "man", "elder", "clerk"]
    assert found[0].description == "Mine."
    assert found[-1].families == ("terse",)


@pytest.mark.parametrize(
    "value", [{"a": "One."}, {"a": {"description": "One."}}, [{"name": "a", "description": "One.", "families": []}]]
)
def test_json_says_the_same_in_three_ways(tmp_path: Path, value: object) -> None:
    (tmp_path / "p.json").write_text(json.dumps(value))
    (only,) = load_searchers(tmp_path / "p.json")
    assert (only.name, only.description) == ("a", "One.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no persona"),
        ("[a", "cannot be read"),
        ("[a]\n", "needs a description"),
        (f'[a]\ndescription = "{"x" * 601}"', "at most 600 characters"),
        ('[a]\ndescription = "x"\nage = 3', "no field 'age'"),
        ('[a]\ndescription = "x"\nfamilies = ["loud"]', "no family of rules 'loud'"),
        ('["a/b"]\ndescription = "x"', "is no name for a persona"),
    ],
)
def test_a_bad_file_of_personas_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(RewriteError, match=said):
        load_searchers(tmp_path / "p.toml")
