"""`recloop personas`: those of a rehearsal, in a file or in a run; nothing else is taken for them or written over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_world import COLUMNS, contents
from recloop.runs import Run

TABLE = ("--data", "ratings.csv", "--columns", COLUMNS)


@pytest.mark.parametrize("split", ["user_time", "random", "leave_last", "global_time"])
def test_built_personas_are_those_of_the_rehearsal(cli: Any, small: list[str], tmp_path: Path, split: str) -> None:
    flags = ["--users", 5, "--seed", 3, "--split", split]
    built = cli("personas", "build", "people.jsonl", *TABLE, *flags, "--json")
    assert built.code == 0, built.err
    assert cli("simulate", *small, *flags, "--pages", 1, "--out", "run").code in (0, 1)
    with Run.open(tmp_path / "run") as run:
        ours = [event.data for event in run.events(kind="persona")]
    assert built.json == ours
    assert [json.loads(line) for line in Path("people.jsonl").read_text(encoding="utf-8").splitlines()] == ours
    for source in ("people.jsonl", "run"):
        assert cli("personas", "show", source, "--json").json == ours


@pytest.mark.parametrize("width", [80, 120])
def test_personas_are_shown_in_a_table_and_one_by_one(
    cli: Any, small: list[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    cli("personas", "build", "people.jsonl", *TABLE)
    people = cli("personas", "show", "people.jsonl", "--json").json
    result = cli("personas", "show", "people.jsonl")
    assert max(map(len, result.out.splitlines())) <= width
    assert all(person["user"] in result.out for person in people)
    one = cli("personas", "show", "people.jsonl", "--user", people[0]["user"])
    assert max(map(len, one.out.splitlines())) <= width
    assert f"A = {people[0]['a']} training rows" in one.out
    assert cli("personas", "show", "people.jsonl", "--user", people[0]["user"], "--json").json == people[:1]
    assert people[0]["user"] in cli("personas", "show", "people.jsonl", "--user", "nobody").refused()


NO_PERSONAS = {
    "missing": (None, "no such file"),
    "empty.jsonl": (b"", "is empty"),
    "binary.jsonl": (bytes(range(256)) * 4, "is not a text file"),
    "list.jsonl": (b"[1]\n", "line 1"),
    "half.jsonl": (b'{"user": "u1"', "line 1"),
    "table.csv": (b"user,item\n1,2\n", "line 1"),
    "utf16.jsonl": ('{"user": "u1"}'.encode("utf-16"), "is not a text file"),
}


@pytest.mark.parametrize("name", NO_PERSONAS)
def test_what_holds_no_personas_is_named(cli: Any, tmp_path: Path, name: str) -> None:
    body, wanted = NO_PERSONAS[name]
    if body is not None:
        (tmp_path / name).write_bytes(body)
    message = cli("personas", "show", name, "--json").refused()
    assert name in message
    assert wanted in message


def test_a_folder_that_is_no_run_has_no_personas(cli: Any, no_runs: dict[str, Path]) -> None:
    assert "is no run" in cli("personas", "show", "foreign").refused()


@pytest.mark.parametrize("place", ["ratings.csv", "folder", "binary", "ratings.csv/inside.jsonl"])
def test_nothing_of_somebody_else_is_written_over(cli: Any, small: list[str], tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    before = contents(tmp_path)
    cli("personas", "build", place, *TABLE).refused()
    assert contents(tmp_path) == before


def test_personas_are_written_over_by_personas(cli: Any, small: list[str]) -> None:
    assert cli("personas", "build", "people.jsonl", *TABLE, "--users", 3).code == 0
    assert cli("personas", "build", "people.jsonl", *TABLE, "--users", 5).code == 0
    assert len(cli("personas", "show", "people.jsonl", "--json").json) == 5


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--users", "500"], "ask for at most"),
        (["--test", "0.95"], "training rows"),
        (["--core", "99"], "core"),
        (["--data", "missing.csv"], "no dataset called 'missing.csv'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_built_is_told_and_leaves_no_file(
    cli: Any, small: list[str], tmp_path: Path, flags: list[str], wanted: str
) -> None:
    assert wanted in cli("personas", "build", "people.jsonl", *TABLE, *flags).refused()
    assert not (tmp_path / "people.jsonl").exists()


@pytest.mark.parametrize("flags", [["--users", "0"], ["--test", "2"], ["--seed", "-1"], ["--split", "by-mood"]])
def test_values_out_of_range_do_not_parse(cli: Any, small: list[str], flags: list[str]) -> None:
    assert flags[0] in cli("personas", "build", "people.jsonl", *TABLE, *flags).usage()
