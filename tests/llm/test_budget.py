"""A budget is kept: to the call, under any concurrency."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.llm import Budget, BudgetError, MemoryCassette, ModelConfigError, Place, Price, Spending, open_model


def ask(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def door(server: Any, **options: Any) -> Any:
    return open_model("openai/fake", **{"base_url": server.base_url, "api_key": "k", "backoff": 0.002, **options})


@pytest.mark.parametrize("errors", ["", "429=0.2,500=0.2,malformed=0.1"])
async def test_calls_are_never_overshot_retries_included(fake_llm: Any, errors: str) -> None:
    server, budget = fake_llm(errors=errors, retry_after=0.002, latency="fixed:3"), Budget(calls=100)
    async with door(server, budget=budget) as model:
        outcomes = await asyncio.gather(*(model.complete(ask(str(i))) for i in range(300)))
    assert server.stats()["requests"] == budget.spent.calls == 100
    refused = [outcome for outcome in outcomes if outcome.status == "budget"]
    assert refused
    assert all("budget of calls 100 is spent" in outcome.error for outcome in refused)
    assert budget.exhausted == "calls"


async def test_tokens_and_dollars_are_not_overshot(fake_llm: Any) -> None:
    server = fake_llm(latency="fixed:3")
    for limits in ({"tokens": 3000}, {"usd": 0.002}):
        budget = Budget(**limits)
        async with door(server, budget=budget, price=Price(1.0, 1.0)) as model:
            outcomes = await asyncio.gather(
                *(model.complete(ask("x" * 90 + str(i)), max_tokens=50) for i in range(200))
            )
        done = [outcome for outcome in outcomes if outcome.ok]
        assert {outcome.status for outcome in outcomes} == {"ok", "budget"}
        assert budget.spent.tokens == sum(outcome.usage.total for outcome in done)
        most = 3000 if "tokens" in limits else 2000
        assert 0.7 * most < budget.spent.tokens <= most
        assert budget.spent.usd == pytest.approx(budget.spent.tokens / 1e6)


async def test_recorded_answers_are_free_even_when_the_budget_is_spent(fake_llm: Any) -> None:
    server, cassette = fake_llm(), MemoryCassette()
    async with door(server, cassette=cassette, budget=Budget(calls=1)) as model:
        first = await model.complete(ask("a"))
        again = await model.complete(ask("a"))
        refused = await model.complete(ask("b"), at=Place("b"))
    assert (first.status, again.status, refused.status) == ("ok", "ok", "budget")
    assert again.recorded
    assert len(cassette) == 1


async def test_seconds_end_a_run_at_the_next_call(fake_llm: Any) -> None:
    server = fake_llm()
    async with door(server, budget=Budget(seconds=0.05)) as model:
        assert (await model.complete(ask("a"))).ok
        await asyncio.sleep(0.06)
        assert (await model.complete(ask("b"))).status == "budget"


async def test_what_was_spent_outlives_the_process(fake_llm: Any) -> None:
    server, budget = fake_llm(), Budget(calls=3)
    async with door(server, budget=budget) as model:
        await model.complete(ask("a"))
        await model.complete(ask("b"))
    later = Budget(calls=3).resume(budget.state())
    async with door(server, budget=later) as model:
        assert (await model.complete(ask("c"))).ok
        assert (await model.complete(ask("d"))).status == "budget"
    assert later.spent.tokens > budget.spent.tokens


async def test_a_check_is_paid_for_too(fake_llm: Any) -> None:
    server = fake_llm()
    async with door(server, budget=Budget(calls=1)) as model:
        await model.check()
        assert (await model.complete(ask("a"))).status == "budget"
        with pytest.raises(ModelConfigError, match="larger budget"):
            await model.check()
    assert server.stats()["requests"] == 1


def test_dollars_without_a_price_are_refused() -> None:
    with pytest.raises(BudgetError, match="no price is known"):
        open_model("http://127.0.0.1:9/v1#x", budget=Budget(usd=1))
    open_model("http://127.0.0.1:9/v1#x", budget=Budget(usd=1), price=Price(1, 2))
    open_model("openai/gpt-4o-mini", api_key="k", budget=Budget(usd=1))


def test_a_budget_is_read_from_text() -> None:
    budget = Budget.parse("usd=1, calls=500,tokens=1e6,seconds=60")
    assert (budget.usd, budget.calls, budget.tokens, budget.seconds) == (1.0, 500, 1_000_000, 60.0)
    assert Budget.parse("").calls is None


@pytest.mark.parametrize("text", ["calls", "calls=", "calls=x", "calls=1.5", "calls=-1", "calls=nan", "money=1", "calls=1,calls=2"])  # fmt: skip
def test_a_budget_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(BudgetError, match="budget"):
        Budget.parse(text)


@settings(deadline=None, max_examples=60)
@given(
    limit=st.integers(0, 60),
    asked=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 4)), max_size=30),
)
def test_reservations_never_let_more_through_than_the_limit(limit: int, asked: list[tuple[int, int, int]]) -> None:
    budget = Budget(tokens=limit)
    over: list[int] = []

    async def call(most: int, actual: int, turns: int) -> None:
        if await budget.reserve(Spending(1, most)):
            return
        for _ in range(turns):
            await asyncio.sleep(0)
        budget.settle(Spending(1, most), Spending(1, min(actual, most)))
        over.append(budget.spent.tokens)

    async def every() -> None:
        await asyncio.wait_for(asyncio.gather(*(call(*each) for each in asked)), 10)

    asyncio.run(every())
    assert all(tokens <= limit for tokens in over)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -(10**6), "completion_tokens": -5},
        {"prompt_tokens": 10**30},
        {"prompt_tokens": 5, "completion_tokens": "x"},
    ],
)
def test_an_endpoint_that_counts_nonsense_is_not_believed(usage: dict[str, Any]) -> None:
    from recloop.llm.providers.chat_body import usage_of

    found = usage_of({"usage": usage}, {"messages": [{"role": "user", "content": "x" * 400}]}, "y" * 40)
    assert (found.prompt, found.completion, found.estimated) == (100, 10, True)
