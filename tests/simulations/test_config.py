"""Settings come from a file, from flags, from a manifest; what is wrong with them is said by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from recloop.simulations import SimulateConfig, SimulateError, load_config
from recloop.simulations.config import VOLATILE
from recloop.simulations.players import prompts_of


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"users": 0}, "users"),
        ({"users": "many"}, "users"),
        ({"pages": 0}, "pages"),
        ({"page_size": -1}, "page_size"),
        ({"seed": -1}, "seed"),
        ({"mode": "guess"}, "mode"),
        ({"plan": "quick"}, "plan"),
        ({"split": "middle"}, "split"),
        ({"test": 1.0}, "test"),
        ({"fatigue": 2}, "fatigue"),
        ({"watch_rate": (0.6, 0.3)}, "watch_rate"),
        ({"watch_rate": (0.0, 0.3)}, "watch_rate"),
        ({"calibration_items": 1}, "calibration_items"),
        ({"budget": "usd"}, "budget"),
        ({"budget": "calls=some"}, "budget"),
        ({"concurrency": 0}, "concurrency"),
        ({"timeout": float("nan")}, "timeout"),
        ({"colums": {"user": "uid"}}, "columns"),
    ],
)
def test_a_setting_that_cannot_be_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SimulateError) as caught:
        load_config(None, wrong)
    (name,) = wrong
    assert name in str(caught.value)
    assert said in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(SimulateError) as caught:
        load_config(None, {"users": 0, "seed": -3, "plan": "x"})
    assert all(name in str(caught.value) for name in ("users", "seed", "plan"))


FLAT = 'model = "scripted"\nusers = 7\nwatch_rate = [0.2, 0.5]\n[columns]\nuser = "uid"\n'
TABLE = '[simulate]\nmodel = "scripted"\nusers = 7\nwatch_rate = [0.2, 0.5]\n[simulate.columns]\nuser = "uid"\n'


@pytest.mark.parametrize("text", [FLAT, TABLE])
def test_a_toml_file_holds_settings_and_flags_win(tmp_path: Path, text: str) -> None:
    file = tmp_path / "study.toml"
    file.write_text(text)
    config = load_config(file, {"seed": 5})
    assert (config.model, config.users, config.seed) == ("scripted", 7, 5)
    assert config.watch_rate == (0.2, 0.5)
    assert config.columns == {"user": "uid"}
    assert load_config(file, {"users": 9}).users == 9
    assert load_config(file, {}) == SimulateConfig(
        model="scripted", users=7, watch_rate=(0.2, 0.5), columns={"user": "uid"}
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"users = ", "not valid TOML"),
        (b'name = "\xff"', "not UTF-8"),
        (b"simulate = 3", "table"),
        (b"users = 3\n[simulate]\nseed = 1", "beside"),
        (b"user = 3", "users"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_name(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "study.toml"
    file.write_bytes(content)
    with pytest.raises(SimulateError, match=said):
        load_config(file, {})
    with pytest.raises(SimulateError, match=r"no such file: .*nowhere\.toml"):
        load_config(tmp_path / "nowhere.toml", {})


def test_a_config_survives_json_and_cannot_be_changed() -> None:
    config = SimulateConfig(model="scripted", columns={"user": "u"}, prompts={"page": "p.md"}, watch_rate=(0.1, 0.2))
    assert SimulateConfig(**config.model_dump(mode="json")) == config
    with pytest.raises(ValidationError):
        config.users = 3  # type: ignore[misc]


def test_what_only_says_how_a_run_is_carried_out_are_settings() -> None:
    assert set(SimulateConfig.model_fields) >= VOLATILE


@pytest.mark.parametrize(
    ("model", "signal", "read"),
    [
        ("local/smollm2", "auto", "title"),
        ("local:/models/mine.gguf", "auto", "title"),
        ("openai/gpt", "auto", "yesno"),
        ("http://localhost:8000/v1#m", "auto", "yesno"),
        ("local/smollm2", "yesno", "yesno"),
    ],
)
def test_the_signal_suits_the_model_unless_it_is_given(model: str, signal: Any, read: str) -> None:
    assert SimulateConfig(model=model, signal=signal).reads == read


@pytest.mark.parametrize(("plan", "node", "there"), [("fused", "react", "faithful"), ("faithful", "page", "fused")])
def test_a_prompt_that_the_plan_never_asks_is_refused_with_the_plan_that_does(plan: str, node: str, there: str) -> None:
    config = SimulateConfig(model="openai/x", plan=plan, prompts={node: "mine.md"})  # type: ignore[arg-type]
    with pytest.raises(
        SimulateError, match=f"no prompt named {node} in generate mode, plan {plan}(.|\n)*--plan {there}"
    ):
        prompts_of(config, "generate")
    assert node not in prompts_of(config.model_copy(update={"prompts": {}}), "generate")
