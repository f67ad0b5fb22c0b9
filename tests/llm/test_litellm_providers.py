"""Providers with a dialect of their own, through LiteLLM: one way of asking, one set of outcomes, and prices from its table."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from pydantic import BaseModel
from recloop.llm import Budget, DoorChatModel, MemoryCassette, ModelConfigError, Place, open_model

KEY = "sk-ant-Very-Secret-0123456789"
ANSWER = '{"rating": 4, "why": "fine"}'
IN, OUT = 1100, 70


class Rating(BaseModel):
    rating: int
    why: str


def ask(text: str = "rate Alien") -> list[Any]:
    return [{"role": "system", "content": "You watch films."}, {"role": "user", "content": text}]


# What each provider's endpoint answers: text to body.


def openai_like(text: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": IN, "completion_tokens": OUT, "total_tokens": IN + OUT}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def anthropic(text: str) -> dict[str, Any]:
    usage = {"input_tokens": IN, "output_tokens": OUT}
    whole = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "usage": usage}
    return {**whole, "content": [{"type": "text", "text": text}]}


def gemini(text: str) -> dict[str, Any]:
    content = {"parts": [{"text": text}], "role": "model"}
    usage = {"promptTokenCount": IN, "candidatesTokenCount": OUT, "totalTokenCount": IN + OUT}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": usage}


def ollama(text: str) -> dict[str, Any]:
    counts = {"prompt_eval_count": IN, "eval_count": OUT}
    whole = {"model": "m", "created_at": "2024-01-01T00:00:00Z", "done": True, "done_reason": "stop", **counts}
    return {**whole, "message": {"role": "assistant", "content": text}, "response": text}


def cohere(text: str) -> dict[str, Any]:
    tokens = {"input_tokens": IN, "output_tokens": OUT}
    message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return {
        "id": "c",
        "finish_reason": "COMPLETE",
        "message": message,
        "usage": {"tokens": tokens, "billed_units": tokens},
    }


PROVIDERS: dict[str, tuple[str, Callable[[str], dict[str, Any]]]] = {
    "hosted_vllm/m": ("/v1", openai_like),
    "mistral/mistral-small-latest": ("/v1", openai_like),
    "anthropic/claude-sonnet-4-5": ("", anthropic),
    "gemini/gemini-2.5-flash": ("", gemini),
    "ollama_chat/m": ("", ollama),
}
"""Model -> path of its base URL, and the shape of its answers."""

Judge = Callable[[web.Request, dict[str, Any]], tuple[int, Any]]


@asynccontextmanager
async def serving(judge: Judge) -> AsyncIterator[str]:
    """An endpoint whose status and body `judge` decides, given the request and its JSON. Status 0: it hangs."""

    async def handle(request: web.Request) -> web.StreamResponse:
        status, body = judge(request, json.loads(await request.read() or b"{}"))
        if not status:
            await asyncio.sleep(30)
        return web.json_response(body, status=status or 200)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def opened(name: str, url: str, **options: Any) -> Any:
    where = {"base_url": url + PROVIDERS[name][0], "api_key": KEY}
    return open_model(name, **{"backoff": 0.002, "attempts": 3, **where, **options})


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_structured_answer_comes_with_usage_and_a_price_from_the_table(name: str) -> None:
    shape = PROVIDERS[name][1]
    seen: list[dict[str, Any]] = []

    def judge(request: web.Request, body: dict[str, Any]) -> tuple[int, Any]:
        if request.path.endswith("/show"):  # LiteLLM asks Ollama about the model
            return 404, {}
        seen.append(body)
        return 200, shape(ANSWER)

    cassette, budget = MemoryCassette(), Budget(calls=2)
    async with serving(judge) as url, opened(name, url, cassette=cassette, budget=budget) as model:
        await model.check()
        outcome = await model.complete(ask(), schema=Rating, at=Place("u1", 0, "react"), max_tokens=333)
        again = await model.complete(ask(), schema=Rating, at=Place("u1", 0, "react"), max_tokens=333)
    assert outcome.value == again.value == Rating(rating=4, why="fine"), outcome
    assert again.recorded
    assert (outcome.usage.prompt, outcome.usage.completion, outcome.usage.estimated) == (IN, OUT, False)
    assert '"rating"' in json.dumps(seen[-1]), "it was told the schema"
    assert "333" in json.dumps(seen[-1])
    import litellm

    if name in litellm.model_cost or name.partition("/")[2] in litellm.model_cost:
        prompt, completion = litellm.cost_per_token(model=name, prompt_tokens=IN, completion_tokens=OUT)
        assert outcome.cost == pytest.approx(prompt + completion)
    else:
        assert outcome.cost is None


def error(name: str, status: int, words: str) -> Any:
    kinds = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 500: "api_error"}
    if name.startswith("anthropic"):
        return {"type": "error", "error": {"type": kinds[status], "message": words}}
    if name.startswith("ollama"):
        return {"error": words}
    return {"error": {"message": words, "code": status, "status": "X"}}


@pytest.mark.parametrize("name", PROVIDERS)
async def test_errors_mean_the_same_whoever_makes_them(name: str) -> None:
    now = {"status": 200}

    def judge(request: web.Request, body: dict[str, Any]) -> tuple[int, Any]:
        status = now["status"]
        told = f"no {request.headers} {request.url}"
        return status, error(name, status, told) if status > 200 else PROVIDERS[name][1]("ok")

    async with serving(judge) as url:
        for status, step in ((401, "check the key"), (404, "check the model's name")):
            now["status"] = status
            with pytest.raises(ModelConfigError) as caught:
                await opened(name, url).check()
            problem, _, next_step = str(caught.value).partition("\n  ")
            assert str(status) in problem
            assert step in next_step
            assert KEY not in "".join(traceback.format_exception(caught.value))
        for status, ends in ((429, "transport"), (500, "transport"), (0, "timeout")):
            now["status"] = status
            model = opened(name, url, timeout=0.3 if not status else 20.0)
            outcome = await model.complete(ask(), at=Place(str(status)))
            assert (outcome.status, outcome.attempts) == (ends, 3), outcome.error
            assert ("no answer within" if not status else str(status)) in outcome.error
            assert KEY not in repr(outcome)


@pytest.mark.parametrize("name", ["hosted_vllm/m", "mistral/mistral-small-latest"])
async def test_an_endpoint_that_takes_no_schema_is_asked_in_words_from_then_on(name: str) -> None:
    seen: list[dict[str, Any]] = []

    def judge(request: web.Request, body: dict[str, Any]) -> tuple[int, Any]:
        seen.append(body)
        if body.get("response_format", {}).get("type") == "json_schema":
            return 400, error(name, 400, "response_format of type json_schema is not supported")
        return 200, openai_like(f"Sure:\n```json\n{ANSWER}\n```")

    async with serving(judge) as url, opened(name, url) as model:
        outcomes = [await model.complete(ask(text), schema=Rating) for text in ("one", "two")]
    assert all(outcome.ok for outcome in outcomes)
    assert [outcome.attempts for outcome in outcomes] == [2, 1]
    assert len(seen) == 3
    assert "JSON Schema" in json.dumps(seen[-1])


async def test_what_litellm_would_drop_without_a_word_is_said_in_words() -> None:
    seen: list[dict[str, Any]] = []

    def judge(request: web.Request, body: dict[str, Any]) -> tuple[int, Any]:
        seen.append(body)
        return 200, cohere(ANSWER)

    async with serving(judge) as url:
        model = open_model("cohere_chat/command-r", base_url=f"{url}/v2/chat", api_key=KEY)
        outcome = await model.complete(ask(), schema=Rating)
        assert outcome.value == Rating(rating=4, why="fine"), outcome
        assert "JSON Schema" in json.dumps(seen[0])
        assert "rating" in json.dumps(seen[0])
        silent = open_model("perplexity/sonar", base_url=url, api_key=KEY)
        with pytest.raises(ModelConfigError, match="takes no tools"):
            await silent.exchange(ask(), tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])


async def test_an_agent_calls_its_tools_in_a_dialect_of_anthropics() -> None:
    from langchain.agents import create_agent
    from langchain_core.tools import tool

    @tool
    def top_n(user: str, k: int) -> str:
        "The items recommended to a user."
        return f"{user}: m1,m2"

    def judge(request: web.Request, body: dict[str, Any]) -> tuple[int, Any]:
        if "m1,m2" in json.dumps(body):
            return 200, anthropic("Watch m1.")
        call = {"type": "tool_use", "id": "toolu_1", "name": "top_n", "input": {"user": "u7", "k": 2}}
        return 200, {**anthropic(""), "content": [call], "stop_reason": "tool_use"}

    async with serving(judge) as url, opened("anthropic/claude-sonnet-4-5", url) as model:
        result = await create_agent(DoorChatModel(door=model), [top_n]).ainvoke(
            {"messages": [("user", "what for u7?")]}
        )
    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
    assert result["messages"][-1].content == "Watch m1."


async def test_no_key_comes_back_in_an_answer_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", "key-of-the-environment-1")
    told = f"your key is {KEY} or key-of-the-environment-1 or header-secret-1"
    cassette = MemoryCassette()
    async with serving(lambda request, body: (200, openai_like(told))) as url:
        model = opened("hosted_vllm/m", url, cassette=cassette, headers={"x-gateway": "header-secret-1"})
        outcome = await model.complete(ask())
    assert outcome.text == "your key is [key] or [key] or [key]"
    assert not any(secret in repr(cassette.records) for secret in told.split(" or ")[1:])


def test_one_door_serves_two_event_loops_one_after_the_other(fake_llm: Any) -> None:
    server = fake_llm()
    model = open_model("hosted_vllm/fake", base_url=server.base_url, api_key="k")
    outcomes = [asyncio.run(model.complete(ask(text))) for text in ("a", "b")]
    assert [outcome.status for outcome in outcomes] == ["ok", "ok"]
