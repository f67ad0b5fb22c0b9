"""PO4ISR: what the paper says by default, what its released code does on demand, and an end to every loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driver import SEED_TEXT, Driven, drive, numbered, said, setting
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.errors import OptimizeError
from recloop.prompt_opt.optimizers import open_optimizer
from recloop.prompt_opt.optimizers.as_released import released_rank
from recloop.prompt_opt.optimizers.po4isr import PO4ISR, PO4ISRConfig
from recloop.prompt_opt.optimizers.rank_errors import is_error, rank_of
from recloop.prompt_opt.steps import Accept, Ask, Enter, Evaluate, Think
from recloop.prompt_opt.task import Result

SMALL: dict[str, Any] = {"steps": 12, "sessions": 8, "batch": 6, "errors": 4}
"""A search that takes a tenth of the paper's calls."""


def writes_new(ask: Ask, n: int) -> dict[str, Any]:
    """Reasons, and prompts none of which is like another."""
    if ask.node.endswith("reasons"):
        return {"reasons": [f"REASON A{n}", f"REASON B{n}"]}
    return {"prompt": f"Text {n}. {{{{case}}}}"}


def all_wrong(texts: Any, case: str) -> int:
    return 12


def never_right(texts: Any, case: str) -> int:
    """Every case is an error, and yet some prompts are better: more of their targets are tenth."""
    text = texts["rank"]
    number = 0 if text.startswith("Order") else int(text.split()[1].rstrip(".")) % 11
    return 10 if (int(case[1:]) * 7 + number) % 11 < number else 13


def mixed(texts: Any, case: str) -> int:
    """A prompt's rank by its number, spread over cases; the seed is bad."""
    text = texts["rank"]
    number = 13 if text.startswith("Order") else int(text.split()[1].rstrip(".")) % 11
    return 1 + (number + int(case[1:]) % 7) % 20


def run(
    rule: Any = mixed,
    script: Any = writes_new,
    *,
    context: Any = None,
    budget: int | None = None,
    approve: Any = None,
    **config: Any,
) -> Driven:
    optimizer = PO4ISR(PO4ISRConfig(**{**SMALL, **config}))
    options = {} if approve is None else {"approve": approve}
    return drive(optimizer, context or setting(), rule, script, budget=budget, **options)


def kept(found: Driven, depth: int) -> list[Candidate]:
    """The beam after the last selection of a depth, best first."""
    last = [note for note in found.notes("beam") if note.data["depth"] == depth]
    start = max(i for i, note in enumerate(last) if note.data["place"] == 1)
    return [found.entered[note.candidate] for note in last[start:]]


def parents_of(candidates: list[Candidate]) -> set[str]:
    return {parent for each in candidates for parent in each.parents}


# -- the defects of the released code, and their absence


def test_one_pool_over_all_parents_so_that_children_of_several_can_survive() -> None:
    found = run()
    beam = [each.id for each in kept(found, 1)]
    pools = {note.why for note in found.notes("beam") if note.data["depth"] == 2}
    assert len(beam) == 5
    assert pools == {"kept at depth 2 from 13 prompts (pool)"}
    scored = {each.id: each for step in found.steps if isinstance(step, Evaluate) for each, _ in step.work}
    tried = [each for each in scored.values() if each.parents and each.parents[0] in beam]
    assert len(parents_of(tried)) > 1


def test_as_released_the_last_parents_selection_overwrites_all_others() -> None:
    found = run(never_right, as_released=True)
    beam = kept(found, 1)
    assert len(beam) == 5
    pools = list(dict.fromkeys(note.why for note in found.notes("beam") if note.data["depth"] == 2))
    assert len(pools) == 5
    assert parents_of(kept(found, 2)) == {beam[-1].id}
    assert {each.id for each in kept(found, 2)} >= {found.choice.candidate.id}


def test_a_parent_that_is_best_stays_and_as_released_it_is_lost() -> None:
    def seed_is_best(texts: Any, case: str) -> int:
        return 10 if texts["rank"] == SEED_TEXT else 15

    found = run(seed_is_best)
    assert kept(found, 2)[0] == found.choice.candidate == found.context.seed_candidate
    assert found.choice.tie
    released = run(seed_is_best, as_released=True)
    assert released.context.seed_candidate not in [*kept(released, 1), *kept(released, 2), released.choice.candidate]


def test_the_wrong_answer_is_shown_with_the_truth_and_as_released_it_is_not() -> None:
    for node in ("reasons", "refine"):
        for request in run().asked(node):
            assert "ANSWER TO s" in request
            assert "TRUTH OF s" in request
        for request in run(as_released=True).asked(node):
            assert "ANSWER TO s" not in request
            assert "STORY OF s" in request
            assert "TRUTH OF s" in request


def test_equal_prompts_are_one_arm_and_as_released_as_many_as_were_written() -> None:
    same = numbered(["One text. {{case}}", "Another text. {{case}}", "One text. {{case}}"])
    pools = {note.why for note in run(all_wrong, same, depth=1).notes("beam")}
    assert pools == {"kept at depth 1 from 3 prompts (pool)"}  # the seed and two texts
    same = numbered(["One text. {{case}}", "Another text. {{case}}", "One text. {{case}}"])
    released = {note.why.partition(" (")[0] for note in run(all_wrong, same, depth=1, as_released=True).notes("beam")}
    assert released == {"kept at depth 1 from 8 prompts"}


def test_an_arm_is_judged_by_its_mean_and_as_released_by_a_sum_that_grows_with_every_pull() -> None:
    def constant(texts: Any, case: str) -> int:
        return 12 if texts["rank"] == SEED_TEXT else 3  # nDCG 0.5 of every case

    def estimates(as_released: bool) -> list[Any]:
        found = run(constant, depth=1, steps=8, errors=1, as_released=as_released)
        return [note.data["estimate"] for note in found.notes("beam") if found.entered[note.candidate].parents]

    assert len(estimates(False)) == 3
    assert {round(value, 9) for value in estimates(False) if value is not None} == {0.5}
    # Eight pulls of three arms: one has three or more, and its value is at least (1 + 1/2 + 1/3) times the mean.
    assert max(estimates(True)) >= 0.5 * (1 + 1 / 2 + 1 / 3) - 1e-9
    harmonic = [0.5 * sum(1 / i for i in range(1, n + 1)) for n in range(9)]
    assert all(min(abs(value - h) for h in harmonic) < 1e-9 for value in estimates(True))


@pytest.mark.parametrize(
    ("answer", "truth", "read"),
    [
        ("1. Heat\n2. Alien\n3. Toy Story", 2, 2),
        ("Heat\nToy Story 2\nAlien", 3, 2),
        ("1. Heat (item 17), Alien (item 4)", 2, 17),
        ("Heat, Toy Story, Alien.\nSo 1 Heat and last Alien.", 3, 1),
    ],
    ids=["as hoped", "number in a title", "index of an item", "mentioned again"],
)
def test_the_released_parser_takes_any_number_before_the_title_for_its_rank(answer: str, truth: int, read: int) -> None:
    assert released_rank(answer, "Alien") == read
    listed = sorted(("Heat", "Alien", "Toy Story"), key=lambda title: answer.find(title) % 10_000)
    assert listed.index("Alien") + 1 == truth  # what a reader of the order sees


def test_the_released_parser_loses_a_title_that_is_spelled_otherwise() -> None:
    assert released_rank("1. Mother &amp; Child", "Mother & Child") is None
    assert released_rank("Alien, then the others", "Alien") is None


# -- the figures of the paper


@pytest.mark.parametrize(("errors", "calls"), [(8, 3860), (16, 4052)])
def test_as_released_takes_the_published_number_of_calls(errors: int, calls: int) -> None:
    """Asked for, that is: here a score that is known is not paid for again."""
    optimizer = PO4ISR(PO4ISRConfig(as_released=True, errors=errors))
    context = setting(50, 100)
    forecast = optimizer.forecast(context)
    assert forecast["task"] + forecast["proposals"] == calls
    found = drive(optimizer, context, all_wrong, writes_new)
    assert (found.wanted, len(found.asks)) == (forecast["task"], forecast["proposals"])
    assert found.calls < found.wanted


def test_the_papers_search_takes_two_fifths_of_that() -> None:
    optimizer = PO4ISR()
    context = setting(50, 100)
    found = drive(optimizer, context, all_wrong, writes_new)
    forecast = optimizer.forecast(context)
    assert forecast == {"task": 16 + 5 * 16 + 2 * 512 + 600, "proposals": 6 * 16 * 4}
    assert found.wanted <= forecast["task"]
    assert len(found.asks) == forecast["proposals"]


def test_prompts_that_a_guard_refuses_give_way_to_others() -> None:
    def loses_the_field_every_second_time(ask: Ask, n: int) -> dict[str, Any]:
        written = writes_new(ask, n)
        return {"prompt": "The case is gone."} if "prompt" in written and n % 2 else written

    found = run(all_wrong, loses_the_field_every_second_time, depth=1, batch=10, errors=10)
    assert {note.why for note in found.notes("beam")} == {"kept at depth 1 from 9 prompts (pool)"}  # the seed and eight


def test_an_error_takes_one_question_for_reasons_one_for_a_prompt_and_two_for_paraphrases() -> None:
    found = run(all_wrong, depth=1)
    assert [len(step.asks) for step in found.steps if isinstance(step, Think)] == [4, 4, 8]
    first = next(step for step in found.steps if isinstance(step, Enter))
    assert len(first.candidates) == 8
    assert {each.operator for each in first.candidates} <= {"refine", "paraphrase"}
    assert "REASON A0\nREASON B0" in found.asked("refine")[0]
    assert "Text 4. {{case}}" in found.asked("paraphrase")[0]


def test_errors_are_unusable_answers_and_targets_ranked_tenth_or_lower() -> None:
    def error(value: float | None = None, status: Any = "ok", name: str = "mrr") -> bool:
        return is_error(Result("c", status, {} if value is None else {name: value}), "quality", 10, 0.29)

    assert [error(1 / rank) for rank in (1, 9, 10, 20)] == [False, False, True, True]
    assert error(0.0)
    assert error(0.0, "parse_fail")
    assert not error(status="transport")
    assert [error(value, name="quality") for value in (0.2, 0.3)] == [True, False]
    assert rank_of(Result("c", "ok", {"mrr@5": 0.0, "mrr@20": 1 / 8})) == 8
    assert rank_of(Result("c", "ok", {"ndcg@10": 0.3})) is None


def test_cases_that_went_well_are_not_shown_to_the_proposer() -> None:
    def odd_ones_fail(texts: Any, case: str) -> int:
        return 15 if int(case[1:]) % 2 else 2

    found = run(odd_ones_fail, batch=16, errors=16)
    shown = {request.split("STORY OF s")[1].split(".")[0] for request in found.asked("reasons")}
    assert shown
    assert all(int(number) % 2 for number in shown)


# -- where a search begins and ends


def test_the_winner_is_chosen_on_the_selection_split() -> None:
    """Text 4 is best on the search split only, text 5 on the selection split."""

    def rule(texts: Any, case: str) -> int:
        text = texts["rank"]
        return {"Text 4.": 1 if case[0] == "s" else 9, "Text 5.": 2}.get(" ".join(text.split()[:2]), 12)

    found = run(rule, depth=1, candidates=20, steps=40)
    assert kept(found, 1)[0].texts["rank"] == "Text 4. {{case}}"
    assert found.choice.candidate.texts["rank"] == "Text 5. {{case}}"
    assert not found.choice.tie
    assert found.choice.ranking[0] == (found.choice.candidate.id, pytest.approx(0.6309, abs=1e-4))


def test_lost_calls_on_the_selection_split_give_no_prompt_an_advantage() -> None:
    """All but the seed lose their calls on the hard half; where both are known the seed is better."""

    def rule(texts: Any, case: str) -> int | str:
        first = texts["rank"] == SEED_TEXT
        if case[0] == "s":
            return 14 if first else 12
        return (
            "transport" if int(case[1:]) % 2 and not first else 1 if first and not int(case[1:]) % 2 else 2 + first * 9
        )

    found = run(rule, depth=1)
    scores, cases = found.context.scores, found.context.selection
    best = max(scores, key=lambda name: scores.mean(name, cases))
    assert best != found.context.seed_candidate.id
    assert found.choice.candidate == found.context.seed_candidate


def test_winners_of_other_domains_enter_the_pool_and_may_win(tmp_path: Path) -> None:
    (tmp_path / "games.md").write_text("---\nname: games\n---\nFrom games, in parts. {{case}}\n", encoding="utf-8")
    config = PO4ISRConfig(**SMALL, transfer=(str(tmp_path / "games.md"), "From bundles. {{case}}", {"rank": "Lost."}))
    (tmp_path / "games.md").unlink()  # read when the config is made, and not again

    def rule(texts: Any, case: str) -> int:
        return 1 if texts["rank"].startswith("From games") else 13

    found = drive(PO4ISR(config), setting(), rule, writes_new)
    entered = [each.texts["rank"] for each in found.entered.values() if each.operator == "transfer"]
    assert entered == ["From games, in parts. {{case}}", "From bundles. {{case}}"]  # the guards drop the third
    assert found.choice.candidate.operator == "transfer"


def test_one_prompt_of_another_domain_needs_no_list_and_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert PO4ISRConfig(transfer="Rank. {{case}}").transfer == ("Rank. {{case}}",)  # type: ignore[arg-type]
    with pytest.raises(OptimizeError, match=r"games\.md: there is no such file"):
        open_optimizer("po4isr", transfer=str(tmp_path / "games.md"))


@pytest.mark.parametrize("parts", [False, True])
def test_the_four_steps_can_be_put_before_the_tasks_own_text(parts: bool) -> None:
    text = "## system\nYou rank.\n\n## user\nHere: {{case}}" if parts else SEED_TEXT
    found = run(all_wrong, context=setting(texts={"rank": text}), init="steps", depth=1)
    init = next(each for each in found.entered.values() if each.operator == "init")
    assert init.texts["rank"].startswith(
        "## system\nYou rank.\n\n## user\nTake these steps" if parts else "Take these steps"
    )
    assert init.texts["rank"].endswith(text.rpartition("\n")[2])
    assert {parent for each in found.entered.values() if each.operator == "refine" for parent in each.parents} == {
        init.id
    }
    assert ("## system, ## user" in found.asked("refine")[0]) == parts


def test_a_refused_winner_gives_way_to_the_next_and_at_last_to_the_seed() -> None:
    offered: list[Accept] = []

    def refuse(step: Accept) -> None:
        offered.append(step)

    found = run(approve=refuse)
    assert len(offered) > 1
    assert found.choice.candidate == found.context.seed_candidate
    assert run(approve=lambda step: step.candidate).choice.candidate == offered[0].candidate


@pytest.mark.parametrize("as_released", [False, True])
def test_a_spent_budget_ends_the_search_at_any_step(as_released: bool) -> None:
    whole = run(as_released=as_released)
    total = whole.calls + len(whole.asks)
    for budget in range(0, total, 23):
        found = run(as_released=as_released, budget=budget)
        assert found.stopped
        assert found.calls + len(found.asks) <= budget
        assert found.choice.candidate.id in found.entered
    assert run(as_released=as_released, budget=0, init="steps").choice.candidate == whole.context.seed_candidate
    late = run(as_released=as_released, budget=total - 1).choice.candidate
    assert late != whole.context.seed_candidate


@pytest.mark.parametrize("as_released", [False, True])
def test_a_proposer_without_a_usable_answer_ends_with_the_seed(as_released: bool) -> None:
    found = run(all_wrong, lambda ask, n: None, as_released=as_released)
    assert found.choice.candidate == found.context.seed_candidate
    assert len(found.asks) == 2 * 4
    assert len(found.notes("no proposal")) == 2


@pytest.mark.parametrize("as_released", [False, True])
def test_a_prompt_without_errors_ends_with_the_seed(as_released: bool) -> None:
    found = run(lambda texts, case: 1, as_released=as_released)
    assert found.choice.candidate == found.context.seed_candidate
    assert not found.asks


@pytest.mark.parametrize("as_released", [False, True])
def test_equal_answers_give_an_equal_search(as_released: bool) -> None:
    first, again = run(as_released=as_released), run(as_released=as_released)
    assert first.steps == again.steps
    assert run(context=setting(seed=8), as_released=as_released).steps != first.steps


def test_several_texts_are_refined_in_turn() -> None:
    context = setting(texts={"react": "React. {{case}}", "decide": "Decide. {{case}}"})
    found = run(lambda texts, case: 12, context=context, depth=1)
    changed = {
        name
        for each in found.entered.values()
        for name, text in each.texts.items()
        if text != context.seed_candidate.texts[name]
    }
    assert changed == {"react", "decide"}
    assert all(said(ask) for ask in found.asks)


def test_a_model_that_cannot_write_is_refused_before_the_first_call() -> None:
    with pytest.raises(OptimizeError, match="--proposer-model"):
        run(context=setting(can_write=False))


def test_it_is_opened_by_name() -> None:
    assert isinstance(open_optimizer("po4isr", depth=1, as_released=True), PO4ISR)
