"""`recloop augment`: the study under its own name, and what it writes for other tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SMALL = ("--data", "ratings.csv", "--columns", "user=uid,item=movie,rating=stars,time=when,title=name")
SMALL += ("--users", "20", "--pages", "2", "--seeds", "1", "--retrain", "itemknn", "--option", "pairs=0")


@pytest.fixture
def table(ratings: Callable[..., Path]) -> Path:
    return ratings()


def test_rows_are_judged_and_leave_in_a_file_that_recloop_reads(cli: Any, table: Path, tmp_path: Path) -> None:
    done = cli("augment", *SMALL, "--out", "mine", "--export", "rows", "--as", "recbole", "--json")
    assert done.code == 0, done.err
    told = done.json
    assert told["verdict"].startswith("viewed rows: itemknn")
    assert told["exported"] == told["data"]["rows"][0]["simulated"][0]
    assert (tmp_path / told["export"]).name == "augmented.inter"
    read = cli("data", "describe", "rows/augmented.inter", "--json")
    assert read.code == 0, read.err
    assert read.json["interactions"] == told["exported"]
    assert (tmp_path / "mine" / "report.html").exists()


def test_a_finished_study_is_exported_again_without_being_played_again(cli: Any, table: Path, tmp_path: Path) -> None:
    first = cli("augment", *SMALL, "--out", "mine", "--json").json
    again = cli("augment", *SMALL, "--out", "mine", "--export", "all", "--as", "csv", "--whole", "--json").json
    assert (again["digest"], again["verdict"]) == (first["digest"], first["verdict"])
    lines = (tmp_path / "all" / "augmented.csv").read_text(encoding="utf-8").splitlines()
    simulated = [line for line in lines[1:] if line.split(",")[4] == "1"]
    assert lines[0].split(",")[:5] == ["user", "item", "rating", "timestamp", "simulated"]
    assert len(simulated) == again["exported"] < len(lines) - 1


def test_what_cannot_be_done_is_one_message(cli: Any, table: Path, tmp_path: Path) -> None:
    assert "no recommender 'eaze'" in cli("augment", *SMALL, "--retrain", "eaze", "--out", "a").refused()
    assert "weight: " in cli("augment", *SMALL, "--weight", "2", "--out", "b").refused()
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    unwritten = cli("augment", *SMALL, "--out", "c", "--export", "taken")
    assert unwritten.code == 2
    assert "cannot write taken" in unwritten.err
