"""Numbers of a run: right where there is something to count, None with a reason where there is not."""

from __future__ import annotations

import json
import math
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))

from recloop.runs import CallRecord, Run, fork_run
from recloop.simulations.outcome.numbers import Row
from recloop.simulations.outcome.summary import Summary, degenerate, numbers, print_summary, summarise
from report_fixture import CASES, HOSTILE, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("run") / "r", users=20, pages=4)


@pytest.fixture(scope="module")
def summary(run: Run) -> Summary:
    return summarise(run)


def exposures(run: Run) -> list[dict[str, Any]]:
    """Exposures joined with actions, from the documented tables: an independent way to the same numbers."""
    acts = {(a["agent"], a["page"], a["item"]): a for a in run.table("actions").to_pylist()}
    rows = run.table("exposures").to_pylist()
    return [{**row, **acts.get((row["agent"], row["page"], row["item"]), {})} for row in rows]


def every_number(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [x for inner in value.values() for x in every_number(inner)]
    if isinstance(value, list | tuple):
        return [x for inner in value for x in every_number(inner)]
    return [value] if isinstance(value, float) else []


def test_the_watch_rate_is_a_mean_over_users_first(run: Run, summary: Summary) -> None:
    by_user: dict[str, list[bool]] = {}
    for row in exposures(run):
        by_user.setdefault(row["agent"], []).append(row["positive"])
    expected = sum(sum(each) / len(each) for each in by_user.values()) / len(by_user)
    row = summary["watch_rate"]
    assert row.value == pytest.approx(expected)
    assert row.n == 20
    assert row.low is not None
    assert row.high is not None
    assert row.low < expected < row.high
    assert row.baselines[0].value == pytest.approx(sum(0.25 + 0.15 * (i % 3) for i in range(20)) / 20)


def test_precision_and_lift_are_counted_against_held_out_rows(run: Run, summary: Summary) -> None:
    held = next(iter(run.events(kind="reference"))).data["held_out"]
    rows = exposures(run)
    hits = [row for row in rows if row["item"] in held[row["agent"]]]
    watched = [row for row in rows if row["positive"]]
    share = len(hits) / len(rows)
    precision = len([row for row in hits if row["positive"]]) / len(watched)
    assert summary["precision"].value == pytest.approx(precision)
    assert summary["precision"].baselines[0].value == pytest.approx(share)
    assert summary["lift"].value == pytest.approx(precision / share)
    assert summary["lift"].baselines[0].value == 1.0


def test_users_who_know_their_taste_get_a_lift_whose_interval_leaves_out_one(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", users=60, pages=4, watch=0.2, taste=0.6) as run:
        lift = summarise(run)["lift"]
    assert lift.low is not None
    assert lift.low > 1.2
    assert lift.note == ""


def test_too_few_hits_are_called_too_few(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", users=4, pages=1, truth=0.2) as run:
        summary = summarise(run)
    assert "too few to say" in summary["precision"].note
    assert "too few to say" in summary["lift"].note or summary["lift"].value is None


def test_no_hit_at_all_does_not_claim_certainty(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", users=6, truth=0.4, taste=-1.0) as run:
        row = summarise(run)["precision"]
    assert row.value == 0.0
    assert row.high is not None
    assert row.high > 0.02


def test_ratings_stand_beside_the_noise_floor_and_the_uniform(run: Run, summary: Summary) -> None:
    given = [a["rating"] for a in run.table("actions").to_pylist() if a["rating"] is not None]
    assert summary.ratings is not None
    assert sum(summary.ratings.series["simulated"]) == len(given)
    floor, uniform = (b.value for b in summary["rating_jsd"].baselines)
    value = summary["rating_jsd"].value
    assert floor is not None
    assert uniform is not None
    assert value is not None
    assert 0 < floor < uniform
    assert value > floor  # ratings were drawn evenly from 3 to 10
    assert summary["low_ratings"].value == pytest.approx(sum(r <= 3 for r in given) / len(given))


def test_position_bias_is_found_where_it_was_planted_and_only_there(tmp_path: Path) -> None:
    with write_run(tmp_path / "a", users=80, pages=4, watch=0.3, first_slot=0.6) as biased:
        summary = summarise(biased)
    row = summary["slot_bias"]
    chance = row.baselines[0].value
    assert row.value is not None
    assert chance is not None
    assert row.value > 2.0 > chance
    assert summary["rank_bias"].value is not None
    assert summary["rank_bias"].value < 1.6
    assert summary.by_position[0].value is not None
    assert summary.by_position[0].value > 0.75
    with write_run(tmp_path / "b", users=80, pages=4, watch=0.3) as fair:
        assert (summarise(fair)["slot_bias"].value or 9) < 1.6


def test_exits_count_every_user_once(run: Run, summary: Summary) -> None:
    assert sum(sum(each) for each in summary.exits.series.values()) == 20
    last = {}
    for row in run.table("decisions").to_pylist():
        last[row["agent"]] = (row["page"], row["decision"])
    early = sum(decision == "exit" and page < 3 for page, decision in last.values())
    assert summary["left_early"].value == pytest.approx(early / 20)
    assert summary["pages"].value == pytest.approx(sum(page + 1 for page, _ in last.values()) / 20)


def test_who_decides_to_leave_on_the_last_page_is_drawn_as_leaving(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", users=40) as run:
        summary = summarise(run)
        decisions = run.table("decisions").to_pylist()
    last = {row["agent"]: row["decision"] for row in decisions}
    at_cap = [row for row in decisions if row["page"] == 2]
    leaving = sum(row["decision"] == "exit" for row in at_cap)
    assert 0 < leaving < len(at_cap)
    assert summary.exits.series["decided to leave"][-1] == leaving
    assert summary.exits.total("wanted to go on") == sum(decision == "next" for decision in last.values())


def test_the_rival_of_pages_seen_minds_lists_that_ended(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", users=10, pages=4, short_lists=5) as run:
        row = summarise(run)["pages"]
        last = {r["agent"]: (r["page"], r["decision"]) for r in run.table("decisions").to_pylist()}
    ended = sum(decision == "next" and page == 0 for page, decision in last.values())
    assert 0 < ended <= 5
    assert row.baselines[0].value == pytest.approx((4 * 10 - 3 * ended) / 10)
    assert f"{ended} users" in row.baselines[0].words


def test_likes_are_of_rated_items_and_absent_where_no_rating_is_asked_for(tmp_path: Path, run: Run) -> None:
    acts = [a for a in run.table("actions").to_pylist() if a["rating"] is not None]
    assert summarise(run)["liked_share"].n == len(acts)
    assert summarise(run)["liked_share"].value == pytest.approx(sum(a["liked"] for a in acts) / len(acts))
    with write_run(tmp_path / "r", actions="shop") as shop:
        summary = summarise(shop)
    for key in ("likes", "liked_share"):
        assert summary[key].value is None
        assert summary[key].note == "these actions ask for no rating"


def test_few_hits_give_the_lift_no_interval(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", users=4, pages=1, truth=0.3, taste=1.0) as run:
        row = summarise(run)["lift"]
    assert row.value is not None
    assert (row.low, row.high) == (None, None)
    assert "no interval below 10 hits" in row.note


def test_mean_and_pooled_watch_rate_and_the_slot_ratio_are_told_apart(run: Run, summary: Summary) -> None:
    rows = exposures(run)
    pooled = sum(row["positive"] for row in rows) / len(rows)
    assert (
        f"mean over users; pooled over all {len(rows)} answered items: {100 * pooled:.1f} %"
        in summary["watch_rate"].note
    )
    assert "highest over lowest watch rate by place" in summary["slot_bias"].note


def test_a_lost_interview_is_no_unusable_page(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", lost_interviews=True) as run:
        row = summarise(run)["invalid"]
        held = run.table("interviews").num_rows
    assert row.value == 0.0
    assert row.note == f"interviews apart: {held} of {held} without a usable answer"


def test_failures_are_counted_and_their_pages_left_out_of_rates(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", users=30, failing=0.3) as run:
        summary = summarise(run)
        failed = sum(bool(e.data["failures"]) for e in run.events(kind="page"))
        pages = sum(1 for _ in run.events(kind="page"))
        answered = run.table("actions").num_rows
    assert 0 < failed < pages
    assert summary["invalid"].value == pytest.approx(failed / pages)
    assert summary.failures[0].count == failed
    assert "timeout in react" in summary["invalid"].note
    assert sum(p.n for p in summary.by_position) == answered
    assert "left out" in summary["watch_rate"].note


def test_an_unknown_price_is_said_and_never_zero(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", price=None) as run:
        summary = summarise(run)
    assert summary["cost"].value is None
    assert "not known" in summary["cost"].note
    assert summary.work[0].cost is None
    with write_run(tmp_path / "priced", price=0.001) as run:
        summary = summarise(run)
        assert summary["cost"].value == pytest.approx(0.001 * len(run.calls))


def test_a_forks_summary_tells_what_its_line_took_and_what_it_paid_itself(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", price=0.001) as run:
        whole, last = summarise(run)["cost"].value, run.barrier
    with Run.open(fork_run(tmp_path / "r", last), write=True) as fork:
        assert "none made by this fork itself" in summarise(fork)["calls"].note
        fork.calls.put(CallRecord("new", page=0, node="react", response="yes", cost=0.5, prompt_tokens=10))
        calls, cost = summarise(fork)["calls"], summarise(fork)["cost"]
        assert "1 made by this fork itself (10 tokens, $0.5000)" in calls.note
        assert 0.5 < cost.value <= whole + 0.5
        assert summarise(fork)["pages_per_second"].value is None


@pytest.mark.parametrize("case", CASES)
def test_what_is_missing_is_none_with_a_reason(tmp_path: Path, case: str) -> None:
    options: dict[str, Any] = {"users": 5, "pages": 2, **CASES[case]}
    with write_run(tmp_path / "r", **options) as run:
        summary = summarise(run)
        text = json.dumps(summary.json(), allow_nan=False)
        json.dumps(numbers(run), allow_nan=False)
    assert all(math.isfinite(x) for x in every_number(json.loads(text)))
    for row in summary.rows:
        assert row.value is not None or row.note, row
        assert row.baselines or row.value is None, row
        if row.low is not None and row.high is not None and row.value is not None:
            assert row.low <= row.value + 1e-12, row
            assert row.value <= row.high + 1e-12, row
    out = StringIO()
    print_summary(summary, Console(file=out, width=100))
    assert "nan" not in out.getvalue().lower().split()


def test_reasons_name_what_is_missing(tmp_path: Path) -> None:
    with write_run(tmp_path / "a", watch=0.0) as run:
        summary = summarise(run)
    assert summary["rating"].value is None
    assert summary["rating"].note == "no rating was given"
    assert "nothing was watched" in summary["lift"].note
    with write_run(tmp_path / "b", ratings=False) as run:
        summary = summarise(run)
    assert "no ratings" in summary["likes"].note
    assert summary.ratings is None
    with write_run(tmp_path / "c", interviews=False) as run:
        assert summarise(run)["satisfaction_said"].note == "no interview was held"
    with write_run(tmp_path / "d", users=1) as run:
        row = summarise(run)["watch_rate"]
    assert (row.low, row.high) == (None, None)
    assert "no interval" in row.note


def test_a_watch_rate_of_zero_or_one_is_degenerate(tmp_path: Path) -> None:
    with write_run(tmp_path / "none", watch=0.0) as run:
        assert "nothing" in (degenerate(summarise(run)) or "")
    with write_run(tmp_path / "all", watch=1.1) as run:
        assert "everything" in (degenerate(summarise(run)) or "")
    with write_run(tmp_path / "silent", watch=None) as run:
        assert "no page got a usable answer" in (degenerate(summarise(run)) or "")
    with write_run(tmp_path / "sound") as run:
        assert degenerate(summarise(run)) is None


def test_other_action_sets_are_summed_up_in_their_own_words(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", actions="shop", ratings=False) as run:
        summary = summarise(run)
    assert summary["watch_rate"].label == "Take-up rate"
    assert summary["watch_rate"].value is not None
    assert summary["watch_rate"].value > 0


def test_the_same_run_gives_the_same_summary(run: Run) -> None:
    with Run.open(run.path) as again:
        first, second = summarise(run).json(), summarise(again).json()
    assert json.dumps(first) == json.dumps(second)


def test_a_longer_log_is_read_again(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", users=3, pages=1) as run:
        before = summarise(run)["pages"].value
        event = next(iter(run.events(kind="page")))
        from recloop.runs import Event

        run.commit(9, events=[Event("page", agent=event.agent, page=1, data=event.data)])
        after = summarise(run)["pages"].value
    assert before is not None
    assert after is not None
    assert after > before


def test_the_terminal_shows_value_interval_baseline_and_the_banner(run: Run, summary: Summary) -> None:
    out = StringIO()
    print_summary(summary, Console(file=out, width=140))
    text = out.getvalue()
    assert "plumbing-grade model: results show the machinery, not people" in text
    assert summary["watch_rate"].value_text in text
    assert summary["watch_rate"].interval_text in text
    assert "calibration's target" in text
    assert "these users, real" in text
    assert "\x1b" not in text


def test_terminal_escapes_in_names_do_nothing(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", users=3) as run:
        summary = summarise(run)
    from dataclasses import replace

    out = StringIO()
    print_summary(replace(summary, name=HOSTILE, dataset="[red]x[/]\x07"), Console(file=out, width=200))
    assert "\x1b" not in out.getvalue()
    assert "\x07" not in out.getvalue()
    assert "\u202e" not in out.getvalue()
    assert "[red]x[/]␇" in out.getvalue()


def test_a_row_shows_its_numbers_in_its_unit() -> None:
    row = Row("x", "X", 0.1234, "share", 0.1, 0.2)
    assert (row.value_text, row.interval_text) == ("12.3 %", "[10.0 %, 20.0 %]")
    assert Row("x", "X", None).value_text == "–"
    assert Row("x", "X", 0.0031, "usd").value_text == "$0.0031"
    assert Row("x", "X", 0.0, "usd").value_text == "$0.00"


def test_an_unknown_number_is_named(summary: Summary) -> None:
    with pytest.raises(KeyError, match="watch_rate"):
        summary["nonsense"]
