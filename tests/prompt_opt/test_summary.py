"""The summary of a search: what it says is what the log says, finished or not."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from breeding import SIZES, Breeder, HostileTask, bred
from recloop.llm import Budget
from recloop.prompt_opt.ancestry import ancestry
from recloop.prompt_opt.history import read_history
from recloop.prompt_opt.printed import print_summary
from recloop.prompt_opt.search import optimize
from recloop.prompt_opt.summary import UNTESTED, WINNER, SearchSummary, summarise
from recloop.runs import Run, compare_runs
from rich.console import Console
from small_world import WordProvider, door


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("summary") / "finished"
    assert bred(out).status == "finished"
    return out


def lost_after(calls: int, out: Path) -> Path:
    """A search whose endpoint is lost after so many calls: paused."""
    assert bred(out, WordProvider(fails=lambda n: n > calls)).status == "paused"
    return out


def said(path: Path) -> SearchSummary:
    with Run.open(path) as run:
        return summarise(run)


def shown(summary: SearchSummary) -> str:
    out = io.StringIO()
    print_summary(summary, Console(file=out, width=160, force_terminal=True, highlight=False))
    return out.getvalue()


def test_counts_and_bill_are_those_of_the_log(finished: Path) -> None:
    with Run.open(finished) as run:
        summary = summarise(run)
        events, totals = list(run.events()), run.calls.totals()
    rows = [row for event in events if event.kind == "scores" for row in event.data["rows"]]
    tried, answers, paid = summary.tried, summary.answers, summary.bill
    assert (tried.entered, tried.refused, tried.accepted, tried.eliminated, tried.twins) == (5, 1, 2, 1, 1)
    assert tried.refusals == {"rank: lost its field {{case}}": 1}
    assert (answers.evaluations, answers.status, answers.mended) == (
        len(rows),
        {"ok": len(rows)},
        {"invented": len(rows)},
    )
    assert {role: spent.calls for role, spent in paid.roles.items()} == {
        "task": len(rows) - 2 * SIZES.test,
        "proposer": 1,
        "test": 2 * SIZES.test,
    }
    assert paid.total.calls == totals.calls
    assert paid.total.tokens == totals.prompt_tokens + totals.completion_tokens
    assert paid.total.usd is None, "no price is known, and none is made up"
    assert sum(spent.calls for spent in paid.asked.values()) == len(rows)


@pytest.mark.parametrize("cut", [None, 45, 90], ids=str)
def test_as_many_are_counted_as_eliminated_as_the_list_shows(finished: Path, tmp_path: Path, cut: int | None) -> None:
    with Run.open(finished if cut is None else lost_after(cut, tmp_path / "run")) as run:
        fates = [node.fate for node in ancestry(run, read_history(run)).nodes.values()]
        assert summarise(run).tried.eliminated == fates.count("eliminated")


def test_a_proposal_that_made_two_prompts_is_shared_out_between_them(finished: Path) -> None:
    made = said(finished).bill.made
    assert [spent.calls for spent in made.values()] == [0.5, 0.5]


def test_the_winner_comes_with_its_verdict_and_the_seeds_text(finished: Path) -> None:
    summary = said(finished)
    assert summary.label == WINNER
    assert summary.verdict is not None
    assert summary.best == summary.verdict["winner"] != summary.seed_prompt
    assert summary.best_texts["rank"].startswith("mind the intent, the recent, the genre.")
    assert summary.seed_texts["rank"].startswith("Order.")
    assert summary.headline.startswith("better than the seed on the sealed test split: mrr +")
    assert "adds nothing over oracle" in summary.caveat
    assert summary.lead is not None
    assert summary.lead["shrunken"] < summary.lead["seen"]


@pytest.mark.parametrize("calls", [10, 45, 90], ids=str)
def test_a_stopped_search_has_a_best_so_far_that_is_not_called_a_winner(tmp_path: Path, calls: int) -> None:
    summary = said(lost_after(calls, tmp_path / "run"))
    assert summary.status == "paused"
    assert summary.verdict is None
    assert summary.label == UNTESTED
    assert summary.headline.startswith("no verdict yet")
    assert "not yet tested" in summary.headline
    # With a better prompt scored on all search cases, it leads; before, the seed is all there is.
    assert (summary.best == summary.seed_prompt) == (calls == 10)
    assert "the search is paused" in shown(summary)


def test_calls_of_a_test_that_was_cut_off_are_the_tests(tmp_path: Path) -> None:
    summary = said(lost_after(90, tmp_path / "run"))
    assert summary.bill.roles["test"].calls >= 7
    assert summary.bill.roles["task"].calls == 82, "an equal search made so many before its test"


async def test_a_search_killed_before_its_first_answer_says_so(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", kind="optimize", name="early", config={"task": "words"}, seed=0):
        pass
    summary = said(tmp_path / "run")
    assert summary.best is None
    assert summary.task == "words"
    assert "nothing was recorded" in summary.headline
    assert "nothing was recorded" in shown(summary)


async def test_a_spent_budget_is_named(tmp_path: Path) -> None:
    budget = Budget.parse("calls=90")
    model = door(WordProvider(), budget)
    await optimize(HostileTask(90), Breeder(), model=model, out=tmp_path / "run", budget=budget, sizes=SIZES)
    summary = said(tmp_path / "run")
    assert "budget of calls 90 is spent" in summary.stopped
    assert summary.headline == "no better prompt was found: the seed stands"
    assert "ended by    budget of calls 90" in shown(summary)


OUTCOMES: dict[str, dict[str, Any]] = {
    "seed stands": {
        "text": "no better prompt was found: the seed stands; not told apart from random",
        "seed_mean": {"mean": 0.3, "low": 0.2, "high": 0.4},
        "detectable": None,
        "baselines": [],
    },
    "no difference found": {
        "text": "no difference to the seed found on the sealed test split: mrr +0.001 [-0.010, +0.012]",
        "difference": {"mean": 0.001, "low": -0.01, "high": 0.012, "p_value": 0.8},
        "seed_mean": {"mean": 0.3, "low": 0.2, "high": 0.4},
        "winner_mean": {"mean": 0.3, "low": float("nan"), "high": float("nan")},
    },
    "worse": {"text": "worse than the seed on the sealed test split: mrr -0.1 [-0.2, -0.05]; keep the seed"},
    "not ranked": {"text": "not ranked: 9 of 20 test cases have no answer (calls that never arrived), more than 10%"},
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_is_said_first_and_in_one_sentence(finished: Path, outcome: str) -> None:
    summary = said(finished)
    base = {"outcome": outcome, "pairs": 11, "winner": "w" * 12, "seed": "s" * 12}
    text = shown(replace(summary, verdict=base | OUTCOMES[outcome])).split("\n")
    sentence, _, caveat = OUTCOMES[outcome]["text"].partition("; ")
    assert sentence in text[1]
    assert caveat in text[2]
    assert "nan" not in "".join(text[:12])


def test_the_terminal_is_shown_text_and_nothing_else(finished: Path) -> None:
    text = shown(said(finished))
    assert "\x1b[31mred" not in text
    assert "␛[31mred" in text
    assert "<script>alert(1)</script>" in text, "shown as it is: a terminal knows no tags"


def test_two_searches_are_compared_by_number(finished: Path, tmp_path: Path) -> None:
    bred(tmp_path / "other", seed=1)
    found = compare_runs(finished, tmp_path / "other").summary
    a, b, difference = found["test_difference.value"]
    assert a is not None
    assert b is not None
    assert difference == b - a != 0
    assert found["candidates_refused.value"] == (1.0, 1.0, 0.0)
    assert found["test_calls.value"][0] == 2 * SIZES.test
