"""Plans: a model that writes is asked under both, nobody else is asked at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from asking import asked, cases
from fake_llm import FakeLLM
from recloop.simulations.studies.study import StudyError

PAGE = {"users": 6, "pages": 2}


def test_scripted_users_and_plumbing_grade_models_are_refused_before_any_call(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="scripted users make none"):
        asked("plans", tmp_path)
    assert not list((tmp_path / "study").glob("runs/*"))


@pytest.mark.local
def test_a_plumbing_grade_model_is_refused_before_any_call(tmp_path: Path, model_file: str) -> None:
    with pytest.raises(StudyError, match="plumbing-grade"):
        asked("plans", tmp_path, rehearsal={"model": "local/smollm2"})
    assert not (tmp_path / "study").exists(), "nothing was done, so there is nothing to go on with"


def test_both_plans_meet_the_same_pages_and_faithful_calls_cost_more(
    tmp_path: Path, fake_llm: Callable[..., FakeLLM]
) -> None:
    server = fake_llm()
    result = asked("plans", tmp_path, rehearsal={"model": "openai/fake", "base_url": server.base_url, **PAGE})
    rows = result["rows"]
    assert rows["calls_faithful"]["value"] > rows["calls_fused"]["value"] >= 1
    assert rows["calls_gap"]["low"] > 0
    assert 0 <= rows["agreement"]["value"] <= 1
    decided = sum(case["decided"] for case in cases(tmp_path / "study", "users"))
    assert decided == rows["agreement"]["n"]
    assert 6 * 4 <= decided <= 6 * 2 * 4
    # The same model under the same plan: the fake server draws every answer anew, so even that is no whole agreement.
    assert rows["agreement"]["baselines"][1]["value"] is not None
    assert "of the tokens a page" in result["verdict"]
