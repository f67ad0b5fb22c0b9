"""Models that are really asked: a list from an endpoint, likelihoods from the embedded model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from recloop.llm import open_model
from recloop.llm.types import Abilities, Outcome, Place, Usage
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.guards import contract
from recloop.prompt_opt.task import Result
from recloop.prompt_opt.tasks.asking import choose, parsed
from recloop.prompt_opt.tasks.building import PROMPTS
from recloop.prompt_opt.tasks.listwise import ListTask
from recloop.prompt_opt.tasks.metrics import NAMES
from recloop.prompt_opt.tasks.open import open_task
from recloop.prompt_opt.tasks.position import position_bias

if TYPE_CHECKING:
    from fake_llm import FakeLLM

SMALL = Abilities(score=True, plumbing_grade=True)


def films(**options: Any) -> ListTask:
    task = open_task("session", options={"max_cases": 4, **options})
    assert isinstance(task, ListTask)
    return task


def texts(task: ListTask) -> dict[str, str]:
    return {name: component.text for name, component in task.components.items()}


async def results(task: ListTask, server: FakeLLM, n: int = 1) -> list[Result]:
    async with open_model(f"{server.url}/v1#fake", attempts=1) as door:
        found = []
        for case in task.cases[:n]:
            outcome = await task.run(texts(task), case, door, Place(case.id, 0, "rank"))
            found.append(task.score(case, outcome))
        return found


def saying(*answers: Any) -> list[dict[str, Any]]:
    return [{"match": ".*", "reply": [answer if isinstance(answer, str) else json.dumps(answer) for answer in answers]}]


async def test_a_written_list_is_read_mended_by_the_policy_and_counted(fake_llm: Callable[..., FakeLLM]) -> None:
    task = films()
    target = task.cases[0].truth["relevant"][0]
    other = next(f"C{n}" for n in range(1, 21) if f"C{n}" != target)
    (result,) = await results(task, fake_llm(script=saying({"ranking": [other, "C77", other, target]})))
    assert result.status == "ok"
    assert result.counts == {"missing": 18, "duplicate": 1, "invented": 1}
    assert result.values["mrr"] == 0.5
    assert result.values["hr@1"] == 0
    assert result.values["hr@5"] == 1
    assert result.values["ndcg@10"] == pytest.approx(1 / np.log2(3))
    assert set(NAMES) <= set(result.values)
    assert result.tokens > 100
    assert len(result.calls) == 1
    assert result.diagnosis is not None
    assert result.diagnosis.kind == "ok"
    assert result.diagnosis.answer.startswith(f"1. {other} ")
    assert result.diagnosis.truth.startswith(f"{target} ")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda target, others: [*others, target], "low rank"),
        (lambda target, others: [*others[:12]], "incomplete list"),
        (lambda target, others: ["Heat", *others, target], "unknown ids"),
        (lambda target, others: [others[0], target], "ok"),
    ],
)
async def test_every_way_to_go_wrong_has_its_name(
    fake_llm: Callable[..., FakeLLM], answer: Callable[[str, list[str]], list[str]], kind: str
) -> None:
    task = films()
    target = task.cases[0].truth["relevant"][0]
    others = [f"C{n}" for n in range(1, 21) if f"C{n}" != target]
    (result,) = await results(task, fake_llm(script=saying({"ranking": answer(target, others)})))
    assert result.diagnosis is not None
    assert result.diagnosis.kind == kind


@pytest.mark.parametrize(
    "said", ['{"ranking": []}', '{"ranking": ["Heat", "C99"]}', "I like Heat.", '{"order": ["C1"]}']
)
async def test_an_answer_without_a_candidate_is_worth_nothing_and_says_so(
    fake_llm: Callable[..., FakeLLM], said: str
) -> None:
    (result,) = await results(films(), fake_llm(script=saying(said)))
    assert result.status == "parse_fail"
    assert not result.missing
    assert dict.fromkeys(NAMES, 0.0) == dict(result.values)
    assert result.diagnosis is not None
    assert result.diagnosis.kind == "no answer"
    assert len(result.calls) == 2, "it is sent back once"


async def test_a_lost_call_is_missing_not_zero(fake_llm: Callable[..., FakeLLM]) -> None:
    (result,) = await results(films(), fake_llm(errors="500=1"))
    assert result.status == "transport"
    assert result.missing
    assert result.values == {}


async def test_what_is_shown_is_fenced_by_ids_and_the_truth_stays_at_home(fake_llm: Callable[..., FakeLLM]) -> None:
    task, server = films(style="cot"), fake_llm(script=saying({"reason": "so", "ranking": ["C1"]}), keep=5)
    await results(task, server)
    request = server.requests()[-1]
    text = "\n".join(message["content"] for message in request["messages"])
    case = task.cases[0]
    for row in (*case.shown["history"], *case.shown["candidates"]):
        assert f"[{row['id']}] {row['title']}" in text
    assert text.count("<<<") == 2
    assert case.truth["owner"] not in text
    assert "relevant" not in text
    properties = request["response_format"]["json_schema"]["schema"]["properties"]
    assert list(properties) == ["reason", "ranking"]


async def test_answers_that_copy_the_order_shown_are_found_out(fake_llm: Callable[..., FakeLLM]) -> None:
    task = films()
    copied = await results(task, fake_llm(script=saying({"ranking": [f"C{n}" for n in range(1, 21)]})), n=4)
    bias = position_bias(copied)
    assert bias is not None
    assert bias.slope.mean == pytest.approx(1)
    assert bias.copied.mean == 1
    assert "order shown itself in 100%" in task.remarks(task.cases, copied)[-1]
    shuffled = [[f"C{n + 1}" for n in np.random.default_rng(seed).permutation(20)] for seed in range(4)]
    drawn = await results(task, fake_llm(script=saying(*({"ranking": order} for order in shuffled))), n=4)
    bias = position_bias(drawn)
    assert bias is not None
    assert bias.slope.low < 0 < bias.slope.high
    assert bias.copied.mean == 0


def test_how_a_model_is_asked_follows_from_what_it_can() -> None:
    assert choose("auto", SMALL) == "likelihood"
    assert choose("auto", replace(SMALL, plumbing_grade=False)) == "list"
    assert choose("auto", None) == "list"
    assert choose("list", SMALL) == "list"
    assert list(open_task("session", abilities=SMALL, options={"max_cases": 2}).components) == ["next"]


@pytest.mark.parametrize("name", ["session", "news", "rerank"])
@pytest.mark.parametrize("way", ["io", "cot", "next"])
def test_every_seed_prompt_is_a_prompt_file_that_keeps_the_contract_of_its_component(name: str, way: str) -> None:
    from recloop.llm.prompts import Prompt

    loaded = Prompt.load(str(PROMPTS / f"{name}_{way}.md"))
    assert loaded.name == f"{name}_{way}"
    if name == "news":
        return  # opened with data in test_tasks_news.py
    task = open_task(
        name,
        options={
            "read": "likelihood" if way == "next" else "list",
            "style": "cot" if way == "cot" else "io",
            "max_cases": 2,
        },
    )
    for component in task.components.values():
        assert list(contract(component.text, component)) == []
    assert Candidate(texts(task)).id  # type: ignore[arg-type]


class Unigram:
    """Scores by a rule: a title is likelier by one nat for every time it, or its beginning, stands in the prompt."""

    name, abilities = "test/rule", SMALL
    asked: list[tuple[str, Any]]

    def __init__(self) -> None:
        self.asked = []

    async def score(self, prompt: str, questions: Any, *, at: Place = Place()) -> Outcome[Any]:
        self.asked.append((prompt, questions))
        values = [[float(q.after(prompt).count(label[:6])) - len(label) for label in q.labels] for q in questions]
        return Outcome("ok", values, usage=Usage(10))


async def test_a_likelihood_is_what_the_history_adds_to_it() -> None:
    task, model = films(read="likelihood"), Unigram()
    case = task.cases[0]
    outcome = await task.run({"next": 'Films: {{inline}}\nNext: "'}, case, model, Place())  # type: ignore[arg-type]
    (prompt, (own, free)), titles = model.asked[0], [row["title"] for row in case.shown["candidates"]]
    assert free.alone
    assert not own.alone
    assert list(own.labels) == titles, "after a quotation mark no blank"
    assert prompt == "Films: " + ", ".join(row["title"] for row in case.shown["history"]) + '\nNext: "'
    assert free.suffix.startswith("Films: ")
    assert not any(title in free.suffix for title in titles)
    assert not any(row["title"] in free.suffix for row in case.shown["history"][:-1])
    with_it, without = (np.array([float(text.count(t[:6])) for t in titles]) for text in (prompt, free.suffix))
    assert list(outcome.value["scores"].values()) == pytest.approx(with_it - without)
    await task.run(texts(task), case, model, Place())  # type: ignore[arg-type]
    assert all(label.startswith(" ") for label in model.asked[1][1][0].labels)


def test_a_template_is_filled_with_the_last_titles_or_all_of_them() -> None:
    prompt = parsed("{{count}} {{noun}} {{recent}} / {{last}}", "next")
    assert prompt.used == {"count", "noun", "recent", "last"}


@pytest.mark.local
async def test_the_embedded_model_ranks_real_sessions_and_again_alike(model_file: str) -> None:
    async with open_model("local/smollm2") as door:
        task = open_task("session", abilities=door.abilities, options={"max_cases": 4, "candidates": 6})
        assert isinstance(task, ListTask)
        assert list(task.components) == ["next"]
        found = [await task.run(texts(task), case, door, Place(case.id)) for case in task.cases]
        judged = [task.score(case, outcome) for case, outcome in zip(task.cases, found, strict=True)]
        assert all(result.status == "ok" and 0 < result.values["mrr"] <= 1 for result in judged)
        spread = [np.ptp(list(outcome.value["scores"].values())) for outcome in found]
        assert min(spread) > 0.5, "histories move the likelihoods of titles by nats"
        again = await task.run(texts(task), task.cases[0], door, Place(task.cases[0].id))
        assert again.value == found[0].value
