"""DSPy's optimizers under our budget: hard limits, a fair partial best, every candidate on record, prompts kept whole."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import a_program
import dspy
import pytest
from inprocess import asked, open_function
from recloop.llm import Budget, Door, MemoryCassette, ModelConfigError
from recloop.llm.providers.base import ChatRequest, ServerError
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.errors import OptimizeError
from recloop.prompt_opt.optimizers import open_optimizer
from recloop.prompt_opt.programs.program_task import ProgramTask
from recloop.prompt_opt.programs.rivals import partial_best
from recloop.prompt_opt.scores import Scores
from recloop.prompt_opt.search import make_context, optimize
from recloop.prompt_opt.splits import Sizes, Splits
from recloop.prompt_opt.steps import Bench, Outside
from recloop.prompt_opt.task import Task
from small_world import MAGIC, WordTask, place, skill

FULL = "Pick the next film closest carefully genre."


def program_task() -> ProgramTask:
    return ProgramTask(a_program.Picker(), a_program.examples(), a_program.gepa_metric)


async def work(name: str, task: Task, model: Door, *, calls: int | None = None, **options: Any) -> Mapping[str, Any]:
    """What the rival's one step answers, on 40 cases to search on and none to keep back for."""
    ids = [case.id for case in task.cases]
    first = Candidate({part: component.text for part, component in task.components.items()})
    context = make_context(
        task, Splits(tuple(ids[:40]), (), ()), first, 0, can_write=True, proposer="test", remaining=lambda: 1.0
    )
    search = open_optimizer(name, **options).search(context)
    step = next(search)
    assert isinstance(step, Outside)
    return await step.work(Bench(task, model, model, calls))


def means(answer: Mapping[str, Any]) -> dict[str, float]:
    return {
        text: sum(row["scores"].values()) / len(row["scores"])
        for row in answer["candidates"]
        for text in row["texts"].values()
    }


@pytest.mark.parametrize("name", ["gepa", "mipro", "copro"])
async def test_a_rival_finds_the_better_prompt_and_every_candidate_is_on_record(name: str, capfd: Any) -> None:
    if name == "mipro":
        pytest.importorskip("optuna")
    door = open_function(a_program.model)
    answer = await work(name, program_task(), door)
    assert answer["ended"] == "finished"
    found = means(answer)
    assert found[FULL] == 1.0
    assert 0 < found["Pick the next film."] < 0.5
    assert answer["calls"] == door.provider.calls  # type: ignore[attr-defined]
    assert answer["tokens"] == sum(tokens for _, tokens in answer["roles"].values()) > 0
    assert answer["roles"]["proposals"][0] > 0
    assert json.loads(json.dumps(answer)) == answer
    assert capfd.readouterr() == ("", "")  # stdout is the command's answer, stderr its progress


async def test_a_program_with_demonstrations_of_its_own_keeps_them() -> None:
    program = a_program.Picker()
    program.pick.demos = [dspy.Example(history="HISTORY-2 Heat", film="film-2")]
    shown: list[bool] = []

    def model(request: ChatRequest) -> str:
        if request.json_schema is None:
            shown.append("film-2" in asked(request))
        return a_program.model(request)

    task = ProgramTask(program, a_program.examples(), a_program.gepa_metric)
    assert means(await work("gepa", task, open_function(model)))[FULL] == 1.0
    assert all(shown)


@pytest.mark.parametrize("threads", [1, 4])
async def test_the_budget_is_hard_and_what_was_scored_before_it_ended_counts(threads: int) -> None:
    door = open_function(a_program.model)
    answer = await work("gepa", program_task(), door, calls=45, threads=threads)
    assert answer["calls"] == door.provider.calls == 45  # type: ignore[attr-defined]
    assert "45 calls are spent" in answer["ended"]
    assert len(answer["candidates"]) >= 2
    assert sum(len(row["scores"]) for row in answer["candidates"]) <= 45


async def test_the_doors_own_budget_ends_a_rival_too() -> None:
    budget = Budget(calls=30)
    answer = await work("gepa", program_task(), open_function(a_program.model, budget=budget))
    assert answer["calls"] == budget.spent.calls == 30
    assert "budget of calls 30 is spent" in answer["ended"]


async def test_a_rival_that_was_killed_pays_nothing_twice() -> None:
    cassette = MemoryCassette()
    whole = await work("gepa", program_task(), open_function(a_program.model), calls=60, threads=1)
    await work("gepa", program_task(), open_function(a_program.model, cassette=cassette), calls=35, threads=1)
    door = open_function(a_program.model, cassette=cassette)
    again = await work("gepa", program_task(), door, calls=60, threads=1)
    assert again == whole
    assert door.provider.calls == 60 - 35  # type: ignore[attr-defined]


async def test_lost_calls_are_counted_as_missing_and_never_as_a_score() -> None:
    lost: list[str] = []

    def model(request: ChatRequest) -> str:
        found = re.findall(r"HISTORY-(\d+)", asked(request))
        if found and int(found[-1]) % 5 == 0 and "new_instruction" not in asked(request):
            lost.append(found[-1])
            raise ServerError("gone")
        return a_program.model(request)

    answer = await work("gepa", program_task(), open_function(model))
    assert answer["missing"] >= len(set(lost)) > 0
    cases = {case for row in answer["candidates"] for case in row["scores"]}
    assert cases
    assert not cases & {f"{n:05d}" for n in range(0, 60, 5)}


async def test_a_lost_endpoint_pauses_the_search_instead_of_ending_the_rival(tmp_path: Path) -> None:
    def gone(request: ChatRequest) -> str:
        raise ServerError("gone")

    sizes = Sizes(search=20, selection=20, test=20)
    paused = await optimize(
        program_task(), open_optimizer("gepa"), model=open_function(gone), out=tmp_path / "run", sizes=sizes
    )
    assert (paused.status, paused.candidate) == ("paused", None)
    back = await optimize(
        program_task(), open_optimizer("gepa"), model=open_function(a_program.model), out=tmp_path / "run", sizes=sizes
    )
    assert back.status == "finished"
    assert back.candidate is not None
    assert back.candidate.texts == {"pick": FULL}


@pytest.mark.parametrize("what", ["metric", "program", "key"])
async def test_a_mistake_of_the_users_reaches_the_user_through_a_rival(what: str) -> None:
    class Misspelt(a_program.SyncPicker):
        def forward(self, history: str) -> Any:
            return self.pick(history=histroy)  # type: ignore[name-defined]  # noqa: F821

    def metric(example: Any, pred: Any, trace: Any = None) -> float:
        return pred.no_such_field

    def model(request: ChatRequest) -> str:
        if what == "key":
            raise ModelConfigError("the key is wrong")
        return a_program.model(request)

    program = Misspelt() if what == "program" else a_program.Picker()
    task = ProgramTask(program, a_program.examples(), metric if what == "metric" else a_program.metric)
    why = {"metric": "metric of .* failed", "program": "histroy", "key": "the key is wrong"}[what]
    with pytest.raises((OptimizeError, ModelConfigError), match=why):
        await work("gepa", task, open_function(model))


# -- any other task, by the adapter


def words(request: ChatRequest) -> str:
    """Plays the task's model and the proposer: adds one magic word, and once in a while loses the placeholder."""
    text = asked(request)
    wants = request.json_schema["properties"] if request.json_schema is not None else {}
    if "place" in wants:
        return json.dumps({"place": place(text)})
    now = max(re.findall(r"Order the films\.[^\n\"\\]*", text), key=skill, default="Order the films.")
    new = " ".join(word for word in MAGIC if word in now or word == MAGIC[min(skill(now), 3)])
    written = f"Order the films. Mind the {new}. {{{{case}}}}"
    if loses.pop(0) if loses else False:
        written = written.replace("{{case}}", "")
    return json.dumps(dict.fromkeys(wants, written)) if wants else a_program.write(request).replace("Pick", written)


loses: list[bool] = []


async def test_a_task_of_templates_is_searched_by_gepa_and_its_placeholders_are_kept() -> None:
    loses[:] = [True]
    door = open_function(words)
    answer = await work("gepa", WordTask(60), door)
    assert answer["ended"] == "finished"
    assert answer["broken"] > 0
    found = means(answer)
    assert found["Order the films. {{case}}"] < max(found.values())
    for text, mean in found.items():
        assert ("{{case}}" in text) or mean == 0.0
    rows = [row for row in answer["candidates"] if "{{case}}" not in row["texts"]["rank"]]
    assert rows, "a prompt without its placeholder was proposed"
    assert answer["roles"]["task"][0] == len(set(_places(answer)))


def _places(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    kept = [row for row in answer["candidates"] if "{{case}}" in row["texts"]["rank"]]
    return [(row["texts"]["rank"], case) for row in kept for case in row["scores"]]


async def test_a_rivals_evaluations_are_the_searchs_own() -> None:
    """What a rival has asked of a prompt and a case, the search need not ask again: same place, same key."""
    loses[:] = []
    cassette, task = MemoryCassette(), WordTask(60)
    await work("gepa", task, open_function(words, cassette=cassette), calls=40)
    made = {(record.agent, record.node) for record in cassette.records.values() if record.agent != "gepa"}
    seed = Candidate({"rank": task.start})
    assert {case for agent, case in made if agent == seed.id} <= {case.id for case in task.cases}
    assert len([1 for agent, _ in made if agent == seed.id]) >= 20


# -- the whole


async def test_a_rival_ends_in_the_same_verdict_as_any_search_within_the_same_budget(tmp_path: Path) -> None:
    budget = Budget(calls=300)
    door = open_function(a_program.model, budget=budget)
    task = ProgramTask(a_program.Picker(), a_program.examples() * 2, a_program.gepa_metric)
    sizes = Sizes(search=40, selection=20, test=30)
    finished = await optimize(
        task, open_optimizer("gepa"), model=door, budget=budget, out=tmp_path / "run", sizes=sizes, seed=3
    )
    assert finished.status == "finished"
    assert finished.candidate is not None
    assert finished.candidate.texts == {"pick": FULL}
    assert finished.candidate.operator == "gepa"
    assert finished.verdict is not None
    assert finished.verdict["outcome"] == "better"
    assert budget.spent.calls <= 300


async def test_money_is_left_for_the_choice_and_the_sealed_test(tmp_path: Path) -> None:
    said = iter(range(10**6))

    def model(request: ChatRequest) -> str:
        if request.json_schema is not None:  # never better, so that GEPA goes on as long as it may
            return json.dumps({"new_instruction": f"Pick the next film, variant {next(said)}."})
        return a_program.model(request)

    budget = Budget(usd=0.2)
    door = open_function(model, budget=budget, cost=0.001)
    sizes = Sizes(search=20, selection=15, test=25)
    finished = await optimize(
        program_task(),
        open_optimizer("gepa", effort="heavy"),
        model=door,
        budget=budget,
        out=tmp_path / "r",
        sizes=sizes,
    )
    assert finished.status == "finished"
    assert finished.verdict is not None
    assert finished.verdict["pairs"] == 25
    assert 0.1 < budget.spent.usd <= 0.2


async def test_a_budget_that_ends_within_the_first_round_leaves_the_seed() -> None:
    budget = Budget(calls=150)
    door = open_function(a_program.model, budget=budget)
    ids = [f"{n:05d}" for n in range(60)]
    task = program_task()
    context = make_context(
        task, Splits(tuple(ids[:20]), tuple(ids[20:40]), ()), Candidate({"pick": "Pick the next film."}), 0,
        can_write=True, proposer="test",
    )  # fmt: skip
    search = open_optimizer("gepa").search(context)
    step: Any = next(search)
    answer = await step.work(Bench(task, door, door, calls=85))
    assert answer["calls"] == 5, "what choosing among the finalists takes was kept back"
    search.send(answer)
    step = search.send(None)
    assert [candidate.id for candidate, _ in step.work] == [context.seed_candidate.id]
    with pytest.raises(StopIteration) as ended:
        search.send(Scores("score"))
    assert ended.value.value.candidate == context.seed_candidate


def test_the_partial_best_is_the_best_mean_among_those_scored_on_enough_cases() -> None:
    def row(text: str, values: list[float]) -> dict[str, Any]:
        return {"texts": {"a": text}, "scores": {f"c{i}": value for i, value in enumerate(values)}}

    rows = [row("seed", [1] * 30), row("lucky", [1, 1]), row("good", [1, 1, 0] * 9), row("fair", [1, 0] * 8)]
    found = partial_best(rows, Candidate({"a": "seed"}))
    assert [each.texts["a"] for each in found] == ["good", "fair", "lucky"]


async def test_cancelling_a_search_stops_the_rival() -> None:
    calls: list[int] = []

    def model(request: ChatRequest) -> str:
        calls.append(1)
        if len(calls) == 10:
            running.cancel()
        return a_program.model(request)

    running = asyncio.ensure_future(work("gepa", program_task(), open_function(model), threads=1))
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0.2)
    assert len(calls) < 15
