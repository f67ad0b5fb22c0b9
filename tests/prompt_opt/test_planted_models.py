"""The planted task through real doors: the model ranks as the truth says, the proposer writes prompts, budgets hold."""

from __future__ import annotations

import asyncio

import planted_prompts as engine
import pytest
from planted_models import PlantedModel, PlantedProposer, planted_door
from planted_task import OPENING, TOPICS, PlantedTask, instructions_in, write
from pydantic import BaseModel
from recloop.llm import Budget, Place

TASK = PlantedTask("main", cases_count=60, seed=3)
PROMPT = write([topic for topic in TOPICS if TASK.effects[topic] > 0])


class Rewrite(BaseModel):
    change: str
    text: str


async def test_the_model_behind_the_door_ranks_as_the_task_says() -> None:
    async with planted_door(PlantedModel(TASK)) as model:
        for text in (OPENING, PROMPT):
            results = [
                TASK.score(case, await TASK.run({"instructions": text}, case, model, Place("p", 0, case.id)))
                for case in TASK.cases
            ]
            assert [r.values["ndcg"] for r in results] == [engine.VALUES[TASK.rank(text, n) - 1] for n in range(60)]
            assert not any(r.counts["missing"] or r.counts["invented"] for r in results)


async def test_a_budget_leaves_cases_missing_and_never_zero() -> None:
    async with planted_door(PlantedModel(TASK), budget=Budget(calls=25)) as model:
        outcomes = await asyncio.gather(
            *(TASK.run({"instructions": OPENING}, c, model, Place(c.id)) for c in TASK.cases)
        )
    results = [TASK.score(case, outcome) for case, outcome in zip(TASK.cases, outcomes, strict=True)]
    assert sum(r.missing for r in results) == 35
    assert all("ndcg" not in r.values for r in results if r.missing)


async def test_the_proposer_edits_what_it_is_shown_and_draws_anew_by_sample() -> None:
    shown = [{"role": "user", "content": f"The text now:\n{write(['recency', 'mood'])}\nIt seems blind to: season."}]
    async with planted_door(PlantedProposer(TASK)) as proposer:
        written = [
            (await proposer.complete(shown, schema=Rewrite, at=Place("p", 0, "x", sample))).value.text
            for sample in range(30)
        ]
        again = (await proposer.complete(shown, schema=Rewrite, at=Place("p", 0, "x", 7))).value.text
    assert again == written[7]
    assert len(set(written)) > 3
    old = {"recency", "mood"}
    assert all(len(old ^ set(instructions_in(text))) <= 1 for text in written)
    added = [topic for text in written for topic in set(instructions_in(text)) - old]
    assert added.count("season") > len(added) / 2


async def test_two_shown_prompts_may_be_merged() -> None:
    shown = f"First:\n{write(['recency'])}\nSecond:\n{write(['mood'])}"
    async with planted_door(PlantedProposer(TASK)) as proposer:
        ask = [{"role": "user", "content": shown}]
        written = [(await proposer.complete(ask, at=Place("p", 0, "x", sample))).value for sample in range(30)]
    assert any(set(instructions_in(text)) == {"recency", "mood"} for text in written)


@pytest.mark.parametrize("asked", ["ranking", "answer"])
async def test_a_dspy_program_meets_the_same_model(asked: str) -> None:
    dspy = pytest.importorskip("dspy")
    from recloop.llm import dspy_lm

    signature = dspy.Signature(f"session, candidates -> {asked}: list[str]", PROMPT)
    case = TASK.cases[5]
    async with planted_door(PlantedModel(TASK)) as model:
        with dspy.context(lm=dspy_lm(model)):
            told = await dspy.Predict(signature).acall(session="s5", candidates=case.shown["candidates"])
    assert getattr(told, asked).index("s5i0") + 1 == TASK.rank(PROMPT, 5)
