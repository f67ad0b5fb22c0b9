"""Equal settings give equal runs: at any concurrency, after a pause, in a replay, whoever else browses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLLM
from recloop.runs import Run
from recloop.simulations import SimulateConfig, replay, resume
from rehearsing import ScoringServer, digest, events, rehearse, settings, status

CASES: dict[str, dict[str, Any]] = {
    "scripted": {"model": "scripted"},
    "scripted, refitted": {"model": "scripted", "refit_every": 1},
    "fused": {"model": "openai/fake"},
    "faithful": {"model": "openai/fake", "plan": "faithful"},
    "fused, tastes by the model": {"model": "openai/fake", "tastes": "llm"},
    "score": {"model": "openai/fake", "mode": "score", "users": 4},
    "score, tastes by the model": {"model": "openai/fake", "mode": "score", "tastes": "llm", "users": 4},
}


class Endpoints:
    """The fake servers of this file; answers come back in another order than they were asked for."""

    def __init__(self, generate: FakeLLM, score: ScoringServer) -> None:
        self.generate, self.score = generate, score

    def config(self, folder: Path, case: str, **changes: Any) -> SimulateConfig:
        given = {**CASES[case], **changes}
        if given["model"] != "scripted":
            given["base_url"] = (self.score if given.get("mode") == "score" else self.generate).base_url
        return settings(folder, **given)

    def rehearse(self, folder: Path, case: str, out: str, **changes: Any) -> Path:
        """One run; the same prompt meets the same errors as in the run before."""
        self.generate.reset()
        return rehearse(self.config(folder, case, **changes), folder / out)

    @property
    def asked(self) -> int:
        return self.generate.stats()["requests"] + len(self.score.prompts)


@pytest.fixture(scope="module")
def endpoints() -> Iterator[Endpoints]:
    with FakeLLM(latency="uniform:1:30", errors="500=0.05,malformed=0.1") as generate, ScoringServer() as score:
        yield Endpoints(generate, score)


@pytest.mark.parametrize("case", CASES)
def test_the_digest_is_the_same_at_any_concurrency(endpoints: Endpoints, tmp_path: Path, case: str) -> None:
    paths = [endpoints.rehearse(tmp_path, case, f"at {n}", concurrency=n, name=f"at {n}") for n in (1, 8, 128)]
    assert {status(path)[0] for path in paths} == {"finished"}
    assert len({digest(path) for path in paths}) == 1


@pytest.mark.parametrize("case", CASES)
def test_a_replay_has_the_same_digest_and_asks_nobody(endpoints: Endpoints, tmp_path: Path, case: str) -> None:
    path = endpoints.rehearse(tmp_path, case, "run")
    before = endpoints.asked
    recorded, replayed = asyncio.run(replay(path, out=tmp_path / "again"))
    assert recorded == replayed == digest(path)
    assert endpoints.asked == before
    assert [event.data for event in events(path)] == [event.data for event in events(tmp_path / "again")]


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("scripted")])
def test_a_run_that_was_paused_equals_an_unbroken_one(endpoints: Endpoints, tmp_path: Path, case: str) -> None:
    whole = endpoints.rehearse(tmp_path, case, "whole")
    with Run.open(whole) as run:
        attempts = run.calls.totals().attempts
    paused = endpoints.rehearse(tmp_path, case, "paused", budget=f"calls={attempts // 3}")
    assert status(paused)[0] == "paused"
    asyncio.run(resume(paused, budget=f"calls={2 * attempts // 3}", api_key="x"))
    assert status(paused)[0] == "paused"
    asyncio.run(resume(paused, budget=f"calls={3 * attempts}", concurrency=3, api_key="x"))
    assert status(paused)[0] == "finished"
    assert digest(paused) == digest(whole)


@pytest.mark.parametrize("case", ["scripted", "fused", "faithful"])
def test_a_user_lives_the_same_pages_whoever_else_browses(endpoints: Endpoints, tmp_path: Path, case: str) -> None:
    ten = endpoints.rehearse(tmp_path, case, "10", users=10)
    twenty = endpoints.rehearse(tmp_path, case, "20", users=20)
    for kind in ("persona", "page"):
        few = {(event.agent, event.page): event.data for event in events(ten, kind)}
        many = {(event.agent, event.page): event.data for event in events(twenty, kind)}
        assert len(few) < len(many)
        assert few == {key: many[key] for key in few}


@pytest.mark.parametrize("case", ["scripted", "fused", "score"])
def test_another_seed_is_another_run(endpoints: Endpoints, tmp_path: Path, case: str) -> None:
    """Not by its name only: other users come, and even the same one meets other places and does other things."""
    both = [endpoints.rehearse(tmp_path, case, f"seed {n}", users=30, pages=1, seed=n) for n in (1, 2)]
    assert digest(both[0]) != digest(both[1])
    one, two = ({event.agent: event.data for event in events(path)} for path in both)
    assert set(one) != set(two)
    same = set(one) & set(two)
    assert any(one[user]["exposures"] != two[user]["exposures"] for user in same)
    assert any(one[user]["actions"] != two[user]["actions"] for user in same)


@pytest.mark.local
def test_the_embedded_model_scores_a_run_alike_at_any_concurrency_and_in_a_replay(
    model_file: str, tmp_path: Path
) -> None:
    given = {"data": "movietweetings", "model": "local/smollm2", "users": 2, "pages": 1, "calibration_items": 4}
    one, many = (rehearse(SimulateConfig(**given, concurrency=n), tmp_path / str(n)) for n in (1, 128))
    assert status(one)[0] == status(many)[0] == "finished"
    assert digest(one) == digest(many)
    assert asyncio.run(replay(one, out=tmp_path / "again")) == (digest(one), digest(one))


def test_another_chance_is_the_same_people_and_rankings_who_choose_otherwise(tmp_path: Path) -> None:
    whole = settings(tmp_path, model="scripted", users=20, pages=1)
    same, other = (
        rehearse(whole.model_copy(update={"chance": chance}), tmp_path / str(chance)) for chance in (whole.seed, 7)
    )
    plain = rehearse(whole, tmp_path / "plain")

    def seen(path: Path, what: str) -> dict[str, list[Any]]:
        keys = {"shown": "exposures", "done": "actions"}[what]
        return {
            e.agent: sorted(each["item"] for each in e.data[keys] if each.get("positive", True)) for e in events(path)
        }

    assert [e.data for e in events(plain)] == [e.data for e in events(same)]
    assert [e.data for e in events(plain, "persona")] == [e.data for e in events(other, "persona")]
    assert seen(plain, "shown") == seen(other, "shown")
    assert seen(plain, "done") != seen(other, "done")
