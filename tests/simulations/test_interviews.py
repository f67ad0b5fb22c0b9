"""Asking agents from outside: as they were at any page, in any shape of answer, and the run stays as it is."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLLM
from recloop.agents.questions import OneOf, QuestionError, answer_form
from recloop.runs import Run, prune
from recloop.simulations.interviews import FILE, Answer, InterviewError, Survey, interview, recall
from rehearsing import STAY, digest, rehearse, settings

MEMORIES = re.compile(r"<<<memories\n(.*?)\n>>>", re.DOTALL)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[FakeLLM]:
    with FakeLLM(script=STAY, keep=1000) as server:
        yield server


@pytest.fixture
def run(tmp_path: Path, endpoint: FakeLLM) -> Path:
    """Five users who stayed for three pages."""
    config = settings(tmp_path, model="openai/fake", base_url=endpoint.base_url, users=5, pages=3)
    return rehearse(config, tmp_path / "run")


def ask(run: Path, question: str = "Would you come back?", /, **options: Any) -> Survey:
    return asyncio.run(interview(run, question, api_key="x", **options))


def asked(endpoint: FakeLLM, question: str) -> list[str]:
    """The prompts that put this question."""
    prompts = (body["messages"][-1]["content"] for body in endpoint.requests())
    return [prompt for prompt in prompts if question in prompt]


def said(run: Path) -> str:
    """A hash of everything in the run's log and manifest that is not time."""
    total = hashlib.sha256((run / "manifest.json").read_bytes())
    with Run.open(run) as opened:
        for table in ("events", "states", "calls", "checkpoints", "blobs", "barriers", "meta", "writes"):
            for row in opened.log.rows(f"SELECT * FROM {table}"):
                total.update(repr(row).encode())
    return total.hexdigest()


def test_an_interview_changes_nothing_in_the_run(run: Path) -> None:
    before, name = said(run), digest(run)
    tables = {each.name: each.read_bytes() for each in (run / "tables").glob("*")}
    survey = ask(run, schema="yes/no")
    ask(run, page=1)
    assert (said(run), digest(run)) == (before, name)
    assert {each.name: each.read_bytes() for each in (run / "tables").glob("*")} == tables
    kept = [json.loads(line) for line in (run / FILE).read_text().splitlines()]
    assert len(kept) == 10
    assert sorted(line["value"] for line in kept[:5]) == sorted(a.value for a in survey.answers)
    assert all(line["at"] and line["model"] and line["question"] and "cost" in line for line in kept)  # fmt: skip


def test_agents_answer_as_they_were_after_the_page(run: Path, endpoint: FakeLLM) -> None:
    for page, pages in ((0, []), (1, ["1"]), (3, ["1", "2", "3"])):
        question = f"What of page {page}?"
        ask(run, question, agent=_agents(run)[0], page=page)
        (prompt,) = asked(endpoint, question)
        told = MEMORIES.search(prompt)
        assert re.findall(r"^Page (\d):", told[1] if told else "", re.MULTILINE) == pages
        assert ("Nothing yet." in prompt) == (page == 0)
        assert "Page 1:" not in prompt.replace(
            told[0] if told else "", ""
        )  # what is remembered stands inside the fence


def test_a_pruned_run_remembers_the_same(run: Path) -> None:
    def memories(page: int) -> list[list[str]]:
        with Run.open(run) as opened:
            return [list(visitor.memories) for visitor in recall(opened, None, page)]

    before = [memories(page) for page in (1, 2, 3)]
    assert all(before[0])
    prune(run, keep_barriers=1)
    assert [memories(page) for page in (1, 2, 3)] == before


def test_a_survey_is_counted_with_its_doubt(run: Path, tmp_path: Path) -> None:
    survey = ask(run, schema="1-10")
    (part,) = survey.parts
    assert list(part.counts) == [str(level) for level in range(1, 11)]
    assert sum(part.counts.values()) == 5
    assert part.mean is not None
    assert part.mean.mean == pytest.approx(sum(int(k) * n for k, n in part.counts.items()) / 5)
    assert part.mean.low <= part.mean.mean <= part.mean.high
    file = tmp_path / "answer.json"
    shape = {"again": {"type": "boolean"}, "stars": {"type": "integer", "minimum": 1, "maximum": 5}}
    file.write_text(json.dumps({"type": "object", "properties": shape, "required": [*shape], "additionalProperties": False}))  # fmt: skip
    again, stars = ask(run, schema=str(file), sample=3).parts
    assert sum(again.counts.values()) == 3
    assert stars.mean is not None
    assert 1 <= stars.mean.mean <= 5


def test_a_sample_is_drawn_by_the_seed_and_nests(run: Path) -> None:
    with Run.open(run) as opened:
        drawn = [[v.persona.user for v in recall(opened, None, None, n)] for n in (2, 2, 4)]
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) < set(drawn[2])


def test_what_was_answered_is_kept_when_the_rest_is_cancelled(run: Path, endpoint: FakeLLM) -> None:
    async def stopped() -> list[Answer]:
        heard: list[Answer] = []
        enough = asyncio.Event()

        def hear(answer: Answer, asked: int) -> None:
            heard.append(answer)
            enough.set()

        work = asyncio.create_task(interview(run, "Cancelled?", api_key="x", concurrency=1, heard=hear))
        await enough.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        return heard

    heard = asyncio.run(stopped())
    kept = [json.loads(line)["agent"] for line in (run / FILE).read_text().splitlines()]
    assert 1 <= len(kept) < 5
    assert kept == [answer.agent for answer in heard]


def test_a_budget_leaves_the_rest_unasked(run: Path) -> None:
    survey = ask(run, budget="calls=3", concurrency=1, keep=False)  # one call looks whether the model is there
    assert (len(survey.answers), survey.unasked) == (2, 3)
    assert not (run / FILE).exists()


def test_scripted_users_tell_their_pages_to_a_model_that_speaks_for_them(tmp_path: Path, endpoint: FakeLLM) -> None:
    run = rehearse(settings(tmp_path, model="scripted", users=4), tmp_path / "scripted")
    with pytest.raises(InterviewError, match="--model"):
        ask(run)
    (answer,) = ask(
        run, "What did you see?", agent=_agents(run)[0], model="openai/fake", base_url=endpoint.base_url
    ).answers
    assert answer.status == "ok"
    (prompt,) = asked(endpoint, "What did you see?")
    assert "Page 1: chose" in prompt
    assert "Zif-" in prompt


def test_what_cannot_be_asked_is_refused_before_anybody_is(run: Path) -> None:
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"agent": "nobody"}, "no agent 'nobody'"),
        ({"page": 4}, "has 3 pages"),
        ({"schema": "10-1"}, "no scale from 10 to 1"),
        ({"schema": "missing.json"}, "cannot be read"),
    )
    for options, what in refused:
        with pytest.raises(InterviewError, match=what):
            ask(run, **options)
    with pytest.raises(InterviewError, match="no question"):
        ask(run, "  ")
    assert not (run / FILE).exists()
    (run / FILE).symlink_to(run / "manifest.json")
    with pytest.raises(InterviewError, match="symbolic link"):
        ask(run)


def test_shapes_of_answers() -> None:
    assert answer_form("yes/no") == OneOf(("yes", "no"))
    assert answer_form("a | b|c") == OneOf(("a", "b", "c"))
    assert answer_form("1-3") == answer_form("1 to 3") == OneOf(("1", "2", "3"), numeric=True)
    for wrong in ("once", "a|a", "a||b", "0-500"):
        with pytest.raises(QuestionError):
            answer_form(wrong)


@pytest.mark.local
def test_a_small_models_choice_is_read_by_likelihood(tmp_path: Path, model_file: str) -> None:
    run = rehearse(settings(tmp_path, model="scripted", users=2, pages=1), tmp_path / "scripted")
    survey = ask(run, "Would you rather see a comedy?", schema="yes/no", model="local/smollm2", sample=1)
    assert survey.plumbing
    (answer,) = survey.answers
    likelihoods = answer.likelihoods
    assert likelihoods is not None
    assert answer.value == max(likelihoods, key=lambda option: likelihoods[option])
    assert sum(likelihoods.values()) == pytest.approx(1.0, abs=1e-5)


def _agents(run: Path) -> list[str]:
    with Run.open(run) as opened:
        return [event.agent for event in opened.events(kind="persona")]
