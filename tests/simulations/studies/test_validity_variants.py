"""Variants of validity: other models play the same users under the same chance, and their order stands beside the first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from asking import asked
from fake_llm import FakeLLM
from recloop.runs import Manifest
from rehearsing import STAY


def test_other_models_play_the_same_users_with_answers_of_their_own(
    tmp_path: Path, fake_llm: Callable[..., FakeLLM]
) -> None:
    """A twin that answers alike ends in the very same order; one with other answers does not."""
    servers = {name: fake_llm(script=STAY, keep=5000) for name in ("first", "twin", "other")}
    models = {"first": "openai/one", "twin": "openai/one", "other": "openai/two"}  # answers hang on the model's name
    players = {name: {"model": model, "base_url": servers[name].base_url} for name, model in models.items()}
    found = asked(
        "validity",
        tmp_path,
        recommenders=["ease", "pop", "random"],
        shares=[0.3, 0.6],
        seeds=1,
        variants={name: players[name] for name in ("twin", "other")},
        rehearsal={**players["first"], "users": 8, "pages": 1},
    )
    rows = found["rows"]
    assert rows["agree_watch_rate@twin"]["value"] == pytest.approx(1.0)
    assert rows["rank_watch_rate@twin"]["value"] == pytest.approx(rows["rank_watch_rate"]["value"])
    assert rows["agree_watch_rate@other"]["value"] < 0.9
    assert rows["agree_watch_rate@other"]["baselines"][0]["value"] == 0.0
    for arm in (f"{number}-{name}-seed0" for number, name in enumerate(("ease", "pop", "random"))):
        played = [Manifest.read(tmp_path / "study" / "runs" / f"{who}{arm}") for who in ("", "twin-", "other-")]
        assert [each.config["model"] for each in played] == list(models.values())
    heard = {name: {str(body["messages"]) for body in each.requests()} for name, each in servers.items()}
    assert heard["twin"] < heard["first"], "the first one plays those with exchanged lists as well"
    assert heard["other"] & heard["first"], "the same users on the same pages"
