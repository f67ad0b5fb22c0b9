"""The runtime of a search: log, graph, resume, budgets, approval, verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_world import Climber, WordProvider, WordTask, door, skill

from recloop.llm import Budget
from recloop.prompt_opt.search import Finished, optimize
from recloop.prompt_opt.splits import Sizes
from recloop.runs import Run

SIZES = Sizes(search=20, selection=20, test=30)


async def climb(out: Path, provider: WordProvider | None = None, budget: Budget | None = None, **options: Any) -> Finished:
    model = door(provider or WordProvider(), budget)
    return await optimize(WordTask(), Climber(), model=model, out=out, budget=budget, sizes=SIZES, **options)


async def test_a_search_ends_with_a_better_prompt_and_a_verdict(tmp_path: Path) -> None:
    found = await climb(tmp_path / "run")
    assert found.status == "finished" and found.candidate is not None and found.verdict is not None
    assert skill(found.candidate.texts["rank"]) == 3
    assert found.verdict["outcome"] == "better"
    assert found.verdict["cases"] == 30
    with Run.open(tmp_path / "run") as run:
        kinds = [event.kind for event in run.events()]
        assert kinds.count("candidate") == 4 and kinds.count("opened") == 1 and kinds.count("verdict") == 1
        assert run.table("scores").num_rows == 4 * 20 + 2 * 20 + 2 * 30
        assert run.table("candidates").num_rows == 4


async def test_the_test_split_is_asked_after_its_opening_only_and_of_two_prompts(tmp_path: Path) -> None:
    await climb(tmp_path / "run")
    with Run.open(tmp_path / "run") as run:
        events = list(run.events())
        opened = next(event for event in events if event.kind == "opened")
        splits = next(event.data["splits"] for event in events if event.kind == "task")
        asked = {(e.agent, row["case"]): e.seq for e in events if e.kind == "scores" for row in e.data["rows"]}
    tested = {candidate for (candidate, case) in asked if case in splits["test"]}
    assert tested == set(opened.data["candidates"])
    assert all(seq > opened.seq for (_, case), seq in asked.items() if case in splits["test"])
    assert not set(splits["test"]) & (set(splits["search"]) | set(splits["selection"]))


async def test_equal_searches_have_equal_digests_at_any_concurrency(tmp_path: Path) -> None:
    digests = set()
    for concurrency in (1, 8, 64):
        model = door(WordProvider(), concurrency=concurrency)
        out = tmp_path / str(concurrency)
        await optimize(WordTask(), Climber(), model=model, out=out, sizes=SIZES)
        with Run.open(out) as run:
            digests.add(run.digest())
    assert len(digests) == 1
