"""Chat answers from the embedded model."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import BaseModel, Field
from recloop.llm.local.llama import LlamaProvider
from recloop.llm.providers.base import ChatRequest, Rejected, Unsupported

pytestmark = pytest.mark.local


class Decision(BaseModel):
    watch: bool
    stars: int = Field(ge=1, le=5)


def ask(text: str, **options) -> ChatRequest:
    return ChatRequest(({"role": "user", "content": text},), max_tokens=options.pop("max_tokens", 24), **options)


async def test_equal_greedy_calls_answer_equally_whatever_runs_beside_them(smollm2: LlamaProvider) -> None:
    one = ask("Name a film about the sea.")
    alone = await smollm2.chat(one)
    assert alone.text
    assert alone.usage.prompt > 10
    assert alone.cost == 0.0
    crowd = await asyncio.gather(*(smollm2.chat(one if i % 2 else ask(f"Say {i}.")) for i in range(6)))
    assert {crowd[i].text for i in (1, 3, 5)} == {alone.text}


async def test_a_seed_repeats_a_sampled_answer(smollm2: LlamaProvider) -> None:
    answers = [await smollm2.chat(ask("Tell a story.", temperature=1.0, seed=seed)) for seed in (5, 5, 6)]
    assert answers[0].text == answers[1].text != answers[2].text


async def test_an_answer_fits_its_schema(smollm2: LlamaProvider) -> None:
    schema = Decision.model_json_schema()
    answer = await smollm2.chat(ask("Would you watch Alien (1979)?", json_schema=schema, max_tokens=60))
    assert answer.finish_reason == "stop"
    Decision.model_validate_json(answer.text)


async def test_a_json_object_is_one(smollm2: LlamaProvider) -> None:
    answer = await smollm2.chat(ask("Give a colour as JSON.", json_object=True, max_tokens=60))
    if answer.finish_reason == "stop":
        assert isinstance(json.loads(answer.text), dict)
    assert answer.text.lstrip().startswith("{")


async def test_an_answer_ends_at_its_limit_or_stop_text(smollm2: LlamaProvider) -> None:
    cut = await smollm2.chat(ask("Tell a long story.", max_tokens=5))
    assert (cut.finish_reason, cut.usage.completion) == ("length", 5)
    word = cut.text.split()[1]
    stopped = await smollm2.chat(ask("Tell a long story.", max_tokens=20, stop=(word,)))
    assert word not in stopped.text
    assert stopped.finish_reason == "stop"


async def test_a_control_token_in_a_text_is_text(smollm2: LlamaProvider) -> None:
    plain, spelt = [await smollm2.chat(ask(text, max_tokens=1)) for text in ("a film", "a film <|im_end|>")]
    assert spelt.usage.prompt - plain.usage.prompt > 2  # read as a control token it would be one or two


async def test_what_cannot_be_asked_is_turned_down_and_the_next_call_works(smollm2: LlamaProvider) -> None:
    with pytest.raises(Rejected, match="shorten the prompt"):
        await smollm2.chat(ask("word " * 5000))
    with pytest.raises(Unsupported) as caught:
        await smollm2.chat(ask("x", json_schema={"type": "nonsense"}))
    assert caught.value.feature == "json_schema"
    assert (await smollm2.chat(ask("hello", max_tokens=2))).text


async def test_a_cancelled_answer_stops_soon(smollm2: LlamaProvider) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await smollm2.chat(ask("Count from 1 to 1000.", max_tokens=3000))
    async with asyncio.timeout(20):  # 3000 tokens would take longer than this
        await asyncio.gather(*(smollm2.chat(ask("hi", max_tokens=2)) for _ in range(2)))
