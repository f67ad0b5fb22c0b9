"""`recloop optimize`: what it prints, what it refuses before anything is asked, approvals, breaks, comparisons."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_world import contents, edit_manifest
from fake_llm import FakeLLM

SMALL = ("--search", 12, "--selection", 10, "--test", 12)
QUICK = (*SMALL, "--option", "rounds=1", "--option", "width=2")
MINE = "Rank as I would. {{history}} {{candidates}}"

FIELDS = r"(?s)(?P<h>\{\{history\}\}).*(?P<c>\{\{candidates\}\}).*"
TEXT = "Mind what came last, {{words 6}}.\n{{h}}\n{{c}}\nRank all of them. {{words 8}}"
SCRIPT = [
    {"match": "You find out why a prompt", "json": {"reason": "Silent on {{words 2}}.", "remedy": "Say {{words 2}}."}},
    {"match": "You find out why a language", "json": {"reasons": ["Vague on {{words 2}}.", "Silent on {{words 3}}."]}},
    {"match": FIELDS + "- change: ", "json": {"change": "speaks of {{words 2}}", "text": TEXT}},
    {"match": FIELDS + "Write (one new|this) prompt", "json": {"prompt": TEXT}},
    {"match": "They stand in no particular order", "reply": "I cannot say."},
]
"""Whoever writes prompts keeps their fields. The task's own prompt never gets a ranking, another one a drawn ranking of
one item: so there is always a better prompt to be found."""


@pytest.fixture
def server(fake_llm: Callable[..., FakeLLM]) -> FakeLLM:
    """A model that answers and writes as `SCRIPT` says."""
    return fake_llm(script=SCRIPT)


@pytest.fixture
def model(server: FakeLLM) -> list[str]:
    """Flags that name it."""
    return ["--model", f"{server.base_url}#small"]


def squeezed(text: str) -> str:
    """A text in one line, whatever the terminal's width made of it."""
    return " ".join(text.split())


# -- what one sees


def test_the_help_teaches(cli: Any) -> None:
    text = squeezed(cli("optimize", "--help").out.replace("│", " "))
    for words in ("session, news, rerank, simulator", "racing, recprompt, po4isr", "3 paused", "docs/optimize.md"):
        assert words in text
    from recloop.cli.optimize import command
    from recloop.prompt_opt.asked import OptimizeConfig

    assert set(OptimizeConfig.model_fields) <= set(command.__annotations__), "a flag for every setting"


def test_the_verdict_comes_first_and_the_next_steps_last(cli: Any, model: list[str]) -> None:
    result = cli("optimize", *model, *QUICK, "--out", "run")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[1].startswith("better than the seed on the sealed test split: ndcg@10 +")
    assert "which need no prompt" in squeezed(result.out)
    order = ["better than", "why it was chosen", "On the sealed split: 12 cases", "Without any prompt", "bill", "run "]
    assert sorted(order, key=result.out.index) == order
    assert lines[-2:] == ["prompt   recloop prompts show run", "changes  recloop prompts diff run"]
    assert max(map(len, lines)) <= 80
    assert Path("run/report.html").exists()


def test_where_the_seed_stands_no_winner_is_spoken_of(cli: Any, fake_llm: Callable[..., FakeLLM]) -> None:
    result = cli("optimize", "--model", f"{fake_llm().base_url}#small", *QUICK, "--out", "run")
    assert result.code == 0
    assert "no better prompt was found: the seed stands" in result.out
    assert "seed ahead by" in result.out
    assert "recloop prompts diff" not in result.out


def test_with_json_stdout_is_one_document(cli: Any, model: list[str]) -> None:
    found = cli("optimize", *model, *QUICK, "--out", "run", "--json").json
    assert (found["run"], found["status"], found["verdict"]["outcome"]) == ("run", "finished", "better")
    assert found["digest"] == cli("runs", "digest", "run").out.strip()
    assert found["best"]["texts"]["rank"].startswith("Mind what came last")
    assert found["headline"].startswith("better than the seed")
    assert cli("optimize", *model, *QUICK, "--dry-run", "--json").json["test_calls"] == 24


def test_a_dry_run_asks_nobody_writes_nothing_and_needs_no_key(
    cli: Any, server: FakeLLM, model: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert cli("optimize", *model, *QUICK, "--dry-run").code == 0
    assert server.stats()["requests"] == 0
    result = cli("optimize", "--model", "openai/gpt-4o-mini", "--optimizer", "recprompt", *SMALL, "--dry-run")
    assert result.code == 0, result.err
    rows = {line.rsplit(None, 1)[0]: int(line.split()[-1]) for line in result.out.splitlines()[2:7]}
    assert rows == {
        "cases of the search": 11 * 12,
        "proposals": 20 + 3 * 20,
        "the sealed test": 24,
        "all": 11 * 12 + 80 + 24,
        "likely, of all": 11 * 12 + 20 + 24,
    }
    assert "about $0.0" in result.out
    assert not list(tmp_path.iterdir())


def test_no_search_takes_more_than_the_dry_run_says(cli: Any, server: FakeLLM, fake_llm: Any) -> None:
    """But for repairs: here every answer can be read."""
    for flags in (QUICK, (*SMALL, "--optimizer", "recprompt", "--option", "rounds=2")):
        model = ["--model", f"{fake_llm(script=SCRIPT[:-1]).base_url}#small"]
        most = cli("optimize", *model, *flags, "--dry-run", "--json").json["calls"]
        bill = cli("optimize", *model, *flags, "--json").json["bill"]["roles"]
        assert 36 < sum(role["calls"] for name, role in bill.items() if name != "check") <= most


# -- what is refused, before a model is asked about a case and before there is a folder

REFUSED = {
    "task": (["--task", "sesion"], "did you mean session"),
    "data": (["--data", "nowhere.csv"], "no dataset called 'nowhere.csv'"),
    "news without data": (["--task", "news"], "the news task needs data"),
    "task option": (["--task-option", "candidats=3"], "no option 'candidats' (did you mean candidates?)"),
    "task option's value": (["--task-option", "candidates=1"], "candidates: Input should be greater than"),
    "no key and value": (["--task-option", "candidates"], "write it as KEY=VALUE"),
    "metric": (["--metric", "ndgc@10"], "did you mean ndcg@10"),
    "optimizer": (["--optimizer", "racin"], "did you mean racing"),
    "option": (["--option", "rond=1"], "no option 'rond' (did you mean rounds?)"),
    "option's value": (["--option", "rounds=many"], "rounds: Input should be a valid integer"),
    "selector": (["--selector", "racer"], "no selector 'racer'"),
    "selector of a search without one": (["--optimizer", "recprompt", "--selector", "ucb1"], "no option 'selector'"),
    "as released": (["--as-released"], "no option 'as_released'"),
    "seed prompt": (["--seed-prompt", "nofile.md"], "nofile.md cannot be read: no such file"),
    "seed prompt's part": (["--seed-prompt", "page=mine.md"], "session has no text 'page'"),
    "seed prompt's fields": (["--seed-prompt", "bare.md"], "lost its field {{history}}; it lost its field"),
    "seed prompt twice": (["--seed-prompt", "mine.md", "--seed-prompt", "bare.md"], "gives the text twice"),
    "cases": (["--search", "5"], "5 cases for the search split are too few"),
    "data of few cases": (["--data", "few.jsonl"], "8 cases leave"),
    "no test": (["--test", "0"], "test: Input should be greater than 0"),
    "budget for no search": (["--budget", "calls=20"], "leaves nothing for the search: the sealed test of 24"),
    "budget": (["--budget", "dollars=3"], "write each of calls, tokens, usd, seconds once"),
    "configuration": (["--config", "nofile.toml"], "nofile.toml: no such file"),
    "configuration's form": (["--config", "bare.md"], "bare.md: not TOML"),
    "setting": (["--config", "odd.toml"], "no setting 'optimiser'; did you mean 'optimizer'?"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_with_the_next_step_and_leaves_no_folder(
    cli: Any, server: FakeLLM, model: list[str], tmp_path: Path, case: str
) -> None:
    Path("mine.md").write_text(MINE)
    Path("bare.md").write_text("no fields")
    Path("odd.toml").write_text('optimiser = "racing"\n')
    row = {"session": ["a", "b"], "candidates": ["c", "d"], "target": "c"}
    Path("few.jsonl").write_text("\n".join(json.dumps(row | {"session": ["a", f"b{n}"]}) for n in range(8)))
    flags, said = REFUSED[case]
    message = cli("optimize", *model, *SMALL, *flags).refused()
    assert said in squeezed(message), message
    assert server.stats()["requests"] <= 1, "but whether the model is there"
    assert not (tmp_path / "recloop-runs").exists()


@pytest.mark.local
def test_a_proposer_that_cannot_write_is_refused_in_time(cli: Any, model_file: str, tmp_path: Path) -> None:
    for more in ((), ("--dry-run",)):
        message = cli("optimize", "--optimizer", "po4isr", *SMALL, *more).refused()
        assert "local/smollm2 cannot" in message
        assert "--proposer-model" in message
    assert not (tmp_path / "recloop-runs").exists()


def test_a_folder_that_holds_a_search_is_not_written_over(cli: Any, model: list[str]) -> None:
    assert cli("optimize", *model, *QUICK, "--out", "run").code == 0
    before = contents(Path("run"))
    cli("optimize", *model, *QUICK, "--out", "run").refused()
    assert contents(Path("run")) == before


# -- settings


def test_flags_win_over_a_file_and_equal_settings_make_equal_searches(cli: Any, model: list[str]) -> None:
    Path("study.toml").write_text(
        f'model = "{model[1]}"\nsearch = 12\nselection = 10\ntest = 40\nseed = 9\n'
        "[optimizer_options]\nrounds = 1\nwidth = 5\n[task_options]\ncandidates = 6\n"
    )
    over = ["--test", 12, "--seed", 0, "--option", "width=2"]
    filed = cli("optimize", "--config", "study.toml", *over, "--out", "a", "--json").json
    flagged = cli("optimize", *model, *QUICK, "--task-option", "candidates=6", "--out", "b", "--json").json
    assert filed["digest"] == flagged["digest"]


def test_a_search_begins_at_a_prompt_of_ones_own_with_and_without_its_parts_name(cli: Any, model: list[str]) -> None:
    Path("mine.md").write_text(f"---\nname: mine\n---\n{MINE}\n")
    bare = cli("optimize", *model, *QUICK, "--seed-prompt", "mine.md", "--out", "bare", "--json").json
    named = cli("optimize", *model, *QUICK, "--seed-prompt", "rank=mine.md", "--out", "named", "--json").json
    assert bare["seed_prompt"]["texts"] == named["seed_prompt"]["texts"] == {"rank": MINE}
    assert bare["verdict"] == named["verdict"]


def test_a_spent_budget_ends_in_a_verdict(cli: Any, model: list[str]) -> None:
    found = cli("optimize", *model, *SMALL, "--budget", "calls=150", "--json").json
    assert found["status"] == "finished"
    assert found["verdict"]["cases"] == 12
    assert found["stopped"] or "budget" in found["best"]["why"]
    assert sum(role["attempts"] for role in found["bill"]["roles"].values()) <= 150


# -- approval


@pytest.fixture
def waiting(cli: Any, model: list[str]) -> str:
    """The candidate that waits for approval in the search `run`."""
    result = cli("optimize", *model, *QUICK, "--approve", "--out", "run", "--json")
    assert result.code == 3
    found = result.json
    assert found["status"] == "paused"
    assert "recloop resume run --accept yes|no|FILE" in result.err
    id = found["reason"].split()[1]
    assert f"recloop prompts diff run seed {id}" in result.err
    return id


def answered(cli: Any, *accept: str) -> Any:
    """Give one answer after the other until the search ends."""
    found: Any = {}
    for word in accept:
        result = cli("resume", "run", "--accept", word, "--json")
        found = result.json
        if result.code == 0:
            break
        assert result.code == 3
    return found


def test_an_accepted_prompt_can_win(cli: Any, waiting: str) -> None:
    found = answered(cli, "yes", "yes", "yes")
    assert (found["status"], found["verdict"]["outcome"]) == ("finished", "better")
    assert found["candidates"]["accepted"] >= 1


def test_a_refused_prompt_is_never_the_winner(cli: Any, waiting: str) -> None:
    found = answered(cli, "no", "no", "no", "no")
    assert found["status"] == "finished"
    assert found["best"]["candidate"] != waiting


def test_a_text_of_ones_own_takes_the_prompts_place(cli: Any, waiting: str) -> None:
    Path("mine.md").write_text(f"---\nname: mine\n---\n{MINE}\n")
    answered(cli, "mine.md", "yes", "yes")
    nodes = cli("prompts", "list", "run", "--json").json
    (mine,) = [node for node in nodes if node["texts"] == {"rank": MINE}]
    assert mine["operator"] == "edited by hand"
    assert waiting in mine["parents"]


def test_a_wrong_answer_is_refused_before_anything_runs(cli: Any, server: FakeLLM, waiting: str) -> None:
    Path("bare.md").write_text("no fields")
    asked, before = server.stats()["requests"], contents(Path("run"))
    assert "yes, no or the file of a prompt, got 'perhaps'" in cli("resume", "run", "--accept", "perhaps").refused()
    assert "the prompt in bare.md lost its field {{history}}" in cli("resume", "run", "--accept", "bare.md").refused()
    assert server.stats()["requests"] == asked
    assert contents(Path("run")) == before


def test_an_answer_where_nothing_waits_is_refused(cli: Any, waiting: str, runs: Path) -> None:
    edit_manifest(Path("run"), reason="the endpoint is lost")
    assert (
        "run waits for no approval: it is paused (the endpoint is lost)"
        in cli("resume", "run", "--accept", "yes").refused()
    )
    assert "paused is no search" in cli("resume", "paused", "--accept", "yes").refused()
    assert "a search has no pages" in cli("resume", "run", "--pages", 3).refused()


# -- breaks


def test_ctrl_c_leaves_a_search_that_goes_on_as_if_unbroken(
    cli: Any, server: FakeLLM, model: list[str], tmp_path: Path
) -> None:
    server.configure(latency="fixed:150")
    command = [sys.executable, "-c", "from recloop.cli import main; main()", "optimize", *model, *QUICK, "--out", "run"]
    started = subprocess.Popen(
        [str(word) for word in command],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "80"},
    )  # fmt: skip
    try:
        assert started.stderr
        assert any("searching: " in line for line in iter(started.stderr.readline, ""))
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=60)
    finally:
        started.kill()
    assert (started.returncode, out) == (130, ""), err
    assert "stopping at the last whole step" in err
    assert "go on with:  recloop resume run" in err
    assert cli("runs", "list", ".", "--json").json[0]["status"] == "paused"
    server.configure(latency="none")
    resumed = cli("resume", "run", "--json").json
    whole = cli("optimize", *model, *QUICK, "--out", "whole", "--json").json
    assert (resumed["status"], resumed["digest"]) == ("finished", whole["digest"])
    assert cli("replay", "run").out.endswith("the same\n")


# -- comparisons

SETTINGS = [f"--set={name}" for name in ("search=12", "selection=10", "test=12", "task_options.candidates=6")]


def test_optimizers_are_compared_and_a_half_done_comparison_goes_on(
    cli: Any, server: FakeLLM, model: list[str]
) -> None:
    line = ["optimize", "compare", *model, *SETTINGS, "--seeds", 1, "--budget", "calls=250", "--out", "study"]
    result = cli(*line, "--optimizers", "racing,po4isr")
    assert result.code == 0, result.err
    assert result.out.splitlines()[0].rstrip() == "ndcg@10 on sealed cases, 1 seed"
    assert "the first is racing" in squeezed(result.out)
    assert sorted(path.name for path in Path("study").iterdir()) == ["po4isr-0", "racing-0"]
    before, asked = contents(Path("study/racing-0")), server.stats()["requests"]
    found = cli(*line, "--optimizers", "racing,po4isr", "--json").json
    assert [row["optimizer"] for row in found["rows"]] == ["racing", "po4isr"]
    assert found["rows"][1]["ahead"]["n"] == 12
    assert server.stats()["requests"] == asked, "what is done stays"
    assert contents(Path("study/racing-0")) == before
    edit_manifest(Path("study/po4isr-0"), status="running")
    assert cli(*line, "--optimizers", "racing,po4isr", "--json").json == found


def test_a_comparison_is_refused_before_its_first_search(cli: Any, server: FakeLLM, model: list[str]) -> None:
    line = ["optimize", "compare", *model, *SETTINGS, "--seeds", 1, "--out", "study"]
    assert "two optimizers or more" in cli(*line, "--optimizers", "racing").refused()
    assert "no optimizer 'racin'" in cli(*line, "--optimizers", "recprompt,racin").refused()
    assert "no setting 'serch'" in cli(*line, "--set=serch=3").refused()
    assert "asks nobody for approval" in cli(*line, "--set=approve=true").refused()
    assert not Path("study").exists()
    assert server.stats()["requests"] == 0


def test_a_comparison_does_not_mix_searches_of_other_settings(cli: Any, model: list[str]) -> None:
    line = [
        "optimize",
        "compare",
        *model,
        *SETTINGS,
        "--seeds",
        1,
        "--out",
        "study",
        "--optimizers",
        "racing,recprompt",
    ]
    assert cli(*line, "--budget", "calls=150").code == 0
    assert "budget was 'calls=150', now it is 'calls=300'" in cli(*line, "--budget", "calls=300").refused()
