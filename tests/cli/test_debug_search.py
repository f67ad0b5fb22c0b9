"""`recloop debug SEARCH …`: a prompt search looked at, stopped before an acceptance, edited, forked and compared."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLLM
from test_cli_optimize import MINE, SCRIPT, squeezed


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished search, made once; the server that answered it stays."""
    from recloop.prompt_opt.asked import checked, optimize_as

    out = tmp_path_factory.mktemp("master") / "found"
    with FakeLLM(script=SCRIPT) as server:
        sizes = {"search": 12, "selection": 10, "test": 12, "optimizer_options": {"rounds": 1, "width": 2}}
        asyncio.run(optimize_as(checked({"model": f"{server.base_url}#small", **sizes}), out=out))
        yield out


@pytest.fixture
def found(cli: Any, master: Path, tmp_path: Path) -> Path:
    """A copy of it in the folder where commands run."""
    (tmp_path / "mine.md").write_text(MINE + "\n", encoding="utf-8")
    return Path(shutil.copytree(master, tmp_path / "found"))


def test_a_search_has_verbs_of_its_own(cli: Any, found: Path) -> None:
    text = squeezed(cli("debug", "found", "--help").out.replace("│", " "))
    for verb in ("candidates", "accept", "reject", "fork"):
        assert f" {verb} " in text
    assert "agents" not in text.partition("Commands")[2]
    assert "No such command 'agents'" in cli("debug", "found", "agents").usage()
    for verb in ("show", "candidates", "find", "break", "live", "accept", "reject", "fork", "diff", "tree", "replay"):
        shown = cli("debug", "found", verb, "--help")
        assert shown.code == 0
        assert max(map(len, shown.out.splitlines())) <= 80


def test_a_look_from_the_search_to_a_call(cli: Any, found: Path) -> None:
    whole = cli("debug", "found", "show", "--json").json
    assert whole["overview"]["steps"] == len(whole["steps"]) - 1
    assert cli("debug", "found", "show").out.count("\n") > 10
    named = cli("debug", "found", "candidates", "--json").json
    assert named[0]["id"] == whole["overview"]["seed"]
    assert "winner" in cli("debug", "found", "candidates").out
    hit = cli("debug", "found", "find", 'kind == "accept"', "--json").json["hit"]
    assert hit["candidate"] == whole["overview"]["best"]
    assert f"a rule accepts {hit['candidate']}" in cli("debug", "found", "show").out, "it is looked at now"
    cases = cli("debug", "found", "show", 0, "--cases", "--json").json["cases"]
    assert "Rank all of them" in cli("debug", "found", "show", "--candidate", "best").out
    assert "They stand in no particular order" in cli("debug", "found", "show", "--call", cases[0]["calls"][0][:16]).out
    assert cli("debug", "found", "go", 0).code == 0
    assert cli("debug", "found", "step", "--json").json["step"] == 1
    assert cli("debug", "found", "find", "score > 2").code == 1


def test_what_cannot_be_is_refused_in_words(cli: Any, found: Path) -> None:
    for verb, told in (
        (("break", "scor > 1"), "score"),
        (("fork", "--step", 99), "give 0 to"),
        (("fork", "--step", 0, "--edit", "paint it"), "candidate ID"),
        (("fork", "--edit", "candidate best=Rank them."), "guards refuse"),
        (("accept",), "nothing to accept"),
        (("reject",), "kind == "),
        (("show", "--candidate", "zzz"), "no candidate"),
        (("show", 77), "no step 77"),
        (("accept", "--text", "nosuch.md"), "cannot be read"),
        (("diff",), "no fork"),
    ):
        assert told in cli("debug", "found", *verb).refused()


def test_before_an_acceptance_one_puts_in_ones_own_text_and_goes_on(cli: Any, found: Path) -> None:
    made = cli("debug", "found", "fork", "--step", 3, "--name", "mine", "--json").json["fork"]
    assert made.endswith("forks/mine")
    cli("debug", made, "break", 'kind == "accept"')
    stopped = cli("debug", made, "live")
    assert stopped.code == 0, stopped.err
    assert "is to be accepted" in stopped.out
    assert "+Mind what came last" in stopped.out
    assert "recloop debug found/forks/mine accept" in squeezed(stopped.err)
    ended = cli("debug", made, "accept", "--text", "mine.md", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["stop"]["status"] == "finished"
    told = cli("debug", made, "diff")
    assert "edited by hand" in squeezed(told.out)
    assert "not a fresh test" in squeezed(told.out)
    assert "mine" in cli("debug", "found", "tree").out
    assert cli("debug", made, "replay").code == 0
    assert "not a fresh test" in squeezed(cli("report", made).out + cli("runs", "show", made).out)


def test_an_edited_candidate_in_one_line(cli: Any, found: Path) -> None:
    done = cli("debug", "found", "fork", "--edit", "candidate best=@mine.md", "--name", "swap", "--go", "--json")
    assert done.code == 0, done.err
    (mine,) = done.json["diff"]["only_b"]
    assert (mine["operator"], mine["texts"]) == ("edited by hand", {"rank": MINE})
    assert done.json["stop"]["status"] == "finished"
