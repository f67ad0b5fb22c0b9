"""The verdict claims no difference that chance makes more often than is stated, ties or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import planted_prompts as engine
import pytest
from inprocess import asked, open_function
from recloop.evaluators import paired_difference
from recloop.llm.providers.base import ChatRequest
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.context import Context
from recloop.prompt_opt.search import Finished, optimize
from recloop.prompt_opt.splits import Sizes, draw_splits
from recloop.prompt_opt.steps import Choice, Enter, Search
from recloop.prompt_opt.verdict import told
from recloop.runs import Run
from small_world import WordTask

SIZES = Sizes(search=10, selection=10, test=10)
STATED = 0.025


@pytest.mark.parametrize(("family", "cases"), [("small", 30), ("heavy ties", 60)])
def test_prompts_of_equal_worth_are_told_apart_no_more_often_than_stated(family: str, cases: int) -> None:
    draws = 2000
    seed, other = engine.draw(family, 0.0, "report", 0, arms=2, cases=draws * cases).values
    lead = (other - seed).reshape(draws, cases)
    near = lead.mean(axis=1) > 1.3 * lead.std(axis=1, ddof=1) / np.sqrt(cases)  # no claim is made below
    found = [paired_difference(row, np.zeros(cases), draws=2000) for row in lead[near]]
    error = np.sqrt(STATED * (1 - STATED) / draws)
    assert sum(told(each) for each in found) / draws < STATED + 2.3 * error
    assert sum(each.low > 0 for each in found) / draws > STATED + 2.3 * error  # what the interval alone would claim


class Given:
    """An optimizer that takes the one prompt that it knows."""

    name = "given"

    def search(self, context: Context) -> Search:
        (candidate,) = yield Enter([Candidate({"rank": "mind the intent {{case}}"}, "given")])
        return Choice(candidate, "it was given")

    def forecast(self, context: Context) -> Mapping[str, Any]:
        return {"task": 0, "proposals": 0}


async def search(out: Path, better: int, other: int = 2) -> Finished:
    """The given prompt puts the target of so many test cases first, all others are at `other` under both prompts."""
    task = WordTask(30)
    helped = set(draw_splits(task, SIZES, 0).test[:better])

    def answer(request: ChatRequest) -> str:
        text = asked(request)
        return json.dumps({"place": 1 if "intent" in text and text.split("case ")[1].split()[0] in helped else other})

    return await optimize(task, Given(), model=open_function(answer), out=out, sizes=SIZES)


@pytest.mark.parametrize(("better", "outcome"), [(4, "no difference found"), (5, "no difference found"), (6, "better")])
async def test_interval_and_test_must_agree_before_a_prompt_is_called_better(
    tmp_path: Path, better: int, outcome: str
) -> None:
    """Of five differences with one sign, one in sixteen is chance, although the interval leaves out 0."""
    verdict = (await search(tmp_path / "run", better)).verdict
    assert verdict is not None
    assert verdict["outcome"] == outcome
    assert verdict["difference"]["found"] == (outcome == "better")
    assert verdict["difference"]["p_value"] == pytest.approx(2 / 2**better, abs=0.003)
    if better == 5:
        assert verdict["difference"]["low"] > 0
        assert "but p = 0.06" in verdict["text"]


@pytest.mark.parametrize(
    ("other", "words"), [(2, "every answer scored 0.500"), (0, "every answer scored 0: look at one")]
)
async def test_a_test_whose_answers_all_score_alike_says_so_and_no_detectable_difference(
    tmp_path: Path, other: int, words: str
) -> None:
    verdict = (await search(tmp_path / "run", 0, other)).verdict
    assert verdict is not None
    assert verdict["detectable"] is None
    assert verdict["remarks"][0].startswith(words)
    if not other:
        key = verdict["remarks"][0].split()[-1]
        with Run.open(tmp_path / "run") as run:
            assert any(call.key == key for call in run.calls.all())


async def test_answers_that_differ_have_a_detectable_difference(tmp_path: Path) -> None:
    verdict = (await search(tmp_path / "run", 4)).verdict
    assert verdict is not None
    assert verdict["detectable"] > 0
    assert not verdict["remarks"]
