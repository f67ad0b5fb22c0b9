"""A search killed anywhere goes on to the same end, and asks nothing again that was recorded."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recloop.prompt_opt.search import optimize
from recloop.prompt_opt.splits import Sizes
from recloop.runs import Run
from recloop.runs.calls import Cassette
from small_world import Climber, WordProvider, WordTask, door

SIZES = Sizes(search=12, selection=10, test=14)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills are tried on forked processes")


def search(out: Path, provider: WordProvider) -> None:
    asyncio.run(optimize(WordTask(60), Climber(), model=door(provider), out=out, sizes=SIZES))


def at_points(reached: Callable[[], None], provider: WordProvider) -> None:
    """Call `reached` before and after every call, every recorded answer and every commit of this process."""

    def around(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            reached()
            result = original(*args, **kwargs)
            reached()
            return result

        setattr(owner, name, wrapped)

    around(Cassette, "put")
    around(Run, "commit")
    around(provider, "chat")


def killed_at(point: int, out: Path) -> int:
    """Run the search in a forked process that dies, like by kill -9, at the given point; returns its exit code."""
    if (child := os.fork()) == 0:
        left = point

        def reached() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)

        try:
            provider = WordProvider()
            at_points(reached, provider)
            search(out, provider)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_a_search_killed_anywhere_ends_alike(tmp_path: Path, stride: int) -> None:
    whole, provider = tmp_path / "whole", WordProvider()
    search(whole, provider)
    with Run.open(whole) as run:
        digest, calls = run.digest(), run.calls.totals().calls
    points = 0
    for point in range(0, 10_000, stride):
        out = tmp_path / "broken"
        if killed_at(point, out) == 0:
            break
        points += 1
        before = 0
        if (out / "manifest.json").exists():
            with Run.open(out) as run:
                before = run.calls.totals().calls
        provider = WordProvider()
        search(out, provider)
        with Run.open(out) as run:
            assert run.digest() == digest, f"killed at point {point}"
        assert provider.calls == calls - before, f"killed at point {point}"
        shutil.rmtree(out)
    assert points * stride >= 200
