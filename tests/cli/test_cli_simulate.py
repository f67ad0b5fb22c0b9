"""`recloop simulate`: flags and TOML, the summary, the exit codes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from recloop.runs import Run


def test_a_rehearsal_prints_its_summary_and_names_its_files(cli: Any, small: list[str], tmp_path: Path) -> None:
    result = cli("simulate", *small, "--users", 6, "--pages", 2)
    assert result.code == 0, result.err
    assert "Watch rate" in result.out
    assert "baseline" in result.out
    assert "browsing: 12/12" in result.err
    assert "browsing" not in result.out
    (run,) = (tmp_path / "recloop-runs").iterdir()
    assert run.name.endswith("-simulate")
    for file in (run / "report.html", run / "summary.svg"):
        assert file.is_file()
        assert f"{file.relative_to(tmp_path)}\n" in result.out, "a path on a line of its own, to be copied"


def test_with_json_stdout_is_one_document_and_nothing_else(cli: Any, small: list[str]) -> None:
    result = cli("simulate", *small, "--json", "--out", "a", "--name", "mine")
    assert result.code == 0
    found = result.json
    assert (found["run"], found["status"], found["problem"]) == ("a", "finished", None)
    assert found["digest"] == cli("runs", "digest", "a").out.strip()
    assert found["summary"]["rows"]["watch_rate"]["value"] > 0
    assert Path(found["report"]).is_file()
    assert Path(found["picture"]).is_file()


TOML = """
[simulate]
data = "ratings.csv"
recommender = "pop"
model = "scripted"
users = 7
pages = 2
page_size = 3
seed = 5
test = 0.3
split = "random"
watch_rate = [0.3, 0.6]
fatigue = 0.5
shuffle_slots = false
refit_every = 1
[simulate.columns]
user = "uid"
item = "movie"
rating = "stars"
time = "when"
title = "name"
"""
SAME = "--users 7 --pages 2 --page-size 3 --seed 5 --test 0.3 --split random --watch-rate 0.3,0.6 --fatigue 0.5"
SAME += " --no-shuffle-slots --refit-every 1"


def test_a_toml_file_equals_the_flags(cli: Any, small: list[str], tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(TOML, encoding="utf-8")
    (tmp_path / "flat.toml").write_text(TOML.replace("[simulate]", "").replace("[simulate.columns]", "[columns]"))
    by_file = cli("simulate", "study.toml", "--json").json["digest"]
    assert cli("simulate", "flat.toml", "--json").json["digest"] == by_file
    assert cli("simulate", *small, *SAME.split(), "--json").json["digest"] == by_file
    assert cli("simulate", "study.toml", "--seed", 6, "--json").json["digest"] != by_file, "a flag wins over the file"


def test_how_a_run_is_carried_out_does_not_change_its_digest(cli: Any, small: list[str]) -> None:
    first = cli("simulate", *small, "--json").json["digest"]
    other = cli("simulate", *small, "--json", "--name", "x", "--concurrency", 1, "--budget", "calls=1", "--timeout", 3)
    assert other.json["digest"] == first


OWN = """
def best(user, history, k, exclude):
    return [item for item in ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9") if item not in exclude][:k]
"""


def test_a_recommender_of_ones_own_lies_in_the_current_folder(cli: Any, small: list[str], tmp_path: Path) -> None:
    (tmp_path / "shop_of_mine.py").write_text(OWN, encoding="utf-8")
    result = cli("simulate", *small, "--recommender", "shop_of_mine:best", "--out", "own", "--users", 12)
    assert result.code == 0, result.err
    with Run.open(tmp_path / "own") as run:
        shown = run.table("exposures").to_pylist()
    assert {row["item"] for row in shown} <= {f"m{i}" for i in range(1, 10)}
    assert all("best" in row["policy"] for row in shown)


ACTIONS = """
from recloop.agents import ActionSet, ActionSpec, add_to
LISTEN = ActionSet("podcasts", (ActionSpec("leave", "no"), ActionSpec("play", "yes", positive=True, effect=add_to("p"))))
"""


def test_actions_of_ones_own_lie_in_the_current_folder(cli: Any, small: list[str], tmp_path: Path) -> None:
    (tmp_path / "podcasts_of_mine.py").write_text(ACTIONS, encoding="utf-8")
    result = cli("simulate", *small, "--actions", "podcasts_of_mine:LISTEN", "--out", "p")
    assert result.code == 0, result.err
    with Run.open(tmp_path / "p") as run:
        assert {row["action"] for row in run.table("actions").to_pylist()} == {"leave", "play"}


@pytest.mark.parametrize(("rates", "word"), [("0.0001,0.0001", "nothing"), ("0.9999,0.9999", "everything")])
def test_users_who_take_all_or_nothing_fail_the_rehearsal(cli: Any, small: list[str], rates: str, word: str) -> None:
    result = cli("simulate", *small, "--watch-rate", rates, "--fatigue", 0, "--page-size", 1, "--out", "flat")
    assert result.code == 1
    assert f"recloop: {word}" in result.err
    assert Path("flat/report.html").is_file(), "it can be looked at all the same"
    again = cli("simulate", *small, "--watch-rate", rates, "--fatigue", 0, "--page-size", 1, "--json")
    assert again.code == 1
    assert again.json["problem"].startswith(word)
    assert cli("resume", "flat").code == 1


def test_a_dry_run_calls_nothing_and_writes_nothing(cli: Any, small: list[str], tmp_path: Path) -> None:
    model = ["--model", "http://127.0.0.1:9/v1#none"]
    result = cli("simulate", *small, *model, "--users", 5, "--pages", 2, "--dry-run")
    assert result.code == 0, result.err
    assert "5 users x 2 pages" in result.out
    found = cli("simulate", *small, *model, "--users", 5, "--pages", 2, "--dry-run", "--json").json
    assert found["calls"] == 15
    assert found["prompt_tokens"] > 1000
    assert not (tmp_path / "recloop-runs").exists()


HOSTILE = "\x1b[31mRed\x1b[0m [bold]Film[/bold] \x1b]0;owned\x07\u202e"


def test_hostile_titles_reach_neither_terminal_nor_markup(cli: Any, small: list[str], ratings: Any) -> None:
    ratings(title=HOSTILE + "{item}")
    cli("simulate", *small, "--out", "h", "--name", HOSTILE)
    cli("personas", "build", "p.jsonl", "--data", "ratings.csv", "--columns", small[3])
    for command in (
        ["runs", "show", "h"],
        ["personas", "show", "h"],
        ["personas", "show", "p.jsonl"],
        ["runs", "list", "."],
    ):
        result = cli(*command)
        assert result.code == 0, result.err
        assert not {"\x1b", "\x07", "\u202e"} & set(result.out + result.err), command
    assert "[bold]Film[/bold]" in cli("personas", "show", "p.jsonl").out.replace("\n", " ")


def test_the_exposures_of_a_run_are_of_the_table_that_was_given(cli: Any, small: list[str], tmp_path: Path) -> None:
    cli("simulate", *small, "--out", "r")
    with (tmp_path / "ratings.csv").open(encoding="utf-8") as file:
        known = {row["movie"] for row in csv.DictReader(file)}
    with Run.open(tmp_path / "r") as run:
        assert {row["item"] for row in run.table("exposures").to_pylist()} <= known


def test_a_recommenders_own_configuration_is_a_flag_and_a_table(cli: Any, small: list[str], tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("Member,Film\nu1,m1\nu2,m2\n", encoding="utf-8")
    wrong = cli("simulate", *small[:-1], "odd.csv")
    assert wrong.code == 2
    assert "--recommender-config user=COLUMN" in wrong.err
    named = ["--recommender-config", "user=Member", "--recommender-config", "item=Film"]
    assert cli("simulate", *small[:-1], "odd.csv", *named, "--out", "named").code in (0, 1)
    loose, tight = (
        cli("simulate", *small[:-1], "ease", "--recommender-config", f"l2={l2}", "--json").json for l2 in (1, 999)
    )
    assert loose["digest"] != tight["digest"]
    toml = TOML.replace('"pop"', '"ease"').replace("refit_every = 1\n", "") + "[simulate.recommender_config]\nl2 = 1\n"
    (tmp_path / "study.toml").write_text(toml, encoding="utf-8")
    assert cli("simulate", "study.toml", "--json").code == 0
    unknown = cli("simulate", *small[:-1], "ease", "--recommender-config", "l3=1")
    assert unknown.code == 2
    assert "l3" in unknown.err
    assert cli("simulate", *small, "--recommender-config", "l2").code == 2


CHATTY = """
print("imported")


class Mine:
    def __init__(self):
        print("made")

    def fit(self, data):
        print("fitted")
        self.items = list(data.items.ids)

    def top(self, user, k, exclude):
        print("asked")
        return [item for item in self.items if item not in exclude][:k]
"""


def test_what_a_recommender_prints_is_no_part_of_the_result(cli: Any, small: list[str], tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text(CHATTY, encoding="utf-8")
    mine = [*small, "--recommender", "chatty.py:Mine"]
    result = cli("simulate", *mine, "--out", "run", "--json")
    assert result.json["status"] == "finished"
    assert {"imported", "made", "fitted", "asked"} <= set(result.err.splitlines())
    dry = cli("simulate", *mine, "--dry-run", "--json")
    assert dry.json["calls"] == 0
    assert "fitted" in dry.err
