"""`recloop debug RUN …`: a session from looking to forking, scripted and with a model; what is typed wrong is answered with what to do."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_world import contents, edit_manifest

HOSTILE = 'Zif \x1b[31mred\x07 {item} <script>alert("x")</script>'


@pytest.fixture
def evening(cli: Any, small: list[str], tmp_path: Path) -> Path:
    """A rehearsal of twelve scripted users over four pages."""
    done = cli("simulate", *small, "--users", 12, "--pages", 4, "--out", "evening")
    assert done.code == 0, done.err
    return tmp_path / "evening"


@pytest.fixture(scope="session")
def spoken_master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rehearsal in which a (fake) model answers, made once."""
    import asyncio

    from cli_world import COLUMNS, write_ratings
    from fake_llm import FakeLLM
    from recloop.data import parse_columns
    from recloop.simulations import SimulateConfig, simulate

    folder = tmp_path_factory.mktemp("spoken")
    table = write_ratings(folder / "ratings.csv", title=HOSTILE)
    with FakeLLM() as server:
        config = SimulateConfig(
            data=str(table), columns=parse_columns(COLUMNS), recommender="pop", model="openai/fake",
            base_url=server.base_url, users=3, pages=2,
        )  # fmt: skip
        asyncio.run(simulate(config, out=folder / "spoken", api_key="x"))
    return folder / "spoken"


@pytest.fixture
def spoken(cli: Any, spoken_master: Path, tmp_path: Path, fake_llm: Callable[..., Any], monkeypatch: Any) -> Path:
    """A copy of it, beside an endpoint that still answers at another address."""
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    return Path(shutil.copytree(spoken_master, tmp_path / "spoken"))


def point_at(run: Path, base_url: str) -> None:
    """Let a run's model be asked at another address."""
    manifest = json.loads((run / "manifest.json").read_text())
    edit_manifest(run, config=manifest["config"] | {"base_url": base_url})


def somebody(cli: Any, run: str, page: int = 1) -> str:
    """An agent who has seen this page."""
    rows = cli("debug", run, "agents", "--top", 100, "--json").json
    return next(row["agent"] for row in rows if row["pages"] > page)


# -- a session


def test_a_session_from_looking_to_the_difference(cli: Any, evening: Path) -> None:
    before = contents(evening)
    glance = cli("debug", "evening", "show")
    assert "4 of 4 lived" in glance.out
    assert "recloop debug evening go" in glance.err, "the next step"

    who = somebody(cli, "evening")
    there = cli("debug", "evening", "go", who, 1)
    assert f"agent {who}, page 1" in there.out
    assert all(word in there.out for word in ("item", "title", "watch", "decision", "chance 0."))
    assert cli("debug", "evening", "show").out == there.out, "the place is kept between commands"

    found = cli("debug", "evening", "find", "page == 1 and satisfaction > 1", "--json").json["hit"]
    assert found["place"]["page"] == 1
    assert found["values"]["satisfaction"] > 1
    following = cli("debug", "evening", "find", "page >= 1 and satisfaction > 1", "--next", "--json").json["hit"]
    assert following["place"] != found["place"]

    cli("debug", "evening", "go", who, 1)
    made = cli("debug", "evening", "edit", "state satisfaction=1", "--name", "sad", "--json")
    assert (Path(made.json["fork"]), made.json["page"]) == (evening / "forks" / "sad", 1)
    assert {
        name: hash for name, hash in contents(evening).items() if "debug.json" not in name and "forks" not in name
    } == before

    lived = cli("debug", "evening/forks/sad", "live", "--json")
    assert lived.json["stop"]["status"] == "finished"
    parted = cli("debug", "evening/forks/sad", "diff")
    assert f"agent {who}, page 1, decision." in parted.out
    assert "11 agents are the same to the last bit; 1 did something otherwise" in parted.out
    tree = cli("debug", "evening", "tree")
    assert "*evening" in tree.out
    assert "sad" in tree.out
    assert "satisfaction=1" in " ".join(tree.out.split())
    again = cli("debug", "evening/forks/sad", "replay")
    assert (again.code, "the same" in again.out) == (0, True)


def test_a_fork_lives_on_at_once_and_a_breakpoint_stops_it(cli: Any, evening: Path) -> None:
    who = somebody(cli, "evening")
    done = cli("debug", "evening", "fork", "--page", 0, "--agent", who, "--edit", "trait activity=1", "--go", "--json")
    assert done.code == 0, done.err
    assert set(done.json["diff"]["agents"]) <= {who}
    assert done.json["stop"]["status"] == "finished"
    path = done.json["fork"]
    assert cli("debug", path, "show").out.count("trait activity=1") >= 1

    fresh = cli("debug", "evening", "fork", "--page", 1, "--name", "watched", "--json").json["fork"]
    assert cli("debug", fresh, "break", "page == 2").code == 0
    stopped = cli("debug", fresh, "live", "--json")
    assert stopped.code == 0, "it stands where it was told to"
    assert stopped.json["stop"]["hit"]["place"]["page"] == 2
    assert stopped.json["stop"]["page"] == 3
    on = cli("debug", fresh, "live", "--no-stop")
    assert "finished, 4 pages lived" in on.out
    with_nothing = cli("debug", fresh, "diff")
    assert "the same: nobody did anything otherwise" in with_nothing.out


def test_one_page_more_is_one_page_more(cli: Any, evening: Path) -> None:
    fresh = cli("debug", "evening", "fork", "--page", 1, "--json").json["fork"]
    for page in (2, 3):
        step = cli("debug", fresh, "live", "--pages", 1, "--json")
        assert (step.code, step.json["stop"]["page"]) == (0, page)


def test_a_budget_that_stops_it_is_told_by_the_exit_code(cli: Any, spoken: Path, fake_llm: Callable[..., Any]) -> None:
    fresh = cli("debug", "spoken", "fork", "--page", 1, "--edit", "config fatigue=0", "--json").json["fork"]
    server = fake_llm()
    point_at(Path(fresh), server.base_url)
    step = cli("debug", fresh, "live", "--budget", "calls=1", "--json")
    assert step.code == 3, step.err
    assert step.json["stop"]["status"] == "paused"
    assert "calls" in step.json["stop"]["reason"]


def test_steps_go_to_the_end_of_the_recording(cli: Any, evening: Path) -> None:
    places = []
    for _ in range(60):
        step = cli("debug", "evening", "step", "agent", "--json")
        if step.code:
            break
        places.append((step.json["place"]["page"], step.json["place"]["agent"]))
    rows = cli("debug", "evening", "agents", "--top", 100, "--json").json
    assert len(places) == len(set(places)) == sum(row["pages"] for row in rows)
    assert [page for page, _ in places] == sorted(page for page, _ in places)
    end = cli("debug", "evening", "step", "agent", "--json")
    assert (end.code, end.json) == (1, {"place": None})
    assert "recloop debug evening edit" in end.err, "a finished run does not live on: another course of it may"


def test_a_node_shows_a_page_as_far_as_it_has_come(cli: Any, spoken: Path) -> None:
    who = somebody(cli, "spoken", 0)
    nodes = [cli("debug", "spoken", "go", who, 0).out, *(cli("debug", "spoken", "step").out for _ in range(5))]
    whole, observed, reacted, *_, decided = nodes
    assert "watch" in whole
    assert not any(word in observed for word in ("watch", "skip", "feeling", "decision")), "a slate, and nothing done"
    assert "feeling" in reacted
    assert "decision" not in reacted
    assert "decision" in decided


def test_a_difference_names_titles_and_says_what_differs_where_nothing_shows(cli: Any, spoken: Path) -> None:
    who = somebody(cli, "spoken", 1)
    edit = ("--edit", "config fatigue=0.9", "--name", "rested")
    assert cli("debug", "spoken", "fork", "--page", 1, "--agent", who, *edit, "--go").code == 0
    parted = cli("debug", "spoken/forks/rested", "diff")
    told = " ".join(parted.out.split())
    assert "the same, but decision.fatigue" in told
    assert "Pages per second" not in told
    assert "Zif " in told, "what was chosen, by its title"


def test_a_difference_of_a_fork_that_is_not_lived_says_so(cli: Any, evening: Path) -> None:
    fresh = cli("debug", "evening", "fork", "--page", 1, "--name", "fresh", "--json").json["fork"]
    assert "has lived 1 of 4 pages" in cli("debug", fresh, "diff").err
    cli("debug", fresh, "live")
    assert cli("debug", fresh, "diff").err == ""


def test_what_is_at_its_end_says_what_else_there_is(cli: Any, evening: Path) -> None:
    over = cli("debug", "evening", "live")
    assert over.code == 0
    assert "fork --page P --go" in over.err
    rows = cli("debug", "evening", "agents", "--top", 100, "--json").json
    gone = next(row for row in rows if row["pages"] < 4)
    cli("debug", "evening", "go", gone["agent"], gone["pages"] - 1)
    last = cli("debug", "evening", "step", "page")
    assert last.code == 1
    assert f"was the last of {gone['agent']}" in last.err


# -- breakpoints


def test_breakpoints_are_kept_turned_off_and_cleared(cli: Any, evening: Path) -> None:
    assert cli("debug", "evening", "break").out == "no breakpoints\n"
    cli("debug", "evening", "break", "satisfaction < 3")
    cli("debug", "evening", "break", 'decision == "leave"')
    listed = cli("debug", "evening", "break", "--off", 1, "--json").json
    assert [(each["id"], each["when"], each["on"]) for each in listed] == [
        (1, "satisfaction < 3", False),
        (2, 'decision == "leave"', True),
    ]
    hit = cli("debug", "evening", "find", "--json").json["hit"]
    assert hit["breakpoint"]["id"] == 2
    assert len(cli("debug", "evening", "break", "--clear", 2, "--json").json) == 1
    assert cli("debug", "evening", "break", "--clear", "all", "--json").json == []


def test_a_condition_that_does_not_hold_together_is_pointed_at(cli: Any, evening: Path) -> None:
    refused = cli("debug", "evening", "break", "satisfacton < 3").refused()
    assert "satisfaction" in refused
    assert "^" in refused
    assert cli("debug", "evening", "break").out == "no breakpoints\n"
    nowhere = cli("debug", "evening", "find", "satisfaction > 99")
    assert (nowhere.code, nowhere.out) == (1, "")
    assert "holds nowhere" in nowhere.err


def test_help_lists_the_names_and_the_forms_of_edits(cli: Any, evening: Path) -> None:
    from recloop.simulations.debugging.edits import FORMS
    from recloop.simulations.debugging.fields import FIELDS

    shown = cli("debug", "evening", "break", "--fields").out
    assert all(field.name in shown for field in FIELDS)
    assert max(map(len, shown.splitlines())) <= 80
    assert list(cli("debug", "evening", "fork", "--edits", "--json").json) == list(FORMS)


def test_where_a_run_parts_from_another_is_found(cli: Any, evening: Path) -> None:
    who = somebody(cli, "evening")
    edit = ("--edit", "state satisfaction=1")
    path = cli("debug", "evening", "fork", "--page", 1, "--agent", who, *edit, "--go", "--json").json["fork"]
    hit = cli("debug", path, "find", "diverged", "--against", "evening", "--json").json["hit"]
    assert (hit["place"]["agent"], hit["place"]["page"]) == (who, 1)
    assert "--against" in cli("debug", path, "find", "diverged").refused()


# -- what a model was asked and said


def test_prompt_answer_memory_state_and_persona_are_shown_as_asked(cli: Any, spoken: Path) -> None:
    who = somebody(cli, "spoken", 0)
    plain = cli("debug", "spoken", "go", who, 0, "react")
    assert "tokens" not in plain.out
    shown = cli("debug", "spoken", "show", "--prompt", "--answer", "--json").json
    (call,) = shown["calls"]
    assert call["messages"]
    assert call["raw"]
    text = cli("debug", "spoken", "show", "--prompt", "--answer").out
    assert call["key"] in text
    assert call["raw"].splitlines()[0][:60] in text
    assert "\nuser\n" in text
    only = cli("debug", "spoken", "show", "--call", call["key"][:10], "--json").json
    assert only == call
    state = cli("debug", "spoken", "show", "--state", "--json").json["state"]
    assert [each["node"] for each in state] == ["react"]
    assert state[0]["before"]["record"]["actions"] == []
    assert state[0]["after"]["record"]["actions"]
    later = somebody(cli, "spoken", 1)
    memory = cli(
        "debug", "spoken", "show", "--agent", later, "--page", 1, "--memory", "--query", "what was watched", "--json"
    ).json
    assert all(set(each["parts"]) == {"recency", "importance", "relevance"} for each in memory["memory"])
    assert [each["score"] for each in memory["memory"]] == sorted((e["score"] for e in memory["memory"]), reverse=True)
    assert memory["recalled"][0]["node"] == "observe"
    assert cli("debug", "spoken", "show", "--persona", "--json").json["persona"]["user"] == who


def test_a_hostile_title_is_text_and_nothing_else(cli: Any, spoken: Path) -> None:
    who = somebody(cli, "spoken", 0)
    for flags in ((), ("--prompt", "--answer"), ("--memory", "--state", "--persona")):
        out = cli("debug", "spoken", "show", "--agent", who, "--page", 0, *flags).out
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "script" in out
    edit = cli("debug", "spoken", "fork", "--page", 1, "--agent", who, "--edit", 'memory add "\x1b[2Jgone"', "--json")
    assert edit.code == 0, edit.err
    assert "\x1b" not in cli("debug", "spoken", "tree").out


def test_a_call_is_asked_again_and_the_run_stays(cli: Any, spoken: Path, fake_llm: Callable[..., Any]) -> None:
    server = fake_llm()
    point_at(spoken, server.base_url)
    who = somebody(cli, "spoken", 0)
    cli("debug", "spoken", "go", who, 0, "react")
    before = {name: hash for name, hash in contents(spoken).items() if name != "debug.json"}
    found = cli("debug", "spoken", "ask", "--samples", 2, "--temperature", 1, "--json")
    assert found.code == 0, found.err
    assert found.json["old"]["agent"] == who
    assert len(found.json["new"]) == 2
    assert found.json["changes"]["temperature"][1] == 1
    (Path.cwd() / "other.txt").write_text("Say something else.")
    other = cli("debug", "spoken", "ask", found.json["old"]["key"][:12], "--prompt", "other.txt", "--json").json
    assert other["new"][0]["messages"][-1]["content"] == "Say something else."
    assert {name: hash for name, hash in contents(spoken).items() if name != "debug.json"} == before


# -- what is typed wrong


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "--agent", "nobody"), "nobody"),
        (("show", "--page", 1), "name an agent"),
        (("go", "nobody"), "nobody"),
        (("edit", "trait activity=1"), "go somewhere"),
        (("fork",), "go somewhere"),
        (("ask",), "go somewhere"),
        (("fork", "--page", 99), "99"),
        (("fork", "--page", 1, "--edit", "activity 1"), "no edit"),
        (("fork", "--page", 1, "--edit", "trait activity=9"), "activity"),
        (("diff",), "is no fork"),
        (("diff", "nowhere"), "nowhere"),
        (("agents", "--sort", "charm"), "there are agent"),
        (("break", "--clear", "first"), "give its number"),
        (("break", "--clear", 7), "no breakpoint 7"),
        (("break", "page > 1", "--clear", 1), "one thing at a time"),
        (("show", "--call", "ffff"), "ffff"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_next_step(cli: Any, evening: Path, words: Any, said: str) -> None:
    assert said in cli("debug", "evening", *words).refused()


def test_a_page_that_somebody_has_not_seen_is_named_with_those_there_are(cli: Any, evening: Path) -> None:
    who = somebody(cli, "evening")
    refused = cli("debug", "evening", "show", "--agent", who, "--page", 77).refused()
    assert "pages 0 to" in refused


@pytest.mark.parametrize("verb", ["show", "agents", "step", "find", "tree", "live", "replay"])
def test_what_is_no_run_is_refused_by_every_verb(cli: Any, no_runs: Any, verb: str) -> None:
    more = ["page > 0"] if verb == "find" else []
    for name in no_runs:
        assert name in cli("debug", name, verb, *more).refused()


def test_the_page_of_what_is_no_run_is_refused(cli: Any, no_runs: Any) -> None:
    for name in no_runs:
        assert name in cli("debug", name, "--no-browser").refused()


def test_the_run_comes_first_then_flags_then_the_verb(cli: Any, evening: Path) -> None:
    assert "Usage: recloop debug" in cli("debug", "--help").out
    assert cli("debug", "evening", "--help").out == cli("debug", "--help").out
    assert "step [OPTIONS] [node|page|agent|round]" in " ".join(cli("debug", "evening", "step", "--help").out.split())
    wrong = cli("debug", "evening", "shwo").usage()
    assert "No such command 'shwo'" in wrong


# -- the page


def test_without_a_verb_the_page_is_served_until_it_is_stopped(evening: Path) -> None:
    command = [Path(sys.executable).with_name("recloop"), "debug", "evening", "--no-browser", "--port", "0", "--json"]
    page = subprocess.Popen(
        command, cwd=evening.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        assert page.stdout is not None
        said = "".join(page.stdout.readline() for _ in range(3))
        url = json.loads(said)["url"]
        assert url.startswith("http://localhost:")
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        browser.open(url, timeout=20).close()  # leaves the token with the browser
        with browser.open(url.partition("?")[0], timeout=20) as answer:
            assert answer.status == 200
            assert b"<html" in answer.read().lower()
    finally:
        page.send_signal(signal.SIGINT)
        _, said = page.communicate(timeout=30)
    assert page.returncode in (0, 130), said
    assert "Traceback" not in said


def test_an_address_that_others_reach_is_asked_for_explicitly(cli: Any, evening: Path) -> None:
    assert "--anywhere" in cli("debug", "evening", "--host", "0.0.0.0", "--no-browser").refused()
