"""A structured answer is asked for as the endpoint takes it, and is valid or a counted failure."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from recloop.llm import MemoryCassette, Place, open_model
from recloop.llm.answers import read
from recloop.llm.providers.base import RawAnswer
from recloop.llm.schemas import closed_schema, is_strict


class Item(BaseModel):
    id: Literal["a", "b"]
    rating: int = Field(ge=1, le=5)


class Reaction(BaseModel):
    """What a user does."""

    items: list[Item]
    feeling: str | None = None


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Free(BaseModel):
    ratings: dict[str, int]


class Answer(BaseModel):
    answer: str
    score: int


def ask(text: str) -> list[Any]:
    return [{"role": "system", "content": "s"}, {"role": "user", "content": text}]


def door(server: Any, **options: Any) -> Any:
    return open_model(f"{server.base_url}#fake", **{"backoff": 0.002, **options})


def test_schemas_are_closed_and_self_contained() -> None:
    schema = closed_schema(Reaction)
    text = json.dumps(schema)
    assert "$ref" not in text
    assert "title" not in text
    assert schema["required"] == ["items", "feeling"]
    assert schema["additionalProperties"] is False
    item = schema["properties"]["items"]["items"]
    assert item["additionalProperties"] is False
    assert item["properties"]["rating"] == {"type": "integer", "minimum": 1, "maximum": 5}
    assert is_strict(schema)


def test_a_recursive_schema_keeps_its_definition_and_a_mapping_is_not_called_strict() -> None:
    tree = closed_schema(Tree)
    assert tree["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    assert tree["$defs"]["Tree"]["additionalProperties"] is False
    assert not is_strict(closed_schema(Free))
    assert closed_schema(Free)["properties"]["ratings"]["additionalProperties"] == {"type": "integer"}


GOOD = '{"items": [{"id": "a", "rating": 4}], "feeling": null}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Sure! Here it is:\n{GOOD}\nHope that helps.",
        f"<think>maybe {{}} or [1]</think>{GOOD}",
        f'First {{"items": [], "feeling": "draft"}} but in the end {GOOD}',
    ],
)
def test_json_is_found_where_models_put_it(text: str) -> None:
    reading = read(RawAnswer(text), Reaction)
    assert reading.status == "ok"
    assert reading.value == Reaction(items=[Item(id="a", rating=4)])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("no idea", "no JSON"),
        ("{" * 10_000, "JSON"),
        ("[" * 100_000 + "]" * 100_000, "JSON"),
        ('{"items": [{"id": "zzz", "rating": 4}]}', "items.0.id"),
        ('{"items": [{"id": "a", "rating": 9}]}', "items.0.rating"),
        ('{"items": NaN}', "items"),
        ('{"wrap": ' + GOOD, "JSON"),
    ],
)
def test_what_is_not_an_answer_is_not_taken_for_one(text: str, error: str) -> None:
    reading = read(RawAnswer(text), Reaction)
    assert reading.status == "parse_fail"
    assert error in reading.error


@given(st.integers(1, len(GOOD) - 1), st.sampled_from(["", "Here: ", "```json\n"]))
def test_a_cut_answer_is_never_read_as_a_whole_one(at: int, before: str) -> None:
    assert read(RawAnswer(before + GOOD[:at], "length"), Reaction).status == "parse_fail"


@given(st.text(max_size=200))
def test_no_text_makes_reading_fail(text: str) -> None:
    assert read(RawAnswer(text), Reaction).status in ("ok", "parse_fail")


def test_refusals_are_seen() -> None:
    assert read(RawAnswer("", "content_filter"), None).status == "refusal"
    assert read(RawAnswer(GOOD, refusal="I would rather not"), Reaction).status == "refusal"


async def test_a_broken_answer_is_repaired_once_and_both_calls_are_named(fake_llm: Any) -> None:
    server = fake_llm(
        keep=2, script=[{"match": "rate", "where": "last", "reply": '{"items": [{"id": "q"}]}', "times": 1}]
    )
    cassette = MemoryCassette()
    async with door(server, cassette=cassette) as model:
        outcome = await model.complete(ask("rate"), schema=Reaction, at=Place("u", 1, "react", 2))
    assert outcome.ok
    assert isinstance(outcome.value, Reaction)
    assert len(outcome.keys) == 2
    assert outcome.key == outcome.keys[1]
    assert [cassette.records[key].status for key in outcome.keys] == ["parse_fail", "ok"]
    assert [cassette.records[key].sample for key in outcome.keys] == [2, 1002]
    sent = cassette.records[outcome.key].request["messages"]
    assert sent[-2] == {"role": "assistant", "content": '{"items": [{"id": "q"}]}'}
    assert "items.0.id" in sent[-1]["content"]
    assert outcome.usage.prompt == sum(record.prompt_tokens for record in cassette.records.values())


async def test_a_second_broken_answer_is_a_parse_failure_and_there_is_no_third_call(fake_llm: Any) -> None:
    server = fake_llm(script=[{"match": ".*", "reply": "no"}])
    async with door(server) as model:
        outcome = await model.complete(ask("rate"), schema=Reaction)
    assert outcome.status == "parse_fail"
    assert outcome.text == "no"
    assert server.stats()["requests"] == 2


@pytest.mark.parametrize(("refused", "calls"), [(["json_schema"], [2, 1]), (["json_schema", "json_object"], [3, 1])])
async def test_an_endpoint_without_schemas_is_asked_in_words_from_then_on(
    chat_server: Any, refused: list[str], calls: list[int]
) -> None:
    bodies: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        bodies.append(body)
        form = body.get("response_format", {}).get("type")
        if form in refused:
            return 400, {"error": {"message": f"response_format of type {form} is not supported"}}
        return 200, {"choices": [{"message": {"content": '{"answer": "yes", "score": 3}'}, "finish_reason": "stop"}]}

    async with chat_server(answer) as url, open_model(f"{url}#m") as model:
        made = []
        for text in ("one", "two"):
            before = len(bodies)
            outcome = await model.complete(ask(text), schema=Answer)
            assert outcome.value == Answer(answer="yes", score=3)
            made.append(len(bodies) - before)
        assert model.abilities.schema is False
    assert made == calls
    assert '"answer"' in bodies[-1]["messages"][-1]["content"]
    assert bodies[-1]["messages"][-1]["content"].startswith("two")


async def test_a_parameter_that_the_endpoint_does_not_know_is_left_out_from_then_on(chat_server: Any) -> None:
    bodies: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        bodies.append(body)
        if "max_tokens" in body:
            words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
            return 400, {"error": {"message": words, "code": "unsupported_parameter"}}
        return 200, {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}

    async with chat_server(answer) as url, open_model(f"{url}#m") as model:
        outcomes = [await model.complete(ask(text), max_tokens=7) for text in ("one", "two")]
    assert [(outcome.status, outcome.attempts) for outcome in outcomes] == [("ok", 2), ("ok", 1)]
    assert bodies[-1]["max_completion_tokens"] == 7
    assert outcomes[0].usage.estimated


async def test_a_content_filter_is_a_refusal_and_is_not_retried(chat_server: Any) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 400, {"error": {"message": "filtered", "code": "content_filter"}}

    cassette = MemoryCassette()
    async with chat_server(answer) as url, open_model(f"{url}#m", cassette=cassette) as model:
        outcome = await model.complete(ask("x"), schema=Answer)
        again = await model.complete(ask("x"), schema=Answer)
    assert (outcome.status, outcome.attempts, again.status, again.recorded) == ("refusal", 1, "refusal", True)
