"""The default optimizer in the runtime: over real questions to a verdict, and after a break to the very same end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from inprocess import asked, open_function
from recloop.llm import Budget
from recloop.llm.providers.base import ChatRequest
from recloop.prompt_opt.optimizers import open_optimizer
from recloop.prompt_opt.search import Finished, optimize
from recloop.prompt_opt.splits import Sizes
from recloop.runs import Run
from small_world import MAGIC, WordTask, place, skill

SIZES = Sizes(search=24, selection=24, test=24)


class Broken(BaseException):
    """Ends the process's work in the middle of a call."""


def answer(request: ChatRequest) -> str:
    """A case is answered by the words in its prompt; the proposer adds a word that helps."""
    text = asked(request)
    fields = (request.json_schema or {}).get("properties", {})
    if "place" in fields:
        return json.dumps({"place": place(text)})
    if "remedy" in fields:
        return json.dumps({"reason": "It says nothing of intent.", "remedy": "Speak of it."})
    old = text.split("<<<prompt\n", 1)[1].split("\n>>>", 1)[0]
    word = next((word for word in MAGIC if word not in old), "again")
    return json.dumps(
        {"change": f"speaks of {word}", "text": old.replace("{{case}}", f"mind the {word}. {{{{case}}}}")}
    )


async def search(out: Path, budget: str = "", most: int = 10_000) -> Finished:
    """A search; the call after the first `most` breaks it off."""
    calls = 0

    def answered(request: ChatRequest) -> str:
        nonlocal calls
        calls += 1
        if calls > most:
            raise Broken
        return answer(request)

    limit = Budget.parse(budget) if budget else None
    optimizer = open_optimizer("racing", rounds=3, width=2, operators_per_round=1)
    door = open_function(answered, budget=limit)
    return await optimize(WordTask(120), optimizer, model=door, out=out, sizes=SIZES, budget=limit)


async def test_a_search_over_real_questions_ends_in_a_better_prompt_and_a_verdict(tmp_path: Path) -> None:
    found = await search(tmp_path / "run")
    assert found.candidate is not None
    assert found.verdict is not None
    assert skill(found.candidate.texts["rank"]) >= 2
    assert found.verdict["outcome"] == "better"
    assert found.candidate.operator in ("refine", "paraphrase", "merge", "shorten", "persona")


async def test_a_search_broken_off_in_a_call_goes_on_to_the_same_digest(tmp_path: Path) -> None:
    """Broken off while the seed is scored, while candidates are raced, and near the end."""
    await search(tmp_path / "whole")
    with Run.open(tmp_path / "whole") as run:
        digest = run.digest()
    for most in (3, 70, 140):
        with pytest.raises(Broken):
            await search(tmp_path / str(most), most=most)
        await search(tmp_path / str(most))
        with Run.open(tmp_path / str(most)) as run:
            assert run.digest() == digest, f"broken off after {most} calls"


async def test_a_budget_of_calls_is_kept_and_the_test_is_still_paid_for(tmp_path: Path) -> None:
    found = await search(tmp_path / "run", budget="calls=160")
    assert found.verdict is not None
    with Run.open(tmp_path / "run") as run:
        assert run.calls.totals().calls <= 160


async def test_a_search_under_a_budget_is_replayed_to_the_same_digest(tmp_path: Path) -> None:
    """Its optimizer spends by what is left, so a replay, which pays for nothing, must be told what was left."""
    for budget in ("calls=160", "tokens=30000", "calls=400,seconds=600"):
        out = tmp_path / budget
        await search(out, budget=budget)
        with Run.open(out) as old:
            door = open_function(never, cassette=old.calls)
            optimizer = open_optimizer("racing", rounds=3, width=2, operators_per_round=1)
            again = tmp_path / f"{budget} again"
            await optimize(WordTask(120), optimizer, model=door, out=again, sizes=SIZES, record=False, follows=old)
            with Run.open(again, write=True) as new:
                new.calls.adopt(old.calls)
                assert new.digest() == old.digest(), budget


def never(request: ChatRequest) -> str:
    raise AssertionError("a replay asks nobody")


@pytest.mark.parametrize("larger", ["calls=400", "calls=2000"])
async def test_a_broken_search_goes_on_under_another_budget(tmp_path: Path, larger: str) -> None:
    """What it decided by what was left then stays decided."""
    for most in (60, 90, 120):
        out = tmp_path / str(most)
        with pytest.raises(Broken):
            await search(out, budget="calls=170", most=most)
        found = await search(out, budget=larger)
        assert found.verdict is not None
