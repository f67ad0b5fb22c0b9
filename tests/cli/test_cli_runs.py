"""`recloop runs`, `report` and `resume` on runs in every state, on damaged ones and on what is no run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_world import BROKEN, contents, edit_manifest
from recloop.runs import Run, fork_run
from recloop.runs.lock import RunLock

READERS = (
    ("runs", "show"),
    ("runs", "digest"),
    ("runs", "prune"),
    ("runs", "compare", "other"),
    ("replay",),
    ("report",),
    ("resume",),
)
"""Commands that want one run, given last."""


@pytest.mark.parametrize("command", READERS, ids=" ".join)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_what_is_no_run_is_refused_and_stays_as_it_is(
    cli: Any, runs: Path, no_runs: dict[str, Path], command: tuple[str, ...], form: tuple[str, ...]
) -> None:
    for name, path in no_runs.items():
        if command == ("runs", "prune") and path.is_dir():
            continue  # a folder of no runs: nothing to prune
        before = contents(runs)
        message = cli(*command, name, *form).refused()
        assert name in message
        assert contents(runs) == before
        assert path.exists() == (name != "missing")


@pytest.mark.parametrize("command", READERS, ids=" ".join)
@pytest.mark.parametrize("damage", BROKEN)
def test_a_damaged_or_newer_run_is_named_and_not_touched(
    cli: Any, runs: Path, broken: Path, command: tuple[str, ...], damage: str
) -> None:
    before = contents(broken)
    assert BROKEN[damage][1] in cli(*command, damage, "--json").refused()
    assert contents(broken) == before


@pytest.mark.parametrize("command", [("runs", "show"), ("replay",), ("report",), ("resume",)], ids=" ".join)
def test_a_run_of_a_kind_that_is_not_known_here_is_left_alone(cli: Any, runs: Path, command: tuple[str, ...]) -> None:
    edit_manifest(runs / "paused", kind="evolve")
    before = contents(runs)
    assert "no run kind 'evolve' is known here" in cli(*command, "paused").refused()
    assert contents(runs) == before


def test_settings_of_another_recloop_can_be_looked_at_but_not_run(cli: Any, runs: Path) -> None:
    with Run.open(runs / "paused") as run:
        config = run.manifest.config
    edit_manifest(runs / "paused", config={**config, "mood": "blue"})
    for command in (["runs", "show"], ["report"], ["runs", "compare", "other"]):
        assert cli(*command, "paused").code == 0
    for command in ("resume", "replay"):
        assert "mood: no such setting" in cli(command, "paused").refused()


def test_a_list_tells_every_state_apart(cli: Any, runs: Path, broken: Path) -> None:
    result = cli("runs", "list", ".")
    assert result.code == 0
    lines = result.out.splitlines()
    states = {line.split()[0]: line.split()[1] for line in lines if line.endswith(("scripted", " ")) and " MB " in line}
    wanted = {"finished": "finished", "other": "finished", "paused": "paused", "killed": "killed", "failed": "failed"}
    assert {name: states[name] for name in wanted} == wanted
    assert {states[name] for name in BROKEN} == {"unreadable"}
    for name, (_, what) in BROKEN.items():
        assert any(line.startswith(f"{name}: ") and what in line for line in lines)
    assert "failed: ValueError: no" in lines
    rows = {row["run"]: row for row in cli("runs", "list", ".", "--json").json}
    assert {row["status"] for name, row in rows.items() if name in BROKEN} == {"unreadable"}
    assert rows["finished"]["bytes"] > 10_000
    assert rows["finished"]["problem"] == ""


def test_forks_are_listed_below_what_they_stand_on_and_compared_with_it(
    cli: Any, small: list[str], tmp_path: Path
) -> None:
    assert cli("simulate", *small, "--out", "run").code == 0
    with Run.open(tmp_path / "run") as run:
        last, user = run.barrier, next(event.agent for event in run.events(kind="page") if event.page == 1)
    fork = fork_run(tmp_path / "run", 1, name="bored", agents=[user])
    fork_run(fork, 0, name="again")
    lines = [line for line in cli("runs", "list", ".").out.splitlines() if " MB " in line]
    assert [line.split()[0] for line in lines] == ["run", "bored", "again"]
    assert lines[1].startswith("  bored")
    assert lines[1].rstrip().endswith("fork before page 1, of 1 agent")
    rows = cli("runs", "list", ".", "--json").json
    assert [row["fork"] for row in rows] == [None, {"barrier": 1, "agents": [user]}, {"barrier": 0, "agents": []}]
    with Run.open(fork, write=True) as run:  # this one stays away; the others do what they did
        for barrier in range(2, last + 1):
            run.commit(barrier)
    out = cli("runs", "compare", "run", "run/forks/bored").out
    assert re.search(r"1 agent did otherwise, \d+ did the same", out)
    assert re.search(rf"{user} +1 +only in a", out)
    assert cli("runs", "prune", "run").out.count("freed") == 3
    assert "delete them first" in cli("runs", "prune", "run", "--delete", "--yes").err
    assert cli("runs", "digest", "run/forks/bored").code == 0


def test_a_run_that_is_being_written_says_running(cli: Any, runs: Path) -> None:
    lock = RunLock(runs / "killed")
    try:
        assert {r["run"]: r["status"] for r in cli("runs", "list", ".", "--json").json}["killed"] == "running"
        assert "is being written" in cli("resume", "killed").refused()
        assert "is being written" in cli("runs", "prune", "killed").refused()
    finally:
        lock.release()


def test_a_list_of_nothing_says_how_to_make_a_run(cli: Any, no_runs: dict[str, Path]) -> None:
    for arguments in ([], ["empty"], ["foreign"]):
        assert "`recloop simulate` makes one" in cli("runs", "list", *arguments).out
        assert cli("runs", "list", *arguments, "--json").json == []
    for name in ("file", "missing"):
        assert "is no folder" in cli("runs", "list", name).refused()


def test_a_list_inside_a_run_points_to_the_run(cli: Any, runs: Path) -> None:
    assert "recloop runs show finished" in cli("runs", "list", "finished").refused()


LONG = "a name that is far too long for the table it has to stand in, äöü 漢字 and more of it"


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_the_terminal(cli: Any, runs: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    from rich.cells import cell_len

    monkeypatch.setenv("COLUMNS", str(width))
    shutil.copytree(runs / "finished", runs / LONG)
    for command in (["runs", "list", "."], ["runs", "show", LONG], ["runs", "compare", "finished", "other"]):
        result = cli(*command)
        assert result.code == 0
        assert max(map(cell_len, result.out.splitlines())) <= width, command


@pytest.mark.parametrize("name", ["finished", "paused", "killed", "failed"])
def test_show_says_what_was_asked_and_what_came_of_it(cli: Any, runs: Path, name: str) -> None:
    result = cli("runs", "show", name)
    assert result.code == 0
    found = cli("runs", "show", name, "--json").json
    assert found["digest"] in result.out.replace("\n", "")
    assert "recommender=pop" in result.out
    assert "Watch rate" in result.out
    assert found["manifest"]["config"]["users"] == 6
    assert found["tables"]["personas"] == 6
    assert found["barrier"] == (3 if name == "finished" else 1)
    assert found["summary"]["watch_rate"]["value"] > 0


def test_the_digest_is_that_of_the_run(cli: Any, runs: Path) -> None:
    with Run.open(runs / "finished") as run:
        digest = run.digest()
    assert cli("runs", "digest", "finished").out == digest + "\n"
    assert cli("runs", "digest", "finished", "--json").json == {"run": "finished", "digest": digest}
    assert cli("runs", "digest", "paused").out != digest + "\n"


def test_pruning_frees_space_and_changes_no_digest(cli: Any, runs: Path) -> None:
    before = cli("runs", "digest", "finished").out
    (row,) = cli("runs", "prune", "finished", "--json").json
    assert row["freed"] > 0
    assert row["dropped"]["table files"] > 0
    assert not (runs / "finished" / "tables").exists()
    assert cli("runs", "digest", "finished").out == before
    assert cli("report", "finished").code == 0, "tables are made again from the log"


def test_pruning_a_folder_says_what_it_left_alone(cli: Any, runs: Path, broken: Path) -> None:
    result = cli("runs", "prune", ".")
    assert result.code == 0
    assert "finished: " in result.out
    for name, (_, what) in BROKEN.items():
        assert any(line.startswith(f"{name}: ") and what in line for line in result.out.splitlines())
    rows = {row["run"]: row for row in cli("runs", "prune", ".", "--json").json}
    assert rows["cut-log"]["skipped"]
    assert not rows["other"]["skipped"]


def test_deleting_asks_and_takes_one_run_only(cli: Any, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(runs)
    assert "--delete --yes" in cli("runs", "prune", "finished", "--delete").refused(), "nobody is there to be asked"
    assert "is no run" in cli("runs", "prune", ".", "--delete", "--yes").refused()
    assert "is no run" in cli("runs", "prune", "missing", "--delete").refused()
    for answer, gone in (("n\n", False), ("\n", False), ("y\n", True)):
        terminal = Terminal(answer)
        monkeypatch.setattr("sys.stdin", terminal)
        result = cli("runs", "prune", "finished", "--delete")
        assert "Delete finished and every call recorded in it?" in result.err
        assert (result.code == 0) == gone
        assert (runs / "finished").exists() != gone
    del before["finished/manifest.json"]
    assert {name for name in contents(runs) if name.startswith("finished")} == set()
    assert cli("runs", "prune", "other", "--delete", "--yes", "--json").json[0]["freed"] > 0
    assert not (runs / "other").exists()


class Terminal:
    """A stdin at which somebody sits and types one line."""

    def __init__(self, line: str) -> None:
        self.line = line

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.line


def test_compare_names_what_differs_number_by_number(cli: Any, runs: Path) -> None:
    result = cli("runs", "compare", "finished", "other")
    assert result.code == 0
    lines = [line.split() for line in result.out.splitlines()]
    assert "not the same: the digests differ" in result.out
    assert ["config.recommender", "pop", "random"] in lines
    assert ["config.seed", "0", "1"] in lines
    assert "First event that differs: " in result.out
    found = cli("runs", "compare", "finished", "other", "--json").json
    assert found["same"] is False
    assert found["config"]["config.recommender"] == ["pop", "random"]
    a, b, difference = found["summary"]["watch_rate.value"]
    shown = next(line for line in lines if line[:2] == ["Watch", "rate"])
    assert shown[2:] == [f"{a:.3f}", f"{b:.3f}", f"{b - a:.3f}"]
    assert difference == pytest.approx(b - a)
    assert "rank_bias" not in result.out
    assert "Slot bias, recommender's rank" in result.out
    assert "carry no interval" in result.out.splitlines()[-1]
    one, two = (cli("runs", "show", name, "--json").json["summary"] for name in ("finished", "other"))
    assert (a, b) == (one["watch_rate"]["value"], two["watch_rate"]["value"])


def test_compare_of_a_run_with_its_copy_finds_nothing(cli: Any, runs: Path) -> None:
    shutil.copytree(runs / "finished", runs / "copy")
    result = cli("runs", "compare", "finished", "copy")
    assert "the same: equal digests" in result.out
    assert "differs" not in result.out
    found = cli("runs", "compare", "finished", "copy", "--json").json
    assert (found["same"], found["config"], found["event"], found["call"]) == (True, {}, None, None)


def test_compare_says_where_one_run_stopped_before_the_other(cli: Any, runs: Path) -> None:
    assert "first event that only a has: user" in cli("runs", "compare", "finished", "paused").out
    assert "first event that only b has: user" in cli("runs", "compare", "paused", "finished").out


@pytest.mark.parametrize("name", ["finished", "paused", "killed", "failed"])
def test_a_report_is_written_of_a_run_in_any_state(cli: Any, runs: Path, name: str) -> None:
    found = cli("report", name, "--json").json
    assert found == {"run": name, "report": f"{name}/report.html", "picture": f"{name}/summary.svg"}
    page = (runs / name / "report.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert len((runs / name / "summary.svg").read_bytes()) > 1000


@pytest.mark.parametrize("name", ["paused", "killed", "failed"])
def test_resume_finishes_what_was_stopped_as_if_it_had_not_been(cli: Any, runs: Path, name: str) -> None:
    result = cli("resume", name, "--json")
    assert result.code == 0, result.err
    found = result.json
    assert (found["status"], found["reason"]) == ("finished", "")
    assert found["digest"] == cli("runs", "digest", "finished").out.strip()
    assert cli("runs", "show", name, "--json").json["manifest"]["reason"] == ""


def test_resume_of_a_finished_run_shows_it_again_and_changes_nothing_of_it(cli: Any, runs: Path) -> None:
    before = cli("runs", "digest", "finished").out.strip()
    result = cli("resume", "finished", "--json")
    assert result.code == 0
    assert "is finished already" in result.err
    assert result.json["digest"] == before


def test_resume_refuses_changed_data_and_leaves_the_run_paused(cli: Any, runs: Path, shelf: Path) -> None:
    with Run.open(runs / "paused") as run:
        config = run.manifest.config
    shorter = (shelf / "ratings.csv").read_text().splitlines()[:-3]
    (runs / "changed.csv").write_text("\n".join(shorter))
    edit_manifest(runs / "paused", config={**config, "data": "changed.csv"})
    changed = r"data \(changed.csv\) is not what this run began with: its hash was \w{12}, now it is \w{12}"
    assert re.search(changed, cli("resume", "paused").refused())
    assert re.search(changed, cli("replay", "paused").refused()), "a replay says so too"
    assert {r["run"]: r["status"] for r in cli("runs", "list", ".", "--json").json}["paused"] == "paused"
    edit_manifest(runs / "paused", config=config)
    assert cli("resume", "paused").code == 0


@pytest.mark.parametrize("verb", ["resume", "replay"])
def test_a_run_looked_at_from_elsewhere_says_which_data_it_began_with_and_where_that_was_looked_for(
    cli: Any, runs: Path, verb: str
) -> None:
    with Run.open(runs / "paused") as run:
        config, known = run.manifest.config, run.manifest.hashes["data"]
    edit_manifest(runs / "paused", config={**config, "data": "data/ratings.csv"})
    said = cli(verb, "paused").refused()
    assert "no dataset called 'data/ratings.csv'" in said
    assert f"this run began with data (data/ratings.csv), hash {known[:12]}" in said
    assert f"now {runs}: go to where the run was begun" in said


@pytest.mark.parametrize("flags", [("--budget", "calls=lots"), ("--budget", "euros=3")])
def test_resume_with_a_budget_that_cannot_be_read_changes_nothing(cli: Any, runs: Path, flags: tuple[str, ...]) -> None:
    before = contents(runs)
    assert "budget part" in cli("resume", "paused", *flags).refused()
    assert contents(runs) == before
    assert cli("resume", "paused").code == 0
