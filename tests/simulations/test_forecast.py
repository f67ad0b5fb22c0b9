"""What a rehearsal will take is known before: calls and prompt tokens, held against what the endpoint then counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLLM
from recloop.llm import Price
from recloop.simulations import Forecast, SimulateConfig, forecast
from recloop.simulations.forecasting import typical
from rehearsing import STAY, STAY_FAITHFUL, ScoringServer, events, rehearse, settings


def foretold(config: SimulateConfig) -> Forecast:
    return asyncio.run(forecast(config))


def within(said: float, counted: float) -> bool:
    """Not more than a quarter off."""
    return 0.8 * counted <= said <= 1.25 * counted


@pytest.mark.parametrize("pages", [1, 3, 6])
@pytest.mark.parametrize(("plan", "script"), [("fused", STAY), ("faithful", STAY_FAITHFUL)])
def test_calls_and_prompt_tokens_are_as_foretold_where_everybody_stays(
    tmp_path: Path, fake_llm: Callable[..., FakeLLM], plan: str, script: Any, pages: int
) -> None:
    server = fake_llm(script=script)
    config = settings(tmp_path, model="openai/fake", base_url=server.base_url, plan=plan, pages=pages, users=30)
    said = foretold(config)
    assert server.stats()["requests"] == 0, "nothing was called"
    path = rehearse(config, tmp_path / "run")
    counted = server.stats()
    assert len(events(path)) == 30 * pages
    asked = counted["requests"] - 1  # the check apart
    assert asked <= said.calls
    assert within(said.calls, asked)
    assert within(said.prompt_tokens, counted["prompt_tokens"])
    if plan == "fused":
        assert said.calls == 30 * pages + 30, "exactly one a page, and the interviews"


LEAVE = [{**STAY[0], "reply": STAY[0]["reply"].replace('"next"', '"{{pick next|next|next|next|exit}}"')}, *STAY[1:]]


@pytest.mark.parametrize(("users", "pages"), [(10, 3), (60, 3), (60, 8)])
def test_where_users_leave_now_and_then_the_likely_number_is_near(
    tmp_path: Path, fake_llm: Callable[..., FakeLLM], users: int, pages: int
) -> None:
    """One in five leaves after a page, as people do; the numbers of the default settings first."""
    server = fake_llm(script=LEAVE)
    given = {"data": "movietweetings", "model": "openai/fake", "base_url": server.base_url}
    config = settings(tmp_path, **given, users=users, pages=pages)
    said = foretold(config)
    rehearse(config, tmp_path / "run")
    counted = server.stats()
    asked = counted["requests"] - 1
    assert said.least.calls < asked < said.calls
    assert within(said.likely.calls, asked)
    assert within(said.likely.prompt_tokens, counted["prompt_tokens"])


def test_where_users_toss_a_coin_to_leave_the_range_holds(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    server = fake_llm()
    config = settings(tmp_path, model="openai/fake", base_url=server.base_url, users=30, pages=4)
    said = foretold(config)
    rehearse(config, tmp_path / "run")
    assert said.least.calls == 30 * 2 <= server.stats()["requests"] - 1 <= said.likely.calls < said.calls == 30 * 5


def test_score_mode_leaves_by_the_formulas_that_the_likely_number_knows(tmp_path: Path) -> None:
    with ScoringServer() as server:
        given = {"model": "openai/fake", "base_url": server.base_url, "mode": "score"}
        config = settings(tmp_path, **given, users=20, pages=5)
        said = foretold(config)
        rehearse(config, tmp_path / "run")
        asked = len([p for p in server.prompts if "Reply with the word ok" not in p])
        assert asked < said.calls
        assert within(said.likely.calls, asked)


@pytest.mark.parametrize("tastes", ["genres", "llm"])
def test_scoring_over_an_endpoint_is_foretold_question_by_question(tmp_path: Path, tastes: str) -> None:
    """The longest visits are foretold, and these users leave when they like: so their pages are brought up to that."""
    with ScoringServer() as server:
        given = {"model": "openai/fake", "base_url": server.base_url, "mode": "score", "fatigue": 0.0}
        config = settings(tmp_path, **given, tastes=tastes, users=6, pages=2)
        said = foretold(config)
        assert not server.prompts
        pages = len(events(rehearse(config, tmp_path / "run")))
        others = ("Reply with the word ok", "<<<titles", "That answer cannot be used")
        scored = [prompt for prompt in server.prompts if not any(other in prompt for other in others)]
        calibrated = 6 * 2 * (8 + 1)
        assert len(scored) == calibrated + pages * 2 * (4 + 1)
        assert said.calls - (6 if tastes == "llm" else 0) == calibrated + 12 * 2 * (4 + 1)
        if tastes == "genres":
            tokens = sum(-(-len(prompt.encode()) // 4) for prompt in scored)
            assert within(said.prompt_tokens, tokens * said.calls / len(scored))


def test_a_local_model_is_foretold_in_batches_and_costs_nothing(tmp_path: Path) -> None:
    said = foretold(settings(tmp_path, model="local/smollm2", users=5, pages=2))
    assert (said.mode, said.calls, said.usd) == ("score", 5 + 10, 0.0)


def test_scripted_users_call_nobody(tmp_path: Path) -> None:
    said = foretold(settings(tmp_path, model="scripted", users=7, pages=3))
    assert (said.calls, said.prompt_tokens, said.usd) == (0, 0, 0.0)
    assert said.lines() == ["7 scripted users, up to 21 pages: no model call, no cost"]


def test_a_known_price_gives_dollars_and_an_unknown_one_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemas are charged as prompt, so the price is above that of the prompts alone."""
    unknown = foretold(settings(tmp_path, model="openai/fake", base_url="http://127.0.0.1:9/v1"))
    assert unknown.usd is None
    assert "the model's price is unknown" in unknown.lines()[1]
    monkeypatch.setattr("recloop.llm.opening.price_of", lambda name: Price(prompt=1.0, completion=10.0))
    known = foretold(settings(tmp_path, model="openai/fake", base_url="http://127.0.0.1:9/v1"))
    assert known.usd is not None
    least = (known.prompt_tokens + 10 * known.completion_tokens) / 1e6
    assert least < known.usd < 2 * least


@pytest.mark.parametrize("pages", [4, 25])
def test_interviews_on_the_way_are_foretold(tmp_path: Path, fake_llm: Callable[..., FakeLLM], pages: int) -> None:
    server = fake_llm(script=STAY)
    given = {"model": "openai/fake", "base_url": server.base_url, "users": 5, "pages": pages, "page_size": 1}
    config = settings(tmp_path, **given, interviews=(2, 3, 22, 24))
    said = foretold(config)
    rehearse(config, tmp_path / "run")
    assert said.calls == server.stats()["requests"] - 1 == 5 * (pages + (5 if pages == 25 else 3))


def test_users_who_run_out_of_films_are_foretold_to(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    server = fake_llm(script=STAY)
    given = {"model": "openai/fake", "base_url": server.base_url, "users": 10, "pages": 15, "page_size": 6}
    said = foretold(settings(tmp_path, **given))
    rehearse(settings(tmp_path, **given), tmp_path / "run")
    assert said.calls == server.stats()["requests"] - 1 < 10 * 16


def test_many_users_and_pages_are_reckoned_from_a_few(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    """Of 30 users 24 are gone through, and of 23 pages 20."""
    server = fake_llm(script=STAY)
    given = {"model": "openai/fake", "base_url": server.base_url, "users": 30, "pages": 23, "page_size": 1}
    said = foretold(settings(tmp_path, **given))
    rehearse(settings(tmp_path, **given), tmp_path / "run")
    assert said.calls == 30 * 24
    assert within(said.prompt_tokens, server.stats()["prompt_tokens"])


COUNTING = """
class Mine:
    def fit(self, data):
        with open("FITS", "a") as file:
            file.write("fit ")

    def top(self, user, k, exclude):
        return [f"m{n}" for n in range(60) if f"m{n}" not in exclude][:k]
"""


def test_a_refitted_recommender_is_not_fitted_for_a_forecast(tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text(COUNTING.replace("FITS", str(tmp_path / "fits")))
    given = {"model": "http://127.0.0.1:9/v1#none", "recommender": f"{tmp_path / 'counting.py'}:Mine"}
    plain = foretold(settings(tmp_path, **given))
    (tmp_path / "fits").write_text("")
    assert foretold(settings(tmp_path, **given, refit_every=1)).calls == plain.calls
    assert (tmp_path / "fits").read_text() == "fit ", "once, on the training rows"


def test_a_typical_answer_stays_and_fits() -> None:
    schema = {
        "type": "object",
        "properties": {
            "decision": {"enum": ["next", "exit"]},
            "action": {"enum": ["skip", "watch"]},
            "low": {"anyOf": [{"enum": [1, 2, 3]}, {"type": "null"}]},
            "high": {"anyOf": [{"enum": [1, 2, 3]}, {"type": "null"}]},
            "fits": {"type": "boolean"},
            "short": {"type": "string", "maxLength": 5},
            "likes": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
            "number": {"type": "number", "minimum": 2},
        },
    }
    answer = typical(schema)
    assert (answer["decision"], answer["action"], answer["fits"]) == ("next", "watch", True)
    assert (answer["low"], answer["high"]) == (1, 3)
    assert (len(answer["short"]), len(answer["likes"]), answer["number"]) == (5, 2, 2)
