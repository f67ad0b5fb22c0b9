"""The default optimizer: it finds what is planted, claims nothing where nothing is, and returns its best when stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driver import Driven, Script, drive, setting
from planted import BAD, GOOD, SEED, effect, planted, writer
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.context import Context
from recloop.prompt_opt.errors import OptimizeError
from recloop.prompt_opt.optimizers import open_optimizer
from recloop.prompt_opt.steps import Accept, Enter, Evaluate, Note, Think

EVERY = {**GOOD, **BAD}
IN_BANK = {"name the topics of each candidate": 0.5, "said last": 0.0, "took up last says most": 0.4, "by fame": -0.4}


def around(can_write: bool = True, seed: int = 7, **changes: Any) -> Context:
    return replace(setting(60, 60, texts={"rank": SEED}, can_write=can_write, seed=seed), **changes)


def searched(
    effects: Mapping[str, float] = EVERY,
    *,
    context: Context | None = None,
    script: Script | None = None,
    budget: int | None = None,
    approve: Callable[[Accept], Candidate | None] = lambda step: step.candidate,
    **options: Any,
) -> Driven:
    context = context or around()
    optimizer = open_optimizer("racing", **{"rounds": 6, **options})
    world = planted(effects, context.seed)
    return drive(optimizer, context, world, script or writer(EVERY), budget=budget, approve=approve)


def metered(context: Context, budget: int) -> Context:
    """The context with what is left of a budget of evaluations, as the runtime tells it."""

    def left() -> float:
        return max(0.0, 1.0 - sum(len(context.scores.of(name)) for name in context.scores) / budget)

    return replace(context, remaining=left)


def test_the_planted_best_is_found_with_a_writer() -> None:
    found = searched()
    assert not found.choice.tie
    assert all(sentence in found.choice.candidate.texts["rank"] for sentence in GOOD)
    assert not any(sentence in found.choice.candidate.texts["rank"] for sentence, size in BAD.items() if size < -0.3)
    accepted = [step for step in found.steps if isinstance(step, Accept)]
    assert found.choice.candidate.id in [name for name, _ in found.choice.ranking]
    assert accepted


def test_the_planted_best_is_found_from_the_bank_where_the_model_cannot_write() -> None:
    context = around(can_write=False, seed=3)
    found = searched(IN_BANK, context=context, script=lambda ask, n: pytest.fail("asked a model that cannot write"))
    assert not found.choice.tie
    assert effect(found.choice.candidate.texts["rank"], IN_BANK) >= 0.5
    assert {each.maker for each in found.entered.values() if each.operator != "seed"} == {"bank"}


@pytest.mark.parametrize("can_write", [True, False])
def test_where_no_prompt_has_an_effect_the_seed_is_returned_as_a_tie(can_write: bool) -> None:
    """At the level of a tenth: of sixteen searches without any effect four at most prefer another prompt."""
    claims = 0
    for seed in range(12, 28):
        found = searched({}, context=around(can_write, seed), rounds=4, choose=0.1)
        claims += not found.choice.tie
        if found.choice.tie:
            assert found.choice.candidate is found.context.seed_candidate
    assert claims <= 4


def test_equal_answers_make_equal_searches() -> None:
    first, second = searched(), searched()
    assert [type(step) for step in first.steps] == [type(step) for step in second.steps]
    assert list(first.entered) == list(second.entered)
    assert first.choice == second.choice
    assert first.calls == second.calls
    other = searched(context=around(seed=8), effects=EVERY)
    assert list(other.entered) != list(first.entered)


def test_a_stopped_search_returns_its_best_so_far_and_asks_nothing_more() -> None:
    """Stopped at every tenth evaluation; what is returned entered the search, and the longer it ran the better it is."""
    whole = searched(rounds=4)
    effects = []
    for budget in range(1, whole.calls + len(whole.asks), 41):
        found = searched(rounds=4, budget=budget)
        assert found.stopped
        assert found.choice.candidate.id in found.entered
        assert found.choice.tie is (found.choice.candidate is found.context.seed_candidate)
        effects.append(effect(found.choice.candidate.texts["rank"], EVERY))
    assert effects[0] == 0.0
    assert np.mean(effects[len(effects) // 2 :]) > 0.3


@pytest.mark.parametrize("budget", [150, 239, 240, 330, 500, 900])
def test_a_budget_that_is_told_leaves_room_to_choose_among_finalists(budget: int) -> None:
    context = around(can_write=False, seed=3)
    found = searched(IN_BANK, context=metered(context, budget), budget=budget, rounds=20, patience=20)
    assert not found.stopped
    assert found.calls <= budget
    chosen = "v0" in found.context.scores.of(found.context.seed_candidate.id)
    assert chosen or budget < 240 or not found.choice.ranking[0][1] > 0
    assert len(found.entered) > 1 or budget < 240  # the seed, one candidate, and both on the selection split


def test_prompts_that_say_the_same_are_dropped_before_they_cost_anything() -> None:
    long = " ".join(f"Look at the {what} first and at the {what} last." for what in "abcdefghijklmnopqrst")

    def script(ask: Any, n: int) -> dict[str, Any]:
        if "- reason:" in ask.messages[-1]["content"]:
            return {"reason": "a", "remedy": "b"}
        texts = [f"{long} {{{{case}}}}", f"{long.upper()}\n{{{{case}}}}", f"{long} Now. {{{{case}}}}", SEED.lower()]
        return {"change": "c", "text": texts[n % 4]}

    found = searched(script=script, rounds=2)
    assert len(found.entered) == 2
    assert len(found.notes("duplicate")) >= 3
    assert found.calls <= 60 + 60 + 120


def test_texts_that_differ_in_order_or_in_a_not_are_two_prompts() -> None:
    a = "First look at the last choices. Then compare the candidates with them one by one. Do {}follow the order shown."
    texts = [
        a.format("") + " {{case}}",
        a.format("not ") + " {{case}}",
        "Do follow the order shown. " + a[:80] + "{{case}}",
    ]

    def script(ask: Any, n: int) -> dict[str, Any]:
        if "- reason:" in ask.messages[-1]["content"]:
            return {"reason": "a", "remedy": "b"}
        return {"change": "c", "text": texts[n % 3]}

    found = searched(script=script, rounds=2)
    assert len(found.entered) == 4


def test_nothing_is_accepted_but_on_paired_evidence_over_the_whole_search_split() -> None:
    found = searched(accept=0.1)
    for step in found.steps:
        if isinstance(step, Accept) and "search cases" in step.why:  # else the choice among finalists
            cases = list(found.context.search)
            lead = found.context.scores.difference(step.candidate.id, step.instead_of.id, cases)
            assert not np.isnan(lead).any()
            error = lead.std(ddof=1) / np.sqrt(len(lead))
            assert lead.mean() > 1.2 * error  # a tenth, one-sided
            assert "one-sided p" in step.why
    assert found.notes("not accepted") or found.notes("kept")


def test_the_choice_stands_on_the_selection_split_alone() -> None:
    """What is good on the search cases only is not chosen."""

    def fooled(texts: Mapping[str, str], case: str) -> int:
        helped = case.startswith("s") and "Name the topics first." in texts["rank"]
        return planted({}, 7)(texts, case) if not helped else 1

    found = drive(open_optimizer("racing", rounds=3), around(), fooled, writer(EVERY))
    assert any(isinstance(step, Accept) for step in found.steps)
    assert found.choice.tie
    assert found.choice.candidate is found.context.seed_candidate
    assert "is not told from the seed" in found.choice.why


def test_a_seed_that_is_always_right_costs_one_look() -> None:
    found = drive(open_optimizer("racing"), around(), lambda texts, case: 1, writer(EVERY))
    assert found.choice.tie
    assert found.calls == 60
    assert not found.asks


def test_a_parent_without_errors_makes_room_for_the_incumbent() -> None:
    """A refused prompt that is always right wins most cases, is drawn as a parent, and has nothing to refine."""

    def rank(texts: Mapping[str, str], case: str) -> int:
        return 1 if "Name the topics first." in texts["rank"] else planted({}, 7)(texts, case)

    optimizer = open_optimizer("racing", rounds=8, operators=("refine",))
    found = drive(optimizer, around(), rank, writer(EVERY), approve=lambda step: None)
    assert len({ask.node for ask in found.asks}) >= 8  # reasons and texts, in every round until its patience ends
    accepted = drive(optimizer, around(), rank, writer(EVERY))
    assert "right on every search case" in accepted.choice.why
    assert not accepted.choice.tie


def test_a_search_without_progress_ends_after_its_patience() -> None:
    found = searched({}, rounds=8, patience=2)
    assert "2 rounds in a row" in found.choice.why
    lost = [step for step in found.steps if isinstance(step, Note) and step.what in ("kept", "not accepted")]
    last = max((i for i, step in enumerate(found.steps) if isinstance(step, Accept)), default=0)
    assert len([note for note in lost if found.steps.index(note) > last]) == 2


def test_a_refused_prompt_is_no_incumbent_and_an_edited_one_is() -> None:
    refused = searched(approve=lambda step: None, rounds=3)
    assert refused.notes("refused")
    befores = {step.instead_of.id for step in refused.steps if isinstance(step, Accept)}
    assert befores == {refused.context.seed_candidate.id}
    assert refused.choice.candidate is refused.context.seed_candidate

    def edited(step: Accept) -> Candidate:
        text = "By hand. " + step.candidate.texts["rank"].replace("By hand. ", "")
        return Candidate({"rank": text}, "edit", (step.candidate.id,), maker="person")

    found = searched(approve=edited, rounds=3)
    accepted = [step for step in found.steps if isinstance(step, Accept)]
    assert "By hand." in accepted[1].instead_of.texts["rank"]
    assert not np.isnan(found.context.scores.mean(accepted[1].instead_of.id, found.context.search))


def test_no_prompt_is_chosen_that_nobody_accepted() -> None:
    """Also not at the end, or when the budget ends it: with races that accept next to nothing, finalists are asked about."""
    asked: list[str] = []

    def approve(step: Accept) -> Candidate | None:
        asked.append(step.candidate.id)
        return step.candidate

    found = searched(approve=approve, accept=1e-9, rounds=3)
    assert asked == [found.choice.candidate.id]
    refused = searched(approve=lambda step: None, accept=1e-9, rounds=3)
    assert refused.choice.candidate is refused.context.seed_candidate
    assert "refused" in refused.choice.why
    for budget in (300, 400, 500):
        stopped = searched(approve=lambda step: None, rounds=6, budget=budget)
        assert not {note.candidate for note in stopped.notes("refused")} & {stopped.choice.candidate.id}


def test_lost_calls_are_left_out_and_change_no_verdict() -> None:
    world = planted(EVERY, 7)

    def lossy(texts: Mapping[str, str], case: str) -> int | str:
        return "transport" if int(case[1:]) % 5 == 0 else world(texts, case)

    found = drive(open_optimizer("racing", rounds=6), around(), lossy, writer(EVERY))
    assert not found.choice.tie
    assert effect(found.choice.candidate.texts["rank"], EVERY) >= 0.5
    assert "over 48 selection cases" in found.choice.why


def test_a_proposer_that_never_answers_ends_in_a_tie() -> None:
    found = searched(script=lambda ask, n: None, rounds=3)
    assert found.choice.tie
    assert found.calls == 60
    assert found.notes("nothing")


def test_no_search_makes_more_calls_than_its_forecast() -> None:
    for can_write in (True, False):
        context = around(can_write)
        most = open_optimizer("racing", rounds=3).forecast(context)
        found = searched(EVERY if can_write else IN_BANK, context=context, rounds=3)
        assert found.calls <= most["task"]
        assert len(found.asks) <= most["proposals"]


def test_every_candidate_that_entered_has_its_end_told() -> None:
    found = searched()
    told = {note.candidate for note in (step for step in found.steps if hasattr(step, "what"))}
    accepted = {step.candidate.id for step in found.steps if isinstance(step, Accept)}
    lost = found.entered.keys() - told - accepted - {found.context.seed_candidate.id}
    assert not lost


def test_operators_that_cannot_work_are_not_asked() -> None:
    found = searched(rounds=1)
    assert not found.asked("merge")  # there is one prompt only
    assert not found.asked("shorten")  # it is short
    assert all(isinstance(step, Think | Enter | Evaluate | Accept) or hasattr(step, "what") for step in found.steps)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("raceing", {}, "did you mean racing"),
        ("racing", {"rounds": 0}, "rounds: Input should be greater than 0"),
        ("racing", {"round": 3}, "its options: rounds, patience"),
        ("racing", {"operators": ["refine", "guess"]}, "no operator guess; there are refine"),
        ("racing", {"selector": "best"}, "no selector 'best'"),
    ],
)
def test_bad_settings_are_told_with_what_there_is(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptimizeError, match=message):
        open_optimizer(name, **options)


@pytest.mark.parametrize("selector", ["full", "halving", "rejects"])
def test_any_selector_may_race_the_candidates(selector: str) -> None:
    found = searched(selector=selector, rounds=2)
    assert found.choice.candidate.id in found.entered
    assert any(isinstance(step, Accept) for step in found.steps)
