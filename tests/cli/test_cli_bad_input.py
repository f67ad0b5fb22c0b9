"""Odd values, as a new user might give them: one clear message with the next step, before anything is paid or written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_world import contents

OUT_OF_RANGE = {
    "users": ["0", "-3"],
    "pages": ["0", "1000000000"],
    "page-size": ["0"],
    "seed": ["-5"],
    "test": ["1", "-0.1", "nan"],
    "fatigue": ["2", "nan", "-1"],
    "watch-rate": ["0.9,0.1", "0,1", "nan,nan"],
    "refit-every": ["-1"],
    "calibration-items": ["1"],
    "concurrency": ["0"],
    "timeout": ["0", "inf"],
    "budget": ["calls=x", "usd", "usd=nan"],
    "core": ["-1", "100000"],
}
"""Setting -> values that parse but do not hold."""


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in OUT_OF_RANGE.items() for value in values]
)
def test_a_value_out_of_range_names_its_setting(
    cli: Any, small: list[str], tmp_path: Path, name: str, value: str
) -> None:
    message = cli("simulate", *small, f"--{name}={value}").refused()
    assert name.replace("-", "_") in message
    assert not (tmp_path / "recloop-runs").exists()


@pytest.mark.parametrize(
    "flag", ["--users=many", "--pages=1e9", "--pages=1.5", "--test=half", "--seed=x", "--colour=red", "--user=3"]
)
def test_a_command_line_that_does_not_parse_says_where(cli: Any, small: list[str], tmp_path: Path, flag: str) -> None:
    assert flag.partition("=")[0] in cli("simulate", *small, flag).usage()
    assert not (tmp_path / "recloop-runs").exists()


@pytest.mark.parametrize("command", [["simulat"], ["runs", "shwo"], ["runs", "compare", "a"], ["models", "get"]])
def test_a_command_that_is_none_is_answered_with_usage(cli: Any, command: list[str]) -> None:
    cli(*command).usage()


def test_more_users_than_there_are_says_how_many(cli: Any, small: list[str]) -> None:
    assert "ask for at most 40 users" in cli("simulate", *small, "--users", 99_999_999).refused()


FILES = {
    "number.py": "y = 1\nclass Empty: pass\ndef boom(*args, **more): raise RuntimeError('inside')\n",
    "syntax.py": "def x(:\n",
    "needs.py": "import a_package_that_is_not_there\n",
    "lists.csv": "user,item,score\n",
    "other.csv": "a,b\n1,2\n",
}

RECOMMENDERS = {
    "nonsense": "known: random, pop",
    "": "known: random, pop",
    "eese": "ease",
    "no_such_module:thing": "no module 'no_such_module'",
    "missing.py:thing": "no file missing.py",
    "missing.csv": "no file missing.csv",
    "number.py:nothing": "it has: y, Empty, boom",
    "number.py:y": "is no recommender",
    "number.py:Empty": "is no recommender",
    "number.py:boom": "RuntimeError: inside",
    "syntax.py:x": "SyntaxError",
    "needs.py:x": "a_package_that_is_not_there",
    ":": "write module:object",
    "lists.csv": "has no rows",
    "other.csv": "found: a, b",
    "http://": "an endpoint is written http://host:port/path",
    "http://127.0.0.1:9/recommend": "is the server up?",
    "folder": "known: random, pop",
    "os:path": "is no recommender",
}


@pytest.fixture
def mess(tmp_path: Path, small: list[str]) -> Path:
    """The folder where commands run, with files that are not what they should be."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("spec", RECOMMENDERS)
def test_a_recommender_that_cannot_be_used_is_told(cli: Any, small: list[str], mess: Path, spec: str) -> None:
    before = contents(mess)
    assert RECOMMENDERS[spec] in cli("simulate", *small, "--recommender", spec).refused()
    assert contents(mess) == before


ACTIONS = {
    "nonsense": "there are films, shop",
    "": "there are films, shop",
    "no_such_module:x": "no module 'no_such_module'",
    "number.py:y": "is no action set",
    "number.py:nothing": "it has: y, Empty, boom",
    "syntax.py:x": "SyntaxError",
    ":": "write module:object",
}


@pytest.mark.parametrize("spec", ACTIONS)
def test_actions_that_cannot_be_used_are_told_before_anything_is_fitted(
    cli: Any, small: list[str], mess: Path, spec: str
) -> None:
    message = cli("simulate", *small, "--actions", spec, "--recommender", "number.py:boom").refused()
    assert ACTIONS[spec] in message
    assert not (mess / "recloop-runs").exists()


TOMLS = {
    "unknown.toml": (
        b'colour = "red"\nuserz = 3\n',
        ["colour: no such setting", "userz: no such setting (did you mean users?)"],
    ),
    "type.toml": (b'users = "many"\npages = [1]\n', ["users: should be a valid integer", "got 'many'", "pages: "]),
    "syntax.toml": (b"users =\n", ["is not valid TOML", "line 1"]),
    "list.toml": (b"simulate = [1]\n", ["put every setting into [simulate]"]),
    "beside.toml": (b"users = 3\n[simulate]\npages = 1\n", ["has users beside [simulate]"]),
    "nested.toml": (b"[simulate.columns]\nuser = 3\n", ["columns.user: should be a valid string"]),
    "binary.toml": (bytes(range(256)), ["is not UTF-8 text"]),
    "utf16.toml": ("users = 3\n".encode("utf-16"), ["is not UTF-8 text"]),
    "missing.toml": (None, ["no such file: missing.toml"]),
    "folder": (None, ["is a directory"]),
}


@pytest.mark.parametrize("name", TOMLS)
def test_a_settings_file_that_does_not_hold_names_every_fault(cli: Any, mess: Path, name: str) -> None:
    body, wanted = TOMLS[name]
    if body is not None:
        (mess / name).write_bytes(body)
    message = cli("simulate", name, "--model", "scripted").refused()
    assert name in message or "settings do not hold" in message
    for text in wanted:
        assert text in message
    assert not (mess / "recloop-runs").exists()


@pytest.mark.parametrize("place", ["occupied", "number.py", "number.py/inside", "finished"])
def test_an_occupied_place_is_refused_and_left_alone(cli: Any, small: list[str], mess: Path, place: str) -> None:
    (mess / "occupied").mkdir()
    (mess / "occupied" / "notes.txt").write_text("mine")
    if place == "finished":
        cli("simulate", *small, "--pages", 1, "--out", place)
    before = contents(mess)
    message = cli("simulate", *small, "--out", place).refused()
    assert "give another folder" in message
    assert ("recloop resume finished" in message) == (place == "finished")
    assert contents(mess) == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no place here that nobody may write to")
def test_a_place_where_nothing_can_be_written_is_refused_before_any_work(cli: Any, small: list[str]) -> None:
    message = cli("simulate", *small, "--recommender", "number.py:never", "--out", "/proc/run").refused()
    assert "nothing can be written in /proc" in message


def test_an_empty_folder_and_one_that_is_not_there_yet_will_do(cli: Any, small: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("empty", "new/and/deep"):
        assert cli("simulate", *small, "--pages", 1, "--users", 5, "--out", place).code in (0, 1)
        assert (tmp_path / place / "report.html").is_file()


@pytest.mark.parametrize("name", ["a/b/c", "../../up", "two\nlines", "", "..", "x" * 300, "\x1b[31mred", "ümläut 漢字"])
def test_any_name_gives_a_folder_below_recloop_runs(cli: Any, small: list[str], tmp_path: Path, name: str) -> None:
    result = cli("simulate", *small, "--pages", 1, "--users", 5, "--name", name)
    assert result.code in (0, 1), result.err
    (run,) = (tmp_path / "recloop-runs").iterdir()
    assert (run / "manifest.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ratings.csv", "recloop-runs"]
    assert "\x1b" not in result.out + result.err + cli("runs", "list").out
    assert cli("runs", "show", run).code == 0


def test_two_runs_of_one_name_stand_beside_each_other(cli: Any, small: list[str], tmp_path: Path) -> None:
    for _ in range(2):
        cli("simulate", *small, "--pages", 1, "--users", 5, "--name", "mine")
    names = sorted(path.name for path in (tmp_path / "recloop-runs").iterdir())
    assert names[1] == names[0] + "-2"


def test_a_rehearsal_that_cannot_start_leaves_the_place_of_its_run_free(cli: Any, small: list[str], mess: Path) -> None:
    cli("simulate", *small, "--recommender", "nonsense").refused()
    assert not (mess / "recloop-runs").exists()
    cli("simulate", *small, "--pages", 1, "--users", 5)
    cli("simulate", *small, "--recommender", "nonsense").refused()
    assert len(list((mess / "recloop-runs").iterdir())) == 1


def test_a_mode_of_scripted_users_is_refused(cli: Any, small: list[str]) -> None:
    said = cli("simulate", *small, "--mode", "score").refused()
    assert "scripted users have no mode score" in said
    assert "leave --mode out" in said
