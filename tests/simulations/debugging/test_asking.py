"""A call put again is one live call beside the recorded one; nothing of the run changes, no key is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLLM
from recloop.simulations.debugging import Debugger
from recloop.simulations.debugging.errors import DebugError
from rehearsing import ScoringServer, rehearse, settings

KEY = "sk-this-is-a-secret-1234567890"


@pytest.fixture
def server() -> Iterator[FakeLLM]:
    with FakeLLM(api_key=KEY, keep=100) as running:
        yield running


@pytest.fixture
def run(tmp_path: Path, server: FakeLLM) -> Path:
    from recloop.simulations import simulate

    config = settings(tmp_path, model="openai/fake", base_url=server.base_url, users=3, pages=1, price="in=1,out=2")
    return asyncio.run(simulate(config, out=tmp_path / "run", api_key=KEY))


def first_call(debugger: Debugger) -> str:
    return next(c.key for c in debugger.run.calls.all() if c.node == "page")


def bytes_of(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.iterdir() if each.is_file()}


def test_one_live_call_gives_old_and_new_side_by_side(run: Path, server: FakeLLM) -> None:
    with Debugger(run, api_key=KEY) as debugger:
        before, files = server.stats()["requests"], bytes_of(run)
        key = first_call(debugger)
        again = asyncio.run(debugger.ask_again(key[:20]))
        assert server.stats()["requests"] == before + 1
        assert again.old == debugger.call(key)
        (new,) = again.new
        assert new.messages == again.old.messages
        assert new.schema == again.old.schema
        assert new.raw == again.old.raw, "the fake endpoint says the same to the same"
        assert new.parsed["choices"]
        assert new.cost == pytest.approx((new.prompt_tokens + 2 * new.completion_tokens) / 1e6)
        assert new.latency > 0
        assert again.changes == {}
        assert bytes_of(run) == files


def test_what_is_put_otherwise_reaches_the_model_and_is_named(run: Path, server: FakeLLM) -> None:
    with Debugger(run, api_key=KEY) as debugger:
        key = first_call(debugger)
        old = debugger.call(key)
        said = [*old.messages[:-1], {**old.messages[-1], "content": old.messages[-1]["content"] + "\nBe brief."}]
        again = asyncio.run(debugger.ask_again(key, messages=said, model="openai/other", temperature=0.9, samples=3))
        asked = server.requests()[-3:]
        assert {each["model"] for each in asked} == {"other"}
        assert {each["temperature"] for each in asked} == {0.9}
        assert all(each["messages"] == said for each in asked)
        seeds = sorted(each["seed"] for each in asked)
        recorded = debugger.run.calls.get(key).request["seed"]  # type: ignore[union-attr]
        assert seeds == [recorded, recorded + 1, recorded + 2]
        assert len({each.raw for each in again.new}) == 3
        assert [each.model for each in again.new] == ["openai/other"] * 3
        assert set(again.changes) == {"messages", "temperature", "model"}
        assert again.changes["model"] == ["openai/fake", "openai/other"]
        assert again.changes["temperature"] == [0.2, 0.9]


def test_a_broken_answer_is_shown_as_it_came(run: Path, server: FakeLLM) -> None:
    server.configure(errors="malformed=1")
    with Debugger(run, api_key=KEY) as debugger:
        before = server.stats()["requests"]
        (new,) = asyncio.run(debugger.ask_again(first_call(debugger))).new
        assert server.stats()["requests"] == before + 1, "it is not sent back to be mended"
        assert new.raw
        assert new.problems


def test_a_wrong_key_and_an_unreachable_model_are_told_without_the_key(run: Path, server: FakeLLM) -> None:
    wrong = "sk-another-secret-0987654321"
    with Debugger(run, api_key=wrong) as debugger:
        with pytest.raises(DebugError) as told:
            asyncio.run(debugger.ask_again(first_call(debugger)))
        assert "key" in str(told.value)
        assert wrong not in str(told.value)
        assert KEY not in str(told.value)
        for name, says in (("nonsense", "nonsense"), ("http://127.0.0.1:9/v1", "names no model")):
            with pytest.raises(DebugError, match=says) as told:
                asyncio.run(debugger.ask_again(first_call(debugger), model=name))
            assert wrong not in str(told.value)


def test_a_key_goes_to_no_other_place(run: Path, server: FakeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with FakeLLM(api_key=KEY) as elsewhere, Debugger(run, api_key=KEY) as debugger:
        with pytest.raises(DebugError) as told:
            asyncio.run(debugger.ask_again(first_call(debugger), model=f"{elsewhere.base_url}#m"))
        assert KEY not in str(told.value)
        # It would have let that key in.
        assert elsewhere.stats()["by_status"] in ({"401": 1}, {401: 1})


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"samples": 0}, "give 1 to"),
        ({"samples": 1000}, "give 1 to"),
        ({"temperature": float("nan")}, "give 0 to 2"),
        ({"temperature": -1.0}, "give 0 to 2"),
        ({"messages": []}, "at least one"),
        ({"messages": ["hello"]}, "role"),
        ({"messages": [{"role": "user"}]}, "content"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_call(run: Path, server: FakeLLM, how: Any, says: str) -> None:
    with Debugger(run, api_key=KEY) as debugger:
        before = server.stats()["requests"]
        with pytest.raises(DebugError, match=says):
            asyncio.run(debugger.ask_again(first_call(debugger), **how))
        assert server.stats()["requests"] == before


def test_a_scoring_call_is_asked_again_with_another_text(tmp_path: Path) -> None:
    with ScoringServer() as server:
        config = settings(tmp_path, model="openai/fake", base_url=server.base_url, mode="score", users=3, pages=1)
        run = rehearse(config, tmp_path / "run")
        with Debugger(run, api_key="x") as debugger:
            key = next(c.key for c in debugger.run.calls.all() if c.node == "score")
            same = asyncio.run(debugger.ask_again(key))
            assert same.new[0].questions == same.old.questions
            assert same.changes == {}
            other = asyncio.run(
                debugger.ask_again(key, messages=[{"role": "text", "content": "A person who likes nothing."}])
            )
            assert other.new[0].messages[0]["content"] == "A person who likes nothing."
            assert [q["logprobs"] for q in other.new[0].questions] != [q["logprobs"] for q in other.old.questions]
            assert list(other.changes) == ["prompt"]
            with pytest.raises(DebugError, match="no temperature"):
                asyncio.run(debugger.ask_again(key, temperature=1.0))


def test_scripted_users_have_nothing_to_ask(look: Any) -> None:
    with pytest.raises(DebugError, match="there is nothing to ask again"):
        asyncio.run(look("scripted").ask_again("00"))
