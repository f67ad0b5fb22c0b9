"""A whole search over an endpoint that fails in every way: nothing is silently wrong, and what cannot work says so at once."""

from __future__ import annotations

import asyncio
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from fake_llm import FakeLLM
from recloop.prompt_opt.asked import OptimizeConfig, optimize_as, replay, resume
from recloop.prompt_opt.search import Finished
from recloop.prompt_opt.splits import Sizes, draw_splits
from recloop.prompt_opt.task import MISSING, Case
from recloop.prompt_opt.tasks.items import listed
from recloop.prompt_opt.tasks.open import open_task
from recloop.runs import Event, Run

KEY = "sk-proj-AbCdEf0123456789-never-seen"
ERRORS = "429=0.25,hang=0.05,truncated=0.05,malformed=0.05"
SIZES = {"search": 16, "selection": 12, "test": 30}
OPTIONS = {"max_cases": 58, "candidates": 6}


class World(NamedTuple):
    """What an endpoint answers. Calls about `lost` cases never arrive, one about `chatter` is answered with chatter; a
    prompt with "carefully" in it is answered right, others at random; the proposer puts that word in."""

    lost: tuple[Case, ...]
    chatter: Case
    writes: list[dict[str, Any]]
    fails: list[dict[str, Any]]
    ranks: list[dict[str, Any]]


def about(case: Case) -> str:
    """A pattern for requests about this case: its candidates, as they are shown."""
    return re.escape(listed(case.shown["candidates"], "candidates"))


def right(case: Case) -> list[str]:
    """The right answer: the chosen candidate, then the others."""
    names = [row["id"] for row in case.shown["candidates"]]
    return sorted(names, key=lambda name: name not in case.truth["relevant"])


@pytest.fixture(scope="module")
def world() -> World:
    task = open_task("session", None, seed=0, options=OPTIONS)
    cases, splits = {case.id: case for case in task.cases}, draw_splits(task, Sizes(**SIZES), 0)
    lost = (cases[splits.test[0]], cases[splits.search[3]])
    chatter = cases[splits.test[11]]
    return World(
        lost,
        chatter,
        [{"match": "(?s)<<<prompt\n(.+?)\n>>>", "json": {"change": "", "text": "{{1}}\nRank carefully: {{words 3}}."}}],
        [
            *({"match": about(case), "status": 503} for case in lost),
            {"match": about(chatter), "reply": "I would rather talk about something else."},
        ],
        [{"match": f"(?s){about(case)}.*carefully", "json": {"ranking": right(case)}} for case in cases.values()],
    )


def config(server: FakeLLM, **changes: Any) -> OptimizeConfig:
    given: dict[str, Any] = {
        "model": "openai/fake",
        "base_url": server.base_url,
        "task_options": OPTIONS,
        "optimizer_options": {"rounds": 1, "width": 2, "operators": ["paraphrase"]},
        "timeout": 0.6,
        **SIZES,
    }
    return OptimizeConfig(**given | changes)


class Searched(NamedTuple):
    """A search that has ended, and what its endpoint did meanwhile."""

    server: FakeLLM
    stats: dict[str, Any]
    found: Finished
    verdict: Mapping[str, Any]


@pytest.fixture(scope="module")
def searched(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    script = [*world.writes, *world.fails, *world.ranks]
    with FakeLLM(api_key=KEY, errors=ERRORS, script=script, process=True) as server:
        out = tmp_path_factory.mktemp("faults") / "run"
        found = asyncio.run(optimize_as(config(server), out=out, api_key=KEY))
        assert found.verdict is not None, found.reason
        yield Searched(server, server.stats(), found, found.verdict)


def judged(run: Run) -> Iterator[tuple[Event, Mapping[str, Any]]]:
    """Every row of scores, with its event."""
    for event in run.events(kind="scores"):
        yield from ((event, row) for row in event.data["rows"])


def test_a_search_over_a_failing_endpoint_is_right_in_every_case(world: World, searched: Searched) -> None:
    kinds = ("429", "hang", "truncated", "malformed", "503")
    assert all(searched.stats["injected"].get(kind) for kind in kinds), "it failed in every way"
    assert searched.found.status == "finished"
    assert searched.verdict["outcome"] == "better"
    with Run.open(searched.found.run) as run:
        found = list(judged(run))
        calls = {call.key: call for call in run.calls.all()}
    assert len({event.agent for event, _ in found}) >= 3
    gone, chatter = {case.id for case in world.lost}, world.chatter.id
    assert {row["case"] for _, row in found} >= gone | {chatter}
    for _, row in found:
        if row["status"] in MISSING:
            assert row["status"] in ("transport", "timeout")
            assert "values" not in row
        else:
            assert row["case"] not in gone
            assert row["calls"]
            assert not any(calls[key].failed for key in row["calls"]), "a value has an answer behind it"
        if row.get("values", {}).get("ndcg@10") == 0.0:
            assert row["status"] == "parse_fail"
            assert row["diagnosis"]["kind"] == "no answer"
        if row["case"] == chatter:
            assert row["values"]["ndcg@10"] == 0.0
    for name in ("seed", "winner"):
        status = searched.verdict["answers"][name]["status"]
        assert sum(status.values()) == SIZES["test"]
        assert status["parse_fail"] >= 1
        assert sum(status.get(lost, 0) for lost in MISSING) == searched.verdict["missing"][name] >= 1


def test_means_are_those_of_the_answered_cases(searched: Searched) -> None:
    verdict = searched.verdict
    with Run.open(searched.found.run) as run:
        test = {
            event.agent: {row["case"]: row.get("values", {}).get("ndcg@10", math.nan) for row in event.data["rows"]}
            for event in run.events(kind="scores")
            if event.node == "test"
        }
    order = sorted(test[verdict["seed"]])
    seed, winner = (np.array([test[verdict[name]][case] for case in order]) for name in ("seed", "winner"))
    pairs = ~np.isnan(seed) & ~np.isnan(winner)
    assert 25 <= pairs.sum() <= 29
    assert verdict["pairs"] == pairs.sum()
    assert verdict["seed_mean"]["mean"] == pytest.approx(seed[pairs].mean())
    assert verdict["winner_mean"]["mean"] == pytest.approx(winner[pairs].mean())
    assert verdict["difference"]["mean"] == pytest.approx((winner - seed)[pairs].mean())
    assert set(winner[pairs]) == {0.0, 1.0}  # chatter, and right answers: a lost call is neither


def test_a_replay_of_a_search_with_failures_has_its_digest(searched: Searched, tmp_path: Path) -> None:
    asked = searched.server.stats()["requests"]
    old, new = asyncio.run(replay(searched.found.run, out=tmp_path / "again"))
    assert old == new
    assert searched.server.stats()["requests"] == asked


def test_no_byte_of_a_search_holds_the_key(searched: Searched) -> None:
    files = [path for path in searched.found.run.parent.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


async def test_an_endpoint_lost_midway_pauses_the_search_with_a_reason_and_it_goes_on(
    world: World, fake_llm: Callable[..., FakeLLM], tmp_path: Path
) -> None:
    """Whole candidates are lost: none of them is scored, and nothing of the seed's scores is lost."""
    gone = [{"match": "carefully", "status": 503}]
    server = fake_llm(script=[*world.writes, *gone])
    paused = await optimize_as(config(server), out=tmp_path / "run", api_key=KEY)
    assert (paused.status, paused.verdict) == ("paused", None)
    assert "never reached the model" in paused.reason
    with Run.open(tmp_path / "run") as run:
        assert {event.agent for event, _ in judged(run)} == {next(run.events(kind="candidate")).agent}
    server.configure(script=[*world.writes, *world.ranks])
    await resume(tmp_path / "run", api_key=KEY)
    with Run.open(tmp_path / "run") as run:
        assert run.status == "finished"
        assert next(run.events(kind="verdict")).data["outcome"] == "better"
        assert not [row for _, row in judged(run) if row["status"] != "ok"]


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What `recloop optimize` says when it cannot begin; it ends with 2 and prints nothing else."""
    from recloop.cli import main

    monkeypatch.setattr(sys, "argv", ["recloop", "optimize", *arguments, "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert KEY not in err
    assert "Traceback" not in err
    assert err.count("recloop: ") == 1
    return err[err.index("recloop: ") :]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"api_key": "sk-of-somebody-else"}, "answered 401"),
        ({"script": [{"match": ".", "status": 404}]}, "check the model's name"),
    ],
)
def test_a_wrong_key_and_an_unknown_model_are_told_before_anything_is_written(
    fake_llm: Callable[..., FakeLLM],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    options: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    server = fake_llm(**options)
    for out in ([], ["--out", "run"]):
        assert message in refused(capsys, monkeypatch, "--model", "openai/fake", "--base-url", server.base_url, *out)
    assert not list(tmp_path.iterdir())
