"""`recloop study NAME`: verdict first, settings three ways, exit codes, and every other command over what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recloop.simulations.studies.table import STUDIES, open_study, questions

COLUMNS = "user=uid,item=movie,rating=stars,time=when,title=name"


@pytest.fixture
def ab(ratings: Any) -> list[str]:
    """`recloop study ab` over a small table, in a second."""
    ratings()
    return [
        *("study", "ab", "--data", "ratings.csv", "--columns", COLUMNS, "--users", "6", "--pages", "1", "--seeds", "1"),
        *("--recommender", "pop,random"),
    ]


def test_the_verdict_comes_first_then_numbers_notes_and_files(cli: Any, ab: list[str], tmp_path: Path) -> None:
    result = cli(*ab)
    assert result.code == 0, result.err
    assert result.out.startswith("random against pop: ")
    order = [
        result.out.index(word) for word in ("95 % interval", "scripted users: this shows the machinery", "report ")
    ]
    assert order == sorted(order)
    (run,) = (tmp_path / "recloop-runs").iterdir()
    assert run.name.endswith("-ab")
    assert f"{run.relative_to(tmp_path)}/report.html\n" in result.out
    assert (run / "report.html").exists()
    assert "0-pop-seed0: 1/1" in result.err


def test_json_is_the_whole_result(cli: Any, ab: list[str]) -> None:
    found = cli(*ab, "--json", "--out", "mine").json
    assert found["status"] == "finished"
    assert found["verdict"].startswith("random against pop")
    assert {"value", "low", "high", "n", "baselines"} <= set(found["rows"]["watch_rate/random"])
    assert found["plots"]
    assert found["notes"]


def test_flags_options_and_a_file_say_the_same(cli: Any, ab: list[str], tmp_path: Path) -> None:
    (tmp_path / "ab.toml").write_text(
        'recommenders = ["pop", "random"]\nseeds = 9\n[returning]\nrate = 0.3\n[rehearsal]\ndata = "ratings.csv"\n'
        'users = 99\npages = 1\nwatch_rate = [0.3, 0.4]\n[rehearsal.columns]\nuser = "uid"\nitem = "movie"\n'
        'rating = "stars"\ntime = "when"\ntitle = "name"\n'
    )
    by_file = cli("study", "ab", "--config", "ab.toml", "--users", "6", "--seeds", "1", "--out", "file", "--json")
    options = ("--option", "recommenders=pop,random", "--option", "returning.rate=0.3", "--set", "watch_rate=0.3,0.4")
    by_flags = cli(*ab[:-2], *options, "--out", "flags", "--json")
    assert by_file.code == by_flags.code == 0, by_file.err + by_flags.err
    assert by_file.json["rows"] == by_flags.json["rows"]
    assert by_file.json["digest"] == by_flags.json["digest"]


def test_other_commands_know_a_study(cli: Any, ab: list[str]) -> None:
    digest = cli(*ab, "--out", "mine", "--json").json["digest"]
    shown = cli("runs", "show", "mine")
    assert shown.code == 0, shown.err
    assert "kind study" in shown.out
    assert "random against pop: " in shown.out
    assert cli("report", "mine").out == "report   mine/report.html\n"
    again = cli("resume", "mine")
    assert again.code == 0
    assert "finished already" in again.err
    assert "random against pop: " in again.out
    assert cli(*ab, "--out", "mine", "--json").json["digest"] == digest, "the same line goes on with what is there"
    compared = cli("runs", "compare", "mine", "mine")
    assert "Watch rate" in compared.out


def test_a_paused_study_exits_3_and_names_the_command_that_goes_on(
    cli: Any, ab: list[str], fake_llm: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    server = fake_llm()
    asked = [*ab, "--model", "openai/test", "--base-url", server.base_url, "--option", "explore=0", "--out", "mine"]
    paused = cli(*asked, "--budget", "calls=14")
    assert paused.code == 3, paused.err
    assert "it has no result yet" in paused.out
    assert "go on with:  recloop resume mine --budget calls=28" in paused.err
    done = cli("resume", "mine", "--budget", "calls=300")
    assert done.code == 0, done.err
    assert done.out.startswith("random against pop")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--option", "power"], "takes KEY=VALUE"),
        (["--option", "powr=0.9"], "powr"),
        (["--option", "power=2"], "less than 1"),
        (["--set", "user=3"], "did you mean users"),
        (["--recommender", "pop"], "two or more different recommenders"),
        (["--budget", "calls"], "budget"),
        (["--config", "nowhere.toml"], "no such file"),
    ],
)
def test_bad_input_is_one_message_and_nothing_is_written(
    cli: Any, ab: list[str], tmp_path: Path, flags: list[str], words: str
) -> None:
    assert words in cli(*ab, *flags).refused()
    assert not (tmp_path / "recloop-runs").exists()


def test_another_run_in_the_folder_is_left_alone(cli: Any, ab: list[str]) -> None:
    cli(*ab, "--out", "mine")
    assert "power was 0.8" in cli(*ab, "--out", "mine", "--option", "power=0.9").refused()


def test_the_list_has_every_study_and_its_question(cli: Any) -> None:
    found = {each["study"]: each["question"] for each in cli("study", "list", "--json").json}
    assert found == {name: open_study(name).question for name in STUDIES} == questions()


@pytest.mark.parametrize("name", STUDIES)
def test_the_help_of_a_study_lists_its_own_settings(cli: Any, name: str) -> None:
    study: Any = open_study(name)
    text = " ".join(cli("study", name, "--help").out.split())
    from recloop.simulations.studies.study import StudyConfig

    own = [field for field in study.config_type.model_fields if field not in StudyConfig.model_fields]
    assert all(f"{field}: " in text for field in own)
    assert study.question.split()[0] in text
