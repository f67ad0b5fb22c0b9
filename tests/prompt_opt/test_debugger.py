"""The debugger of a prompt search: looking, breakpoints, a person's word before acceptance, forks that ask only what is new."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLLM
from recloop.prompt_opt.asked import checked, optimize_as, replay
from recloop.prompt_opt.debugging import ConditionError, DebugError, SearchDebugger, Stop
from recloop.runs import Run

TEXT = "Mind what came last, {{words 6}}.\n{{h}}\n{{c}}\nRank all of them. {{words 8}}"
FIELDS = r"(?s)(?P<h>\{\{history\}\}).*(?P<c>\{\{candidates\}\}).*"
SCRIPT = [
    {"match": "You find out why a prompt", "json": {"reason": "Silent on {{words 2}}.", "remedy": "Say {{words 2}}."}},
    {"match": "You find out why a language", "json": {"reasons": ["Vague on {{words 2}}.", "Silent on {{words 3}}."]}},
    {"match": FIELDS + "- change: ", "json": {"change": "speaks of {{words 2}}", "text": TEXT}},
    {"match": FIELDS + "Write (one new|this) prompt", "json": {"prompt": TEXT}},
    {"match": "They stand in no particular order", "reply": "I cannot say."},
]
"""Whoever writes prompts keeps their fields; the task's own prompt never gets a ranking, so a better one is always found."""
MINE = "Rank as I would, and say nothing else. {{history}} {{candidates}}"


def settings(server: FakeLLM, **more: Any) -> Any:
    values = {"search": 12, "selection": 10, "test": 12, "optimizer_options": {"rounds": 1, "width": 2}}
    return checked({"model": "openai/fake", "base_url": server.base_url, **values, **more})


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, FakeLLM]]:
    """A finished search, made once, and the server that answered it."""
    import asyncio

    out = tmp_path_factory.mktemp("search") / "search"
    with FakeLLM(script=SCRIPT) as server:
        asyncio.run(optimize_as(settings(server), out=out, api_key="x"))
        yield out, server


@pytest.fixture
def search(master: tuple[Path, FakeLLM], tmp_path: Path) -> Path:
    return Path(shutil.copytree(master[0], tmp_path / "search"))


@pytest.fixture
def server(master: tuple[Path, FakeLLM]) -> FakeLLM:
    return master[1]


def opened(path: Path) -> SearchDebugger:
    return SearchDebugger(path, api_key="x")


def asked(server: FakeLLM) -> int:
    return int(server.stats()["requests"])


def contents(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in ("manifest.json", "log.sqlite")}


def second(debugger: SearchDebugger) -> str:
    """The candidate that won: it entered last."""
    return debugger.candidates()[-1].id


def text_of(debugger: SearchDebugger, candidate: str) -> str:
    return json.dumps(debugger.candidate(candidate).texts["rank"])


# -- looking


def test_a_search_is_shown_step_by_step_down_to_a_case_and_its_call(search: Path) -> None:
    with opened(search) as d:
        seen, steps, candidates = d.overview(), d.steps(), d.candidates()
        assert (seen.status, seen.steps, seen.candidates) == ("finished", len(steps) - 1, len(candidates))
        assert (steps[0].kind, steps[0].entered, steps[-1].kind) == ("evaluate", [seen.seed], "choice")
        entered = [id for step in steps for id in step.entered]
        assert entered == [each.id for each in candidates]
        won = d.candidate("best")
        (step,) = [each for each in steps if won.id in each.entered]
        assert won.step == step.step
        cases = d.cases(won.id, step.step)
        assert len(cases) == step.scores[won.id]["cases"]
        call = d.call(cases[0].calls[0][:20])
        assert (call.candidate, call.case, call.key) == (won.id, cases[0].case, cases[0].calls[0])
        assert any("Rank all of them" in each["content"] for each in call.messages)
        open_cases = [each for each in d.cases(won.id) if each.split != "test"]
        assert won.score == pytest.approx(sum(each.value or 0 for each in open_cases) / won.cases)
        with pytest.raises(DebugError, match="no call of"):
            d.call("nosuch")
        with pytest.raises(DebugError, match="no candidate"):
            d.candidate("")


def test_what_holds_is_found_and_the_sealed_test_is_in_no_moment(search: Path) -> None:
    from recloop.prompt_opt.debugging.recording import read

    with opened(search) as d:
        hit = d.find('kind == "enter" and operator != "seed"')
        assert hit is not None
        assert hit.candidate == d.candidates()[1].id
        assert d.go_to(hit.step).entered == [hit.candidate]
        assert (again := d.find("score > 0", after=hit.step)) is not None
        assert again.values["score"] > 0
        assert d.find("score > 2") is None
        moments = list(read(d.run))
        spent = [moment.values["calls"] for moment in moments]
        made = len(d.run.calls)
        tested = sum(len(each.calls) for each in d.cases() if each.split == "test")
        assert spent == sorted(spent)
        assert spent[-1] == made - tested, "all calls but the sealed test's"
        assert moments[-1].kind == "choice"
        for wrong, told in (("scor > 1", "score"), ('kind == "eat"', "enter, refused"), ('score == "x"', "no text")):
            with pytest.raises(ConditionError, match=told):
                d.break_at(wrong)
        d.break_at("cases > 3")
    with opened(search) as d:  # they are kept beside the run
        assert [(each.id, each.when) for each in d.breakpoints()] == [(1, "cases > 3")]
        assert d.place == hit.step
        with Run.open(search) as run, Run.open(search) as other:
            assert run.digest() == other.digest()


# -- forks


async def test_a_fork_without_edits_asks_nobody_and_comes_to_the_same(search: Path, server: FakeLLM) -> None:
    before, requests = contents(search), asked(server)
    with opened(search) as d:
        path = await d.fork(3)
        assert asked(server) == requests, "making a fork asks nobody"
    with opened(path) as fork:
        assert (await fork.go_on()).status == "finished"
        assert asked(server) == requests + 1, "the greeting that every resumed run begins with"
        found = fork.diff()
        assert (found.parts, found.only_a, found.only_b, found.scores, found.calls[1]) == (None, [], [], {}, 0)
        assert found.best[0] == found.best[1]
        with Run.open(search) as run:
            kinds = ("candidate", "step", "scores", "thought", "accepted", "choice")
            here = [(e.kind, e.agent, e.page, e.data) for e in run.events() if e.kind in kinds]
        assert here == [(e.kind, e.agent, e.page, e.data) for e in fork.run.events() if e.kind in kinds]
    assert contents(search) == before, "the parent is only read"


async def test_a_fork_after_the_test_was_opened_claims_no_fresh_test(search: Path) -> None:
    with opened(search) as d:
        path = await d.fork(5, name="late")
        assert d.overview().opened_before == []
    with opened(path) as fork:
        assert any("no fresh test" in note for note in fork.overview().notes)
        await fork.go_on()
        seen = fork.overview()
        assert seen.verdict is not None
        assert seen.verdict["fresh"] is False
        assert seen.verdict["text"].startswith("not a fresh test")
        assert fork.diff().fresh == (True, False)
        assert "not a fresh test" in fork.tree().forks[0].verdict


async def test_whoever_opens_the_test_first_has_a_fresh_one_and_nobody_after(search: Path) -> None:
    """A fork that was made while everything was sealed is not fresh either, once another run of the family has looked."""
    with opened(search) as d:
        first = await d.fork(4, name="first")
    with opened(first) as fork:
        assert (await fork.go_on(steps=1)).status == "paused"
        one, two = await fork.fork(5, name="one"), await fork.fork(5, name="two")
    for path in (one, two):
        with opened(path) as fork:
            await fork.go_on()
            told = fork.overview().opened_before
            assert "the run they leave" in told
    with Run.open(two) as run:
        said = next(iter(run.events(kind="opened"))).data["opened_before"]
    assert said == ["forks/first/forks/one", "the run they leave"]


async def test_an_edited_candidate_goes_on_in_its_place_and_only_it_is_asked(
    search: Path, server: FakeLLM, tmp_path: Path
) -> None:
    with opened(search) as d:
        old = second(d)
        path = await d.fork(edits=[f"candidate {old[:5]} = {MINE}"])
    requests = asked(server)
    with opened(path) as fork:
        stop = await fork.go_on()
        assert (stop.status, stop.waits) == ("finished", None)
        mine = next(each for each in fork.candidates() if each.operator == "edited by hand")
        assert (mine.texts, mine.parents, mine.maker) == ({"rank": MINE}, (old,), "person")
        assert [each.cases for each in fork.candidates() if each.id == old] == [0], "the original is asked nothing"
        new = sum(each.agent == mine.id for each in fork.run.calls.all())
        assert asked(server) - requests == new + 1
        difference = fork.diff()
        assert [each.id for each in difference.only_b] == [mine.id]
        assert difference.parts == mine.step
        assert old in difference.scores
        assert fork.tree().forks[0].edits == [f"candidate {old} rank"]
    recorded, replayed = await replay(path, out=tmp_path / "again")
    assert recorded == replayed


async def test_what_the_guards_refuse_is_refused_before_there_is_a_fork(search: Path) -> None:
    with opened(search) as d:
        last = second(d)
        step = d.candidate(last).step
        for edits, told in (
            ([f"candidate {last} = Rank them."], "lost its field"),
            ([f"candidate {last} other = x"], "has no text 'other'"),
            ([f"candidate seed = {MINE}"], "--seed-prompt"),
            (["candidate nosuch = x"], "no candidate"),
            ([f"candidate {last} = {text_of(d, 'seed')}"], "there is such a prompt already"),
            (["rewrite it"], "candidate ID"),
            (["option colour=blue"], "colour"),
            (["config model=openai/other"], "before step 0 only"),
            (["config test=5"], "begin a new search"),
        ):
            with pytest.raises(Exception, match=told) as wrong:
                await d.fork(step, edits)
            assert "\n" in str(wrong.value)
        with pytest.raises(DebugError, match=f"enters before step {step}"):
            await d.fork(step + 1, [f"candidate {last} = {MINE}"])
        with pytest.raises(DebugError, match="give 0 to"):
            await d.fork(99)
        assert d.tree().forks == ()


async def test_an_option_is_changed_from_the_step_on_where_it_begins_to_tell(search: Path, tmp_path: Path) -> None:
    with opened(search) as d:
        last = d.overview().steps
        with pytest.raises(DebugError, match=r"parts from its recording at step \d, before step"):
            await d.fork(last, ["option width=1"])
        path = await d.fork(last - 1, ["option rounds=2"])
    with opened(path) as fork:
        await fork.go_on()
        found = fork.diff()
        assert found.config["config.optimizer_options.rounds"] == (1, 2)
        assert found.parts == last - 1
        assert fork.overview().steps > last
    recorded, replayed = await replay(path, out=tmp_path / "again")
    assert recorded == replayed


async def test_another_metric_is_searched_for_without_asking_again_what_was_asked(search: Path, tmp_path: Path) -> None:
    with opened(search) as d:
        path = await d.fork(0, ["metric=mrr"])
        old = len(d.run.calls)
    with opened(path) as fork:
        await fork.go_on()
        seen = fork.overview()
        assert seen.metric == "mrr"
        assert seen.verdict is not None
        assert seen.verdict["metric"] == "mrr"
        assert fork.run.calls.spent().calls < old / 2
    recorded, replayed = await replay(path, out=tmp_path / "again")
    assert recorded == replayed


async def test_a_forks_budget_is_for_what_it_pays_itself(search: Path, server: FakeLLM) -> None:
    """The parent made over a hundred calls; a limit below that lets a fork through that pays for little."""
    with opened(search) as d:
        made = d.overview().calls
        path = await d.fork(edits=[f"candidate {second(d)} = {MINE}"])
    with Run.open(path, write=True) as run:
        run.revise({"price": "in=1000,out=1000"}, "a price for the test")
    with opened(path) as fork:
        stop = await fork.go_on(budget="usd=100")
        assert (stop.status, stop.reason) == ("finished", "")
        own = fork.run.calls.spent()
        assert 0 < own.attempts < made / 2
        left = [e.data["left"] for e in fork.run.events(kind="step") if "left" in e.data]
        assert left, "its share is reckoned"
        assert left[0] > 0


# -- before a candidate is accepted


async def before_acceptance(search: Path) -> tuple[Path, Stop]:
    """A fork that stands before its first acceptance."""
    with opened(search) as d:
        path = await d.fork(3, name="careful")
    with opened(path) as fork:
        fork.break_at('kind == "accept" and score > 0')
        return path, await fork.go_on()


async def test_a_search_stops_before_a_candidate_is_accepted_and_goes_on(search: Path) -> None:
    path, stop = await before_acceptance(search)
    with opened(search) as d:
        rule = d.candidate("best")
    assert stop.status == "paused"
    assert stop.hit is not None
    assert (stop.hit.kind, stop.hit.candidate) == ("accept", rule.id)
    assert stop.waits is not None
    assert stop.waits.texts == rule.texts
    with opened(path) as fork:
        assert not list(fork.run.events(kind="accepted"))
        assert (await fork.go_on()).status == "finished", (
            "it goes on from where it stands, and does not stop there again"
        )
        assert fork.diff().parts is None
        with pytest.raises(DebugError, match="nothing to accept"):
            await fork.go_on(accept=True)


async def test_the_edited_text_is_what_is_accepted(search: Path, tmp_path: Path) -> None:
    path, stop = await before_acceptance(search)
    assert stop.waits is not None
    with opened(path) as fork:
        with pytest.raises(DebugError, match="guards refuse"):
            await fork.go_on(accept={"": "Rank them."})
        assert fork.overview().waits is not None, "a refused text changes nothing"
        ended = await fork.go_on(accept={"": MINE})
        assert ended.status == "finished"
        (said,) = [d for step in fork.steps() for d in step.decided]
        assert (said["candidate"], said["by"], said["texts"]) == (stop.waits.candidate, "person", {"rank": MINE})
        mine = next(each for each in fork.candidates() if each.texts == {"rank": MINE})
        assert (mine.operator, mine.parents) == ("edited by hand", (stop.waits.candidate,))
        assert mine.cases
    recorded, replayed = await replay(path, out=tmp_path / "again")
    assert recorded == replayed


async def test_a_rejected_candidate_is_never_the_choice(search: Path) -> None:
    path, stop = await before_acceptance(search)
    assert stop.waits is not None
    with opened(path) as fork:
        await fork.go_on(accept=False)
        assert fork.overview().best != stop.waits.candidate
        assert next(e for e in fork.candidates() if e.id == stop.waits.candidate).fate == "refused"


async def test_where_a_person_is_to_be_asked_anyway_it_waits_for_the_word(search: Path) -> None:
    with opened(search) as d:
        path = await d.fork(3, ["config approve=true"])
    with opened(path) as fork:
        for _ in range(2):
            stop = await fork.go_on()
            assert (stop.status, stop.hit) == ("paused", None)
            assert stop.waits is not None
        assert (await fork.go_on(accept=True)).status == "finished"


async def test_going_on_a_step_at_a_time_and_until_something_holds(search: Path) -> None:
    with opened(search) as d:
        path = await d.fork(2)
    with opened(path) as fork:
        assert (await fork.go_on(steps=1)).step == 3
        stop = await fork.go_on(until='kind == "enter" and operator == "refine"')
        assert stop.hit is not None
        assert (stop.step, stop.hit.step) == (4, 4), "before a case is spent on it"
        assert stop.reason.startswith("until (")
        assert (await fork.go_on(steps=2)).step == 6
        assert (await fork.go_on()).status == "finished"
        assert fork.diff().parts is None


async def test_a_search_from_python_is_shown_and_says_why_it_goes_no_further(tmp_path: Path) -> None:
    from recloop.prompt_opt.search import optimize
    from recloop.prompt_opt.splits import Sizes
    from small_world import Climber, WordProvider, WordTask, door

    out = tmp_path / "run"
    await optimize(
        WordTask(), Climber(), model=door(WordProvider()), out=out, sizes=Sizes(search=12, selection=10, test=10)
    )
    with SearchDebugger(out) as d:
        assert [step.kind for step in d.steps()][:3] == ["evaluate", "think", "evaluate"]
        with pytest.raises(DebugError, match="started from Python"):
            await d.fork(1)


def test_a_rehearsal_is_not_taken_for_a_search(tmp_path: Path) -> None:
    Run.create(tmp_path / "other", kind="simulate").close()
    with pytest.raises(DebugError, match="no prompt search"):
        SearchDebugger(tmp_path / "other")


def test_a_damaged_session_is_told_and_begins_anew(search: Path) -> None:
    (search / "debug.json").write_text(json.dumps({"breakpoints": [{"id": "x"}]}))
    with opened(search) as d:
        assert d.breakpoints() == []
        assert "could not be read" in d.note
        assert d.break_at("step > 1").id == 1
        assert d.note == ""
