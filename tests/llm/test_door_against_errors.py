"""The door before an endpoint that misbehaves in every way the fake server knows."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from pydantic import BaseModel
from recloop.llm import MemoryCassette, ModelConfigError, Outcome, Place, open_model


class Rating(BaseModel):
    rating: int
    why: str


def ask(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def door(server: Any, **options: Any) -> Any:
    return open_model("openai/fake", **{"base_url": server.base_url, "api_key": "k", "backoff": 0.005, **options})


async def one(server: Any, **options: Any) -> Outcome[Any]:
    async with door(server, **options) as model:
        return await model.complete(ask("hello"), schema=Rating, at=Place("u1", 0, "react"))


@pytest.mark.parametrize(
    ("kind", "status", "attempts", "words"),
    [
        ("429", "transport", 4, "429"),
        ("500", "transport", 4, "500"),
        ("503", "transport", 4, "503"),
        ("400", "transport", 1, "400"),
        ("reset", "transport", 4, "no connection"),
        ("cut", "transport", 4, "no connection"),
        ("badbody", "transport", 4, "no chat completion"),
        ("hang", "timeout", 4, "no answer within"),
        ("empty", "parse_fail", 2, "empty"),
        ("truncated", "parse_fail", 2, "cut at its token limit"),
        ("malformed", "parse_fail", 2, "JSON"),
    ],
)
async def test_every_failure_ends_in_its_typed_outcome(
    fake_llm: Any, kind: str, status: str, attempts: int, words: str
) -> None:
    server = fake_llm(errors=f"{kind}=1", retry_after=0.01)
    outcome = await one(server, timeout=0.15)
    assert (outcome.status, outcome.attempts, outcome.value) == (status, attempts, None)
    assert words in outcome.error
    stats = server.stats()
    assert stats["requests"] + stats["cancelled"] == attempts


async def test_a_mixture_of_errors_is_survived_and_every_answer_is_valid(fake_llm: Any) -> None:
    server = fake_llm(errors="429=0.05,500=0.05,reset=0.03,cut=0.03,badbody=0.03,malformed=0.05", retry_after=0.01)
    async with door(server) as model:
        outcomes = await asyncio.gather(
            *(model.complete(ask(f"rate {i}"), schema=Rating, at=Place(str(i))) for i in range(150))
        )
    counts = Counter(outcome.status for outcome in outcomes)
    assert counts["ok"] >= 140
    assert all(isinstance(outcome.value, Rating) for outcome in outcomes if outcome.ok)
    assert sum(outcome.attempts for outcome in outcomes) == server.stats()["requests"]


async def test_retry_after_is_honoured(fake_llm: Any) -> None:
    server = fake_llm(script=[{"match": ".*", "times": 1, "status": 429}], retry_after=0.2)
    loop = asyncio.get_running_loop()
    began = loop.time()
    outcome = await one(server)
    assert outcome.ok
    assert outcome.attempts == 2
    assert loop.time() - began >= 0.2


async def test_the_key_appears_nowhere(fake_llm: Any) -> None:
    key = "sk-very-secret-0123456789"
    server = fake_llm(errors="500=0.5,400=0.2", api_key=key)
    cassette = MemoryCassette()
    async with door(server, api_key=key, cassette=cassette) as model:
        outcomes = await asyncio.gather(*(model.complete(ask(f"{i}"), at=Place(str(i))) for i in range(40)))
    assert any(not outcome.ok for outcome in outcomes)
    assert len(cassette) == 40
    assert "secret" not in repr(outcomes) + repr(cassette.records)
    async with door(server, api_key="sk-wrong-secret-9876543210") as model:
        with pytest.raises(ModelConfigError) as caught:
            await model.check()
    assert "secret" not in str(caught.value)
    assert "check the key" in str(caught.value)


async def test_a_key_in_the_address_is_neither_named_nor_recorded(fake_llm: Any) -> None:
    server = fake_llm(errors="500=1")
    address = server.base_url.replace("http://", "http://me:hidden-password@")
    async with open_model(f"{address}#fake", attempts=1) as model:
        outcome = await model.complete(ask("x"))
    assert "hidden-password" not in outcome.error + model.name
    assert outcome.status == "transport"


async def test_a_door_serves_two_event_loops_one_after_the_other(fake_llm: Any) -> None:
    server = fake_llm()
    model = door(server)

    def loop_of_its_own(text: str) -> Outcome[Any]:
        return asyncio.run(model.complete(ask(text)))

    outcomes = [await asyncio.to_thread(loop_of_its_own, text) for text in ("a", "b")]
    assert [outcome.status for outcome in outcomes] == ["ok", "ok"]
    await model.close()


async def test_no_more_calls_are_in_flight_than_asked_for(fake_llm: Any) -> None:
    server = fake_llm(latency="fixed:10")
    async with door(server, concurrency=7) as model:
        await asyncio.gather(*(model.complete(ask(str(i))) for i in range(60)))
    assert 1 < server.stats()["max_in_flight"] <= 7


async def test_an_overloaded_endpoint_lowers_concurrency_and_a_calm_one_raises_it(fake_llm: Any) -> None:
    server = fake_llm(errors="503=0.6", retry_after=0.001)
    async with door(server, concurrency=32, backoff=0.001) as model:
        await asyncio.gather(*(model.complete(ask(f"a{i}")) for i in range(100)))
        lowered = model.line.gate.limit
        assert lowered < 16
        server.configure(errors="")
        await asyncio.gather(*(model.complete(ask(f"b{i}")) for i in range(400)))
        assert model.line.gate.limit > 2 * lowered
        assert model.line.gate.active == 0


async def test_waits_between_tries_are_the_same_in_every_run(fake_llm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = fake_llm(errors="500=1")
    waits: list[list[float]] = []
    pause = asyncio.sleep

    async def note(seconds: float) -> None:
        waits[-1].append(seconds)
        await pause(0)

    monkeypatch.setattr("recloop.llm.line.asyncio.sleep", note)
    for _ in range(2):
        waits.append([])
        await one(server)
    assert waits[0] == waits[1]
    assert len(waits[0]) == 3
    assert waits[0] == sorted(waits[0])


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("nonsense", {}, "openai/NAME"),
        ("nosuchprovider/x", {}, "local/smollm2"),
        ("openai/x", {}, "OPENAI_API_KEY"),
        ("http://127.0.0.1:9/v1", {}, "#NAME"),
        ("openai/x", {"base_url": "127.0.0.1:9", "api_key": "k"}, "no address"),
        ("http://127.0.0.1:9/v1#x", {"replay_only": True}, "cassette"),
    ],
)
def test_a_wrong_name_is_refused_with_the_next_step(
    spec: str, options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ModelConfigError, match=words):
        open_model(spec, **options)


async def test_check_says_when_nothing_listens() -> None:
    async with open_model("http://127.0.0.1:9/v1#x", backoff=0.001) as model:
        with pytest.raises(ModelConfigError, match=r"no connection to http://127\.0\.0\.1:9/v1"):
            await model.check()


async def test_settings_come_from_the_environment(fake_llm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = fake_llm(api_key="from-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    async with open_model("openai/gpt-4o-mini") as model:
        await model.check()
        outcome = await model.complete(ask("x"))
    assert outcome.ok
    assert outcome.cost == pytest.approx((outcome.usage.prompt * 0.15 + outcome.usage.completion * 0.6) / 1e6)


async def test_the_request_says_what_was_asked(fake_llm: Any) -> None:
    server = fake_llm(keep=1)
    async with door(server) as model:
        await model.complete(ask("x"), schema=Rating, temperature=0.5, max_tokens=99, stop=["\n"], seed=3)
    body = server.requests()[-1]
    body = body.get("body", body)
    assert (body["temperature"], body["max_tokens"], body["stop"], body["seed"]) == (0.5, 99, ["\n"], 3)
    form = body["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["additionalProperties"] is False
