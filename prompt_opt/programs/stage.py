"""What a DSPy optimizer is shown of a task: a program, examples, a metric; and a ledger of all that it tried.

A DSPy program is shown as it is; any other task as a program of one predictor per component, whose instruction is the
component's text.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import dspy
from dspy.signatures import make_signature

from ...llm.dspy_face import DRAWS
from ...llm.errors import ModelConfigError, ModelFailed
from ...llm.prompts import FIELD
from ...llm.types import Outcome, Place
from ..candidate import candidate_id
from ..errors import OptimizeError
from ..guards import contract
from ..task import MISSING, Result, Task, Texts
from .metered import Fatal, Metered
from .program_task import ProgramTask

T = TypeVar("T")


@dataclass
class Ledger:
    """Every candidate that was evaluated, in the order of its first evaluation, with its values by case.

    `missing`: evaluations that never reached the model. `broken`: evaluations refused because the candidate does not
    keep the task's contract (a placeholder lost); they are the worst value and cost nothing.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: int = 0
    broken: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, texts: Texts, case: str, value: float) -> None:
        """One evaluation. A case that was evaluated again counts by its mean."""
        with self._lock:
            row = self.rows.setdefault(candidate_id(texts), {"texts": dict(texts), "values": {}})
            row["values"].setdefault(case, []).append(value)

    def lose(self) -> None:
        with self._lock:
            self.missing += 1

    def refuse(self) -> None:
        with self._lock:
            self.broken += 1

    @property
    def scored(self) -> int:
        """Evaluations with a value."""
        with self._lock:
            return sum(len(values) for row in self.rows.values() for values in row["values"].values())

    def candidates(self) -> list[dict[str, Any]]:
        """As JSON: texts and mean value by case."""
        with self._lock:
            return [
                {"texts": row["texts"], "scores": {case: sum(v) / len(v) for case, v in sorted(row["values"].items())}}
                for row in self.rows.values()
            ]


class Bound:
    """What a shown program holds on to; shared by its copies."""

    def __init__(self, task: Task, model: Metered, ledger: Ledger) -> None:
        self.task, self.model, self.ledger = task, model, ledger
        self.cases = {case.id: case for case in task.cases}
        self.names = tuple(task.components)
        self.loop = asyncio.get_running_loop()

    def __deepcopy__(self, memo: dict[int, Any]) -> Bound:
        return self


class TaskProgram(dspy.Module):
    """A task as a program. Each predictor's instruction is a prompt template: its `{{field}}`s are filled in per case and
    must be kept word for word."""

    def __init__(self, bound: Bound) -> None:
        super().__init__()
        self.bound = bound
        self.prompts = [
            dspy.Predict(make_signature("case -> answer", component.text))
            for component in bound.task.components.values()
        ]

    def forward(self, id: str, case: str) -> dspy.Prediction:
        bound, texts = self.bound, self.texts()
        known = bound.cases[id]
        broken = lost(bound.task, texts)
        outcome: Outcome[Any]
        if broken:
            bound.ledger.refuse()
            outcome = Outcome("parse_fail", error=broken)
        else:
            place = Place(candidate_id(texts), 0, id, DRAWS * int(dspy.settings.lm.kwargs.get("rollout_id") or 0))
            bound.model.check_open()
            work: Any = bound.task.run(texts, known, bound.model, place)  # type: ignore[arg-type]
            outcome = _fatal(asyncio.run_coroutine_threadsafe(work, bound.loop).result)
        if outcome.status in MISSING:
            bound.ledger.lose()
            raise ModelFailed(outcome)
        result = bound.task.score(known, outcome)
        bound.ledger.add(texts, id, result.values[bound.task.metric])
        said = result.diagnosis
        answer = dspy.Prediction(answer=(said.answer if said else "") or outcome.text)
        if dspy.settings.trace is not None:
            dspy.settings.trace.extend((prompt, {"case": case}, answer) for prompt in self.prompts)
        return dspy.Prediction(answer=answer.answer, result=result, broken=broken)

    def texts(self) -> dict[str, str]:
        """The components' texts as they stand now. DSPy trims instructions; an untouched one is the seed's again."""
        seeds = self.bound.task.components
        now = zip(self.bound.names, (str(prompt.signature.instructions) for prompt in self.prompts), strict=True)  # type: ignore[union-attr]
        return {name: _untrimmed(text, seeds[name].text) for name, text in now}


class Watched(dspy.Module):
    """A DSPy program as it is, with a ledger of its evaluations. Runs with other demonstrations than its own are left out:
    they are not the instructions' doing."""

    def __init__(self, program: dspy.Module, bound: Bound, examples: dict[str, dspy.Example]) -> None:
        super().__init__()
        self.program, self.bound = program, bound
        self.demos = _Kept(list(predictor.demos) for predictor in program.predictors())
        self.ids = _Shared({_spelled(dict(example.inputs())): id for id, example in reversed(examples.items())})

    def forward(self, **given: Any) -> Any:
        bound, texts = self.bound, self.texts()
        task = bound.task
        assert isinstance(task, ProgramTask)
        mine = (
            texts if all(each.demos == own for each, own in zip(self.predictors(), self.demos, strict=True)) else None
        )
        _last.texts = mine
        try:
            prediction = self.program(**given)
        except Exception as error:
            case = self.ids.get(_spelled(given), "")
            status, _ = _fatal(task.read, error, case, True)
            if status in MISSING:
                bound.ledger.lose()
            elif mine is not None and case:
                bound.ledger.add(mine, case, task.worst)
            raise
        task.well()
        return prediction

    def texts(self) -> dict[str, str]:
        seeds = self.bound.task.components
        now = {name.removeprefix("program."): p.signature.instructions for name, p in self.named_predictors()}  # type: ignore[union-attr]
        return {name: _untrimmed(now[name], seeds[name].text) for name in seeds}


class _Shared(dict[str, str]):
    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


class _Kept(list[Any]):
    def __deepcopy__(self, memo: dict[int, Any]) -> _Kept:
        return self


_last = threading.local()
"""Texts of the program that ran last in this thread, for the metric that is called next; None where it had demos."""


class Stage:
    """Program, examples and metric for one search of a DSPy optimizer, and its ledger."""

    def __init__(self, task: Task, model: Metered, cases: Sequence[str]) -> None:
        self.task, self.ledger = task, Ledger()
        bound = Bound(task, model, self.ledger)
        self.examples: list[dspy.Example]
        self.student: dspy.Module
        if isinstance(task, ProgramTask):
            self.examples = [task.examples[id] for id in cases]
            self.student = Watched(task.program.deepcopy(), bound, task.examples)
        else:
            self.examples = [
                dspy.Example(id=id, case=task.story(bound.cases[id])).with_inputs("id", "case") for id in cases
            ]
            self.student = TaskProgram(bound)
        self._ids = {id(example): case for example, case in zip(self.examples, cases, strict=True)}
        self._kept = "" if isinstance(task, ProgramTask) else _reminder(task)

    def metric(
        self, gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> dspy.Prediction:
        """GEPA's metric of five arguments: the task's value, and its diagnosis as feedback."""
        if isinstance(self.task, ProgramTask):
            judged = _fatal(self.task.judge, gold, pred)
            texts, case = getattr(_last, "texts", None), self._ids.get(id(gold))
            if pred_name is None and texts is not None and case is not None:
                self.ledger.add(texts, case, judged.value)
            return dspy.Prediction(score=judged.value, feedback=judged.feedback or None)
        if pred is None or "result" not in pred:  # an evaluation that failed before there was a result
            return dspy.Prediction(score=0.0, feedback="There was no answer.")
        result: Result = pred.result
        said = result.diagnosis
        told = [pred.broken or (said.text if said else ""), f"Right was: {said.truth}" if said and said.truth else ""]
        feedback = " ".join(filter(None, [*told, self._kept]))
        return dspy.Prediction(score=result.values[self.task.metric], feedback=feedback)

    def value(self, gold: Any, pred: Any, trace: Any = None) -> float:
        """The plain metric: the value alone."""
        return float(self.metric(gold, pred, trace).score)


def _fatal(call: Callable[..., T], *arguments: Any) -> T:
    """A mistake of the user's must reach the user: DSPy would take it for a bad answer, case after case."""
    try:
        return call(*arguments)
    except (OptimizeError, ModelConfigError) as mistake:
        raise Fatal from mistake


def lost(task: Task, texts: Texts) -> str:
    """How texts break the task's contract; empty where they do not."""
    return "; ".join(
        f"{name}: {what}" for name, component in task.components.items() for what in contract(texts[name], component)
    )


def _reminder(task: Task) -> str:
    """What an optimizer that knows no placeholders has to be told, or all its prompts would be void."""
    held = sorted({field for component in task.components.values() for field in FIELD.findall(component.text)})
    return (
        f"(The prompt is a template: keep {', '.join('{{' + name + '}}' for name in held)} word for word.)"
        if held
        else ""
    )


def _untrimmed(text: str, seed: str) -> str:
    return seed if text == make_signature("case -> answer", seed).instructions else text


def _spelled(given: dict[str, Any]) -> str:
    return json.dumps(given, sort_keys=True, default=str, ensure_ascii=False)
