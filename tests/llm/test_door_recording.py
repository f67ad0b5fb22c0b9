"""What is recorded is never asked again; what differs is named."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from recloop.llm import MemoryCassette, Place, ReplayDiverged, open_model
from recloop.llm.keys import spelled


class Rating(BaseModel):
    rating: int


def ask(text: str) -> list[Any]:
    return [{"role": "system", "content": "You watch films."}, {"role": "user", "content": text}]


def door(server: Any, **options: Any) -> Any:
    return open_model("openai/fake", **{"base_url": server.base_url, "api_key": "k", "backoff": 0.005, **options})


async def test_a_recorded_call_costs_nothing_and_says_the_same(fake_llm: Any) -> None:
    server, cassette = fake_llm(errors="malformed=0.4"), MemoryCassette()
    places = [Place(str(i), 2, "react") for i in range(40)]
    async with door(server, cassette=cassette) as model:
        first = await asyncio.gather(*(model.complete(ask("rate"), schema=Rating, at=at) for at in places))
    asked = server.stats()["requests"]
    async with door(server, cassette=cassette, replay_only=True) as model:
        await model.check()
        again = await asyncio.gather(*(model.complete(ask("rate"), schema=Rating, at=at) for at in places))
    assert server.stats()["requests"] == asked
    assert [(o.status, o.value, o.text, o.error, o.usage, o.keys) for o in first] == [
        (o.status, o.value, o.text, o.error, o.usage, o.keys) for o in again
    ]
    assert all(o.recorded and o.latency == 0 for o in again)
    assert any(len(o.keys) == 2 for o in first)


async def test_two_agents_with_equal_prompts_make_two_calls(fake_llm: Any) -> None:
    server, cassette = fake_llm(), MemoryCassette()
    async with door(server, cassette=cassette) as model:
        for at in (Place("a"), Place("b"), Place("a", 1), Place("a", -1, "x"), Place("a", sample=1), Place("a")):
            await model.complete(ask("same"), at=at)
    assert server.stats()["requests"] == len(cassette) == 5


async def test_every_part_of_a_request_is_part_of_the_key(fake_llm: Any) -> None:
    server, cassette = fake_llm(), MemoryCassette()
    async with door(server, cassette=cassette) as model:
        for options in ({}, {"temperature": 0.1}, {"max_tokens": 9}, {"stop": ["x"]}, {"seed": 1}, {"schema": Rating}):
            await model.complete(ask("same"), **options)
    assert len(cassette) == 6


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_a_key_is_made_of_one_spelling_or_not_made(value: Any) -> None:
    def text() -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    try:
        expected = text().encode("utf-8", "surrogatepass")
    except ValueError:  # NaN or infinite
        with pytest.raises(ValueError):
            spelled(value)
    else:
        assert spelled(value) == expected


async def test_a_failed_call_is_tried_again_by_the_next_process(fake_llm: Any) -> None:
    server, cassette = fake_llm(errors="500=1"), MemoryCassette()
    async with door(server, cassette=cassette) as model:
        assert (await model.complete(ask("x"))).status == "transport"
    server.configure(errors="")
    async with door(server, cassette=cassette) as model:
        outcome = await model.complete(ask("x"))
    assert outcome.ok
    assert not outcome.recorded


async def test_a_replay_names_the_place_and_what_differs(fake_llm: Any) -> None:
    server, cassette = fake_llm(), MemoryCassette()
    at = Place("ann", 3, "react")
    async with door(server, cassette=cassette) as model:
        await model.complete(ask("rate Alien"), at=at)
    asked = server.stats()["requests"]
    async with door(server, cassette=cassette, replay_only=True) as model:
        with pytest.raises(ReplayDiverged) as caught:
            await model.complete(ask("rate Aliens"), at=at, temperature=0.7)
        with pytest.raises(ReplayDiverged, match="nothing was recorded for agent 'bob'"):
            await model.complete(ask("rate Alien"), at=Place("bob"))
    text = str(caught.value)
    for part in ("'ann'", "page 3", "'react'", "messages", "Alien", "Aliens", "temperature", "0.7"):
        assert part in text
    assert "max_tokens" not in text
    assert server.stats()["requests"] == asked


async def test_a_run_folder_is_a_cassette(fake_llm: Any, tmp_path: Any) -> None:
    runs = pytest.importorskip("recloop.runs")
    if not hasattr(runs, "Run"):
        pytest.skip("runs are not there yet")
    server = fake_llm()
    with runs.Run.create(tmp_path / "run", kind="test", name="t", config={}, seed=1) as run:
        async with door(server, cassette=run.calls) as model:
            await model.check()
            first = await model.complete(ask("x"), schema=Rating, at=Place("a", 0, "react"))
    with runs.Run.open(tmp_path / "run") as run:
        async with door(server, cassette=run.calls, replay_only=True) as model:
            again = await model.complete(ask("x"), schema=Rating, at=Place("a", 0, "react"))
            with pytest.raises(ReplayDiverged, match="messages"):
                await model.complete(ask("y"), schema=Rating, at=Place("a", 0, "react"))
    assert (again.value, again.recorded) == (first.value, True)


async def test_a_replay_needs_no_credentials_of_the_address(fake_llm: Any) -> None:
    server, cassette = fake_llm(), MemoryCassette()
    place = server.base_url.removeprefix("http://")
    asked: Any = [{"role": "user", "content": "hello"}]
    async with open_model(f"http://bob:secret@{place}?sig=0123456789#fake", cassette=cassette) as door:
        said = await door.complete(asked, at=Place("u", 0, "n"))
    async with open_model(
        f"http://[redacted]@{place}?sig=[redacted]#fake", cassette=cassette, replay_only=True
    ) as door:
        again = await door.complete(asked, at=Place("u", 0, "n"))
    assert (again.recorded, again.value) == (True, said.value)
