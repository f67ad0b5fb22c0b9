"""The engine with known prompt effects gives what it gave when it was frozen, and its truth is the truth."""

from __future__ import annotations

import json

import numpy as np
import planted_prompts as engine
import planted_task
import pytest
from planted_task import OPENING, TOPICS, PlantedTask, write
from recloop.agents.randomness import generator
from recloop.prompt_opt.task import Task


def test_the_engine_gives_what_it_gave_when_it_was_frozen() -> None:
    frozen = json.loads(engine.FROZEN.read_text(encoding="utf-8"))
    assert engine.fingerprint() == frozen["arms"]
    assert planted_task.fingerprint() == frozen["task"]


@pytest.mark.parametrize("family", sorted(engine.FAMILIES))
def test_means_over_many_cases_are_the_stated_truth(family: str) -> None:
    drawn = engine.draw(family, 0.4, "tune", 0, cases=6000)
    error = np.abs(drawn.values.mean(axis=1) - engine.expected(family, drawn.effects))
    assert error.max() < 5 * 0.3 / np.sqrt(6000)


def test_without_spread_all_prompts_are_worth_the_same() -> None:
    drawn = engine.draw("small", 0.0, "tune", 3)
    assert not drawn.effects.any()
    assert np.ptp(drawn.values.mean(axis=1)) > 0  # luck differs all the same


def test_edits_interact() -> None:
    drawn = engine.draw("interactions", 0.4, "tune", 0, arms=64)
    assert np.std(drawn.effects) == pytest.approx(0.4)


def test_a_planted_task_is_a_task_whose_ranks_follow_its_truth() -> None:
    task = PlantedTask("main", cases_count=300, seed=1)
    assert isinstance(task, Task)
    good = write([topic for topic in TOPICS if task.effects[topic] > 0])
    bad = write([topic for topic in TOPICS if task.effects[topic] < 0])
    means = {
        text: np.mean([engine.VALUES[task.rank(text, n) - 1] for n in range(300)]) for text in (good, OPENING, bad)
    }
    qualities = [task.quality({"instructions": text}) for text in means]
    assert list(means.values()) == sorted(means.values(), reverse=True)
    assert qualities == pytest.approx(list(means.values()), abs=0.05)


def test_where_nothing_has_an_effect_every_prompt_is_worth_the_same() -> None:
    task = PlantedTask("none", cases_count=10)
    assert task.quality({"instructions": write(TOPICS)}) == task.quality({"instructions": OPENING})


def test_interacting_instructions_are_not_worth_their_sum() -> None:
    task = PlantedTask("interactions", cases_count=10)
    for pair, added in task.together.items():
        single = sum(task.effects[topic] for topic in pair)
        length = task.truth.length * (len(write(sorted(pair))) - len(OPENING)) / 400
        assert task.effect(write(sorted(pair))) == pytest.approx(single + added - length)


def test_some_proposals_help_and_some_harm() -> None:
    task = PlantedTask("main", cases_count=40)
    hints = " ".join(f"seems blind to: {task.hint(case, ())}." for case in task.cases)
    gains = np.array([task.effect(task.propose(f"{OPENING} {hints}", generator(0, n))) for n in range(300)])
    assert 0.25 < np.mean(gains > 0) < 0.75
    assert np.mean(gains < -0.05) > 0.1
