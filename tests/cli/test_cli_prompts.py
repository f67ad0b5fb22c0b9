"""`recloop prompts`: a search's prompts by name, what changed in them, and files that other tools read; its report."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "prompt_opt"))

from breeding import ESCAPE, SIZES, Breeder, HostileTask, bred
from cli_world import contents, edit_manifest
from recloop.llm import Budget
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.search import optimize
from recloop.runs import Event, Run
from small_world import WordProvider, door


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished search and one that lost its endpoint."""
    folder = tmp_path_factory.mktemp("searched")
    assert bred(folder / "done").status == "finished"
    assert bred(folder / "lost", WordProvider(fails=lambda n: n > 45)).status == "paused"
    return folder


@pytest.fixture
def searches(searched: Path, tmp_path: Path) -> Path:
    """The folder where commands run, with copies of both: `done`, `lost`."""
    for name in ("done", "lost"):
        shutil.copytree(searched / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def ids(cli: Any, searches: Path) -> dict[str, str]:
    """Operator -> id, of the finished search."""
    return {node["operator"].split(" ")[0]: node["id"] for node in cli("prompts", "list", "done", "--json").json}


def test_show_gives_the_winner_then_the_seed(cli: Any, ids: dict[str, str]) -> None:
    result = cli("prompts", "show", "done")
    assert result.code == 0
    winner, seed = result.out.index(f"Prompt {ids['merge']}"), result.out.index(f"Prompt {ids['seed']}")
    assert winner < result.out.index("mind the intent, the recent, the genre.") < seed
    assert [node["id"] for node in cli("prompts", "show", "done", "--json").json] == [ids["merge"], ids["seed"]]


def test_a_candidate_is_named_by_the_start_of_its_id(cli: Any, ids: dict[str, str]) -> None:
    wanted = ids["paraphrase"]
    shortest = next(wanted[:n] for n in range(1, 13) if sum(id.startswith(wanted[:n]) for id in ids.values()) == 1)
    found = cli("prompts", "show", "done", shortest, "--json").json
    assert (found["id"], found["fate"]) == (wanted, "eliminated")
    assert cli("prompts", "show", "done", shortest.upper()).out.startswith(f"Prompt {wanted}")


def test_an_unknown_candidate_is_refused_with_what_is_near(cli: Any, ids: dict[str, str]) -> None:
    near = ids["merge"][:-1] + ("0" if ids["merge"][-1] != "0" else "1")
    assert f"did you mean {ids['merge']}" in cli("prompts", "show", "done", near).refused()
    assert "did you mean winner" in cli("prompts", "diff", "done", "seed", "winer").refused()
    assert "there are winner, seed" in cli("prompts", "export", "done", "??", "--json").refused()


def test_a_run_without_prompts_is_pointed_elsewhere(cli: Any, runs: Path) -> None:
    for command in ("show", "list", "diff", "export", "lineage"):
        assert "recloop runs show finished" in cli("prompts", command, "finished").refused()


def test_a_paused_search_shows_its_best_so_far_and_says_that(cli: Any, searches: Path) -> None:
    result = cli("prompts", "show", "lost", "winner")
    assert result.code == 0
    assert "best so far, not yet tested" in result.err
    assert "best so far" in result.out


def test_the_list_names_every_candidate_and_its_fate(cli: Any, ids: dict[str, str]) -> None:
    out = cli("prompts", "list", "done").out
    for operator, fate in (("merge", "winner"), ("paraphrase", "eliminated"), ("shorten", "refused")):
        (line,) = [line for line in out.splitlines() if f" {ids[operator][:6]} " in line.split("made by")[0][:12]]
        assert fate in line
    assert max(map(len, out.splitlines())) <= 80


def test_a_diff_marks_what_is_gone_and_what_is_new(cli: Any, ids: dict[str, str]) -> None:
    out = cli("prompts", "diff", "done").out
    assert f"{ids['seed']} (seed) -> {ids['merge']} (winner)" in out
    assert "{+mind the intent, the recent, the genre. +}Order." in out
    assert "[-mind the intent, the recent, the genre. -]Order." in cli("prompts", "diff", "done", "winner", "seed").out
    pieces = cli("prompts", "diff", "done", "--json").json["components"]["rank"]
    assert pieces[0] == {"what": "new", "text": "mind the intent, the recent, the genre. "}
    assert "the same prompt" in cli("prompts", "diff", "done", "seed", "seed").out


def test_a_list_says_what_its_signs_and_columns_mean(cli: Any, searches: Path) -> None:
    out = cli("prompts", "list", "done").out
    assert "✕ eliminated: worse than another" in out
    assert "☆" not in out, "only signs that are there"
    assert "mrr: of the search cases" in out
    assert "lead, n: of the search and selection cases" in out


def test_where_the_seed_stands_there_is_nothing_to_compare(cli: Any, searches: Path) -> None:
    asyncio.run(nothing_found(Path("same")))
    out = cli("prompts", "diff", "same").out
    assert out.strip() == "the seed stands: there is nothing to compare"


async def nothing_found(out: Path) -> None:
    """A search whose budget ends it before a prompt was better."""
    budget = Budget.parse("calls=90")
    await optimize(HostileTask(90), Breeder(), model=door(WordProvider(), budget), out=out, budget=budget, sizes=SIZES)


def test_nothing_foreign_reaches_the_terminal(cli: Any, searches: Path) -> None:
    for command in ("show", "list", "diff"):
        assert "\x1b" not in cli("prompts", command, "done").out
    assert "\x1b" not in cli("runs", "show", "done").out
    assert "\x1b" not in cli("prompts", "lineage", "done", "--as", "mermaid").out


def test_exported_text_is_the_prompt_to_the_letter(cli: Any, searches: Path) -> None:
    cli("prompts", "export", "done", "--out", "best.md")
    text = cli("prompts", "show", "done", "winner", "--json").json["texts"]["rank"]
    assert ESCAPE in text
    assert Path("best.md").read_text(encoding="utf-8") == text
    assert cli("prompts", "export", "done").out == f"{text}\n", "to a pipe it goes as it is"


def test_exports_are_read_by_the_tools_they_are_for(cli: Any, ids: dict[str, str]) -> None:
    dspy = pytest.importorskip("dspy")
    from langchain_core.load import load

    assert cli("prompts", "export", "done", "--as", "dspy", "--out", "program.json").code == 0
    program = dspy.Module()
    program.rank = dspy.Predict("case -> answer")
    program.load("program.json")
    assert program.rank.signature.instructions.startswith("mind the intent, the recent, the genre.")

    written = cli("prompts", "export", "done", "seed", "--as", "langchain", "--out", "chains/", "--json").json[
        "written"
    ]
    assert [Path(path).name for path in written] == ["rank.json"]
    prompt = load(json.loads(Path(written[0]).read_text(encoding="utf-8")), allowed_objects="all")
    assert "case c7" in prompt.format(case="case c7")

    texts = json.loads(cli("prompts", "export", "done", "--as", "gepa").out)
    assert len(texts) == 5, "every prompt that entered, the seed first"
    assert texts[0] == cli("prompts", "show", "done", "seed", "--json").json["texts"]
    assert len(json.loads(cli("prompts", "export", "done", ids["refine"], "--as", "gepa").out)) == 1


def test_cases_are_not_exported_of_a_task_that_cannot_be_opened_again(cli: Any, searches: Path) -> None:
    assert "was given from Python" in cli("prompts", "export", "done", "--as", "promptfoo").refused()


def test_promptfoo_gets_the_cases_of_the_task_as_it_was(cli: Any, fake_llm: Any, tmp_path: Path) -> None:
    server = fake_llm()
    model = f"{server.base_url}#small"
    sizes = ["--search", 10, "--selection", 10, "--test", 10, "--option", "rounds=1", "--option", "width=2"]
    assert cli("optimize", "--model", model, *sizes, "--out", "shop").code == 0
    asked = server.stats()["requests"]
    told = json.loads(cli("prompts", "export", "shop", "--as", "promptfoo").out)
    assert server.stats()["requests"] == asked, "no model is asked"
    assert len(told["tests"]) == 10
    assert told["tests"][0]["vars"]
    edit_manifest(tmp_path / "shop", hashes={"task": "0" * 64})
    assert "not what this search began with" in cli("prompts", "export", "shop", "--as", "promptfoo").refused()


def test_an_export_writes_nowhere_but_where_it_was_told(cli: Any, searches: Path) -> None:
    """Whoever made a run folder chose the names in it."""
    name = "../../outside"
    prompt = Candidate({name: "Rank. {{case}}"})
    part = {"text": "Rank. {{case}}", "purpose": "to rank", "fields": {"case": "the case"}, "required": ["case"]}
    with Run.open(searches / "done", write=True) as run:
        task = next(run.events(kind="task")).data | {"components": {name: part}}
        choice = {"candidate": prompt.id, "why": "", "tie": False, "ranking": []}
        events = [Event("task", data=task), Event("candidate", prompt.id, 0, "", prompt.json())]
        run.commit(run.barrier + 1, [*events, Event("choice", prompt.id, -1, "", choice)])
    before = contents(searches.parent)
    said = cli("prompts", "export", "done", "--as", "langchain", "--out", "deep/er/").refused()
    assert "no name for a file" in said
    assert contents(searches.parent) == before


def test_the_lineage_comes_as_page_diagram_and_json(cli: Any, searches: Path) -> None:
    page = cli("prompts", "lineage", "done", "--json").json["lineage"]
    assert Path(page).name == "report.html"
    assert Path(page).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert cli("prompts", "lineage", "done", "--as", "mermaid").out.startswith("flowchart TD\n")
    assert len(cli("prompts", "lineage", "done", "--as", "json").json["nodes"]) == 6
    cli("prompts", "lineage", "done", "--as", "mermaid", "--out", "tree.mmd")
    assert Path("tree.mmd").read_text(encoding="utf-8").startswith("flowchart TD\n")


def test_report_and_runs_show_know_a_search(cli: Any, searches: Path) -> None:
    for name, headline in (("done", "better than the seed on the sealed test split"), ("lost", "no verdict yet")):
        result = cli("report", name)
        assert result.code == 0
        assert headline in Path(name, "report.html").read_text(encoding="utf-8")
        assert headline in cli("runs", "show", name).out
        assert cli("runs", "show", name, "--json").json["summary"]["evaluations"]["value"] > 0
    assert "Winner against seed" in cli("runs", "compare", "done", "done").out


def test_looking_changes_nothing(cli: Any, searches: Path) -> None:
    before = contents(searches)
    for command in (("show",), ("list",), ("diff",), ("export",), ("lineage", "--as", "json")):
        cli("prompts", command[0], "done", *command[1:])
    assert contents(searches) == before


def test_a_run_that_names_code_is_exported_without_importing_it(cli: Any, searches: Path) -> None:
    manifest = searches / "done" / "manifest.json"
    told = json.loads(manifest.read_text())
    told["config"]["task"] = "dspy:evil.module:program"
    manifest.write_text(json.dumps(told))
    assert "names code to import (evil.module:program)" in cli("prompts", "export", "done", "--as", "dspy").refused()
    assert cli("prompts", "export", "done", "--as", "text").code == 0


def test_a_search_that_python_started_is_gone_on_with_and_replayed_there_only(cli: Any, searches: Path) -> None:
    before = contents(searches)
    for command, name, words in (
        ("resume", "lost", "so only Python can go on with it"),
        ("replay", "done", "so it can be replayed only there"),
    ):
        result = cli(command, name)
        assert result.code == 2
        assert f"this search was started from Python, {words}" in " ".join(result.err.split())
    assert contents(searches) == before
