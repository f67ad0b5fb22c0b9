"""RecPrompt: what the paper says by default, what its released code does on demand, and an end to every loop."""

from __future__ import annotations

import math
from typing import Any

import pytest
from driver import Driven, drive, numbered, said, setting
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.errors import OptimizeError
from recloop.prompt_opt.optimizers import open_optimizer
from recloop.prompt_opt.optimizers.recprompt import RecPrompt, RecPromptConfig
from recloop.prompt_opt.steps import Accept, Ask, Evaluate

FIRST = "Order the candidates. {{case}}"


def prompt(i: int) -> str:
    return f"Version {i} of the prompt. {{{{case}}}}"


def better_each_time(texts: Any, case: str) -> int:
    """The version's number decides: version 1 puts the target at 9, version 2 at 8, …; the first prompt at 10."""
    text = texts["rank"]
    return 10 if text == FIRST else 10 - int(text.split()[1])


def best_is_second(texts: Any, case: str) -> int:
    return {FIRST: 10, prompt(1): 6, prompt(2): 2}.get(texts["rank"], 12)


def run(
    rule: Any = better_each_time, script: Any = None, *, context: Any = None, budget: int | None = None, **config: Any
) -> Driven:
    config = {"rounds": 4, "observation": "manual", **config}
    script = script or numbered([prompt(i) for i in range(1, 10)])
    return drive(RecPrompt(RecPromptConfig(**config)), context or setting(20, 10), rule, script, budget=budget)


def slots(request: str) -> tuple[str, str]:
    """What a request says is the current and the best prompt."""
    fenced = [part.split("\n>>>")[0] for part in request.split("<<<prompt\n")[1:]]
    return fenced[0], fenced[1]


def test_each_round_revises_the_prompt_of_the_round_before() -> None:
    assert [slots(r)[0] for r in run(best_is_second).asked("revise")] == [FIRST, prompt(1), prompt(2), prompt(3)]


def test_the_best_slot_holds_the_best_prompt_so_far() -> None:
    assert [slots(r)[1] for r in run(best_is_second).asked("revise")] == [FIRST, prompt(1), prompt(2), prompt(2)]


def test_as_released_both_slots_hold_the_first_prompt_in_every_round() -> None:
    found = run(best_is_second, as_released=True)
    assert [slots(request) for request in found.asked("revise")] == [(FIRST, FIRST)] * 4
    assert all(each.parents == (found.context.seed_candidate.id,) for each in found.entered.values() if each.parents)


def test_samples_rotate_until_every_case_was_shown() -> None:
    found = run(samples=5)
    shown = [each.shown for each in found.entered.values() if each.operator == "revise"]
    assert [len(cases) for cases in shown] == [5] * 4
    assert {case for cases in shown for case in cases} == set(found.context.search)


def test_as_released_shows_one_and_the_same_sample_answered_by_the_latest_prompt() -> None:
    found = run(as_released=True, samples=5)
    revised = [each for each in found.entered.values() if each.operator == "revise"]
    assert len({each.shown for each in revised}) == 1
    assert len(revised[0].shown) == 1
    case = revised[0].shown[0]
    third = found.asked("revise")[2]
    assert f"ANSWER TO {case} UNDER {prompt(2)}" in third
    assert slots(third)[0] == FIRST


def test_the_answer_shown_was_given_under_the_prompt_shown() -> None:
    for request in run(best_is_second).asked("revise"):
        assert f"UNDER {slots(request)[0]}" in request
        assert request.count("UNDER ") == 3


def test_the_best_of_all_prompts_is_returned_and_not_the_last() -> None:
    found = run(best_is_second)
    assert found.choice.candidate.texts["rank"] == prompt(2)
    assert found.choice.ranking[0][0] == found.choice.candidate.id
    assert len(found.choice.ranking) == 5
    assert not found.choice.tie


def test_where_nothing_is_better_the_seed_is_returned_as_a_tie() -> None:
    found = run(lambda texts, case: 3)
    assert found.choice.candidate == found.context.seed_candidate
    assert found.choice.tie
    assert not [step for step in found.steps if isinstance(step, Accept)]


@pytest.mark.parametrize(("rounds", "calls"), [(10, 1110), (3, 403)])
def test_as_released_takes_the_published_number_of_calls(rounds: int, calls: int) -> None:
    script = numbered([prompt(i) for i in range(1, 11)])
    optimizer = RecPrompt(RecPromptConfig(rounds=rounds, as_released=True))
    context = setting(120, 10)
    found = drive(optimizer, context, lambda texts, case: 5, script)
    forecast = optimizer.forecast(context)
    assert forecast["likely"] == found.calls + len(found.asks) == calls


def test_automatic_observation_takes_one_question_more_a_round_and_its_answer_is_shown() -> None:
    found = run(observation="automatic")
    optimizer = RecPrompt(RecPromptConfig(rounds=4))
    assert optimizer.forecast(found.context) == {"task": 5 * 20, "proposals": 8 + 24, "likely": 5 * 20 + 8}
    assert (found.calls, len(found.asks)) == (5 * 20, 8)
    assert [ask.node for ask in found.asks[:2]] == ["recprompt/observe", "recprompt/revise"]
    assert "OBSERVATION 4" in found.asked("revise")[2]
    assert "OBSERVATION" not in "".join(run(as_released=True, observation="automatic").asked("revise"))


@pytest.mark.parametrize(
    ("task", "words"), [("news", "stories"), ("session", "history"), ("dspy:mine:program", "facts of the case")]
)
def test_manual_observation_has_a_text_for_every_task_or_takes_the_users(task: str, words: str) -> None:
    assert words in run(context=setting(20, 0, task=task)).asked("revise")[0]
    theirs = run(context=setting(20, 0, task=task), observation_text="Mind the weather.").asked("revise")[0]
    assert "Mind the weather." in theirs
    assert words not in theirs


def test_an_unusable_answer_is_asked_for_again_with_other_samples_and_more_tokens_but_not_for_ever() -> None:
    found = run(script=lambda ask, n: None, rounds=2, reasks=3, samples=2)
    assert len(found.asks) == 2 * (1 + 3)
    assert [ask.max_tokens for ask in found.asks[:4]] == [1024, 2048, 3072, 4096]
    assert len({said(ask) for ask in found.asks}) == 8
    assert len(found.notes("no proposal")) == 2
    assert found.choice.candidate == found.context.seed_candidate


@pytest.mark.parametrize("as_released", [False, True])
@pytest.mark.parametrize("bad", [FIRST, "No place for the case is left."], ids=["repeat", "lost field"])
def test_a_prompt_that_lost_a_field_or_repeats_another_is_asked_for_again(bad: str, as_released: bool) -> None:
    found = run(script=numbered([bad, bad, prompt(1), *[bad] * 20]), rounds=2, reasks=3, as_released=as_released)
    assert len(found.asks) == 3 + 4
    assert [each.texts["rank"] for each in found.entered.values()] == [FIRST, prompt(1)]


def test_a_reask_as_released_shows_the_next_sample_and_the_next_round_the_first_again() -> None:
    found = run(script=numbered([FIRST, prompt(1), prompt(2)]), rounds=2, as_released=True)
    stories = [request.split("STORY OF ")[1].split(".")[0] for request in found.asked("revise")]
    assert stories[0] != stories[1]
    assert stories[2] == stories[0]


def test_the_monitor_is_the_papers_mean_of_four_or_what_is_asked_for() -> None:
    def tops_or_depth(texts: Any, case: str) -> int:
        """The first prompt is always fourth; version 1 is first in three of ten cases and last in the others."""
        return 4 if texts["rank"] == FIRST else 1 if int(case[1:]) % 10 < 3 else 19

    def lead(**config: Any) -> float:
        found = run(tops_or_depth, rounds=1, **config)
        (_, a), (_, b) = sorted(found.choice.ranking, key=lambda row: row[0] != found.context.seed_candidate.id)
        return b - a

    first = (16 / 19 + 1 / 4 + 1 / math.log2(5) + 1 / math.log2(5)) / 4
    version = 0.3 + 0.7 * (1 / 19 + 1 / 19 + 0 + 0) / 4  # rank 19 of 20: AUC and reciprocal rank are 1/19 both
    assert lead() == pytest.approx(version - first)
    assert lead(monitor="MRR") == pytest.approx(0.3 + 0.7 / 19 - 0.25)
    assert lead(monitor="mrr, auc") == pytest.approx(0.3 + 0.7 / 19 - (16 / 19 + 1 / 4) / 2)


def test_lost_calls_give_no_prompt_an_advantage() -> None:
    """Version 1 equals the first prompt but loses its calls on the hard cases: its plain mean is higher, its lead is 0."""

    def rule(texts: Any, case: str) -> int | str:
        hard = int(case[1:]) % 2
        return "transport" if hard and texts["rank"] != FIRST else 15 if hard else 1

    found = run(rule, rounds=1)
    means = dict(found.choice.ranking)
    assert max(means, key=lambda name: means[name]) != found.context.seed_candidate.id
    assert found.choice.candidate == found.context.seed_candidate
    assert found.choice.ranking[0][0] == found.context.seed_candidate.id


def test_a_spent_budget_ends_the_search_at_any_step_with_the_best_so_far() -> None:
    whole = run(best_is_second, observation="automatic")
    total = whole.calls + len(whole.asks)
    seen = set()
    for budget in range(total):
        found = run(best_is_second, observation="automatic", budget=budget)
        assert found.stopped
        assert found.calls + len(found.asks) <= budget
        scored = {each.texts["rank"] for step in found.steps if isinstance(step, Evaluate) for each, _ in step.work}
        wanted = next(text for text in (prompt(2), prompt(1), FIRST) if text in scored | {FIRST})
        assert found.choice.candidate.texts["rank"] == wanted
        seen.add(wanted)
    assert seen == {FIRST, prompt(1), prompt(2)}


def test_equal_answers_give_an_equal_search() -> None:
    assert run(observation="automatic").steps == run(observation="automatic").steps
    assert run(context=setting(20, 10, seed=8)).steps != run().steps


def test_a_person_may_refuse_or_edit_a_prompt() -> None:
    edited = Candidate({"rank": "My own words. {{case}}"}, "edit", maker="person")

    def decide(step: Accept) -> Candidate | None:
        return edited if step.candidate.texts["rank"] == prompt(2) else None

    config = RecPromptConfig(rounds=3, observation="manual")
    rule = lambda texts, case: 4 if texts == edited.texts else better_each_time(texts, case)  # noqa: E731
    script = numbered([prompt(i) for i in (1, 2, 3)])
    found = drive(RecPrompt(config), setting(20, 10), rule, script, approve=decide)
    assert [slots(request) for request in found.asked("revise")] == [(FIRST, FIRST)] * 2 + [(edited.texts["rank"],) * 2]
    assert found.choice.candidate == edited
    assert len(found.context.scores.of(edited.id)) == 20


def test_several_texts_are_revised_in_turn() -> None:
    def script(ask: Ask, n: int) -> dict[str, str]:
        return {"prompt": f"New {n}. {{{{case}}}}"}

    context = setting(20, 0, texts={"react": "React. {{case}}", "decide": "Decide. {{case}}"})
    found = run(
        lambda texts, case: 9 - sum(text.startswith("New") for text in texts.values()),
        script,
        context=context,
        rounds=2,
    )
    assert found.choice.candidate.texts == {"react": "New 0. {{case}}", "decide": "New 1. {{case}}"}


def test_a_model_that_cannot_write_is_refused_before_the_first_call() -> None:
    with pytest.raises(OptimizeError, match="--proposer-model"):
        run(context=setting(20, 10, can_write=False))


def test_it_is_opened_by_name() -> None:
    assert isinstance(open_optimizer("recprompt", rounds=3, as_released=True), RecPrompt)
