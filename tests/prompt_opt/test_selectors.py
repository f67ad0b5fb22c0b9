"""Selectors find the best arm, ask for what they say, leave missing cases out in pairs, and call a tie a tie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import planted_prompts as engine
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.prompt_opt.errors import OptimizeError
from recloop.prompt_opt.selectors import SELECTORS, Pulls, Selection, open_selector

EVERY = [
    ("full", {}),
    ("halving", {}),
    ("rejects", {}),
    ("ucb1", {}),
    ("po4isr", {}),
    ("racing", {"mode": "planned"}),
    ("racing", {"mode": "asymptotic"}),
    ("racing", {"mode": "betting"}),
    ("racing", {"mode": "z"}),
]
every = pytest.mark.parametrize(("name", "options"), EVERY, ids=[f"{n}-{o['mode']}" if o else n for n, o in EVERY])
modes = pytest.mark.parametrize("mode", ["planned", "asymptotic", "betting", "z"])


def run(selector: Any, values: Any, keep: int = 1, seed: int = 0) -> tuple[Selection, list[Pulls]]:
    """Run a selector over a matrix (arms, cases); also what it asked for."""
    asked: list[Pulls] = []
    choosing = selector.select(*np.shape(values), keep, np.random.default_rng(seed))
    try:
        pulls = next(choosing)
        while True:
            asked.append(pulls)
            pulls = choosing.send(np.asarray(values)[pulls.arms, pulls.cases])
    except StopIteration as ended:
        return ended.value, asked


def apart(arms: int = 6, cases: int = 200, best: int = 2, lead: float = 0.2) -> Any:
    """Arms of equal quality but for one that is better by `lead`, with case difficulty and luck."""
    rng = np.random.default_rng(3)
    values = 0.4 + 0.15 * rng.standard_normal(cases) + 0.08 * rng.standard_normal((arms, cases))
    values[best] += lead
    return np.clip(values, 0.0, 1.0)


@every
def test_a_clearly_better_arm_is_found_and_is_no_tie(name: str, options: dict[str, Any]) -> None:
    found, _ = run(open_selector(name, **options), apart())
    assert found.kept == (2,)
    assert not found.tie


@every
def test_pulls_are_counted_and_stay_inside(name: str, options: dict[str, Any]) -> None:
    values = apart()
    found, asked = run(open_selector(name, **options), values, keep=2)
    assert found.pulls == sum(len(pulls.arms) for pulls in asked)
    for pulls in asked:
        assert len(pulls.arms) == len(pulls.cases)
        assert pulls.arms.min() >= 0
        assert pulls.arms.max() < len(values)
        assert pulls.cases.max() < values.shape[1]
    assert len(found.kept) == 2
    assert found.estimates.shape == (len(values),)


@every
def test_the_same_chance_gives_the_same_selection(name: str, options: dict[str, Any]) -> None:
    values = engine.draw("small", 0.2, "tune", 5).values
    first, second = (run(open_selector(name, **options), values, seed=9) for _ in range(2))
    assert first[0].kept == second[0].kept
    assert [p.cases.tolist() for p in first[1]] == [p.cases.tolist() for p in second[1]]


@every
def test_equal_arms_tie(name: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    found, _ = run(open_selector(name, **options), np.tile(rng.random(120), (4, 1)))
    assert found.tie
    assert all("behind" not in why for why in found.eliminated.values())


@every
def test_an_arm_without_answers_is_no_zero_but_left_out_as_missing(name: str, options: dict[str, Any]) -> None:
    values = apart(best=0, lead=0.1)
    values[2, ::2] = np.nan
    found, _ = run(open_selector(name, **options), values, keep=3)
    assert "too many missing" in found.eliminated[2]
    assert 2 not in found.kept


@every
def test_with_nothing_answered_nothing_is_ranked(name: str, options: dict[str, Any]) -> None:
    found, _ = run(open_selector(name, **options), np.full((4, 60), np.nan))
    assert found.kept == ()
    assert set(found.eliminated) == set(range(4))


@every
def test_one_arm_and_few_cases_are_no_problem(name: str, options: dict[str, Any]) -> None:
    found, _ = run(open_selector(name, **options), np.array([[0.5, 0.7, 0.2]]))
    assert found.kept == (0,)
    assert not found.tie
    found, _ = run(open_selector(name, **options), np.array([[0.5], [0.7]]), keep=2)
    assert sorted(found.kept) == [0, 1]


@pytest.mark.parametrize("name", ["full", "halving", "rejects", "racing"])
def test_all_arms_see_the_same_cases(name: str) -> None:
    seen: dict[int, list[int]] = {}
    _, asked = run(open_selector(name), engine.draw("small", 0.4, "tune", 1).values)
    for pulls in asked:
        for arm, case in zip(pulls.arms.tolist(), pulls.cases.tolist(), strict=True):
            seen.setdefault(arm, []).append(case)
    longest = max(seen.values(), key=len)
    assert all(cases == longest[: len(cases)] and len(set(cases)) == len(cases) for cases in seen.values())


@pytest.mark.parametrize("name", ["full", "racing"])
def test_who_missed_the_hard_cases_gains_nothing_by_it(name: str) -> None:
    rng = np.random.default_rng(1)
    difficulty = np.where(np.arange(160) % 4 == 0, 0.1, 0.7)  # a quarter of the cases is hard
    values = difficulty + 0.02 * rng.standard_normal((3, 160))
    values[1] += 0.05
    values[0, ::4] = np.nan  # its own mean is now far the highest
    assert np.nanargmax(np.nanmean(values, axis=1)) == 0
    found, _ = run(open_selector(name), values)
    assert found.kept == (1,)


def test_estimates_of_early_leavers_are_comparable() -> None:
    values = apart(lead=0.3)
    found, _ = run(open_selector("racing"), values)
    assert found.pulls < values.size / 2
    truth = values.mean(axis=1)
    assert found.estimates - found.estimates[2] == pytest.approx(truth - truth[2], abs=0.08)


@modes
def test_a_race_takes_fewer_calls_where_arms_differ_more(mode: str) -> None:
    calls = [
        np.mean(
            [
                run(open_selector("racing", mode=mode), engine.draw("small", s, "tune", i).values)[0].pulls
                for i in range(12)
            ]
        )
        for s in (0.1, 0.8)
    ]
    assert calls[1] < 0.7 * calls[0]


@modes
@pytest.mark.parametrize("gap", [0.0, 0.03])
def test_differences_without_variance_decide_nothing_at_once(mode: str, gap: float) -> None:
    case = np.random.default_rng(2).random(400)
    values = np.clip(np.vstack([case, case - gap]), -1.0, 1.0)
    found, asked = run(open_selector("racing", mode=mode, epsilon=0.0), values)
    assert len(asked) > 1  # eight equal differences are no proof
    assert found.tie is (gap == 0.0)
    assert found.kept == (0,) if gap else found.kept[0] in (0, 1)


@modes
def test_arms_that_are_equal_within_epsilon_end_the_race(mode: str) -> None:
    case = np.random.default_rng(2).random(2000)
    found, _ = run(open_selector("racing", mode=mode, epsilon=0.05), np.vstack([case, case - 0.001]))
    assert found.tie
    assert found.pulls < 2000


def test_a_budget_is_kept_to_the_call_and_then_the_leader_wins() -> None:
    values = engine.draw("small", 0.2, "tune", 2).values
    whole, _ = run(open_selector("racing"), values)
    for budget in (1, 63, 64, 200, whole.pulls):
        found, _ = run(open_selector("racing", budget=budget), values)
        assert found.pulls <= budget
        assert len(found.kept) == (budget >= 8)
    assert run(open_selector("racing", budget=whole.pulls), values)[0].kept == whole.kept


@given(st.integers(2, 9), st.integers(1, 60), st.integers(1, 4), st.integers(0, 99), st.floats(0.0, 0.4))
@settings(max_examples=60, deadline=None)
def test_any_shape_of_race_ends_with_whom_it_did_not_eliminate(
    arms: int, cases: int, keep: int, seed: int, missing: float
) -> None:
    rng = np.random.default_rng(seed)
    values = np.round(rng.random((arms, cases)), 1)
    values[rng.random((arms, cases)) < missing] = np.nan
    for mode in ("planned", "asymptotic", "betting", "z"):
        found, asked = run(open_selector("racing", mode=mode), values, keep, seed)
        assert not set(found.kept) & set(found.eliminated)
        assert len(found.kept) <= keep
        assert found.pulls <= values.size
        pulled = {(a, c) for p in asked for a, c in zip(p.arms.tolist(), p.cases.tolist(), strict=True)}
        assert len(pulled) == found.pulls  # nothing is asked twice


def test_batches_grow() -> None:
    looks = SELECTORS["racing"]().looks(1000)
    assert looks[0] == 8
    assert looks[-1] == 1000
    assert len(looks) < 25


# -- PO4ISR's bandit, as published and as released


def pulled(found: tuple[Selection, list[Pulls]], arms: int) -> Any:
    return np.bincount(np.concatenate([pulls.arms for pulls in found[1]]), minlength=arms)


def test_as_released_q_grows_with_pulls_and_is_no_mean() -> None:
    values = np.full((8, 50), 0.5)
    released = run(open_selector("po4isr", as_released=True), values)
    pulls = pulled(released, 8) // 32
    harmonic = [0.5 * sum(1 / i for i in range(1, n + 1)) for n in pulls.tolist()]
    assert released[0].estimates == pytest.approx(harmonic)
    assert released[0].estimates.max() > 0.7  # of arms that are all worth 0.5
    mended = run(open_selector("po4isr"), values)
    assert mended[0].estimates == pytest.approx(0.5)


def test_as_released_who_is_pulled_most_wins() -> None:
    right: dict[bool, int] = {}
    for released in (True, False):
        selector = open_selector("po4isr", as_released=released)
        draws = [engine.draw("small", 0.4, "tune", i) for i in range(150)]
        found = [run(selector, each.values, seed=i) for i, each in enumerate(draws)]
        right[released] = sum(each[0].kept[0] == drawn.best for each, drawn in zip(found, draws, strict=True))
        if released:
            assert all(pulled(each, 8)[each[0].kept[0]] == pulled(each, 8).max() for each in found)
    assert right[False] > right[True]


def test_the_bandit_makes_the_papers_calls_on_cases_drawn_anew() -> None:
    for released in (True, False):
        found, asked = run(
            open_selector("po4isr", as_released=released), engine.draw("small", 0.2, "tune", 0, cases=50).values
        )
        assert found.pulls == 16 * 32
        assert all(len(set(pulls.cases.tolist())) == 32 for pulls in asked)
        assert len({tuple(pulls.cases.tolist()) for pulls in asked}) == 16


def test_as_released_a_beam_that_cannot_be_filled_fails() -> None:
    values = np.full((4, 50), 0.5)
    with pytest.raises(ValueError, match="4 prompts cannot fill a beam of 5"):
        run(open_selector("po4isr", as_released=True), values)
    assert run(open_selector("po4isr"), values, keep=5)[0].kept


def test_as_released_a_lost_call_counts_as_nothing_found() -> None:
    values = np.full((6, 50), 0.5)
    values[0] = np.nan
    released, _ = run(open_selector("po4isr", as_released=True), values)
    assert released.estimates[0] == 0.0
    mended, _ = run(open_selector("po4isr"), values)
    assert np.isnan(mended.estimates[0])


# -- names


def test_an_unknown_selector_names_those_there_are() -> None:
    with pytest.raises(OptimizeError, match=r"no selector 'raceing' \(did you mean racing\?\)\n  known: racing, full"):
        open_selector("raceing")


@pytest.mark.parametrize(
    ("options", "told"),
    [({"speed": 3}, "racing has no option speed"), ({"delta": 2.0}, "racing: delta"), ({"mode": "bernstein"}, "mode")],
)
def test_wrong_options_are_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises(OptimizeError, match=told):
        open_selector("racing", **options)


def test_every_field_of_every_config_is_explained() -> None:
    import inspect

    for kind in SELECTORS.values():
        source: Callable[..., Any] = kind.config_type
        lines = [line.strip() for line in inspect.getsource(source).splitlines()]
        for name in kind.config_type.model_fields:
            at = next(i for i, line in enumerate(lines) if line.startswith(f"{name}:"))
            assert lines[at + 1].startswith('"""'), f"{kind.name}.{name}"


# -- what each way of selecting costs


@pytest.mark.parametrize("mode", ["planned", "asymptotic", "betting"])
def test_more_rivals_need_more_proof(mode: str) -> None:
    values = apart(arms=2, best=0, cases=400, lead=0.05)
    crowd = np.vstack([values[0], np.repeat(values[1:], 60, axis=0)])
    few, many = (run(open_selector("racing", mode=mode), each)[1] for each in (values, crowd))
    assert len(many) > len(few)  # batches until the same two have been told apart


def test_successive_rejects_lose_an_arm_a_phase_and_end_with_all_cases() -> None:
    _, asked = run(open_selector("rejects"), apart(arms=5, cases=100))
    assert [len(set(pulls.arms.tolist())) for pulls in asked] == [5, 4, 3, 2]
    assert sum(len(set(pulls.cases.tolist())) for pulls in asked) == 100
    found, _ = run(open_selector("rejects", budget=200), apart(arms=5, cases=100))
    assert found.pulls <= 200


def test_successive_halving_halves_arms_and_doubles_cases() -> None:
    found, asked = run(open_selector("halving"), apart(arms=8, cases=100))
    assert [len(set(pulls.arms.tolist())) for pulls in asked] == [8, 4, 2]
    assert [len(set(pulls.cases.tolist())) for pulls in asked] == [25, 25, 50]
    assert found.pulls == 8 * 25 + 4 * 25 + 2 * 50


def test_ucb1_pulls_what_is_good_and_with_more_curiosity_the_rest_too() -> None:
    values = apart(lead=0.4, cases=400)
    shares = []
    for c in (0.0, 0.2, 100.0):
        pulls = pulled(run(open_selector("ucb1", c=c), values), len(values))
        assert pulls.sum() == 512
        shares.append(pulls[2] / pulls.sum())
    assert shares[0] >= shares[1] > 0.35
    assert shares[2] == pytest.approx(1 / 6, abs=0.03)
