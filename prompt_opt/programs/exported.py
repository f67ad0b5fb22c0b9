"""A recorded search's prompts in the forms that other tools read: which form needs what of the search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ...llm import open_model
from ...runs import Run
from ..asked import checked, task_of
from ..candidate import Candidate
from ..errors import OptimizeError
from ..history import History
from ..task import Component, Task
from . import exchange


async def exported(
    run: Run, history: History, candidate: Candidate | None, form: str, *, trust: bool = False
) -> dict[str, str]:
    """File name -> text, for one of `exchange.FORMATS`. `candidate` None: the best one; for gepa every one that entered.

    promptfoo and DSPy programs need the task itself, which is opened again as it was configured; for a DSPy program that
    imports the module which the run names, so the caller must say that it trusts the run. Raises `OptimizeError` where
    that cannot be, or where the form cannot hold the prompt.
    """
    one = candidate or history.best
    named = str(run.manifest.config.get("task", ""))
    if named.startswith("dspy:") and form in ("promptfoo", "dspy") and not trust:
        raise OptimizeError(
            f"this run names code to import ({named.removeprefix('dspy:')}), and a run folder may come from anyone\n"
            "  add --trust if you know it, or export as text, langchain or gepa, which import nothing"
        )
    components = components_of(history)
    if form == "text":
        return {f"{one.id}.md": exchange.to_text(one.texts)}
    if form == "langchain":
        return {f"{name}.json": exchange.to_langchain_json(one.texts[name], part) for name, part in components.items()}
    if form == "gepa":
        return {"candidates.json": exchange.to_gepa([candidate] if candidate else history.candidates.values())}
    if form == "promptfoo":
        task = await reopened(run)
        known = {case.id: case for case in task.cases}
        tested = history.splits["test"] if history.verdict is not None else history.search
        return {"promptfooconfig.json": await exchange.to_promptfoo(one.texts, task, [known[case] for case in tested])}
    if form == "dspy":
        program = str(run.manifest.config.get("task", "")).startswith("dspy:")
        shown = await reopened(run) if program else cast(Task, _Parts(components))
        return {"program.json": exchange.to_dspy(one.texts, shown)}
    raise OptimizeError(f"no form {form!r}\n  there are {', '.join(exchange.FORMATS)}")


def components_of(history: History) -> dict[str, Component]:
    """The texts that were under search, as the log describes them."""
    told: Mapping[str, Any] = history.task.get("components", {})
    return {
        name: Component(part["text"], part["purpose"], part["fields"], tuple(part["required"]))
        for name, part in told.items()
    }


async def reopened(run: Run) -> Task:
    """The task of a recorded search, from its configuration; no model is asked. Raises `OptimizeError` where the task was
    given from Python, or where its data is not what it was."""
    if "task_options" not in run.manifest.config:
        raise OptimizeError(
            f"the task of {run.path.name} was given from Python, so it cannot be opened again\n"
            "  export it as text, langchain or gepa, or call recloop.prompt_opt.programs.exchange with the task"
        )
    config = checked(run.manifest.config)
    model = open_model(config.model, base_url=config.base_url, cassette=run.calls, replay_only=True)
    try:
        await model.check()
        task = task_of(config, model)
    finally:
        await model.close()
    if task.hash != run.manifest.hashes.get("task"):
        raise OptimizeError(
            f"{run.path.name}: data or settings of {config.task} are not what this search began with\n"
            "  restore them, or export in a form without cases: text, langchain, gepa"
        )
    return task


@dataclass(frozen=True)
class _Parts:
    """As much of a task as a plain DSPy predictor needs."""

    components: Mapping[str, Component]
