"""RecPrompt and PO4ISR in real runs: a log, a verdict on the sealed test, a hard budget, and the same end after a kill."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from recloop.llm import Budget
from recloop.llm.providers.base import ChatRequest, RawAnswer
from recloop.llm.types import Usage
from recloop.prompt_opt.optimizers import open_optimizer
from recloop.prompt_opt.search import Finished, optimize
from recloop.prompt_opt.splits import Sizes
from recloop.runs import Run
from small_world import MAGIC, WordProvider, WordTask, door, skill

SIZES = Sizes(search=16, selection=16, test=30)
SEARCHES: dict[str, dict[str, Any]] = {
    "recprompt": {"rounds": 3, "samples": 2},
    "po4isr": {"error_rank": 3, "batch": 6, "errors": 3, "steps": 10, "sessions": 6, "beam": 3, "candidates": 4},
}
MODES = [(name, released) for name in SEARCHES for released in (False, True)]


class Writer(WordProvider):
    """Also writes: observes, gives reasons, and adds the next magic word to the prompt that is shown first."""

    async def chat(self, request: ChatRequest) -> RawAnswer:
        asked = (request.json_schema or {}).get("properties", {})
        text = "\n".join(str(message["content"]) for message in request.messages)
        if "observation" in asked:
            self.calls += 1
            return RawAnswer(json.dumps({"observation": "a word is missing"}), usage=Usage(len(text) // 4, 5))
        if "reasons" in asked:
            self.calls += 1
            return RawAnswer(
                json.dumps({"reasons": ["a word is missing", "it is short"]}), usage=Usage(len(text) // 4, 9)
            )
        if "prompt" in asked:
            self.calls += 1
            old = text.split("<<<prompt\n")[1].split("\n>>>")[0]
            word = next((word for word in MAGIC if word not in old), "again")
            new = old.replace("{{case}}", f"mind the {word}. {{{{case}}}}")
            return RawAnswer(json.dumps({"prompt": new}), usage=Usage(len(text) // 4, len(new) // 4))
        return await super().chat(request)


def search(out: Path, name: str, released: bool, provider: WordProvider, budget: Budget | None = None) -> Finished:
    optimizer = open_optimizer(name, **SEARCHES[name], as_released=released)
    return asyncio.run(
        optimize(WordTask(80), optimizer, model=door(provider, budget), out=out, sizes=SIZES, budget=budget)
    )


@pytest.mark.parametrize(("name", "released"), MODES)
def test_a_run_ends_with_a_better_prompt_and_its_lineage(name: str, released: bool, tmp_path: Path) -> None:
    found = search(tmp_path / "run", name, released, Writer())
    assert found.status == "finished"
    assert found.candidate is not None
    assert found.verdict is not None
    assert skill(found.candidate.texts["rank"]) >= 1
    assert found.verdict["outcome"] == "better"
    assert found.candidate.calls
    assert found.candidate.shown


def test_a_chain_goes_where_repeated_sampling_from_the_first_prompt_cannot(tmp_path: Path) -> None:
    """The writer adds one word to the prompt it is shown: three rounds of the chain add three, as released there is one."""
    words = {
        released: skill(search(tmp_path / str(released), "recprompt", released, Writer()).candidate.texts["rank"])  # type: ignore[union-attr]
        for released in (False, True)
    }
    assert words == {False: 3, True: 1}


@pytest.mark.parametrize(("name", "released"), MODES)
def test_a_hard_budget_is_kept_and_the_best_so_far_is_judged(name: str, released: bool, tmp_path: Path) -> None:
    budget, provider = Budget(calls=100), Writer()
    found = search(tmp_path / "run", name, released, provider, budget)
    assert provider.calls <= 100
    assert found.status == "finished"
    assert found.verdict is not None
    with Run.open(tmp_path / "run") as run:
        (choice,) = (event for event in run.events() if event.kind == "choice")
    assert "budget was spent" in choice.data["why"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills are tried on forked processes")
@pytest.mark.parametrize(("name", "released"), MODES)
def test_a_killed_run_ends_alike_and_asks_nothing_twice(name: str, released: bool, tmp_path: Path) -> None:
    whole = Writer()
    search(tmp_path / "whole", name, released, whole)
    with Run.open(tmp_path / "whole") as run:
        digest = run.digest()
    for point in (whole.calls // 3, whole.calls * 2 // 3):
        out = tmp_path / str(point)
        if (child := os.fork()) == 0:
            try:
                search(out, name, released, Writer(fails=lambda n, last=point: os._exit(9) if n > last else False))
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        with Run.open(out) as run:
            known = run.calls.totals().calls
        rest = Writer()
        search(out, name, released, rest)
        assert rest.calls == whole.calls - known
        with Run.open(out) as run:
            assert run.digest() == digest
