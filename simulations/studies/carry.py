"""Carry a study out, go on with it, and keep its result."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...llm import Budget, BudgetError
from ...runs import (
    Column,
    DiskFull,
    Event,
    Manifest,
    Run,
    RunKind,
    TableSpec,
    check_vacant,
    is_run,
    redact,
    register_kind,
    register_table,
)
from ...runs.progress import Progress, Silent
from ..shared import Shared
from .study import Result, Study, StudyConfig, StudyError
from .table import open_study
from .workshop import Halted, Workshop

KIND = "study"
RESULT, CASES = "result", "cases"

register_kind(
    RunKind(
        KIND,
        resume="recloop.simulations.studies.carry:resume",
        summary="recloop.simulations.studies.carry:numbers",
        volatile_config=frozenset({"config.budget", "config.name"}),
    )
)
register_table(
    TableSpec(
        "cases",
        CASES,
        (
            Column("table", "str", "which of the study's per-case tables"),
            Column("row", "json", "the row: names and values as the study's page explains them"),
        ),
        lambda event: ({"table": event.data["table"], "row": row} for row in event.data["rows"]),
        "per-case values behind a study's numbers",
        run_kind=KIND,
    )
)


def config_of(study: Study, values: Mapping[str, Any]) -> StudyConfig:
    """A study's settings, checked. Raises `StudyError` naming each that is wrong."""
    try:
        return study.config_type(**values)
    except ValidationError as error:
        wrong = "\n  ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
        )
        known = ", ".join(study.config_type.model_fields)
        raise StudyError(f"study {study.name}: {wrong}\n  its settings: {known}") from None


async def study(
    name: str,
    values: Mapping[str, Any],
    *,
    out: Path,
    progress: Progress | None = None,
    api_key: str | None = None,
) -> Path:
    """Carry the study out into `out`, or go on with the one that is there. Returns the folder.

    Raises `StudyError` for settings that are wrong, and where `out` holds another study or other settings.
    """
    question = open_study(name)
    config = config_of(question, values)
    config.settings()  # what is wrong with the rehearsals shows now
    asked = {"study": name, "config": config.model_dump(mode="json")}
    if is_run(out):
        _same(out, asked)
        return await resume(out, progress=progress, api_key=api_key, budget=config.budget or None)
    check_vacant(out)
    with Run.create(out, kind=KIND, name=config.name, config=asked, seed=config.seed) as run:
        await _carry(run, question, config, progress or Silent(), api_key)
    return out


async def resume(
    path: Path,
    *,
    progress: Progress | None = None,
    api_key: str | None = None,
    budget: str | None = None,
    **others: Any,
) -> Path:
    """Go on with a paused or killed study; what is done is not done again. A finished one is returned as it is.

    Raises `StudyError` for what only a rehearsal can be told when it goes on (`others` that are not None).
    """
    if told := [key for key, value in others.items() if value is not None]:
        raise StudyError(
            f"a study takes no {' or '.join(told)} when it goes on"
            f"\n  go on with the rehearsal that is paused, then with the study: recloop resume {path}/runs/NAME"
        )
    if Manifest.read(path).status == "finished":
        return path
    with Run.open(path, write=True) as run:
        question = open_study(run.manifest.config["study"])
        values = dict(run.manifest.config["config"]) | ({} if budget is None else {"budget": budget})
        config = config_of(question, values)
        if budget is not None:
            run.revise({"config": config.model_dump(mode="json")}, f"resumed with budget={budget}")
        run.set_status("running", "")
        run.calls.retry_failures = True
        await _carry(run, question, config, progress or Silent(), api_key)
    return path


def _same(path: Path, asked: Mapping[str, Any]) -> None:
    """Raises `StudyError` where the folder holds another study than the one asked for."""
    manifest = Manifest.read(path)
    other = f"give another folder with --out, or go on with it as it is: recloop resume {path}"
    if manifest.kind != KIND:
        raise StudyError(f"{path} holds a run of kind {manifest.kind!r}, no study\n  {other}")
    there = manifest.config
    if there["study"] != asked["study"]:
        raise StudyError(f"{path} holds the study {there['study']}, not {asked['study']}\n  {other}")
    before, now = there["config"], redact(dict(asked["config"]))
    for key in {**before, **now}:
        if key not in ("budget", "name") and before.get(key) != now.get(key):
            raise StudyError(
                f"{path} holds this study with other settings: {key} was {before.get(key)!r}, now {now.get(key)!r}"
                f"\n  {other}"
            )


async def _carry(run: Run, question: Study, config: StudyConfig, progress: Progress, api_key: str | None) -> None:
    workshop = Workshop(run, progress, Shared(_budget(run, config)), api_key)
    try:
        result = await question.carry_out(config, workshop)
        keep(run, result)
        run.write_tables()
        run.set_status("finished", "")
    except (Halted, BudgetError) as stop:  # also of a question that the study itself asks
        run.set_status("paused", str(stop))
    except (asyncio.CancelledError, KeyboardInterrupt):
        run.set_status("paused", "interrupted")
        raise
    except DiskFull:
        raise
    except Exception as error:
        run.set_status("failed", f"{type(error).__name__}: {error}")
        raise


def keep(run: Run, result: Result) -> None:
    """Commit a result and its per-case rows."""
    events = [Event(CASES, data={"table": table, "rows": list(rows)}) for table, rows in result.cases.items()]
    run.commit(run.barrier + 1, [*events, Event(RESULT, data=result.json())])


def result_of(run: Run) -> Mapping[str, Any] | None:
    """The kept result (`Result.json`), None where the study is not done."""
    return next((event.data for event in run.events(kind=RESULT)), None)


def numbers(run: Run) -> dict[str, Any]:
    """The result's numbers by key, for comparing two runs: {row: {value, low, high, baseline}}."""
    found: dict[str, Any] = {}
    for key, row in ((result_of(run) or {}).get("rows") or {}).items():
        rivals = row["baselines"]
        baseline = rivals[0]["value"] if rivals else None
        found[key] = {"value": row["value"], "low": row["low"], "high": row["high"], "baseline": baseline}
    return found


def _budget(run: Run, config: StudyConfig) -> Budget | None:
    """The study's budget, with what its rehearsals and its own calls have spent so far."""
    if not config.budget:
        return None
    spent = {"calls": 0, "tokens": 0, "usd": 0.0, "seconds": 0.0}
    folders = [run.path / "runs" / each.name for each in sorted((run.path / "runs").glob("*")) if is_run(each)]
    totals = [run.calls.totals()]
    for folder in folders:
        with Run.open(folder) as opened:
            totals.append(opened.calls.totals())
    for each in totals:
        spent["calls"] += each.attempts
        spent["tokens"] += each.prompt_tokens + each.completion_tokens
        spent["usd"] += each.cost
        spent["seconds"] += each.seconds
    return Budget.parse(config.budget).resume({"spent": spent})
