"""`recloop data`: what is at hand and what is in it; broken rows with their lines, and what is no table at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

HEAD = "user,item,rating,title\n"
ROWS = "".join(f"u{u},i{i},{(u * i) % 5 + 1},Amélie {i}\n" for u in range(9) for i in range(9) if (u + i) % 3)
BROKEN = "u1,,3,x\nu2,i2,many,x\n,i4,1,x\nu1,i1\n"


def test_a_list_names_what_simulate_takes(cli: Any) -> None:
    assert "movietweetings" in cli("data", "list").out
    names = [row["name"] for row in cli("data", "list", "--json").json]
    assert names[0] == "movietweetings"


def test_the_data_folder_is_listed_and_may_hold_anything(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "shop").mkdir(parents=True)
    (tmp_path / "mine" / "shop" / "ratings.csv").write_text(HEAD + ROWS)
    (tmp_path / "mine" / "notes").mkdir()
    (tmp_path / "mine" / "file.txt").write_text("x")
    monkeypatch.setenv("RECLOOP_DATA", str(tmp_path / "mine"))
    assert [row["name"] for row in cli("data", "list", "--json").json] == ["movietweetings", "shop"]
    assert cli("data", "describe", "shop", "--json").json["users"] == 9
    monkeypatch.setenv("RECLOOP_DATA", str(tmp_path / "gone"))
    assert [row["name"] for row in cli("data", "list", "--json").json] == ["movietweetings"]


@pytest.mark.parametrize("width", [80, 120])
def test_tables_of_a_data_set_fit(cli: Any, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    result = cli("data", "describe")
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= width
    assert "rows by genre" in result.out


ENCODINGS = ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_tables_in_any_encoding_are_the_same_table(cli: Any, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes((HEAD + ROWS).encode(encoding))
    found = cli("data", "describe", "a.csv", "--json").json
    assert (found["users"], found["items"], found["interactions"], found["rows_skipped"]) == (9, 9, 54, 0)
    assert cli("data", "describe", "a.csv").code == 0


def test_broken_rows_are_told_by_line_and_counted(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + ROWS + BROKEN)
    first = 2 + ROWS.count("\n")
    result = cli("data", "describe", "a.csv")
    assert result.code == 0
    wanted = ["blank item id", "rating is not a number", "blank user id", "2 fields where the header has 4"]
    for line, reason in enumerate(wanted, first):
        assert f"a.csv:{line}: {reason}" in result.out
    found = cli("data", "describe", "a.csv", "--json").json
    assert (found["rows_skipped"], found["rows_read"]) == (4, 58)
    assert [problem.split("  ")[0] for problem in found["problems"]] == [
        f"a.csv:{line}: {reason}" for line, reason in enumerate(wanted, first)
    ]


@pytest.mark.parametrize(
    "command", [["data", "describe"], ["simulate", "--model", "scripted", "--split", "random", "--data"]]
)
def test_strict_refuses_broken_rows_with_their_lines(cli: Any, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "a.csv").write_text(HEAD + ROWS + BROKEN)
    message = cli(*command, "a.csv", "--strict").refused()
    assert "4 bad rows" in message
    assert f"a.csv:{2 + ROWS.count(chr(10))}: blank item id" in message
    assert not (tmp_path / "recloop-runs").exists()
    (tmp_path / "a.csv").write_text(HEAD + ROWS)
    assert cli("data", "describe", "a.csv", "--strict").code == 0


NO_TABLES: dict[str, bytes | None] = {
    "missing.csv": None,
    "empty.csv": b"",
    "header.csv": HEAD.encode(),
    "binary.csv": bytes(range(256)) * 40,
    "words.txt": b"just some words\n",
    "columns.csv": b"a,b\n1,2\n3,4\n",
    "broken.parquet": b"PAR1 and nothing else",
    "archive.csv": b"PK\x03\x04" + bytes(100),
    "cut.csv.gz": b"\x1f\x8b\x08\x00cut",
    "": None,
}


@pytest.mark.parametrize("name", NO_TABLES)
@pytest.mark.parametrize("command", [["data", "describe"], ["simulate", "--model", "scripted", "--data"]], ids=" ".join)
def test_what_is_no_table_is_named_and_nothing_is_written(
    cli: Any, tmp_path: Path, command: list[str], name: str
) -> None:
    body = NO_TABLES[name]
    if body is not None:
        (tmp_path / name).write_bytes(body)
    assert name in cli(*command, name).refused()
    assert not (tmp_path / "recloop-runs").exists()


def test_a_folder_without_a_table_says_what_was_looked_for(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "looked for .csv" in cli("data", "describe", "folder").refused()
    for name in ("one.csv", "two.csv"):
        (tmp_path / "folder" / name).write_text("a,b\n1,2\n")
    message = cli("data", "describe", "folder").refused()
    assert "one.csv, two.csv" in message


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ("nonsense", "write it as user="),
        ("user=", "write it as user="),
        ("mood=title", "roles are user, item"),
        ("user=who", "found: user, item, rating, title"),
    ],
)
def test_a_column_mapping_that_does_not_hold_says_what_there_is(
    cli: Any, tmp_path: Path, columns: str, wanted: str
) -> None:
    (tmp_path / "a.csv").write_text(HEAD + ROWS)
    assert wanted in cli("data", "describe", "a.csv", "--columns", columns).refused()


def test_columns_of_a_known_data_set_cannot_be_renamed(cli: Any) -> None:
    assert "the columns of movietweetings are known" in cli("data", "describe", "--columns", "user=who").refused()


def test_a_core_of_nothing(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + ROWS)
    assert "the 50-core of a.csv is empty" in cli("data", "describe", "a.csv", "--core", 50).refused()
    assert "give 0 for all rows" in cli("data", "describe", "a.csv", "--core", -1).refused()
    assert "--core" in cli("data", "describe", "a.csv", "--core", "half").usage()


def test_data_without_times_says_which_split_will_do(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + ROWS)
    assert "--split random" in cli("simulate", "--model", "scripted", "--data", "a.csv").refused()
    assert cli("simulate", "--model", "scripted", "--data", "a.csv", "--split", "random", "--users", 5).code in (0, 1)
