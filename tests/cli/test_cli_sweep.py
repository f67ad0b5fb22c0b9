"""`recloop sweep`: a TOML grid, the table, the exit codes, and every other command over what it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLLM

GRID = """
data = "ratings.csv"
model = "scripted"
users = 8
pages = 2
name = "mine"

[columns]
user = "uid"
item = "movie"
rating = "stars"
time = "when"
title = "name"

[grid]
seed = [0, 1]
recommender = ["pop", "random"]
"""


@pytest.fixture
def grid(ratings: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """`grid(text)` writes `grid.toml`, over a small table beside it."""
    ratings()

    def write(text: str = GRID) -> Path:
        path = tmp_path / "grid.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_sweep_prints_its_table_and_names_its_files(cli: Any, grid: Any, tmp_path: Path) -> None:
    grid()
    result = cli("sweep", "grid.toml")
    assert result.code == 0, result.err
    assert "mine: 2 arms, 2 seeds, 4 of 4 cells done" in result.out
    assert "minus pop" in result.out
    assert "differences to pop: paired, over the same (seed, user) pairs" in result.out
    assert max(map(len, result.out.split("\n\n")[0].splitlines())) <= 80
    assert "pop-seed1: watch rate" in result.err
    (run,) = (tmp_path / "recloop-runs").iterdir()
    assert run.name.endswith("-mine")
    for path in (run, run / "runs", run / "sweep.svg"):
        assert path.exists()
        assert f"{path.relative_to(tmp_path)}\n" in result.out, "a path on a line of its own, to be copied"


def test_with_json_stdout_is_one_document_and_nothing_else(cli: Any, grid: Any) -> None:
    grid()
    result = cli("sweep", "grid.toml", "--out", "s", "--json", "--against", "random")
    assert result.code == 0
    found = result.json
    assert (found["run"], found["status"], found["baseline"]) == ("s", "finished", "random")
    assert found["digest"] == cli("runs", "digest", "s").out.strip()
    arms = {arm["arm"]: arm for arm in found["arms"]}
    assert set(arms) == {"pop", "random"}
    assert arms["random"]["differences"] == {}
    difference = arms["pop"]["differences"]["watch_rate"]
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert set(difference["by_seed"]) == {"0", "1"}
    assert arms["pop"]["differences"]["lift"]["p"] is None, "too few hits"
    assert found["tested"] == len(arms["pop"]["differences"]) - 1
    assert arms["pop"]["numbers"]["pages"]["n"] >= 8


def test_the_same_line_again_goes_on_and_does_nothing_twice(cli: Any, grid: Any, tmp_path: Path) -> None:
    grid()
    first = cli("sweep", "grid.toml", "--out", "s", "--json")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "s" / "runs").glob("*/manifest.json")}
    again = cli("sweep", "grid.toml", "--out", "s", "--jobs", 2, "--json")
    assert again.json == first.json
    assert "watch rate" not in again.err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    grid(GRID.replace("pages = 2", "pages = 3"))
    other = cli("sweep", "grid.toml", "--out", "s")
    assert other.code == 2
    assert "another sweep: pages was 2, now it is 3" in other.err
    assert "recloop resume s" in other.err


def test_every_other_command_works_on_a_sweep_and_on_its_cells(cli: Any, grid: Any) -> None:
    grid()
    table = cli("sweep", "grid.toml", "--out", "s").out.split("\n\n")[0]
    assert table in cli("runs", "show", "s").out
    assert "sweep" in cli("runs", "list", ".").out
    assert cli("runs", "show", "s", "--json").json["summary"]["random"]["watch_rate"]["difference"] < 0.5
    assert cli("report", "s").out == "picture  s/sweep.svg\n"
    assert cli("resume", "s").code == 0
    assert [row["status"] for row in cli("runs", "list", "s/runs", "--json").json] == ["finished"] * 4
    assert cli("replay", "s/runs/pop-seed0").code == 0
    assert cli("report", "s/runs/pop-seed0").code == 0
    assert "recommender" in cli("runs", "compare", "s/runs/pop-seed0", "s/runs/random-seed0").out
    longer = cli("resume", "s", "--pages", 5)
    assert longer.code == 2
    assert "the pages of s are part of its grid" in longer.err
    no_replay = cli("replay", "s")
    assert no_replay.code == 2
    assert "no replay" in no_replay.err


def test_a_dry_run_calls_nothing_and_writes_nothing(
    cli: Any, grid: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    grid(GRID.replace('"scripted"', '"openai/gpt-4o-mini"'))
    found = cli("sweep", "grid.toml", "--dry-run", "--json").json
    assert found["total"]["calls"] == sum(arm["calls"] for arm in found["arms"]) == 2 * 2 * 8 * 3
    result = cli("sweep", "grid.toml", "--dry-run")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()[-4:-1]] == ["pop", "random", "all"]
    assert not (tmp_path / "recloop-runs").exists()


def test_a_spent_budget_pauses_with_code_3_and_the_command_that_goes_on(
    cli: Any, grid: Any, fake_llm: Callable[..., FakeLLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = fake_llm()
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    grid(GRID.replace('"scripted"', f'"openai/fake"\nbase_url = "{server.base_url}"'))
    result = cli("sweep", "grid.toml", "--out", "s", "--budget", "calls=30", "--json")
    assert result.code == 3
    assert (result.json["status"], result.json["cells"]) == ("paused", {"done": 1, "all": 4})
    assert "go on with:  recloop resume s --budget calls=60" in result.err
    assert server.stats()["requests"] <= 30
    result = cli("resume", "s", "--budget", "calls=1000", "--json")
    assert result.code == 0
    assert result.json["cells"] == {"done": 4, "all": 4}


OWN = """
def best(user, history, k, exclude):
    raise RuntimeError("the shop is closed")
"""


def test_a_failed_cell_ends_with_code_1_and_the_table_of_the_others(cli: Any, grid: Any, tmp_path: Path) -> None:
    (tmp_path / "closed_shop.py").write_text(OWN, encoding="utf-8")
    grid(GRID.replace('"random"', '"random", "closed_shop:best"'))
    result = cli("sweep", "grid.toml", "--out", "s")
    assert result.code == 1
    assert "closed_shop-best-seed0: failed: " in result.err
    assert "failed: 2 of 6 cells failed" in result.err
    assert "go on with:  recloop resume s" in result.err
    assert "4 of 6 cells done" in result.out


def test_arms_that_show_nothing_end_with_code_1(cli: Any, grid: Any) -> None:
    grid(GRID.replace("users = 8", "users = 8\nfatigue = 0\nwatch_rate = [0.0001, 0.0001]"))
    result = cli("sweep", "grid.toml", "--out", "s")
    assert result.code == 1
    assert "recloop: pop: nothing that was shown was watched" in result.err


def test_what_is_wrong_ends_with_code_2_and_writes_nothing(cli: Any, grid: Any, tmp_path: Path) -> None:
    grid(GRID.replace('"random"', '"rendom"'))
    result = cli("sweep", "grid.toml", "--out", "s")
    assert result.code == 2
    assert result.out == ""
    assert "cell rendom-seed0 and 1 more: recommender: no recommender 'rendom' (did you mean random?)" in result.err
    assert not (tmp_path / "s").exists()
    grid()
    result = cli("sweep", "grid.toml", "--against", "nobody")
    assert result.code == 2
    assert "no arm 'nobody' in this sweep" in result.err
    result = cli("sweep", "nowhere.toml")
    assert result.code == 2
    assert "no such file: nowhere.toml" in result.err


def test_hostile_names_reach_neither_terminal_nor_picture(cli: Any, grid: Any, tmp_path: Path) -> None:
    names = ("a[bold]x.csv", "b\u202e\x1b[31m.csv")
    for name in names:
        (tmp_path / name).write_text("user,item\nu1,m1\nu2,m2\n", encoding="utf-8")
    grid(GRID.replace('["pop", "random"]', json.dumps(names)))
    result = cli("sweep", "grid.toml", "--out", "s")
    shown = result.out + result.err + (tmp_path / "s" / "sweep.svg").read_text(encoding="utf-8")
    assert not {"\x1b", "\u202e"} & set(shown)
    assert result.code == 0, result.err
    assert "a[bold]x.csv" in result.out
