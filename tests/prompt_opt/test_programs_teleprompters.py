"""Our searches used as DSPy's own optimizers are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import a_program
import dspy
import pytest
from inprocess import asked, open_function
from recloop.llm import Budget, dspy_lm
from recloop.llm.providers.base import ChatRequest
from recloop.prompt_opt.errors import OptimizeError
from recloop.prompt_opt.programs.teleprompters import RecLoop, RecLoopPO4ISR, RecLoopRacing, RecLoopRecPrompt
from recloop.prompt_opt.splits import Sizes

SIZES = Sizes(search=30, selection=20, test=30)


def model(request: ChatRequest) -> str:
    """Picks films; asked for anything by a schema it fills every text with an instruction that knows one word more."""
    text = asked(request)
    if request.json_schema is None:
        return a_program.model(request)
    written = max(re.findall(r"Pick the next film[^\n\"\\]*", text), key=len, default="Pick the next film")
    new = [word for word in a_program.WORDS if word not in written][:1]
    said = " ".join([written.rstrip("."), *new]) + "."
    return json.dumps(filled(request.json_schema, said))


def filled(schema: Any, text: str, whole: Any = None) -> Any:
    """An instance of a schema whose free texts are `text`."""
    whole = whole or schema
    if "$ref" in schema:
        return filled(whole["$defs"][schema["$ref"].rsplit("/", 1)[1]], text, whole)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return filled(schema["anyOf"][0], text, whole)
    match schema.get("type"):
        case "object":
            return {name: filled(part, text, whole) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [filled(schema["items"], text, whole)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    return text


@pytest.mark.parametrize("kind", [RecLoopRacing, RecLoopPO4ISR, RecLoopRecPrompt])
def test_a_program_comes_back_better_with_its_evidence_and_loads_again(kind: type[RecLoop], tmp_path: Path) -> None:
    budget = Budget(calls=900)
    student = a_program.Picker()
    optimizer = kind(
        metric=a_program.gepa_metric, model=open_function(model), budget=budget, sizes=SIZES, out=tmp_path / "run"
    )
    better: Any = optimizer.compile(student, trainset=a_program.examples() * 2)
    assert budget.spent.calls <= 900
    assert student.pick.signature.instructions == "Pick the next film."
    assert better.verdict["outcome"] == "better"
    assert "closest" in better.pick.signature.instructions
    scores = [row["score"] for row in better.candidate_programs]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) > 1
    better.save(str(tmp_path / "better.json"))
    loaded = a_program.Picker()
    loaded.load(str(tmp_path / "better.json"))
    assert loaded.pick.signature.instructions == better.pick.signature.instructions
    with dspy.context(lm=dspy_lm(open_function(model))):
        assert better(history="HISTORY-1 x").film == "film-1"


def test_a_program_that_nothing_improves_comes_back_as_it_was(tmp_path: Path) -> None:
    def stubborn(request: ChatRequest) -> str:
        if request.json_schema is not None:
            return model(request)
        return "[[ ## film ## ]]\nfilm-1\n\n[[ ## completed ## ]]"

    same: Any = RecLoopRecPrompt(
        metric=a_program.metric, model=open_function(stubborn), budget="calls=400", sizes=SIZES, out=tmp_path / "run"
    ).compile(a_program.Picker(), trainset=a_program.examples() * 2)
    assert same.pick.signature.instructions == "Pick the next film."
    assert same.verdict["outcome"] in ("seed stands", "no difference found")


def test_the_model_is_the_programs_own_be_it_ours_or_dspys(
    fake_llm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where runs go unless told
    server = fake_llm(
        script=[
            {"match": r"proposals|prompt", "reply": "no"},
            {"match": ".", "reply": "[[ ## film ## ]]\nfilm-{{int 0 3}}\n\n[[ ## completed ## ]]"},
        ]
    )
    theirs = dspy.LM("openai/fake", api_base=server.base_url, api_key="x", cache=True)
    search = RecLoopRecPrompt(
        metric=a_program.metric, budget="calls=120", sizes=Sizes(search=10, selection=10, test=10)
    )
    examples = a_program.examples()
    with dspy.context(lm=theirs):
        found: Any = search.compile(a_program.Picker(), trainset=examples[:20], valset=examples[20:40])
    assert 20 < server.stats()["requests"] <= 120
    assert found.verdict["cases"] == 10
    ours = open_function(model)
    with dspy.context(lm=dspy_lm(ours)):
        search.compile(a_program.Picker(), trainset=examples[:20], valset=examples[20:40])
    assert ours.provider.calls > 20  # type: ignore[attr-defined]
    with pytest.raises(OptimizeError, match="there is no model"):
        search.compile(a_program.Picker(), trainset=examples)


def test_too_few_examples_are_refused_before_any_call() -> None:
    door = open_function(model)
    with pytest.raises(OptimizeError, match="leave"):
        RecLoopRacing(metric=a_program.metric, model=door).compile(
            a_program.Picker(), trainset=a_program.examples()[:12]
        )
    assert door.provider.calls == 0  # type: ignore[attr-defined]
