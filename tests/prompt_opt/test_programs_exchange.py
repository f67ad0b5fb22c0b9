"""Prompts leave for other tools and come back whole."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from shutil import which
from typing import Any

import a_program
import dspy
import pytest
from gepa.core.state import GEPAState, ValsetEvaluation
from langchain_core.load import loads
from recloop.llm.prompts import Prompt
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.errors import OptimizeError
from recloop.prompt_opt.programs import exchange
from recloop.prompt_opt.programs.program_task import ProgramTask
from recloop.prompt_opt.task import Component
from small_world import WordTask

TEMPLATE = '## system\nAnswer as {"ranking": ["C1"]}, {% nothing %} else.\n\n## user\nBefore: {{history}}\nNow: {{ candidates }}'
COMPONENT = Component(TEMPLATE, "to rank", {"history": "what was", "candidates": "what may be"}, ("history",))


def program_task() -> ProgramTask:
    return ProgramTask(a_program.Picker(), a_program.examples(), a_program.metric)


def test_text_of_one_component_is_the_text_and_of_several_names_them() -> None:
    assert exchange.to_text({"rank": "Rank.\n"}) == "Rank.\n"
    assert exchange.from_text("Rank.\n", ["rank"]) == {"rank": "Rank.\n"}
    texts = {"react": "React.\n\nTo {{slate}}", "decide": "Decide.\n"}
    assert exchange.from_text(exchange.to_text(texts), list(texts)) == texts
    with pytest.raises(OptimizeError, match="component"):
        exchange.from_text(exchange.to_text(texts), ["react", "other"])


def test_a_programs_file_loads_into_the_program(tmp_path: Path) -> None:
    texts = {"pick": 'Pick {carefully}, "closest" first.'}
    file = tmp_path / "program.json"
    file.write_text(exchange.to_dspy(texts, program_task()), encoding="utf-8")
    program = a_program.Picker()
    program.load(str(file))
    assert program.pick.signature.instructions == texts["pick"]
    assert exchange.from_dspy(file.read_text(), ["pick"]) == texts
    program.save(str(tmp_path / "theirs.json"))
    assert exchange.from_dspy((tmp_path / "theirs.json").read_text(), ["pick"]) == texts
    with pytest.raises(OptimizeError, match="no predictor other"):
        exchange.from_dspy(file.read_text(), ["other"])


def test_a_template_becomes_a_predictor_of_its_fields(tmp_path: Path) -> None:
    class Ranker(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rank = dspy.Predict("case -> answer")

    file = tmp_path / "ranker.json"
    file.write_text(exchange.to_dspy({"rank": "Order the films of {{case}}."}, WordTask(4)), encoding="utf-8")
    program = Ranker()
    program.load(str(file))
    assert program.rank.signature.instructions == "Order the films of `case`."


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_a_langchain_prompt_says_the_same_with_every_brace_and_comes_back() -> None:
    prompt = exchange.to_langchain(TEMPLATE, COMPONENT)
    assert prompt.input_variables == ["candidates", "history"]
    values = {"history": "a {b}", "candidates": "{{c}}"}
    mine = Prompt.parse(TEMPLATE, known=dict(COMPONENT.fields)).render(**values)
    theirs = prompt.format_messages(**values)
    assert [m.content for m in theirs] == [m["content"] for m in mine]
    assert [m.type for m in theirs] == ["system", "human"]
    back = exchange.from_langchain(prompt)
    assert Prompt.parse(back, known=dict(COMPONENT.fields)).render(**values) == mine
    revived = loads(exchange.to_langchain_json(TEMPLATE, COMPONENT), allowed_objects="core")
    assert revived.format_messages(**values) == theirs


async def test_promptfoo_gets_the_prompt_the_cases_and_a_test_on_the_right_id() -> None:
    from recloop.prompt_opt.tasks.items import listed
    from recloop.prompt_opt.tasks.session import SessionOptions, open_session

    options = SessionOptions(max_cases=30, read="list", candidates=5)
    task = open_session(None, options, "ndcg@10", 0, None)
    name, component = next(iter(task.components.items()))
    text = component.text + "\nNever write {% raw %} or {{history}} twice."
    config = json.loads(await exchange.to_promptfoo({name: text}, task, task.cases[:3]))
    case, test = task.cases[0], config["tests"][0]
    assert [t["description"] for t in config["tests"]] == [c.id for c in task.cases[:3]]
    assert test["vars"]["history"] == listed(case.shown["history"], "history")
    messages = json.loads(config["prompts"][0])
    assert "{{history}}" in messages[-1]["content"]
    assert "{% raw %}{%{% endraw %} raw" in messages[-1]["content"]
    right = case.truth["relevant"][0]
    wrong = next(row["id"] for row in case.shown["candidates"] if row["id"] != right)
    script = test["assert"][0]["value"]
    assert _javascript(script, json.dumps({"ranking": [right, wrong]})) in (True, None)
    assert _javascript(script, f"[{wrong}] before {right}") in (False, None)


async def test_promptfoo_is_given_no_prompt_that_is_read_by_likelihood() -> None:
    """Its text names no id, so a test for one could never pass."""
    from recloop.prompt_opt.tasks.session import SessionOptions, open_session

    task = open_session(None, SessionOptions(max_cases=30, read="likelihood"), "ndcg@10", 0, None)
    texts = {name: component.text for name, component in task.components.items()}
    with pytest.raises(OptimizeError, match="likelihood of titles"):
        await exchange.to_promptfoo(texts, task, task.cases[:3])


def _javascript(script: str, output: str) -> bool | None:
    """What the assertion says of an output; None where there is no node."""
    if (node := which("node")) is None:
        return None
    code = f"const f = (output) => {{ {script} }}; console.log(f({json.dumps(output)}))"
    return subprocess.run([node, "-e", code], capture_output=True, text=True, check=True).stdout.strip() == "true"


async def test_promptfoo_cannot_be_given_what_is_no_one_prompt() -> None:
    with pytest.raises(OptimizeError, match="one call"):
        await exchange.to_promptfoo({"pick": "x"}, program_task_with_ids(), program_task_with_ids().cases[:1])
    with pytest.raises(OptimizeError, match="several components"):
        await exchange.to_promptfoo({"a": "x", "b": "y"}, program_task(), [])


def program_task_with_ids() -> ProgramTask:
    examples = [dspy.Example(history="x", relevant=["a"]).with_inputs("history")]
    return ProgramTask(a_program.Picker(), examples, a_program.metric)


def test_gepas_candidates_come_and_go(tmp_path: Path) -> None:
    evaluation: Any = ValsetEvaluation({0: "o"}, {0: 1.0})
    state: Any = GEPAState({"rank": "seed {{case}}"}, evaluation)
    state.program_candidates.append({"rank": "better {{case}}"})
    state.save(str(tmp_path))
    theirs = exchange.from_gepa((tmp_path / "candidates.json").read_text(), ["rank"])
    assert [candidate.texts["rank"] for candidate in theirs] == ["seed {{case}}", "better {{case}}"]
    assert exchange.from_gepa(exchange.to_gepa(theirs), ["rank"]) == theirs
    assert json.loads(exchange.to_gepa(theirs)) == state.program_candidates
    with pytest.raises(OptimizeError, match="candidate 0 has rank, the task has react"):
        exchange.from_gepa(exchange.to_gepa([Candidate({"rank": "x"})]), ["react"])
