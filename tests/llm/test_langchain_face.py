"""The door where LangChain and LangGraph expect a chat model: tools, choices, structured answers, usage, whole agents."""

from __future__ import annotations

import asyncio
import json
from operator import add
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel, Field
from recloop.data import load_dataset
from recloop.llm import Budget, DoorChatModel, MemoryCassette, ModelFailed, Place, Price, open_model
from recloop.methods.recommenders import Recommender, open_recommender
from recloop.runs import Run


def door(server: Any, **options: Any) -> Any:
    return open_model(f"{server.base_url}#fake", **{"backoff": 0.002, **options})


def sent(server: Any) -> dict[str, Any]:
    body = server.requests()[-1]
    return body.get("body", body)


@tool
def top_n(user: str, k: int) -> str:
    "The items recommended to a user, best first."
    return f"{user}: " + ",".join(map(str, range(k)))


@tool
def title(item: str) -> str:
    "The title of an item."
    return f"Film {item}"


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (None, None),
        ("auto", "auto"),
        ("none", "none"),
        ("any", "required"),
        (True, "required"),
        ("title", {"type": "function", "function": {"name": "title"}}),
        ({"type": "function", "function": {"name": "title"}}, {"type": "function", "function": {"name": "title"}}),
    ],
)
async def test_a_tool_choice_is_asked_for_in_the_endpoints_words(fake_llm: Any, choice: Any, wanted: Any) -> None:
    server = fake_llm(keep=1)
    async with door(server) as model:
        chat = DoorChatModel(door=model).bind_tools([top_n, title], tool_choice=choice, parallel_tool_calls=False)
        answer = await chat.ainvoke("hello")
    body = sent(server)
    assert body.get("tool_choice") == wanted
    assert [each["function"]["name"] for each in body["tools"]] == ["top_n", "title"]
    assert body["parallel_tool_calls"] is False
    if wanted not in (None, "auto", "none"):
        assert answer.tool_calls
        if isinstance(wanted, dict):
            assert answer.tool_calls[0]["name"] == "title"


async def test_an_endpoint_that_knows_no_parallel_calls_is_asked_without_from_then_on(chat_server: Any) -> None:
    bodies: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        bodies.append(body)
        if "parallel_tool_calls" in body:
            return 400, {"error": {"message": "Unsupported parameter: parallel_tool_calls"}}
        return 200, {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}

    async with chat_server(answer) as url, open_model(f"{url}#m") as model:
        chat = DoorChatModel(door=model).bind_tools([title], parallel_tool_calls=True)
        for text in ("one", "two"):
            assert (await chat.ainvoke(text)).content == "hi"
    assert ["parallel_tool_calls" in body for body in bodies] == [True, False, False]


async def test_several_tools_in_one_answer_are_all_called_and_all_their_results_go_back(fake_llm: Any) -> None:
    calls = [
        {"name": "top_n", "arguments": {"user": "u7", "k": 2}},
        {"name": "title", "arguments": {"item": "m1"}},
        {"name": "title", "arguments": {"item": "m2"}},
    ]
    script = [{"match": "Film m2", "reply": "Watch Film m1."}, {"match": "recommend", "where": "last", "tool": calls}]
    server = fake_llm(script=script, keep=9)
    async with door(server, cassette=MemoryCassette()) as model:
        agent = create_agent(DoorChatModel(door=model), [top_n, title])
        result = await agent.ainvoke({"messages": [HumanMessage("recommend something")]})
    _, asked, *answers, said = result["messages"]
    assert [call["args"] for call in asked.tool_calls] == [call["arguments"] for call in calls]
    assert [message.content for message in answers] == ["u7: 0,1", "Film m1", "Film m2"]
    assert {message.tool_call_id for message in answers} == {call["id"] for call in asked.tool_calls}
    assert said.content == "Watch Film m1."
    assert [message["role"] for message in sent(server)["messages"]] == ["user", "assistant", "tool", "tool", "tool"]


@pytest.mark.parametrize(
    ("arguments", "valid"),
    [('{"item": "m1"}', True), ({"item": "m1"}, True), ("", True), ("{oops", False), ("[1]", False)],
)
async def test_tool_calls_in_odd_shapes_are_understood_or_marked_invalid(
    chat_server: Any, arguments: Any, valid: bool
) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        call = {"function": {"name": "title", "arguments": arguments}}  # no id, no type
        return 200, {"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}]}

    async with chat_server(answer) as url, open_model(f"{url}#m") as model:
        said = await DoorChatModel(door=model).bind_tools([title]).ainvoke("x")
    assert isinstance(said, AIMessage)
    found = said.tool_calls if valid else said.invalid_tool_calls
    assert [(call["name"], call["id"]) for call in found] == [("title", "call_0")]


# -- structured answers


class Rating(BaseModel):
    """A rating of one film."""

    stars: int = Field(ge=1, le=5)
    why: str


class RatingDict(TypedDict):
    """A rating of one film."""

    stars: int
    why: str


async def test_structured_output_is_a_validated_instance_asked_for_by_schema(fake_llm: Any) -> None:
    server = fake_llm(keep=1)
    async with door(server) as model:
        chat = DoorChatModel(door=model).with_structured_output(Rating)
        found = [await chat.ainvoke("rate Alien"), chat.invoke("rate Aliens")]
    assert all(isinstance(each, Rating) for each in found)
    assert sent(server)["response_format"]["type"] == "json_schema"


async def test_structured_output_is_repaired_once_and_else_told_as_it_is(fake_llm: Any) -> None:
    reply = ['{"stars": 9, "why": "x"}', '{"stars": 4, "why": "x"}']
    server = fake_llm(script=[{"match": "bad", "reply": "no"}, {"match": ".", "reply": reply}])
    async with door(server) as model:
        chat = DoorChatModel(door=model)
        assert await chat.with_structured_output(Rating).ainvoke("rate") == Rating(stars=4, why="x")
        with pytest.raises(ModelFailed, match="parse_fail"):
            await chat.with_structured_output(Rating).ainvoke("bad")
        raw = await chat.with_structured_output(Rating, include_raw=True).ainvoke("bad")
        assert (raw["parsed"], raw["raw"].content) == (None, "no")
        assert isinstance(raw["parsing_error"], ModelFailed)
        good = await chat.with_structured_output(Rating, include_raw=True).ainvoke("rate again")
        assert (good["parsed"], good["parsing_error"]) == (Rating(stars=4, why="x"), None)
    assert server.stats()["requests"] == 2 + 2 + 2 + 1


@pytest.mark.parametrize("method", ["function_calling", None])
async def test_other_schemas_go_by_a_forced_tool_call(fake_llm: Any, method: str | None) -> None:
    server = fake_llm(keep=1)
    schema: Any = Rating if method else RatingDict
    async with door(server) as model:
        options = {"method": method} if method else {}
        found = await DoorChatModel(door=model).with_structured_output(schema, **options).ainvoke("rate")
    assert (set(found) if isinstance(found, dict) else type(found)) in ({"stars", "why"}, Rating)
    assert sent(server)["tool_choice"]


@pytest.mark.parametrize("strategy", [Rating, ToolStrategy(Rating), ProviderStrategy(Rating)])
async def test_an_agent_ends_in_a_structured_response(fake_llm: Any, strategy: Any) -> None:
    script = [
        {"match": "Film m1", "tool": {"name": "Rating", "arguments": {"stars": 4, "why": "tense"}}},
        {"match": "rate", "where": "last", "tool": {"name": "title", "arguments": {"item": "m1"}}},
    ]
    if isinstance(strategy, ProviderStrategy):
        script[0] = {"match": "Film m1", "json": {"stars": 4, "why": "tense"}}  # type: ignore[assignment]
    server = fake_llm(script=script, keep=1)
    async with door(server) as model:
        agent = create_agent(DoorChatModel(door=model), [title], response_format=strategy)
        result = await agent.ainvoke({"messages": [HumanMessage("rate m1")]})
    assert result["structured_response"] == Rating(stars=4, why="tense")
    if isinstance(strategy, ProviderStrategy):
        assert sent(server)["response_format"]["json_schema"]["schema"]["required"] == ["stars", "why"]


# -- what a call took, where it was made


async def test_usage_cost_and_the_recorded_call_are_in_the_message(fake_llm: Any) -> None:
    server, cassette = fake_llm(), MemoryCassette()
    async with door(server, cassette=cassette, price=Price(1.0, 2.0)) as model:
        chat = DoorChatModel(door=model, place=Place("u1", 2, "tools"))
        usage = UsageMetadataCallbackHandler()
        said = await chat.ainvoke([SystemMessage("be brief"), HumanMessage("hi")], config={"callbacks": [usage]})
        structured = chat.with_structured_output(Rating)
        await structured.ainvoke("rate", config={"callbacks": [usage]})
    stats = server.stats()
    assert said.usage_metadata
    record = cassette.records[said.response_metadata["call"]]
    assert (record.agent, record.page, record.node) == ("u1", 2, "tools")
    assert said.usage_metadata["input_tokens"] == record.prompt_tokens
    assert said.response_metadata["cost"] == record.cost == pytest.approx(
        (record.prompt_tokens + 2 * record.completion_tokens) / 1e6
    )  # fmt: skip
    counted = list(usage.usage_metadata.values())
    assert sum(each["input_tokens"] for each in counted) == stats["prompt_tokens"]
    assert sum(each["output_tokens"] for each in counted) == stats["completion_tokens"]


class Talk(TypedDict):
    said: Annotated[list[str], add]


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_langgraph_node_asks_through_the_door_and_replays_without_a_call(
    fake_llm: Any, asynchronous: bool
) -> None:
    server, cassette = fake_llm(), MemoryCassette()

    async def run(**options: Any) -> list[str]:
        async with door(server, cassette=cassette, **options) as model:
            chat = DoorChatModel(door=model)

            async def aspeak(state: Talk) -> dict[str, list[str]]:
                return {"said": [str((await chat.ainvoke(f"turn {len(state['said'])}")).content)]}

            def speak(state: Talk) -> dict[str, list[str]]:
                return {"said": [str(chat.invoke(f"turn {len(state['said'])}").content)]}

            graph = StateGraph(Talk)
            for name in ("one", "two"):
                graph.add_node(name, aspeak if asynchronous else speak)
            for edge in ((START, "one"), ("one", "two"), ("two", END)):
                graph.add_edge(*edge)
            built = graph.compile()
            given: Talk = {"said": []}
            result = await built.ainvoke(given) if asynchronous else await asyncio.to_thread(built.invoke, given)
            return result["said"]

    first = await run()
    assert len(set(first)) == 2
    assert await run(replay_only=True) == first
    assert server.stats()["requests"] == len(cassette) == 2


async def test_one_door_serves_threads_and_the_event_loop_at_once_over_one_run(fake_llm: Any, tmp_path: Path) -> None:
    server, budget = fake_llm(latency="fixed:20"), Budget(calls=60)
    with Run.create(tmp_path / "run", kind="test", seed=1) as run:
        async with door(server, cassette=run.calls, budget=budget) as model:
            chat = DoorChatModel(door=model)
            here = (chat.ainvoke(f"here {number}") for number in range(30))
            there = (asyncio.to_thread(chat.invoke, f"there {number}") for number in range(40))
            said = await asyncio.gather(*here, *there, return_exceptions=True)
        refused = [each for each in said if isinstance(each, ModelFailed)]
        assert len(run.calls) == server.stats()["requests"] == budget.spent.calls == 60
        assert len(refused) == 10


async def test_a_stream_is_the_answer_in_one_piece(fake_llm: Any) -> None:
    server = fake_llm()
    async with door(server, cassette=MemoryCassette()) as model:
        chat = DoorChatModel(door=model)
        said = await chat.ainvoke("x")
        pieces = [piece async for piece in chat.astream("x")]
    assert "".join(str(piece.content) for piece in pieces) == said.content


# -- a real agent over a recommender of ours


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    rows = ["user,item,rating,timestamp"]
    for user in range(12):
        rows += [f"u{user},m{item},{3 + (user + item) % 3},{item}" for item in range(20) if (user + item) % 3]
    path: Path = tmp_path_factory.mktemp("films") / "ratings.csv"
    path.write_text("\n".join(rows) + "\n")
    return open_recommender("itemknn").fit(load_dataset(str(path)))


async def test_an_agent_with_a_recommender_as_its_tool_answers_with_what_it_recommends(
    fake_llm: Any, recommender: Recommender
) -> None:
    @tool
    def recommend(user: str, k: int) -> str:
        "The best items for a user who has not seen them, as JSON."
        return json.dumps(list(recommender.top(user, k).items))

    script = [
        {"match": r"\[\"(m\d+)\", \"(m\d+)\"\]", "where": "last", "reply": "First {{1}}, then {{2}}."},
        {
            "match": r"user (u\d+)",
            "where": "last",
            "tool": {"name": "recommend", "arguments": {"user": "{{1}}", "k": 2}},
        },
    ]
    server, budget, cassette = fake_llm(script=script, errors="500=0.2"), Budget(calls=100), MemoryCassette()
    async with door(server, budget=budget, cassette=cassette, concurrency=4) as model:

        async def one(user: str) -> list[Any]:
            agent = create_agent(DoorChatModel(door=model, place=Place(user, 0, "agent")), [recommend])
            return (await agent.ainvoke({"messages": [HumanMessage(f"I am user {user}.")]}))["messages"]

        users = [f"u{number}" for number in range(12)]
        talks = await asyncio.gather(*(one(user) for user in users))
    for user, messages in zip(users, talks, strict=True):
        first, second = recommender.top(user, 2).items
        assert isinstance(messages[2], ToolMessage)
        assert messages[-1].content == f"First {first}, then {second}."
    assert server.stats()["requests"] == budget.spent.calls > 24
    assert len(cassette) == 24
