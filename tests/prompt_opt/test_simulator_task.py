"""The simulator as a task: pages of held-out items, the agent's own steps, its prompt under search."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from recloop.agents.ask_generate import PROMPTS
from recloop.data import load_dataset
from recloop.llm import Prompt, open_model
from recloop.llm.types import Abilities, Outcome, Place
from recloop.prompt_opt.errors import OptimizeError
from recloop.prompt_opt.tasks.open import open_task
from recloop.prompt_opt.tasks.simulator import SimulatorTask

SMALL = Abilities(score=True, plumbing_grade=True)


def task(abilities: Abilities | None = None, **options: Any) -> SimulatorTask:
    found = open_task("simulator", abilities=abilities, options={"max_cases": 12, **options})
    assert isinstance(found, SimulatorTask)
    return found


def test_labels_are_held_out_rows_that_no_persona_knows() -> None:
    found, data = task(), load_dataset("movietweetings")
    split = data.split("user_time", test=0.2, seed=0)
    for case in found.cases:
        user, items, met = case.shown["user"], case.shown["items"], case.truth["met"]
        held, known = set(split.test.history(user).items), set(split.train.history(user).items)
        assert len(items) == 8
        assert 2 <= len(met) <= 4
        assert set(met) == set(items) & held
        assert not set(items) & known
        assert not set(found.personas[user].history) & set(items)
        for title in case.titles:
            assert title not in " ".join(found.personas[user].tastes)


def test_taking_all_or_nothing_is_worth_as_much_as_chance() -> None:
    found = task()
    case = found.cases[0]
    for every in (0.0, 1.0):
        outcome = Outcome("ok", dict.fromkeys(case.shown["items"], every))
        assert found.score(case, outcome).values["auc"] == 0.5
    right = {item: float(item in case.truth["met"]) for item in case.shown["items"]}
    assert found.score(case, Outcome("ok", right)).values["auc"] == 1.0
    assert found.score(case, Outcome("timeout")).missing
    assert found.score(case, Outcome("parse_fail", error="no JSON")).values["auc"] == 0.0


def test_baselines_need_no_prompt_and_know_no_label() -> None:
    found = open_task("simulator", options={"max_cases": 80})
    rivals = found.baselines(found.cases)
    assert set(rivals) == {"random", "popularity", "co-occurrence"}
    assert np.mean(rivals["co-occurrence"]) > 0.55
    assert all(0 <= value <= 1 for values in rivals.values() for value in values)


@pytest.mark.parametrize(("plan", "node"), [("fused", "page"), ("faithful", "react")])
async def test_the_agent_of_simulate_is_asked_with_the_candidate_s_prompt(
    fake_llm: Callable[..., Any], plan: str, node: str
) -> None:
    found = task(plan=plan)
    server = fake_llm(keep=10)
    async with open_model(f"{server.base_url}#fake") as door:
        texts = {node: found.components[node].text.replace("Stay in character", "Be honest. Stay in character")}
        place = Place("candidate", 0, found.cases[0].id)
        outcome = await found.run(texts, found.cases[0], door, place)
        other = await found.run({node: found.components[node].text}, found.cases[0], door, Place("b", 0, "x"))
    assert outcome.ok
    assert set(outcome.value) == set(found.cases[0].shown["items"])
    assert outcome.key != other.key
    assert outcome.usage.total > 0
    result = found.score(found.cases[0], outcome)
    assert result.status == "ok"
    assert 0 <= result.values["auc"] <= 1
    assert result.calls == outcome.keys
    assert "Be honest" in json.dumps(server.requests()[0])


def test_a_winner_is_a_prompt_file_that_simulate_takes(tmp_path: Any) -> None:
    for abilities, node in ((None, "page"), (SMALL, "score_user")):
        found = task(abilities)
        file = tmp_path / f"{node}.md"
        file.write_text(found.components[node].text + "\nOne more line.\n", encoding="utf-8")
        assert Prompt.load(PROMPTS / f"{node}.md", override=file).used == Prompt.load(PROMPTS / f"{node}.md").used


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(OptimizeError, match="not judged by 'ndcg@5'"):
        open_task("simulator", metric="ndcg@5", options={"max_cases": 4})


@pytest.mark.local
async def test_a_small_model_s_likelihoods_are_read_as_in_simulate(model_file: str) -> None:
    found = task(SMALL, items=4)
    assert found.node == "score_user"
    async with open_model("local/smollm2") as door:
        case = found.cases[0]
        seed = {found.node: found.components[found.node].text}
        outcome = await found.run(seed, case, door, Place("seed", 0, case.id))
        other = await found.run({found.node: "People who know say:\n{{liked}}"}, case, door, Place("o", 0, case.id))
    assert outcome.ok
    assert set(outcome.value) == set(case.shown["items"])
    assert outcome.value != other.value
