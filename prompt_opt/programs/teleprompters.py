"""Our optimizers for any DSPy program, as DSPy's own are used:

better = RecLoopRacing(metric=metric, budget="calls=2000").compile(program, trainset=trainset)
better.verdict["text"]; better.save("better.json")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import dspy
from dspy.teleprompt import Teleprompter

from ...llm.budget import Budget
from ...llm.door import Door
from ...llm.dspy_face import DoorLM
from ...llm.line import Line
from ...llm.opening import open_model
from ...llm.sync import wait_for
from ...runs import Run
from .. import journal as log
from ..candidate import Candidate
from ..errors import OptimizeError
from ..optimizers import open_optimizer
from ..scores import Scores
from ..search import Finished, optimize
from ..splits import Sizes
from .lm_provider import LMProvider
from .program_task import ProgramTask, set_instructions

STANDS = ("better",)
UNPROVEN = ("better", "no difference found")


class RecLoop(Teleprompter):
    """A search of ours over the instructions of a program's predictors.

    `metric`: plain (example, pred, trace) or GEPA's five arguments, whose feedback is shown to the proposer. `model` and
    `proposer`: a door, a model's name, a `dspy.LM`, or None for the program's (the proposer: the model's). `budget`: as
    in "usd=1,calls=2000", over both. `unproven`: return the chosen program also where the sealed test finds no
    difference to the one that came in; a worse one is never returned. `out`: the run's folder, with all evidence; a
    search that was cut off goes on there. `options`: the optimizer's own.
    """

    optimizer: ClassVar[str]

    def __init__(
        self,
        metric: Callable[..., Any],
        *,
        model: Door | dspy.LM | str | None = None,
        proposer: Door | dspy.LM | str | None = None,
        budget: Budget | str | None = None,
        sizes: Sizes = Sizes(),
        seed: int = 0,
        unproven: bool = False,
        out: str | Path | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.metric, self.model, self.proposer = metric, model, proposer
        self.budget, self.sizes, self.seed = budget, sizes, seed
        self.unproven, self.out, self.options = unproven, out, options

    def compile(
        self,
        student: dspy.Module,
        *,
        trainset: list[dspy.Example],
        teacher: dspy.Module | None = None,
        valset: list[dspy.Example] | None = None,
        **kwargs: Any,
    ) -> dspy.Module:
        """The best program found; its `verdict` says how it did on a sealed part of `trainset`, `candidate_programs` lists
        all that were scored, best first. With `valset` the finalists are chosen on it, else on a part of `trainset`."""
        if teacher is not None or kwargs:
            raise TypeError(f"{type(self).__name__} takes a trainset and a valset, no {', '.join(kwargs) or 'teacher'}")
        task = _task(student, self.metric, trainset, valset or ())
        finished = wait_for(self._search(task, student))
        if finished.candidate is None or finished.verdict is None:
            raise OptimizeError(f"the search is {finished.status}: {finished.reason}\n  its run is {finished.run}")
        program: Any = student.deepcopy()
        if finished.verdict["outcome"] in (UNPROVEN if self.unproven else STANDS):
            set_instructions(program, finished.candidate.texts)
        program.verdict = dict(finished.verdict)
        program.candidate_programs = _programs(finished.run, task)
        program._compiled = True
        return program

    async def _search(self, task: ProgramTask, student: dspy.Module) -> Finished:
        budget = Budget.parse(self.budget) if isinstance(self.budget, str) else self.budget
        model = _door(self.model or _model_of(student), budget)
        proposer = model if self.proposer is None else _door(self.proposer, budget)
        optimizer = open_optimizer(self.optimizer, **self.options)
        return await optimize(
            task,
            optimizer,
            model=model,
            proposer=proposer,
            out=self.out,
            seed=self.seed,
            budget=budget,
            sizes=self.sizes,
            name=f"{self.optimizer}-{type(student).__name__}",
        )


class RecLoopRacing(RecLoop):
    """The default search: errors clustered, prompts written from their reasons, raced on shared cases."""

    optimizer = "racing"


class RecLoopPO4ISR(RecLoop):
    """PO4ISR's search: errors, reasons, refinement and paraphrases, a bandit, a beam."""

    optimizer = "po4isr"


class RecLoopRecPrompt(RecLoop):
    """RecPrompt's search: a chain of revised prompts from observed errors."""

    optimizer = "recprompt"


def _task(
    student: dspy.Module, metric: Callable[..., Any], train: Sequence[dspy.Example], valid: Sequence[dspy.Example]
) -> ProgramTask:
    task = ProgramTask(student, [*train, *valid], metric)
    ids = list(task.examples)
    if valid:
        task.parts = {"search": ids[: len(train)], "selection": ids[len(train) :]}
    return task


def _model_of(student: dspy.Module) -> Any:
    lms = {id(predictor.lm): predictor.lm for predictor in student.predictors() if predictor.lm is not None}
    if len(lms) > 1:
        raise OptimizeError("the program's predictors have several models\n  say which one is meant: model=…")
    found = next(iter(lms.values()), None) or dspy.settings.lm
    if found is None:
        raise OptimizeError("there is no model\n  give model=…, or dspy.configure(lm=…)")
    return found


def _door(model: Any, budget: Budget | None) -> Door:
    """A door of its own, so that a search's calls are kept in the search's run and paid from its budget."""
    if isinstance(model, str):
        return open_model(model, budget=budget)
    if isinstance(model, DoorLM):
        model = model.door
    if isinstance(model, Door):
        line = model.line
        options: dict[str, Any] = {
            name: getattr(line, name) for name in ("price", "concurrency", "timeout", "attempts")
        }
        return Door(Line(line.provider, budget=budget or line.budget, backoff=line.backoff, **options))
    return Door(Line(LMProvider(model), budget=budget, price=lambda: None, concurrency=64, timeout=120.0))


def _programs(path: Path, task: ProgramTask) -> list[dict[str, Any]]:
    """Every candidate as a program, with its mean on the cases of the search, best first."""
    scores, found = Scores(task.metric), {}
    with Run.open(path) as run:
        for event in run.events():
            if event.kind == log.CANDIDATE:
                found[event.agent] = Candidate.of(event.data)
            elif event.kind == log.SCORES:
                scores.add(event.agent, [log.result_of(row) for row in event.data["rows"]])
    rows = [
        {
            "score": scores.mean(id, list(scores.of(id))),
            "cases": len(scores.of(id)),
            "program": task.with_texts(each.texts),
        }
        for id, each in found.items()
        if scores.of(id)
    ]
    return sorted(rows, key=lambda row: -row["score"])
