"""Rehearsals to look into: two with a fake endpoint that now and then answers badly, one of scripted users, each made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLLM
from recloop.simulations.debugging import Debugger
from rehearsing import STAY, STAY_FAITHFUL, rehearse, settings

BAD = "malformed=0.12,empty=0.05"


def leaving(script: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same script, under which now and then somebody leaves."""
    now_and_then = "{{pick next|next|next|exit}}"
    page, after = script
    reply = page["reply"].replace('"decision": "next"', f'"decision": "{now_and_then}"')
    return [{**page, "reply": reply}, {**after, "json": {**after["json"], "decision": now_and_then}}]


def _of_a_model(folder: Path, plan: str) -> Path:
    script = leaving(STAY if plan == "fused" else STAY_FAITHFUL)
    with FakeLLM(errors=BAD, script=script) as server:
        config = settings(folder, model="openai/fake", base_url=server.base_url, plan=plan, users=8, interviews=(2,))
        return rehearse(config, folder / plan)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The runs by name: fused, faithful, scripted. Not to be written to."""
    folder = tmp_path_factory.mktemp("debugged")
    runs = {plan: _of_a_model(folder, plan) for plan in ("fused", "faithful")}
    return runs | {"scripted": rehearse(settings(folder, model="scripted", users=20, pages=5), folder / "scripted")}


@pytest.fixture
def look(made: dict[str, Path]) -> Iterator[Callable[[str], Debugger]]:
    """Opens one of the runs, for looking only."""
    opened: list[Debugger] = []

    def open(name: str) -> Debugger:
        opened.append(Debugger(made[name]))
        return opened[-1]

    yield open
    for each in opened:
        each.close()


@pytest.fixture
def copy(made: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of one of the runs, to be changed."""

    def copied(name: str) -> Path:
        return Path(shutil.copytree(made[name], tmp_path / name))

    return copied
