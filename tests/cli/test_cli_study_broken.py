"""Studies and interviews that end too soon: what was answered stands, nothing is asked twice, and resume ends as if unbroken."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_world import COLUMNS, Started, edit_manifest

TABLE = ("--data", "ratings.csv", "--columns", COLUMNS)
MODEL = ("--model", "openai/fake", "--set", "mode=generate", "--set", "concurrency=1", "--seeds", "1", "--pages", "1")
ASKED = {
    "study": ["study", "ab", *TABLE, *MODEL, "--users", "4", "--recommender", "pop,random", "--option", "explore=0"],
    "augment": ["augment", *TABLE, *MODEL, "--users", "9", "--option", "pairs=2", "--retrain", "pop"],
}
LATER = {"study": "1-random-seed0: 2/4", "augment": "seed0: 4/9"}
"""What the progress says when a good part is done."""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-test")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill-9", "ctrl-c"])
@pytest.mark.parametrize("what", list(ASKED))
def test_a_broken_study_goes_on_elsewhere_and_ends_as_an_unbroken_one(
    start: Callable[..., Started], cli: Any, fake_llm: Any, what: str, number: signal.Signals
) -> None:
    slow, fast, other = fake_llm(latency="fixed:60"), fake_llm(), fake_llm()
    started = start(*ASKED[what], "--set", f"base_url={slow.base_url}", "--out", "broken")
    started.wait_for(LATER[what])
    started.send(number)
    assert started.end() in (130, -signal.SIGKILL)
    if number is signal.SIGINT:
        assert "go on with:  recloop resume broken" in started.err

    found = cli("resume", "broken", "--base-url", fast.base_url, "--json").json
    whole = cli(*ASKED[what], "--set", f"base_url={other.base_url}", "--out", "whole", "--json").json
    assert found["status"] == "finished"
    for part in ("digest", "verdict", "rows", "notes"):
        assert found[part] == whole[part], part
    asked = [server.stats()["requests"] for server in (slow, fast, other)]
    assert asked[0] > 2
    assert asked[1] > 2
    assert asked[0] + asked[1] <= asked[2] + 1, "one call was in flight; nothing else is asked twice"


def test_a_study_killed_after_its_result_has_it_once(cli: Any, ratings: Any, tmp_path: Path) -> None:
    ratings()
    flags = ("--users", "6", "--pages", "1", "--seeds", "1", "--recommender", "pop,random", "--out", "mine", "--json")
    whole = cli("study", "ab", *TABLE, *flags).json
    edit_manifest(tmp_path / "mine", status="running")
    found = cli("resume", "mine", "--json").json
    assert (found["status"], found["digest"]) == ("finished", whole["digest"])


def test_what_cannot_begin_leaves_no_folder_to_go_on_with(cli: Any, ratings: Any, tmp_path: Path) -> None:
    ratings()
    for spec, said in (
        ("pop,nope", "no recommender 'nope'"),
        ("pop,no.such:Thing", "no module"),
        ("pop,no.csv", "no.csv"),
    ):
        refused = cli("study", "ab", *TABLE, "--users", "6", "--recommender", spec, "--out", "mine")
        assert said in refused.refused()
        assert "go on with" not in refused.err
        assert not (tmp_path / "mine").exists()
    cli("study", "bubble", *TABLE, "--users", "6", "--out", "mine").refused()  # no genres: known before anybody plays
    assert not (tmp_path / "mine").exists()


def test_a_study_goes_on_with_the_data_it_began_with_and_no_other(
    cli: Any, ratings: Any, fake_llm: Any, tmp_path: Path
) -> None:
    table = ratings()
    asked = [*ASKED["study"], "--set", f"base_url={fake_llm().base_url}", "--budget", "calls=20", "--out", "mine"]
    assert cli(*asked).code == 3
    before = table.read_text()
    table.write_text(before.replace("u0,", "u1,", 1))
    assert "data is not what this study began with" in cli("resume", "mine", "--budget", "calls=900").refused()
    table.write_text(before)
    assert "so many pages" in cli("resume", "mine", "--pages", "4").refused()
    assert cli("resume", "mine", "--budget", "calls=900", "--concurrency", "8").code == 0


def test_settings_of_rehearsals_are_not_taken_for_settings_of_the_study(cli: Any) -> None:
    assert "--set KEY=VALUE" in cli("study", "ab", "--option", "rehearsal.users=3").refused()
    assert "name them in recommenders" in cli("study", "validity", "--set", "recommender=pop").refused()


def test_ctrl_c_keeps_what_was_answered_in_an_interview(
    start: Callable[..., Started], cli: Any, small: list[str], fake_llm: Any, tmp_path: Path
) -> None:
    digest = cli("simulate", *small, "--users", "12", "--pages", "1", "--out", "run", "--json").json["digest"]
    slow = ("--model", "openai/fake", "--base-url", fake_llm(latency="fixed:80").base_url, "--concurrency", "1")
    started = start("interview", "run", "--all", *slow, "--schema", "yes/no", "Come back?")
    started.wait_for("asking: 2/12")
    started.send(signal.SIGINT)
    assert started.end() == 130, started.err
    kept = [json.loads(line) for line in (tmp_path / "run" / "interviews.jsonl").read_text().splitlines()]
    assert 2 <= len(kept) < 12
    assert all(each["value"] in ("yes", "no") for each in kept)
    assert f"interrupted: {len(kept)} answered, kept in run/interviews.jsonl" in started.err
    assert cli("runs", "show", "run", "--json").json["digest"] == digest
