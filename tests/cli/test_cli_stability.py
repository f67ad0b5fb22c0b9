"""`recloop stability`: figures beside their controls, with and without judgements, and one clear message for what cannot be done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

DOCUMENTS = "id,title\n" + "".join(
    f"d{i},{word} lamp\n" for i, word in enumerate(("red", "blue", "green", "old", "tall"))
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "queries.csv").write_text("query_id,query\nq1,red lamp\nq2,blue lamp\nq3,green lamp\n")
    (tmp_path / "shop" / "documents.csv").write_text(DOCUMENTS)
    (tmp_path / "rewrites.csv").write_text(
        "query_id,persona,text,fell_back\nq1,student,crimson tall lamp,false\nq2,student,lamp blue,false\nq3,student,green lamp,true\n"
    )
    return tmp_path


def test_the_embedded_set_is_measured_beside_both_controls(cli: Any) -> None:
    found = cli("stability", "--json").json
    assert (found["data"], found["queries"], found["judged"], found["wordings"]) == ("shop-search", 80, 80, 480)
    bm25, controls = found["retrievers"]["bm25"], found["controls"]
    variance = bm25["figures"]["variance"]
    assert (
        controls["constant"]["figures"]["variance"]["mean"] == 0 < variance["low"] < variance["mean"] < variance["high"]
    )
    assert controls["random"]["figures"]["overlap"]["mean"] < 0.1 < bm25["figures"]["overlap"]["mean"] < 1
    assert (bm25["tells_apart"], controls["constant"]["tells_apart"]) == (True, False)
    assert set(bm25["forms"]) == {"raw", "typo", "order", "synonym", "verbose", "terse", "question"}
    assert len(bm25["cases"]) == 80
    worst = bm25["fragile"][0]
    assert worst["query"] == max(bm25["cases"], key=lambda case: case["variance"])["query"]
    ndcg = [each["ndcg"] for each in worst["wordings"]]
    assert max(ndcg) - min(ndcg) > 0.8


@pytest.mark.parametrize("width", [80, 120])
def test_what_people_see_fits_and_has_the_fragile_queries_wordings(
    cli: Any, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    result = cli("stability", "--retriever", "bm25,random", "--fragile", "2")
    assert result.code == 0
    tables = [line for line in result.out.splitlines() if not line.startswith("note: ")]
    assert max(map(len, tables)) <= width
    for words in (
        "variance over wordings",
        "V-NDCG",
        "Kendall tau",
        "bm25 - random",
        "most fragile queries",
        "synonym",
    ):
        assert words in result.out, words


def test_without_judgements_there_are_order_and_overlap(cli: Any, folder: Path) -> None:
    found = cli("stability", "--data", "shop", "--rewrites", "rewrites.csv", "--json").json
    assert (found["queries"], found["judged"], found["fell_back"]) == (2, 0, 1)
    bm25 = found["retrievers"]["bm25"]
    assert set(bm25["figures"]) == {"tau_min", "overlap", "spread"}
    assert bm25["v_ndcg"] is None
    by_query = {case["query"]: case for case in bm25["cases"]}
    assert by_query["q2"]["tau_min"] == 1, "words in another order are the same words"
    assert by_query["q1"]["tau_min"] < 1
    assert bm25["fragile"][0]["query"] == "q1"
    shown = cli("stability", "--data", "shop", "--rewrites", "rewrites.csv")
    assert "fell back to the raw query (33.3 %)" in shown.out
    assert "NDCG" not in shown.out.split("most fragile")[0]


def test_a_ranker_that_tells_nothing_apart_fails_however_steady(cli: Any) -> None:
    result = cli("stability", "--retriever", "flat.py:Flat")
    assert result.code == 2
    Path("flat.py").write_text(
        "from recloop.methods.search.controls import Constant\n\n\nclass Flat(Constant):\n    name = 'flat'\n"
    )
    result = cli("stability", "--retriever", "flat.py:Flat")
    assert result.code == 1
    assert "steady, and worth nothing" in result.out


def test_an_own_function_is_measured_and_its_faults_are_told(cli: Any, folder: Path) -> None:
    Path("mine.py").write_text(
        "def search(query, k):\n    return ['d1', 'd0', 'nowhere'] if 'blue' in query else ['d0', 'd1']\n"
    )
    result = cli("stability", "--data", "shop", "--rewrites", "rewrites.csv", "--retriever", "mine.py:search")
    assert result.code == 0
    assert "unknown_item" in result.out


def test_a_picture_under_another_formats_name_is_refused_before_anything_is_measured(cli: Any, tmp_path: Path) -> None:
    result = cli("stability", "--picture", "s.png")
    assert (result.code, result.out) == (2, "")
    assert "--picture s.svg" in result.err
    assert not (tmp_path / "s.png").exists()


def test_a_picture_is_one_file_that_asks_for_nothing(cli: Any, tmp_path: Path) -> None:
    result = cli("stability", "--retriever", "bm25", "--picture", "s.svg")
    assert "picture: s.svg" in result.out
    text = Path("s.svg").read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "worst wording" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--data", "nowhere"), "known names: shop-search"),
        (("--data", "shop"), "without other wordings"),
        (("--retriever", "bm52"), "did you mean bm25"),
        (("--retriever", ""), "names no retriever"),
        (("--rewrites", "gone.csv"), "no file at gone.csv"),
        (("--rewrites", "rewrites.csv", "--phrasings"), "give one of them"),
        (("--data", "shop", "--columns", "colour=x"), "no column role"),
    ],
)
def test_what_cannot_be_done_is_one_message(cli: Any, folder: Path, arguments: tuple[str, ...], told: str) -> None:
    assert told in cli("stability", *arguments).refused()


def test_texts_of_data_are_shown_and_not_obeyed(cli: Any, folder: Path) -> None:
    evil = "\x1b[31m[bold]lamp[/bold]\u202e ignore all"
    rows = [
        {"query_id": "q1", "persona": evil, "text": evil},
        {"query_id": "q2", "persona": evil, "text": "a" * 10_000},
    ]
    Path("evil.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = cli("stability", "--data", "shop", "--rewrites", "evil.jsonl", "--picture", "e.svg")
    assert result.code == 0
    assert "[bold]lamp[/bold]" in result.out
    assert "\x1b[31m" not in result.out
    assert "\u202e" not in result.out + Path("e.svg").read_text(encoding="utf-8")
