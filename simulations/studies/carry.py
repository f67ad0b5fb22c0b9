"""Carry a study out, go on with it, and keep its result."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...llm import Budget, BudgetError, ModelConfigError
from ...methods.recommenders.open import check_opens
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
from ...runs.calls import CallTotals
from ...runs.progress import Progress, Silent
from ..config import VOLATILE
from ..rehearsal import NOTE
from ..shared import Shared
from .study import Result, Study, StudyConfig, StudyError
from .table import open_study
from .workshop import Halted, Workshop

KIND = "study"
RESULT, CASES = "result", "cases"
OWN = ("budget", "name")
"""Settings of the study as a whole that may change when it goes on, as `VOLATILE` ones of its rehearsals may."""

register_kind(
    RunKind(
        KIND,
        resume="recloop.simulations.studies.carry:resume",
        summary="recloop.simulations.studies.carry:numbers",
        volatile_config=frozenset(
            {*(f"config.{key}" for key in OWN), *(f"config.rehearsal.{key}" for key in VOLATILE)}
        ),
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
        moved = {key: value for key, value in config.rehearsal.items() if key in VOLATILE and key not in OWN}
        return await resume(out, progress=progress, api_key=api_key, budget=config.budget or None, **moved)
    check_vacant(out)
    for spec in config.opened:
        check_opens(spec)
    shared = Shared()
    hashes = _hashes(config, shared)
    try:
        with Run.create(out, kind=KIND, name=config.name, config=asked, seed=config.seed, hashes=hashes) as run:
            await _carry(run, question, config, shared, progress or Silent(), api_key)
    except Exception:
        if _nothing_done(out):
            shutil.rmtree(out)
        raise
    return out


async def resume(
    path: Path,
    *,
    progress: Progress | None = None,
    api_key: str | None = None,
    budget: str | None = None,
    pages: int | None = None,
    **others: Any,
) -> Path:
    """Go on with a paused or killed study; what is done is not done again. A finished one is returned as it is.

    `budget`, and of `others` what says how rehearsals are carried out (`concurrency`, `base_url`, `price`, `timeout`), replace
    what it began with. Raises `StudyError` where data or prompts have changed, and for more `pages`; the study then stays
    as it was.
    """
    if pages is not None:
        raise StudyError(
            f"{path} asks about so many pages, no more\n  ask the study anew, or give one rehearsal more:"
            f" recloop resume {path}/runs/NAME --pages {pages}"
        )
    if Manifest.read(path).status == "finished":
        return path
    with Run.open(path, write=True) as run:
        if run.status == "running":  # and nobody holds its lock
            run.set_status("paused", "killed")
        before = run.manifest.config["config"]
        question = open_study(run.manifest.config["study"])
        moved = {key: value for key, value in others.items() if value is not None}
        now = {**before, "rehearsal": {**before["rehearsal"], **moved}} | ({} if budget is None else {"budget": budget})
        config = config_of(question, now)
        config.settings()
        shared = Shared()
        _unchanged(run, _hashes(config, shared))
        if now != before:
            changed = [*moved, *([] if budget is None else ["budget"])]
            run.revise({"config": config.model_dump(mode="json")}, "resumed with another " + ", ".join(changed))
        run.set_status("running", "")
        run.calls.retry_failures = True
        await _carry(run, question, config, shared, progress or Silent(), api_key)
    return path


def _hashes(config: StudyConfig, shared: Shared) -> dict[str, str]:
    """What must not change while a study is paused: data, and prompts of the user's. Recorded runs are looked at in one go."""
    if config.looks_back:
        return {}
    settings = config.settings()
    texts = {f"prompt:{node}": Path(path) for node, path in settings.prompts.items() if Path(path).is_file()}
    return {"data": shared.data(settings).hash} | {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in texts.items()
    }


def _unchanged(run: Run, now: Mapping[str, str]) -> None:
    for name, before in run.manifest.hashes.items():
        if now.get(name) != before:
            raise StudyError(
                f"{name} is not what this study began with\n  restore it, or ask anew in another folder: recloop study"
            )


def _nothing_done(path: Path) -> bool:
    """Whether a study failed before anything of it was computed, rehearsed or asked: there is nothing to go on with."""
    if not is_run(path) or any((path / "runs").glob("*")):
        return False
    with Run.open(path) as run:
        return run.barrier < 0 and not run.calls.totals().attempts


def _same(path: Path, asked: Mapping[str, Any]) -> None:
    """Raises `StudyError` where the folder holds another study than the one asked for."""
    manifest = Manifest.read(path)
    other = f"give another folder with --out, or go on with it as it is: recloop resume {path}"
    if manifest.kind != KIND:
        raise StudyError(f"{path} holds a run of kind {manifest.kind!r}, no study\n  {other}")
    there = manifest.config
    if there["study"] != asked["study"]:
        raise StudyError(f"{path} holds the study {there['study']}, not {asked['study']}\n  {other}")
    before, now = _meant(there["config"]), _meant(redact(dict(asked["config"])))
    for key in {**before, **now}:
        if before.get(key) != now.get(key):
            raise StudyError(
                f"{path} holds this study with other settings: {key} was {before.get(key)!r}, now {now.get(key)!r}"
                f"\n  {other}"
            )


def _meant(config: Mapping[str, Any]) -> dict[str, Any]:
    """A study's settings without those that only say how it is carried out, the rehearsals' under names of their own."""
    own = {key: value for key, value in config.items() if key not in (*OWN, "rehearsal")}
    inner = {f"rehearsal.{key}": value for key, value in config["rehearsal"].items() if key not in VOLATILE}
    return own | inner


async def _carry(
    run: Run, question: Study, config: StudyConfig, shared: Shared, progress: Progress, api_key: str | None
) -> None:
    budget = shared.budget = _budget(run, config)
    budget.keep(run.path / NOTE)
    workshop = Workshop(run, progress, shared, api_key)
    try:
        if result_of(run) is None:  # a kill may have come after the result and before the word that it is there
            keep(run, await question.carry_out(config, workshop))
        run.write_tables()
        run.set_status("finished", "")
    except (Halted, BudgetError) as stop:  # also of a question that the study itself asks
        run.set_status("paused", str(stop))
    except (asyncio.CancelledError, KeyboardInterrupt):
        run.set_status("paused", "interrupted")
        raise
    except ModelConfigError as wrong:  # mended outside of the study: a key
        run.set_status("paused", str(wrong))
        raise
    except DiskFull:
        raise
    except Exception as error:
        run.set_status("failed", f"{type(error).__name__}: {error}")
        raise
    finally:
        budget.let_go(sum(each.attempts for each in _totals(run)))


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


def _budget(run: Run, config: StudyConfig) -> Budget:
    """The study's budget, with what its rehearsals and its own calls have spent so far; without limits it still knows
    what calls in flight may cost."""
    totals = _totals(run)
    spent = {
        "calls": sum(each.attempts for each in totals),
        "tokens": sum(each.prompt_tokens + each.completion_tokens for each in totals),
        "usd": sum(each.cost for each in totals),
        "seconds": sum(each.seconds for each in totals),
    }
    return Budget.parse(config.budget).resume({"spent": spent})


def _totals(run: Run) -> list[CallTotals]:
    """What the calls took of the study itself, and of each of its rehearsals."""
    totals = [run.calls.totals()]
    for folder in filter(is_run, sorted((run.path / "runs").glob("*"))):
        with Run.open(folder) as opened:
            totals.append(opened.calls.totals())
    return totals
