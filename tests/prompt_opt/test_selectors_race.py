"""A selector inside a search: pulls become evaluations, numbers become candidates, and nothing is asked twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from driver import judged, setting
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.context import Context
from recloop.prompt_opt.selectors import Picked, open_selector, select_candidates
from recloop.prompt_opt.steps import Evaluate, Note, OutOfBudget

Rule = Callable[[int, str], "int | str"]
"""(candidate's place, case) -> the target's rank, or "transport"."""

POOL = [Candidate({"rank": f"Order the candidates, way {i}. {{{{case}}}}"}) for i in range(6)]


def ranked(place: int, case: str) -> int:
    """Candidate 3 ranks the target first far more often; the cases differ in how hard they are."""
    hard = int(case[1:]) % 7
    luck = np.random.default_rng([place, int(case[1:])]).integers(0, 4)
    return 1 + max(0, hard + int(luck) - (5 if place == 3 else place // 3))


def drive(
    generator: Any, context: Context, rule: Rule = ranked, calls_left: int = 10_000
) -> tuple[Picked, list[Any], int]:
    """What was picked, the steps, and how many evaluations were not known yet."""
    places = {each.id: i for i, each in enumerate(POOL)}
    steps: list[Any] = []
    fresh, answer = 0, None
    while True:
        try:
            step = generator.send(answer)
        except StopIteration as ended:
            return ended.value, steps, fresh
        steps.append(step)
        answer = None
        if isinstance(step, Evaluate):
            for each, cases in step.work:
                unknown = context.scores.unknown(each.id, cases)
                fresh += len(unknown)
                if fresh > calls_left:
                    generator.throw(OutOfBudget("spent"))
                found = [judged(each.texts, case, rule(places[each.id], case)) for case in unknown]
                context.scores.add(each.id, found)
            answer = context.scores


def select(name: str, context: Context, pool: Sequence[Candidate] = POOL, keep: int = 1, **options: Any) -> Any:
    return select_candidates(open_selector(name, **options), pool, context.search, context, keep)


@pytest.mark.parametrize("name", ["racing", "full", "halving", "rejects", "ucb1", "po4isr"])
def test_the_best_candidate_is_picked_and_the_others_are_noted(name: str) -> None:
    context = setting(search=120)
    found, steps, _ = drive(select(name, context), context)
    assert found.candidates == (POOL[3],)
    assert found.kept == (3,)
    notes = [step for step in steps if isinstance(step, Note)]
    assert {note.candidate for note in notes} == set(found.eliminated)
    assert POOL[3].id not in found.eliminated
    assert all(note.what == "eliminated" and note.why and note.data["cases"] == 120 for note in notes)


def test_why_a_candidate_left_names_the_candidate_that_beat_it() -> None:
    context = setting(search=120)
    found, _, _ = drive(select("racing", context), context)
    assert all(f"behind {POOL[3].id} by" in why for why in found.eliminated.values())


def test_a_later_race_asks_only_what_the_first_did_not() -> None:
    context = setting(search=120)
    first, _, asked = drive(select("racing", context, POOL[:5]), context)
    assert asked == first.pulls
    again, _, asked = drive(select("racing", context, POOL[:5]), context)
    assert asked == 0
    assert again.kept == first.kept
    second, _, asked = drive(select("racing", context, POOL[2:]), context)
    assert asked < second.pulls


def test_a_bandit_draws_its_cases_anew_for_other_candidates() -> None:
    context = setting(search=120)
    first = [
        step.work[0][1] for step in drive(select("po4isr", context, POOL[:5]), context)[1] if isinstance(step, Evaluate)
    ]
    second = [
        step.work[0][1] for step in drive(select("po4isr", context, POOL[1:]), context)[1] if isinstance(step, Evaluate)
    ]
    assert first[0] != second[0]


def test_lost_calls_are_no_zeros_and_too_many_of_them_end_it_for_a_candidate() -> None:
    context = setting(search=120)

    def rule(place: int, case: str) -> int | str:
        lost = int(case[1:]) % 2 if place == 1 else int(case[1:]) % 10 == 0
        return "transport" if lost else ranked(place, case)

    found, steps, _ = drive(select("racing", context), context, rule)
    assert found.candidates == (POOL[3],)
    assert "too many missing" in found.eliminated[POOL[1].id]
    assert any(isinstance(step, Note) and step.candidate == POOL[1].id for step in steps)


def test_where_nothing_arrives_nothing_is_ranked() -> None:
    context = setting(search=40)
    found, _, _ = drive(select("racing", context), context, lambda place, case: "transport")
    assert found.candidates == ()


def test_a_spent_budget_ends_the_selection_where_the_optimizer_can_see_it() -> None:
    context = setting(search=120)
    with pytest.raises(OutOfBudget):
        drive(select("racing", context), context, calls_left=30)


def test_answers_alone_decide_what_is_asked_next() -> None:
    runs = []
    for _ in range(2):
        context = setting(search=120)
        runs.append(drive(select("racing", context, keep=2), context)[1])
    assert runs[0] == runs[1]
