"""The same door for LangChain, DSPy and LiteLLM's providers."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from recloop.llm import Budget, MemoryCassette, ModelConfigError, ModelFailed, Place, open_model


def door(server: Any, **options: Any) -> Any:
    return open_model(f"{server.base_url}#fake", **{"backoff": 0.002, **options})


TOOLS = [
    {"match": "^user .*: 0,1", "where": "last", "reply": "Watch film 0."},
    {"match": "recommend", "where": "last", "tool": {"name": "top_n", "arguments": {"user": 7, "k": 2}}},
]


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_langchain_agent_calls_its_tools_through_the_door(fake_llm: Any, asynchronous: bool) -> None:
    from langchain.agents import create_agent
    from langchain_core.messages import HumanMessage
    from langchain_core.tools import tool
    from recloop.llm.langchain_face import DoorChatModel

    @tool
    def top_n(user: int, k: int) -> str:
        "Top-k items for a user."
        return f"user {user}: " + ",".join(map(str, range(k)))

    server, cassette, budget = fake_llm(script=TOOLS), MemoryCassette(), Budget(calls=2)
    model = door(server, cassette=cassette, budget=budget)
    agent = create_agent(DoorChatModel(door=model, place=Place("u7", 0, "tools")), [top_n], system_prompt="be brief")
    asked: Any = {"messages": [HumanMessage("recommend something")]}
    for _ in range(2):  # the second time from the cassette: the budget is spent
        result = await agent.ainvoke(asked) if asynchronous else agent.invoke(asked)
        assert [type(m).__name__ for m in result["messages"]] == [
            "HumanMessage",
            "AIMessage",
            "ToolMessage",
            "AIMessage",
        ]
        assert result["messages"][-1].content == "Watch film 0."
    assert server.stats()["requests"] == budget.spent.calls == 2
    assert {(record.agent, record.node) for record in cassette.records.values()} == {("u7", "tools")}
    with pytest.raises(ModelFailed, match="budget"):
        await DoorChatModel(door=model).ainvoke("one more")
    await model.close()


async def test_a_dspy_program_asks_through_the_door(fake_llm: Any) -> None:
    import dspy
    from recloop.llm.dspy_face import dspy_lm

    reply = "[[ ## answer ## ]]\nfrom the door\n\n[[ ## completed ## ]]"
    server, cassette = fake_llm(script=[{"match": "Alien", "where": "last", "reply": reply}]), MemoryCassette()
    model = door(server, cassette=cassette)
    with dspy.context(lm=dspy_lm(model)):
        program = dspy.Predict("question -> answer")
        assert program(question="Alien?").answer == "from the door"
        assert (await program.acall(question="Alien?")).answer == "from the door"
    assert server.stats()["requests"] == len(cassette) == 1
    await model.close()


async def test_any_other_provider_is_reached_through_litellm(fake_llm: Any) -> None:
    server = fake_llm(api_key="right-key-0123456789", errors="500=0.3", keep=1)
    model = open_model("hosted_vllm/fake", base_url=server.base_url, api_key="right-key-0123456789", backoff=0.002)
    await model.check()
    outcomes = [await model.complete([{"role": "user", "content": str(i)}]) for i in range(5)]
    assert all(outcome.ok for outcome in outcomes)
    assert sum(outcome.attempts for outcome in outcomes) > 5
    with pytest.raises(ModelConfigError, match="cannot score"):
        await model.choices("x", ("a", "b"))
    wrong = open_model("hosted_vllm/fake", base_url=server.base_url, api_key="wrong-key-9876543210", backoff=0.002)
    with pytest.raises(ModelConfigError) as caught:
        await wrong.check()
    assert "wrong-key" not in str(caught.value)


async def test_a_missing_key_is_named_before_any_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ModelConfigError, match="ANTHROPIC_API_KEY"):
        await open_model("anthropic/claude-sonnet-4-5").check()


def test_importing_the_door_is_light() -> None:
    heavy = [
        "aiohttp",
        "litellm",
        "openai",
        "dspy",
        "langchain_core",
        "langgraph",
        "pandas",
        "scipy",
        "tokenizers",
        "xllamacpp",
        "cyllama",
    ]
    code = f"import sys, recloop.llm; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
