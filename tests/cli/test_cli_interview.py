"""`recloop interview`: who is asked, what is printed, what is kept, how it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cli_world import Result
from fake_llm import FakeLLM

Cli = Callable[..., Result]


def test_a_survey_prints_a_table_and_leaves_the_digest(cli: Cli, runs: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    speaker = ["--model", "openai/fake", "--base-url", fake_llm().base_url]
    before = cli("runs", "digest", "finished").out
    found = cli("interview", "finished", "--all", "--schema", "1-10", *speaker, "How good was it?")
    assert found.code == 0, found.err
    assert "6 of 6 answers usable" in found.out
    assert "mean " in found.out
    assert "kept in  finished/interviews.jsonl" in found.out
    assert len((runs / "finished" / "interviews.jsonl").read_text().splitlines()) == 6
    assert cli("runs", "digest", "finished").out == before


def test_json_is_one_document_and_nothing_is_kept_where_not_wanted(
    cli: Cli, runs: Path, fake_llm: Callable[..., FakeLLM]
) -> None:
    speaker = ["--model", "openai/fake", "--base-url", fake_llm().base_url]
    said = cli("interview", "finished", "--sample", 2, "--page", 1, "--schema", "a|b", "--no-keep", "--json", *speaker, "Which?").json  # fmt: skip
    assert [answer["pages"] for answer in said["answers"]] == [1, 1]
    assert set(said["parts"][0]["counts"]) == {"a", "b"}
    assert said["file"] is None
    assert not (runs / "finished" / "interviews.jsonl").exists()


def test_whom_to_ask_is_said_in_one_way(cli: Cli, runs: Path) -> None:
    for wrong in ((), ("--all", "--sample", 2)):
        assert "say whom to ask" in cli("interview", "finished", *wrong, "Why?").refused()
    assert "name a model that speaks for them" in cli("interview", "finished", "--all", "Why?").refused()
    assert "0 to 3" in cli("interview", "finished", "--all", "--page", 9, "Why?").refused()


def test_a_spent_budget_and_silence_have_their_exit_codes(
    cli: Cli, runs: Path, fake_llm: Callable[..., FakeLLM]
) -> None:
    speaker = ["--model", "openai/fake", "--base-url", fake_llm().base_url]
    spent = cli("interview", "finished", "--all", "--budget", "calls=3", *speaker, "Why?")
    assert (spent.code, "4 were not asked" in spent.err) == (3, True)
    mute = [
        "--model",
        "openai/fake",
        "--base-url",
        fake_llm(script=[{"match": "asks you", "reply": "no JSON"}]).base_url,
    ]
    silent = cli("interview", "finished", "--all", "--schema", "yes/no", *mute, "Why?")
    assert (silent.code, "nobody gave a usable answer" in silent.err) == (1, True)
