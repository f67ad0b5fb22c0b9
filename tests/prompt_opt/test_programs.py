"""A DSPy program as a task: its instructions are searched over, its metric judges, and what fails is told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import a_program
import dspy
import pytest
from inprocess import open_function
from recloop.llm import Budget, MemoryCassette, ModelConfigError, Place
from recloop.llm.providers.base import ChatRequest, ServerError
from recloop.prompt_opt.errors import OptimizeError
from recloop.prompt_opt.programs.program_task import ProgramTask, open_program
from recloop.prompt_opt.task import Case, Result, Task

HERE = Path(__file__).parent
ALL_WORDS = {"pick": "Choose the closest film, carefully, by genre."}


async def results(task: ProgramTask, door: Any, texts: Any = None, cases: int = 8) -> list[Result]:
    texts = texts or {name: component.text for name, component in task.components.items()}
    found = []
    for case in task.cases[:cases]:
        found.append(task.score(case, await task.run(texts, case, door, Place("p", 0, case.id))))
    return found


@pytest.mark.parametrize("name", ["program", "Picker", "SyncPicker"])
async def test_a_program_named_on_the_command_line_runs_with_any_instructions(name: str) -> None:
    task = open_program(f"dspy:{HERE / 'a_program.py'}:{name}")
    assert isinstance(task, Task)
    assert {k: c.text for k, c in task.components.items()} == {"pick": "Pick the next film."}
    door = open_function(a_program.model)
    assert [r.values["score"] for r in await results(task, door)] == [1, 0, 0, 0, 1, 0, 0, 0]
    assert [r.values["score"] for r in await results(task, door, ALL_WORDS)] == [1] * 8
    assert task.program.predictors()[0].signature.instructions == "Pick the next film."


async def test_calls_are_recorded_at_their_case_so_that_a_resumed_search_pays_nothing_twice() -> None:
    task, cassette = ProgramTask(a_program.Picker(), a_program.examples(), a_program.metric), MemoryCassette()
    first = open_function(a_program.model, cassette=cassette)
    found = await results(task, first)
    assert first.provider.calls == 8  # type: ignore[attr-defined]
    assert {record.node for record in cassette.records.values()} == {case.id for case in task.cases[:8]}
    assert [r.calls for r in found] == [(key,) for key in cassette.records]
    assert all(r.tokens > 0 for r in found)
    again = open_function(a_program.model, cassette=cassette)
    assert await results(task, again) == found
    assert again.provider.calls == 0  # type: ignore[attr-defined]


async def test_feedback_of_a_gepa_metric_becomes_the_diagnosis() -> None:
    task = ProgramTask(a_program.Picker(), a_program.examples(), a_program.gepa_metric)
    right, wrong = (await results(task, open_function(a_program.model)))[:2]
    assert (right.diagnosis.kind, wrong.diagnosis.kind) == ("ok", "low score")  # type: ignore[union-attr]
    assert wrong.diagnosis.text == "The film was film-1; you said film-none."  # type: ignore[union-attr]
    assert (wrong.diagnosis.answer, wrong.diagnosis.truth) == ("film: film-none", "film: film-1")  # type: ignore[union-attr]
    assert "HISTORY-1 Alien" in task.story(task.cases[1])


def lost(request: ChatRequest) -> str:
    if "HISTORY-1 " in str(request.messages):
        raise ServerError("gone")
    return a_program.model(request)


async def test_a_lost_call_is_missing_and_an_unreadable_answer_is_the_worst() -> None:
    task = ProgramTask(a_program.Picker(), a_program.examples(), a_program.metric, worst=-1.0)
    found = await results(task, open_function(lost), ALL_WORDS, cases=3)
    assert [r.status for r in found] == ["ok", "transport", "ok"]
    assert found[1].missing
    assert not found[1].values
    spent = open_function(a_program.model, budget=Budget(calls=1))
    assert [r.status for r in await results(task, spent, cases=2)] == ["ok", "budget"]
    (unread,) = await results(task, open_function(lambda request: "no fields here"), cases=1)
    assert (unread.status, unread.values, unread.counts) == ("parse_fail", {"score": -1.0}, {"unusable": 1})


class Broken(a_program.Picker):
    """`when` says where it fails: before the model is asked, at a name, or at some answers."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.when = when

    async def aforward(self, history: str) -> dspy.Prediction:
        if self.when == "before":
            raise KeyError("no such setting")
        found = await self.pick.acall(history=history)
        if self.when == "name":
            undefined_name  # type: ignore[name-defined]  # noqa: B018, F821
        if self.when == "always" or found.film == "film-none":
            raise ValueError("cannot use it")
        return found


@pytest.mark.parametrize(("when", "asked"), [("before", 0), ("name", 1), ("always", 5)])
async def test_a_bug_in_the_program_stops_the_search_with_the_case_and_the_error(when: str, asked: int) -> None:
    task = ProgramTask(Broken(when), a_program.examples(), a_program.metric)
    door = open_function(a_program.model)
    with pytest.raises(OptimizeError, match=r"Broken failed on case 0000\d: \w+Error"):
        await results(task, door)
    assert door.provider.calls == asked  # type: ignore[attr-defined]


async def test_an_answer_that_the_program_cannot_use_is_the_prompts_failure() -> None:
    task = ProgramTask(Broken("some"), a_program.examples(), a_program.metric)
    found = await results(task, open_function(a_program.model))
    assert [r.status for r in found] == ["ok", *["parse_fail"] * 3] * 2
    assert "ValueError: cannot use it" in found[1].diagnosis.text  # type: ignore[union-attr]


async def test_a_metric_must_answer_with_a_number() -> None:
    for metric, why in (
        (lambda example, pred, trace=None: "good", "no finite number"),
        (lambda example, pred, trace=None: pred.no_such_field, "metric of"),
        (lambda example, pred, trace=None: float("nan"), "no finite number"),
    ):
        with pytest.raises(OptimizeError, match=why):
            await results(ProgramTask(a_program.Picker(), a_program.examples(), metric), open_function(a_program.model))
    with pytest.raises(OptimizeError, match="takes neither"):
        ProgramTask(a_program.Picker(), a_program.examples(), lambda only: 1.0)


async def test_a_model_that_cannot_be_used_is_said_at_once() -> None:
    def no_key(request: ChatRequest) -> str:
        raise ModelConfigError("the key is wrong")

    with pytest.raises(ModelConfigError, match="the key is wrong"):
        await results(ProgramTask(a_program.Picker(), a_program.examples(), a_program.metric), open_function(no_key))


def test_examples_come_from_a_file_of_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    rows = [{"history": f"HISTORY-{n}", "film": f"film-{n}"} for n in range(3)]
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    task = open_program(f"{HERE / 'a_program.py'}:program", data=file)
    assert [(c.shown, c.truth) for c in task.cases] == [({"history": r["history"]}, {"film": r["film"]}) for r in rows]
    named = open_program(f"{HERE / 'a_program.py'}:program", data=file, inputs="history, film", worst=-1)
    assert (named.cases[0].truth, named.worst) == ({}, -1.0)
    with pytest.raises(OptimizeError, match="no option imputs"):
        open_program(f"{HERE / 'a_program.py'}:program", data=file, imputs="history")
    file.write_text('{"history": "x"}\n[1]\n')
    with pytest.raises(OptimizeError, match="line 2"):
        open_program(f"{HERE / 'a_program.py'}:program", data=file)


def test_what_is_no_program_is_said(tmp_path: Path) -> None:
    for spec, why in (
        ("no_such_module:program", "no module"),
        (f"{HERE / 'a_program.py'}:progam", "program"),
        (f"{HERE / 'a_program.py'}:WORDS", "not a dspy.Module"),
        ("program", "module:object"),
    ):
        with pytest.raises(OptimizeError, match=why):
            open_program(spec)
    (tmp_path / "bare.py").write_text("import dspy\nprogram = dspy.Predict('question -> answer')\n")
    with pytest.raises(OptimizeError, match="without a metric"):
        open_program(f"{tmp_path / 'bare.py'}:program")


def test_the_hash_knows_cases_metric_and_signature_but_not_the_instructions() -> None:
    def other_metric(example: Any, pred: Any, trace: Any = None) -> float:
        return float(pred.film != example.film)

    def hash_of(program: Any, examples: Any, metric: Any) -> str:
        return ProgramTask(program, examples, metric).hash

    base = hash_of(a_program.Picker(), a_program.examples(), a_program.metric)
    reworded = ProgramTask(a_program.Picker(), a_program.examples(), a_program.metric).with_texts(ALL_WORDS)
    assert hash_of(reworded, a_program.examples(), a_program.metric) == base
    assert hash_of(a_program.Picker(), a_program.examples()[1:], a_program.metric) != base
    assert hash_of(a_program.Picker(), a_program.examples(), other_metric) != base


async def test_several_predictors_are_several_components_and_one_case_counts_all_calls() -> None:
    class Two(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.think = dspy.Predict("history -> thought")
            self.pick = dspy.Predict(dspy.Signature("history, thought -> film", "Pick."))

        async def aforward(self, history: str) -> dspy.Prediction:
            thought = (await self.think.acall(history=history)).thought
            return await self.pick.acall(history=history, thought=thought)

    def answer(request: ChatRequest) -> str:
        name = "film" if "## film ##" in str(request.messages[-1]["content"]) else "thought"
        return f"[[ ## {name} ## ]]\nfilm-0\n\n[[ ## completed ## ]]"

    task = ProgramTask(Two(), a_program.examples(), a_program.metric)
    assert list(task.components) == ["think", "pick"]
    case: Case = task.cases[0]
    outcome = await task.run({"think": "T", "pick": "P"}, case, open_function(answer), Place("p", 0, case.id))
    result = task.score(case, outcome)
    assert result.values == {"score": 1.0}
    assert len(result.calls) == len(set(outcome.keys)) == 2
