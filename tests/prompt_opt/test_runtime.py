"""The runtime of a search: log, graph, resume, budgets, approval, verdict."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from recloop.llm import Budget
from recloop.llm.door import Door
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.context import Context
from recloop.prompt_opt.errors import OptimizeError, SearchChanged
from recloop.prompt_opt.search import Finished, optimize
from recloop.prompt_opt.splits import Sizes, draw_splits
from recloop.prompt_opt.steps import Accept, Choice, Enter, Evaluate, Search
from recloop.runs import Run
from small_world import Climber, WordProvider, WordTask, door, skill

SIZES = Sizes(search=20, selection=20, test=30)


async def climb(
    out: Path, provider: WordProvider | None = None, budget: Budget | None = None, **options: Any
) -> Finished:
    model = door(provider or WordProvider(), budget)
    return await optimize(WordTask(), Climber(), model=model, out=out, budget=budget, sizes=SIZES, **options)


async def test_a_search_ends_with_a_better_prompt_and_a_verdict(tmp_path: Path) -> None:
    found = await climb(tmp_path / "run")
    assert found.status == "finished"
    assert found.candidate is not None
    assert found.verdict is not None
    assert skill(found.candidate.texts["rank"]) == 3
    assert found.verdict["outcome"] == "better"
    assert found.verdict["cases"] == 30
    with Run.open(tmp_path / "run") as run:
        kinds = [event.kind for event in run.events()]
        assert kinds.count("candidate") == 4
        assert kinds.count("opened") == 1
        assert kinds.count("verdict") == 1
        assert run.table("scores").num_rows == 4 * 20 + 2 * 20 + 2 * 30
        assert run.table("candidates").num_rows == 4


async def test_the_test_split_is_asked_after_its_opening_only_and_of_two_prompts(tmp_path: Path) -> None:
    await climb(tmp_path / "run")
    with Run.open(tmp_path / "run") as run:
        events = list(run.events())
        opened = next(event for event in events if event.kind == "opened")
        splits = next(event.data["splits"] for event in events if event.kind == "task")
        asked = {(e.agent, row["case"]): e.seq for e in events if e.kind == "scores" for row in e.data["rows"]}
    tested = {candidate for (candidate, case) in asked if case in splits["test"]}
    assert tested == set(opened.data["candidates"])
    assert all(seq > opened.seq for (_, case), seq in asked.items() if case in splits["test"])
    assert not set(splits["test"]) & (set(splits["search"]) | set(splits["selection"]))


async def test_equal_searches_have_equal_digests_at_any_concurrency(tmp_path: Path) -> None:
    digests = set()
    for concurrency in (1, 8, 64):
        model = door(WordProvider(), concurrency=concurrency)
        out = tmp_path / str(concurrency)
        await optimize(WordTask(), Climber(), model=model, out=out, sizes=SIZES)
        with Run.open(out) as run:
            digests.add(run.digest())
    assert len(digests) == 1


@pytest.mark.parametrize("calls", [70, 90, 110, 130, 150, 175])
async def test_a_budget_of_calls_is_kept_and_the_sealed_test_is_still_paid(tmp_path: Path, calls: int) -> None:
    budget, provider = Budget(calls=calls), WordProvider()
    found = await climb(tmp_path / "run", provider, budget)
    assert provider.calls <= calls
    assert budget.spent.calls <= calls
    assert found.status == "finished"
    assert found.verdict is not None
    with Run.open(tmp_path / "run") as run:
        choice = next(run.events(kind="choice"))
    assert "budget of calls" in choice.data["why"]


async def test_the_sealed_test_is_paid_for_where_every_other_attempt_is_turned_away(tmp_path: Path) -> None:
    """Attempts count, not answers: a busy endpoint makes the search shorter, not the test unpaid."""
    budget, provider = Budget(calls=220), WordProvider(fails=lambda n: n % 2)
    model = door(provider, budget, attempts=4)
    found = await optimize(WordTask(), Climber(), model=model, out=tmp_path / "run", budget=budget, sizes=SIZES)
    assert found.status == "finished", found.reason
    assert found.verdict is not None
    assert provider.calls == budget.spent.calls <= 220


async def test_a_budget_that_cannot_pay_the_sealed_test_is_refused_before_any_call(tmp_path: Path) -> None:
    provider = WordProvider()
    with pytest.raises(OptimizeError, match="leaves nothing for the search"):
        await climb(tmp_path / "run", provider, Budget(calls=60))
    assert provider.calls == 0


async def test_a_search_that_its_budget_ended_can_be_replayed_step_by_step(tmp_path: Path) -> None:
    """Killed right after the budget's stop was recorded, it ends as the unbroken one did."""
    await climb(tmp_path / "whole", budget=Budget(calls=110))
    with Run.open(tmp_path / "whole") as run:
        digest = run.digest()
    provider = WordProvider()
    model = door(provider, Budget(calls=110))
    first = optimize(WordTask(), Climber(), model=model, out=tmp_path / "cut", budget=model.line.budget, sizes=SIZES)
    task = asyncio.ensure_future(first)
    while provider.calls < 48:  # noqa: ASYNC110 (the provider is ours, and has no event to wait for)
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    budget = Budget(calls=110).resume({"spent": {"calls": provider.calls, "tokens": 0, "usd": 0, "seconds": 0}})
    await climb(tmp_path / "cut", provider, budget)
    with Run.open(tmp_path / "cut") as run:
        assert run.digest() == digest
    assert budget.spent.calls <= 110


async def test_calls_in_flight_at_a_kill_count_against_the_budget(tmp_path: Path) -> None:
    """They were paid for, though no log knows of them."""
    provider, budget = WordProvider(delay=0.05), Budget(calls=110)
    task = asyncio.ensure_future(climb(tmp_path / "run", provider, budget))
    while provider.calls < 12:  # noqa: ASYNC110 (the provider is ours, and has no event to wait for)
        await asyncio.sleep(0.005)
    paid = provider.calls
    shutil.copytree(tmp_path / "run", tmp_path / "killed")  # what a killed process leaves
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with Run.open(tmp_path / "killed") as run:
        recorded = run.calls.totals().attempts
    assert recorded < paid
    again = Budget(calls=110).resume({"spent": {"calls": recorded, "tokens": 0, "usd": 0, "seconds": 0}})
    later = WordProvider()
    found = await climb(tmp_path / "killed", later, again)
    assert found.verdict is not None
    assert again.spent.calls == paid + later.calls <= 110


async def test_a_prompt_waits_for_approval_and_can_be_edited_or_refused(tmp_path: Path) -> None:
    waiting = await climb(tmp_path / "run", approve=True)
    assert waiting.status == "paused"
    assert "waits for approval" in waiting.reason

    async def edited(wanted: Any) -> Any:
        return {"rank": "mind the intent, the recent and the genre and the rank {{case}}"}

    found = await climb(tmp_path / "run", approve=True, approver=edited)
    assert found.status == "finished"
    assert found.candidate is not None
    with Run.open(tmp_path / "run") as run:
        makers = {event.agent: event.data["maker"] for event in run.events(kind="candidate")}
    assert makers[found.candidate.id] == "person"

    async def refused(wanted: Any) -> bool:
        return False

    found = await climb(tmp_path / "other", approve=True, approver=refused)
    assert found.verdict is not None
    assert found.verdict["outcome"] == "seed stands"


async def test_lost_calls_are_missing_and_never_zero(tmp_path: Path) -> None:
    """A quarter of all tries is lost and nothing is tried again: the means are those of the cases that were answered."""
    provider = WordProvider(fails=lambda n: n % 4 == 0)
    found = await climb(tmp_path / "run", provider)
    assert found.verdict is not None
    assert found.verdict["outcome"] == "not ranked"
    with Run.open(tmp_path / "run") as run:
        rows = [row for event in run.events(kind="scores") for row in event.data["rows"]]
    lost = [row for row in rows if row["status"] == "transport"]
    assert lost
    assert not any("values" in row for row in lost)
    assert all(row["values"]["mrr"] > 0 for row in rows if row["status"] == "ok")


async def test_a_lost_endpoint_pauses_the_search_and_it_goes_on(tmp_path: Path) -> None:
    gone = {"now": False}
    provider = WordProvider(fails=lambda n: n > 45 and gone["now"])
    gone["now"] = True
    paused = await climb(tmp_path / "run", provider)
    assert paused.status == "paused"
    assert "never reached the model" in paused.reason
    gone["now"] = False
    found = await climb(tmp_path / "run", provider)
    assert found.status == "finished"
    await climb(tmp_path / "whole")
    with Run.open(tmp_path / "run") as run, Run.open(tmp_path / "whole") as whole:
        assert run.digest() == whole.digest()


async def test_a_finished_search_is_not_searched_on(tmp_path: Path) -> None:
    await climb(tmp_path / "run")
    provider = WordProvider()
    again = await climb(tmp_path / "run", provider)
    assert provider.calls == 0
    assert again.status == "finished"


async def test_other_data_or_another_seed_prompt_is_refused(tmp_path: Path) -> None:
    waiting = await climb(tmp_path / "run", approve=True)
    assert waiting.status == "paused"
    with pytest.raises(OptimizeError, match="the task is not what this search began with"):
        await optimize(WordTask(hash="other"), Climber(), model=door(WordProvider()), out=tmp_path / "run", sizes=SIZES)
    with pytest.raises(OptimizeError, match="the seed prompt is not what"):
        await climb(tmp_path / "run", seed_texts={"rank": "Another. {{case}}"})


async def test_another_optimizer_on_the_same_log_is_told(tmp_path: Path) -> None:
    await climb(tmp_path / "run", approve=True)

    class Other(Climber):
        def search(self, context: Any) -> Any:
            yield Evaluate([(context.seed_candidate, context.selection)])
            return Choice(context.seed_candidate, "")

    with pytest.raises(SearchChanged, match="step 0 was to evaluate"):
        await optimize(WordTask(), Other(), model=door(WordProvider()), out=tmp_path / "run", sizes=SIZES)


def test_splits_are_apart_and_shrink_together() -> None:
    splits = draw_splits(WordTask(60), Sizes(search=80, selection=60, test=100), seed=3)
    assert [len(part) for part in splits] == [20, 15, 25]
    assert len({*splits.search, *splits.selection, *splits.test}) == 60
    with pytest.raises(OptimizeError, match="10 a split"):
        draw_splits(WordTask(20), Sizes(), seed=0)
    with pytest.raises(OptimizeError, match="is in 'search' and in 'test'"):
        draw_splits(WordTask(60, parts={"search": ["c1"], "test": ["c1"]}), Sizes(), seed=0)


async def test_a_seed_prompt_that_breaks_its_contract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptimizeError, match="lost its field"):
        await climb(tmp_path / "run", seed_texts={"rank": "no field"})


class Headstrong(Climber):
    """Scores one new prompt, asks for its acceptance, and returns it whatever the answer."""

    def search(self, context: Context) -> Search:
        seed = context.seed_candidate
        yield Evaluate([(seed, context.search)])
        (new,) = yield Enter([Candidate({"rank": f"mind the intent. {seed.texts['rank']}"}, "refine", (seed.id,))])
        yield Evaluate([(new, context.search)])
        yield Accept(new, seed, "a better mean")
        return Choice(new, "it leads")


@pytest.mark.parametrize("word", [False, True, {"rank": "Order by genre. {{case}}"}], ids=["no", "yes", "edited"])
async def test_a_prompt_that_a_person_refused_is_never_chosen(tmp_path: Path, word: Any) -> None:
    async def person(wanted: Any) -> Any:
        return word

    model = door(WordProvider())
    asked = {"model": model, "sizes": SIZES, "approve": True, "approver": person}
    found = await optimize(WordTask(), Headstrong(), out=tmp_path / "run", **asked)
    assert found.candidate is not None
    assert found.candidate.operator == ("refine" if word is True else "seed")


async def test_tokens_of_a_try_that_was_cut_off_are_the_same_in_the_log_and_in_its_replay(tmp_path: Path) -> None:
    """A search that was broken off in the middle of its calls counts their tokens; a replay reads the same."""
    provider = WordProvider(delay=0.02)
    model = door(provider, concurrency=4)
    task = asyncio.ensure_future(optimize(WordTask(), Climber(), model=model, out=tmp_path / "run", sizes=SIZES))
    while provider.calls < 30:  # noqa: ASYNC110 (the provider is ours, and has no event to wait for)
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await climb(tmp_path / "run")
    with Run.open(tmp_path / "run") as old:
        replayed = Door(model.line, cassette=old.calls, replay_only=True)
        await optimize(
            WordTask(), Climber(), model=replayed, out=tmp_path / "again", sizes=SIZES, record=False, follows=old
        )
        with Run.open(tmp_path / "again", write=True) as new:
            new.calls.adopt(old.calls)
            assert new.digest() == old.digest()
