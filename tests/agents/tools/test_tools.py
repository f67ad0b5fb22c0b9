"""Methods as an agent's tools: what it reads, what it is told when it errs, and an agent that uses two of them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from pydantic import BaseModel, Field
from recloop.agents.rewriter.personas import SHOP
from recloop.agents.rewriter.steps import RewriteContext
from recloop.agents.rewriter.writers import RulesWriter
from recloop.agents.tools import as_tool, rank_tool, rewrite_tool, score_rewrite_tool, stability_tool
from recloop.data.search_load import load_search
from recloop.llm import open_model
from recloop.llm.langchain_face import DoorChatModel
from recloop.llm.types import Place
from recloop.methods.beque import Judged
from recloop.methods.search import open_retriever


@dataclass
class Answer:
    twice: float
    unknown: float = math.nan


class Args(BaseModel):
    number: int = Field(description="what is doubled", ge=0)
    strict: bool = False


def double(number: int, strict: bool) -> Answer:
    """Twice the number."""
    if strict and number > 9:
        raise ValueError("strict takes numbers below 10: give a smaller one, or leave strict off")
    if number == 7:
        raise KeyError(number)
    if number == 13:
        raise RuntimeError("a fault of ours")
    return Answer(2.0 * number)


async def adouble(number: int, strict: bool) -> Answer:
    """Twice the number, later."""
    return double(number, strict)


def called(tool: Any, **args: Any) -> ToolMessage:
    return tool.invoke({"type": "tool_call", "id": "1", "name": tool.name, "args": args})


@pytest.mark.parametrize("function", [double, adouble])
async def test_a_typed_function_is_a_tool_plain_or_async(function: Any) -> None:
    tool = as_tool(function, Args)
    assert (tool.name, tool.description) == (function.__name__, function.__doc__)
    assert tool.args["number"]["description"] == "what is doubled"
    message = called(tool, number=3)
    assert json.loads(str(message.content)) == {"twice": 6.0, "unknown": None}
    assert isinstance(message.artifact, Answer)
    assert json.loads(await tool.ainvoke({"number": 4}))["twice"] == 8.0


@pytest.mark.parametrize("function", [double, adouble])
async def test_an_agents_mistake_is_an_answer_it_can_act_on_and_ours_is_raised(function: Any) -> None:
    tool = as_tool(function, Args)
    message = called(tool, number=12, strict=True)
    assert message.status == "error"
    assert "give a smaller one" in str(message.content)
    assert "there is no 7" in await tool.ainvoke({"number": 7})
    wrong = called(tool, number=-1)
    assert wrong.status == "error"
    assert "number: Input should be greater than or equal to 0" in str(wrong.content)
    assert "number (needed: what is doubled), strict (optional" in str(wrong.content)
    with pytest.raises(RuntimeError, match="fault of ours"):
        await tool.ainvoke({"number": 13})


@pytest.fixture(scope="module")
def shop() -> Any:
    data = load_search("shop-search")
    return data, open_retriever("bm25").fit(data.documents)


def test_rank_shows_what_the_engine_finds(shop: Any) -> None:
    data, bm25 = shop
    rows = json.loads(rank_tool(bm25, data.documents).invoke({"query": "wide-fit running shoes", "k": 3}))
    assert [row["id"] for row in rows] == list(bm25.search(["wide-fit running shoes"], 3)[0].items)
    assert all("running shoes" in row["title"] for row in rows)
    assert "k: Input should be less than or equal to 100" in rank_tool(bm25, data.documents).invoke(
        {"query": "x", "k": 1000}
    )


def test_stability_tells_a_typo_from_another_order_and_ndcg_where_there_are_judgements(shop: Any) -> None:
    tool = stability_tool(shop[1], shop[0])
    query = shop[0].queries["q01"]
    order = json.loads(tool.invoke({"query": query, "phrasings": ["shoes running wide-fit"]}))
    typo = json.loads(tool.invoke({"query": query.upper(), "phrasings": ["wdie-fit runnng sheos", "nothing alike"]}))
    assert (order["overlap"], order["tau_min"], order["variance"]) == (1.0, 1.0, 0.0)
    assert typo["overlap"] < 1
    assert typo["variance"] > 0
    assert typo["worst"] == min(typo["ndcg"].values())
    unjudged = json.loads(tool.invoke({"query": "a need of nobody", "phrasings": ["nobody's need"]}))
    assert unjudged["ndcg"] is None
    assert unjudged["worst"] is None
    assert unjudged["overlap"] is not None


def test_score_rewrite_puts_the_better_rewrite_first(shop: Any) -> None:
    data, bm25 = shop
    told = json.loads(
        score_rewrite_tool(bm25, Judged(data)).invoke(
            {
                "query": "roomy sneakers for her",
                "rewrites": ["desk lamp", "wide-fit women's running shoes", " Desk LAMP"],
            }
        )
    )
    best, worst = told["rewrites"]
    assert best["text"] == "wide-fit women's running shoes"
    assert best["relevance"] > 0.5 > worst["relevance"] == 0.0
    assert told["query"]["increment"] == 0.0
    assert told["dropped"] == {"repeated": 1}


async def test_rewrite_speaks_for_the_personas_asked_for_and_names_them_where_there_is_none() -> None:
    tool = rewrite_tool(RewriteContext(RulesWriter(), {each.name: each for each in SHOP}))
    rows = json.loads(await tool.ainvoke({"query": "wide-fit running shoes", "personas": ["typist"]}))
    assert [row["persona"] for row in rows] == ["typist"]
    assert rows[0]["text"] != "wide-fit running shoes"
    assert len(json.loads(await tool.ainvoke({"query": "wide-fit running shoes"}))) == len(SHOP)
    refused = await tool.ainvoke({"query": "shoes", "personas": ["pirate"]})
    assert "no persona called 'pirate'" in refused
    assert "typist" in refused


async def test_an_agent_ranks_scores_a_rewrite_and_answers(shop: Any, fake_llm: Any) -> None:
    data, bm25 = shop
    query, better = "roomy sneakers for her", "wide-fit women's running shoes"
    script = [
        {"match": r'"reward":\s*([\d.]+)', "where": "last", "reply": f"Search for {better} instead ({{{{1}}}})."},
        {"match": r'"score":', "where": "last",
         "tool": {"name": "score_rewrite", "arguments": {"query": query, "rewrites": [better]}}},
        {"match": "wrong arguments", "where": "last", "tool": {"name": "rank", "arguments": {"query": query, "k": 5}}},
        {"match": "help", "where": "last", "tool": {"name": "rank", "arguments": {"query": query, "k": 0}}},
    ]  # fmt: skip
    server = fake_llm(script=script)
    tools = [rank_tool(bm25, data.documents), score_rewrite_tool(bm25, Judged(data))]
    async with open_model(f"{server.base_url}#m") as model:
        agent = create_agent(DoorChatModel(door=model, place=Place("s1", 0, "search")), tools)
        result = await agent.ainvoke({"messages": [("user", f"help me find {query}")]})
    used = [message for message in result["messages"] if isinstance(message, ToolMessage)]
    assert [(message.name, message.status) for message in used] == [
        ("rank", "error"),
        ("rank", "success"),
        ("score_rewrite", "success"),
    ]
    assert used[1].artifact[0]["title"]
    reward = used[2].artifact["rewrites"][0]["reward"]
    assert result["messages"][-1].content == f"Search for {better} instead ({reward})."
