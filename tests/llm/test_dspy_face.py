"""The door where DSPy expects a language model: typed outputs, threads, draws kept apart, costs and usage as paid."""

from __future__ import annotations

from typing import Any, Literal

import dspy
import pytest
from pydantic import BaseModel
from recloop.llm import Budget, MemoryCassette, ModelFailed, Place, Price, dspy_lm, open_model

REPLY = (
    "[[ ## reasoning ## ]]\nbecause\n\n[[ ## answer ## ]]\n{{pick yes|no}}\n\n"
    "[[ ## stars ## ]]\n{{int 1 5}}\n\n[[ ## completed ## ]]"
)


def door(server: Any, **options: Any) -> Any:
    return open_model(f"{server.base_url}#fake", **{"backoff": 0.002, **options})


class Would(dspy.Signature):
    """Would this person watch the film?"""

    film: str = dspy.InputField()
    answer: Literal["yes", "no"] = dspy.OutputField()
    stars: int = dspy.OutputField()


async def test_a_chain_of_thought_over_threads_is_evaluated_with_a_metric(fake_llm: Any) -> None:
    server = fake_llm(script=[{"match": ".", "reply": REPLY}], latency="fixed:40", errors="500=0.3")
    cassette, budget = MemoryCassette(), Budget(calls=200)
    model = door(server, cassette=cassette, budget=budget)
    films = [dspy.Example(film=f"film {n}", answer="yes").with_inputs("film") for n in range(24)]

    def right(example: Any, found: Any, trace: Any = None) -> bool:
        assert isinstance(found.stars, int)
        return found.answer == example.answer

    with dspy.context(lm=dspy_lm(model, Place("", -1, "evaluate"))):
        evaluate = dspy.Evaluate(devset=films, metric=right, num_threads=8, display_progress=False)
        program = dspy.ChainOfThought(Would)
        first = evaluate(program)
        asked = server.stats()
        again = evaluate(program)
    assert 0 < first.score < 100
    assert again.score == first.score
    assert asked["max_in_flight"] > 3
    assert server.stats()["requests"] == asked["requests"] == budget.spent.calls > 24, (
        "the second time from the cassette"
    )
    assert len(cassette) == 24
    assert {record.node for record in cassette.records.values()} == {"evaluate"}
    await model.close()


async def test_usage_and_history_say_what_was_paid_and_a_recorded_answer_costs_nothing(fake_llm: Any) -> None:
    server = fake_llm(script=[{"match": ".", "reply": REPLY}])
    model = door(server, cassette=MemoryCassette(), price=Price(1.0, 2.0))
    lm = dspy_lm(model)
    with dspy.context(lm=lm, track_usage=True):
        first = dspy.Predict(Would)(film="Alien").get_lm_usage()[lm.model]
        with dspy.track_usage() as tracked:
            await dspy.Predict(Would).acall(film="Aliens")
            dspy.Predict(Would)(film="Alien")
    stats = server.stats()
    second = tracked.get_total_tokens()[lm.model]
    assert first["prompt_tokens"] + second["prompt_tokens"] == stats["prompt_tokens"]
    assert first["completion_tokens"] + second["completion_tokens"] == stats["completion_tokens"]
    costs = [entry["cost"] for entry in lm.history]
    assert costs[0] == pytest.approx((first["prompt_tokens"] + 2 * first["completion_tokens"]) / 1e6)
    assert costs[1] > 0
    assert costs[2] == 0
    await model.close()


async def test_draws_that_dspy_wants_apart_are_apart_and_repeat_in_a_replay(fake_llm: Any) -> None:
    server, cassette = fake_llm(script=[{"match": ".", "reply": REPLY}], keep=99), MemoryCassette()

    def draw(model: Any) -> list[Any]:
        program = dspy.ChainOfThought(Would)
        program.set_lm(dspy_lm(model, temperature=0.8))
        best = dspy.BestOfN(program, N=3, reward_fn=lambda given, found: 0.0, threshold=1.0)
        several = program(film="n", config={"n": 4}).completions
        return [best(film="best").answer, list(several.answer), program.deepcopy()(film="copied").answer]

    async with door(server, cassette=cassette) as model:
        first = draw(model)
    assert server.stats()["requests"] == len(cassette) == 3 + 4 + 1
    assert {body.get("body", body)["temperature"] for body in server.requests()} == {0.8, 1.0}
    async with door(server, cassette=cassette, replay_only=True) as model:
        assert draw(model) == first
    assert server.stats()["requests"] == 8


class Taste(BaseModel):
    genre: Literal["Drama", "Comedy"]
    weight: int


class Tastes(dspy.Signature):
    """What does this person like?"""

    history: list[str] = dspy.InputField()
    tastes: list[Taste] = dspy.OutputField()
    sure: bool = dspy.OutputField()


async def test_typed_outputs_are_asked_for_by_schema_where_the_adapter_wants_json(fake_llm: Any) -> None:
    server = fake_llm(keep=1)
    model = door(server)
    with dspy.context(lm=dspy_lm(model), adapter=dspy.JSONAdapter()):
        found = dspy.Predict(Tastes)(history=["Alien", "Heat"])
    assert isinstance(found.sure, bool)
    assert all(isinstance(taste, Taste) for taste in found.tastes)
    body = server.requests()[-1]
    assert body.get("body", body)["response_format"]["type"] == "json_schema"
    await model.close()


async def test_an_endpoint_without_schemas_or_json_is_still_asked(chat_server: Any) -> None:
    bodies: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        bodies.append(body)
        if "response_format" in body:
            return 400, {"error": {"message": f"response_format {body['response_format']['type']} is not supported"}}
        return 200, {"choices": [{"message": {"content": '{"tastes": [], "sure": true}'}, "finish_reason": "stop"}]}

    async with chat_server(answer) as url:
        model = open_model(f"{url}#m")
        with dspy.context(lm=dspy_lm(model), adapter=dspy.JSONAdapter()):
            assert (await dspy.Predict(Tastes).acall(history=["Alien"])).sure is True
            assert (await dspy.Predict(Tastes).acall(history=["Heat"])).sure is True
            bodies.clear()
            # What it turned down is not asked for again, in either form.
            lm = dspy.settings.lm
            assert "{" in (await lm.acall("x", response_format={"type": "json_object"}))[0]
        assert len(bodies) == 1
        await model.close()


async def test_an_agent_with_tools_runs_over_the_door(fake_llm: Any) -> None:
    def top_n(user: str) -> str:
        "The best item for a user."
        return f"m7 for {user}"

    said = "[[ ## next_thought ## ]]\nlook\n\n[[ ## next_tool_name ## ]]\n{{0}}\n\n[[ ## next_tool_args ## ]]\n"
    script = [
        {"match": r"reasoning", "where": "last", "reply": "[[ ## reasoning ## ]]\nx\n\n[[ ## answer ## ]]\nm7\n\n[[ ## completed ## ]]"},
        {"match": "m7 for u3", "where": "last", "reply": said.replace("{{0}}", "finish") + "{}\n\n[[ ## completed ## ]]"},
        {"match": ".", "reply": said.replace("{{0}}", "top_n") + '{"user": "u3"}\n\n[[ ## completed ## ]]'},
    ]  # fmt: skip
    server = fake_llm(script=script)
    model = door(server)
    with dspy.context(lm=dspy_lm(model)):
        found = dspy.ReAct("question -> answer", tools=[top_n], max_iters=4)(question="what for u3?")
    assert found.answer == "m7"
    assert found.trajectory["observation_0"] == "m7 for u3"
    await model.close()


async def test_failures_name_their_outcome_and_what_the_door_does_not_pass_on_is_refused(fake_llm: Any) -> None:
    server = fake_llm(errors="500=1")
    model = door(server, attempts=2)
    with pytest.raises(Exception, match="500") as caught:
        dspy_lm(model)("hello")
    assert isinstance(caught.value.__cause__, ModelFailed)
    assert caught.value.__cause__.outcome.status == "transport"
    with pytest.raises(Exception, match="the door takes no top_p"):
        dspy_lm(model, top_p=0.5)("hello")
    await model.close()
