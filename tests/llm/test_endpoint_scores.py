"""Labels scored by the next-token log-probabilities of a chat endpoint."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.llm import Budget, MemoryCassette, ModelConfigError, Place, Question, open_model
from recloop.llm.providers.base import NoAbility
from recloop.llm.providers.label_scores import FLOOR_GAP, label_scores

YES_NO = (" yes", " no")


def listing(tokens: dict[str, float], calls: list[dict[str, Any]]) -> Any:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        calls.append(body)
        top = [{"token": token, "logprob": number} for token, number in tokens.items()]
        choice: dict[str, Any] = {"message": {"content": next(iter(tokens))}, "finish_reason": "length"}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        return 200, {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}

    return answer


async def test_a_score_is_one_record_of_one_call_per_question(chat_server: Any) -> None:
    calls: list[dict[str, Any]] = []
    cassette, budget = MemoryCassette(), Budget(calls=4)
    questions = [Question(f" film {i}?", YES_NO) for i in range(3)]
    at = Place("u", 0, "score")
    async with chat_server(listing({"Yes": -0.5, " no": -1.5, "yes": -2.5, "So": -4.0}, calls)) as url:
        async with open_model(f"{url}#m", cassette=cassette, budget=budget) as model:
            assert not model.abilities.score
            await model.check()
            assert model.abilities.score
            outcome = await model.score("Watch", questions, at=at)
        async with open_model(f"{url}#m", cassette=cassette, replay_only=True) as model:
            await model.check()
            assert model.abilities.score
            again = await model.score("Watch", questions, at=at)
    both = math.log(math.exp(-0.5) + math.exp(-2.5))
    assert outcome.value == [[pytest.approx(both), -1.5]] * 3
    assert again.value == outcome.value
    assert again.recorded
    assert len(calls) == budget.spent.calls == 4
    assert {record.kind for record in cassette.records.values()} == {"check", "score"}
    assert len(cassette) == 2
    assert sorted(body["messages"][0]["content"] for body in calls[1:]) == [f"Watch film {i}?" for i in range(3)]
    assert outcome.usage.prompt == 15


async def test_a_label_that_is_not_listed_gets_an_upper_bound_and_this_is_said(chat_server: Any) -> None:
    async with chat_server(listing({"yes": -0.1, "maybe": -3.0}, [])) as url, open_model(f"{url}#m") as model:
        outcome = await model.choices("Watch?", YES_NO)
    assert outcome.value == [-0.1, -3.0 - FLOOR_GAP]
    assert "1 label(s) were not listed" in outcome.text


async def test_labels_that_are_all_missing_are_a_failure_not_numbers(chat_server: Any) -> None:
    async with chat_server(listing({"I": -0.1}, [])) as url, open_model(f"{url}#m") as model:
        outcome = await model.choices("Watch?", YES_NO)
    assert (outcome.status, outcome.value) == ("parse_fail", None)
    assert "none of the labels" in outcome.error


async def test_what_cannot_be_scored_is_refused_in_words(chat_server: Any, fake_llm: Any) -> None:
    async with chat_server(listing({"1": -0.1}, [])) as url, open_model(f"{url}#m") as model:
        with pytest.raises(ModelConfigError, match="differ in their first token"):
            await model.choices("How many?", ("10", "12"))
        with pytest.raises(ModelConfigError, match="local model"):
            await model.loglik("Once", (" upon a time",))
    async with open_model(f"{fake_llm().base_url}#m") as model:
        with pytest.raises(ModelConfigError, match="lists no log-probabilities"):
            await model.choices("Watch?", YES_NO)
        with pytest.raises(ValueError, match="at least one"):
            await model.score("x", [])


async def test_an_endpoint_that_rejects_logprobs_is_checked_without_them(chat_server: Any) -> None:
    calls: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        calls.append(body)
        if "logprobs" in body:
            return 400, {"error": {"message": "logprobs is not supported with this model"}}
        return 200, {"choices": [{"message": {"content": "ok"}}]}

    async with chat_server(answer) as url, open_model(f"{url}#m") as model:
        await model.check()
        assert not model.abilities.score
    assert len(calls) == 2


def test_case_counts_where_labels_differ_by_it_alone() -> None:
    assert label_scores(("A", "a"), [("a", -1.0), ("A", -2.0)]) == ([-2.0, -1.0], 0)
    with pytest.raises(NoAbility, match="different"):
        label_scores(("yes", " yes"), [("yes", -1.0)])


@given(st.dictionaries(st.sampled_from(["a", " a", "b", "c", "B "]), st.floats(-30, -0.001), min_size=1))
def test_scores_are_log_probabilities(tokens: dict[str, float]) -> None:
    scores, floored = label_scores(("a", "b", "c"), list(tokens.items()))
    assert floored == 3 - len({token.strip().lower() for token in tokens})
    for label, score in zip("abc", scores, strict=True):
        own = [number for token, number in tokens.items() if token.strip().lower() == label]
        assert score >= max(own) if own else score < min(tokens.values())
