"""`recloop debug RUN` where the run is neither a rehearsal nor a prompt search: its log, event by event, as commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recloop.runs import Event, Run

SCRIPT = [
    {"match": "say plainly what they need", "json": {"need": "gloves that keep warm"}},
    {"match": "You play one person", "json": {"query": "wording {{hash 8}}"}},
    {"match": "You check rewritten", "json": {"meaning": "different", "persona": "no", "reason": "lost the gloves"}},
]


@pytest.fixture
def ruled(cli: Any) -> str:
    """Two queries rewritten by rules for four personas: 1 event of what was asked, 8 rounds, 8 rewrites."""
    assert (
        cli("rewrite", "warm gloves", "red shoes", "--model", "rules", "--check", "words", "--out", "ruled").code == 0
    )
    return "ruled"


@pytest.fixture
def modelled(cli: Any, fake_llm: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """One query, one persona, rewritten by a model whose judge refuses whatever it writes."""
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    model = ("--model", "openai/fake", "--base-url", fake_llm(script=SCRIPT).base_url, "--check", "none")
    assert cli("rewrite", "warm gloves", *model, "--persona", "student", "--rounds", 2, "--out", "modelled").code == 0
    return "modelled"


def test_without_a_verb_a_run_is_told_at_a_glance_and_how_to_go_on(cli: Any, ruled: str) -> None:
    told = cli("debug", ruled)
    assert told.code == 0
    assert "asked 1, round 8, rewrite 8" in told.out
    assert "q2/elder" in told.out
    assert f"recloop debug {ruled} step" in told.err
    found = cli("debug", ruled, "--json").json["glance"]
    assert found["events"] == {"asked": 1, "round": 8, "rewrite": 8}
    assert [each["status"] for each in found["agents"]] == [{}] + [{"ok": 1}] * 8
    assert cli("debug", ruled, "show", "--json").json["glance"] == found


def test_one_goes_finds_steps_and_the_place_stays(cli: Any, ruled: str) -> None:
    assert cli("debug", ruled, "go", 0, "--json").json["event"]["kind"] == "asked"
    first = cli("debug", ruled, "find", 'kind == "rewrite" and persona == "man"', "--json").json["event"]
    assert (first["agent"], first["data"]["fell_back"]) == ("q1/man", False)
    again = cli("debug", ruled, "find", 'persona == "man"', "--next", "--json").json["event"]
    assert again["agent"] == "q2/man"
    assert cli("debug", ruled, "show", "--json").json["event"] == again
    assert cli("debug", ruled, "step", "--json").json["event"]["seq"] == again["seq"] + 1
    assert cli("debug", ruled, "go", "q1/elder", 0, "rewrite", "--json").json["event"]["kind"] == "round"
    assert cli("debug", ruled, "step", "--own", "--json").json["event"]["kind"] == "rewrite"
    end = cli("debug", ruled, "step", "--own", "--json")
    assert (end.code, end.json) == (1, {"event": None})


def test_what_never_holds_and_what_does_not_exist_is_told(cli: Any, ruled: str) -> None:
    nowhere = cli("debug", ruled, "find", "rounds > 3")
    assert (nowhere.code, nowhere.out, nowhere.err) == (1, "", "it holds nowhere\n")
    assert "did you mean fell_back?" in cli("debug", ruled, "find", "fel_back").refused()
    assert "there are events 0 to 16" in cli("debug", ruled, "go", 17).refused()
    assert "did you mean q1/man" in cli("debug", ruled, "go", "q1/men").refused()
    assert "go to one" in cli("debug", ruled, "show", "--prompt").refused()


def test_the_verbs_are_those_of_the_runs_kind(cli: Any, ruled: str) -> None:
    help = cli("debug", ruled, "--help").out
    assert "The next event" not in help
    assert all(f"│ {verb} " in help for verb in ("show", "go", "step", "find"))
    assert "│ agents" not in help
    wrong = cli("debug", ruled, "agents").usage()
    assert "No such command 'agents'" in wrong
    assert "Did you mean" not in wrong
    assert "Did you mean 'step'?" in cli("debug", ruled, "stpe").usage()


def test_prompts_and_answers_of_an_events_calls_are_shown(cli: Any, modelled: str) -> None:
    assert cli("debug", modelled, "find", 'kind == "round" and meaning == -1').code == 0
    told = cli("debug", modelled, "show", "--prompt", "--answer").out
    assert "You play one person" in told
    assert '"query": "wording ' in told
    assert "lost the gloves" in told
    only = cli("debug", modelled, "show", "--answer").out
    assert "You play one person" not in only
    assert "lost the gloves" in only


def test_a_fall_back_is_found_with_all_calls_that_led_to_it(cli: Any, modelled: str) -> None:
    found = cli("debug", modelled, "find", "fell_back and rounds == 2", "--answer", "--json").json
    assert (found["event"]["kind"], found["event"]["agent"]) == ("rewrite", "q1/student")
    assert [call["node"] for call in found["calls"]] == ["intent", "rewrite", "judge", "repair_both", "judge"]
    assert [call["key"] for call in found["calls"]] == found["event"]["calls"]
    assert found["calls"][0]["parsed"] == {"need": "gloves that keep warm"}
    (agent,) = [
        each for each in cli("debug", modelled, "--json").json["glance"]["agents"] if each["agent"] == "q1/student"
    ]
    assert (agent["last"], agent["true"], agent["calls"]) == ("rewrite", ["fell_back"], {"ok": 4})


def test_texts_of_a_run_are_shown_as_texts(cli: Any, tmp_path: Path) -> None:
    with Run.create(tmp_path / "foreign", kind="newer") as run:
        run.commit(0, [Event("said", "\x1b[31m", data={"text": "[bold]a[/bold]\x1b[2J\u202eb", "inner": {"deep": 1}})])
    for verb in ((), ("show", 0), ("go", "\x1b[31m")):
        told = cli("debug", "foreign", *verb)
        assert told.code == 0
        assert not {"\x1b", "\u202e"} & set(told.out + told.err)
    assert "[bold]a[/bold]␛[2J" in told.out
    assert "inner.deep" in told.out
    assert "did you mean ␛[31m" in cli("debug", "foreign", "go", "[31m").refused()


@pytest.mark.parametrize("kind", ["study", "sweep", "newer"])
def test_a_run_without_events_is_told_so(cli: Any, tmp_path: Path, kind: str) -> None:
    Run.create(tmp_path / "empty", kind=kind).close()
    assert "none yet" in cli("debug", "empty").out
    assert cli("debug", "empty", "step").code == 1
    assert "no events yet" in cli("debug", "empty", "go", 0).refused()
    assert "no name 'page_'" in cli("debug", "empty", "find", "page_ > 1").refused()
