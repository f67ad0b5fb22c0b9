"""The rewriting agent as a task: queries with judgements, its own prompts, judged by what rewrites do to a search."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driver import setting
from recloop.agents.rewriter.judge import PROMPTS
from recloop.data.search_load import load_search
from recloop.evaluators import NDCG
from recloop.llm import Prompt, open_model
from recloop.llm.types import Abilities, Outcome, Place, Usage
from recloop.methods.beque import query_key
from recloop.methods.search import open_retriever
from recloop.prompt_opt.asked import checked, forecast, optimize_as
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.errors import OptimizeError
from recloop.prompt_opt.guards import problems
from recloop.prompt_opt.task import Task
from recloop.prompt_opt.tasks.open import open_task
from recloop.prompt_opt.tasks.rewrite import METRICS, RewriteTask

SMALL = Abilities(score=True, plumbing_grade=True)
EVERYDAY = "roomy sneakers for her"


def task(
    metric: str | None = None, data: Any = None, abilities: Abilities | None = None, **options: Any
) -> RewriteTask:
    found = open_task("rewrite", data, metric=metric, abilities=abilities, options=options)
    assert isinstance(found, RewriteTask)
    return found


def case_of(found: RewriteTask, query: str) -> Any:
    return next(case for case in found.cases if case.shown["query"] == query)


def answered(**texts: str) -> Outcome[Any]:
    return Outcome("ok", texts, usage=Usage(10, 5))


def title_words(found: RewriteTask, case: Any) -> str:
    """A rewrite that knows how the best product is called, without its brand and its colour."""
    best = max(case.truth["grades"], key=case.truth["grades"].get)
    return found.data.documents.titles[found.data.place[best]]


def test_a_case_is_a_query_and_no_query_is_in_two_parts_in_another_spelling(tmp_path: Path) -> None:
    rows = ["query,document,grade", "Red Shoes,a,1", "red  shoes,a,1", "blue hat,b,1", "green tie,c,0"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows).replace("document", "title"))
    found = task(data=tmp_path / "pairs.csv")
    assert sorted(query_key(case.shown["query"]) for case in found.cases) == ["blue hat", "red shoes"]
    assert "1 queries are others in another spelling" in found.notes[1]
    assert "judged documents are put in order" in found.notes[2]


def test_values_are_those_of_the_rankings() -> None:
    found = task()
    case = case_of(found, EVERYDAY)
    bm25, judge = open_retriever("bm25").fit(found.data.documents), NDCG(10)
    raw, other = (
        judge.per_case(r, case.truth["grades"]) for r in bm25.search([EVERYDAY, "wide-fit running shoes"], 100)
    )
    values = found.score(case, answered(expert="wide-fit running shoes")).values
    assert values["worst_ndcg@10"] == min(raw, other)
    assert values["mean_ndcg@10"] == pytest.approx((raw + other) / 2)
    assert min(raw, other) < values["union_ndcg@10"]
    assert values["new_words"] == 1.0
    assert found.baselines([case])["the query alone"] == [raw]


def test_a_rewrite_in_the_products_words_is_worth_more_than_one_that_drifts() -> None:
    found = task()
    case = case_of(found, EVERYDAY)
    good = found.score(case, answered(expert="wide-fit women's running shoes"))
    bad = found.score(case, answered(expert="a desk lamp"))
    for metric in METRICS:
        assert good.values[metric] > bad.values[metric]
    assert bad.diagnosis is not None
    assert bad.diagnosis.kind == "drifted"
    assert good.diagnosis is not None
    assert good.diagnosis.kind == "ok"
    assert title_words(found, case).split()[0] in good.diagnosis.truth


def test_an_unusable_answer_has_the_worst_value_and_a_missing_one_none() -> None:
    found = task()
    case = found.cases[0]
    for outcome in (Outcome("parse_fail", error="no JSON"), Outcome("refusal", error="no"), Outcome("ok", None)):
        result = found.score(case, outcome)
        assert result.status in ("parse_fail", "refusal")
        assert {result.values[metric] for metric in METRICS} == {0.0}
        assert result.diagnosis is not None
        assert result.diagnosis.kind == "no answer"
    for status in ("timeout", "transport", "budget"):
        missing = found.score(case, Outcome(status))
        assert missing.missing
        assert not missing.values


def test_whoever_hands_the_query_back_has_rewritten_nothing() -> None:
    """Else the steadiest prompt would be one that says: change nothing."""
    found = task("worst_ndcg@10")
    case = case_of(found, EVERYDAY)
    same = found.score(case, answered(newcomer=" ROOMY sneakers for  her", expert="roomy sneakers for her"))
    assert same.counts == {"unchanged": 2, "repeated": 0}
    assert (same.values["worst_ndcg@10"], same.values["reward"]) == (0.0, 0.0)
    assert same.values["union_ndcg@10"] == found.baselines([case])["the query alone"][0]
    twice = found.score(case, answered(newcomer="wide shoes", expert="Wide shoes"))
    assert twice.counts == {"unchanged": 0, "repeated": 1}


@pytest.mark.parametrize("metric", METRICS)
def test_baselines_need_no_prompt(metric: str) -> None:
    found = task(metric)
    rivals = found.baselines(found.cases)
    assert set(rivals) == {"random", "rules", "RM3", "the query alone"}
    assert all(len(values) == len(found.cases) for values in rivals.values())
    mean = {name: float(np.mean(values)) for name, values in rivals.items()}
    assert mean["random"] < mean["rules"]
    if metric == "union_ndcg@10":
        assert mean["RM3"] > mean["the query alone"]


def test_a_prompt_that_quotes_judged_titles_or_queries_is_kept_out() -> None:
    found = task()
    component = found.components[found.node]
    context = replace(
        setting(12, 0, texts={found.node: component.text}),
        components=found.components,
        cases={case.id: case for case in found.cases},
        story=found.story,
    )
    title = title_words(found, found.cases[0])

    def said(extra: str) -> str:
        return "; ".join(problems(Candidate({found.node: f"{component.text}\n{extra}"}, "refine"), context))

    assert said("Use the words that shops print on their products.") == ""
    assert "names an item" in said(f"Write for instance {title}.")
    assert "names an item" in said(f'Write for instance "{EVERYDAY}".')
    assert "lost its field" in "; ".join(problems(Candidate({found.node: "Rewrite {{persona}}"}, "refine"), context))


@pytest.mark.parametrize("delay", ["none", "uniform:0:60"])
async def test_the_agent_of_recloop_rewrite_is_asked_with_the_candidate_s_prompt(
    fake_llm: Callable[..., Any], delay: str
) -> None:
    found = task(personas="newcomer,expert,typist")
    case = found.cases[0]
    server = fake_llm(keep=10, latency=delay)
    text = found.components["rewrite"].text.replace("no explanation.", "no explanation, be plain.")
    async with open_model(f"{server.base_url}#fake") as door:
        outcome = await found.run({"rewrite": text}, case, door, Place("candidate", 0, case.id))
        again = await found.run({"rewrite": text}, case, door, Place("candidate", 0, case.id))
        other = await found.run({"rewrite": found.components["rewrite"].text}, case, door, Place("b", 0, case.id))
    assert list(outcome.value) == ["newcomer", "expert", "typist"]
    assert len(set(outcome.keys)) == 4  # the need, and three personas
    assert not set(outcome.keys) & set(other.keys)
    assert (again.value, again.keys) == (outcome.value, outcome.keys)
    assert sum("be plain" in json.dumps(body) for body in server.requests()) >= 3
    result = found.score(case, outcome)
    assert (result.status, result.calls, result.tokens) == ("ok", outcome.keys, outcome.usage.total)


async def test_one_persona_without_an_answer_makes_the_case_unusable_and_a_lost_call_makes_it_missing(
    fake_llm: Callable[..., Any],
) -> None:
    found = task(intent=False)
    case, text = found.cases[0], {"rewrite": found.components["rewrite"].text}
    refused = fake_llm(script=[{"match": "Somebody who knows the trade", "reply": "I would rather not."}])
    async with open_model(f"{refused.base_url}#fake") as door:
        unusable = await found.run(text, case, door, Place("c", 0, case.id))
    assert (unusable.status, unusable.value) == ("parse_fail", None)
    assert len(unusable.keys) == 3  # one, and another with its repair
    lost = fake_llm(script=[{"match": "Somebody who knows the trade", "status": 500}])
    async with open_model(f"{lost.base_url}#fake", attempts=1) as door:
        missing = await found.run(text, case, door, Place("c", 0, case.id))
    assert found.score(case, missing).missing


FIELDS = r"(?s)(?P<p>\{\{persona\}\}).*(?P<i>\{\{intent\}\}).*"
BETTER = "Use the words of products. {{words 6}}\nWho searches\n{{p}}\nWhat they need\n{{i}}\nWrite it. {{words 8}}"


async def test_a_better_prompt_is_found_and_holds_on_the_sealed_queries(
    fake_llm: Callable[..., Any], tmp_path: Path
) -> None:
    """A model that drifts unless its prompt speaks of products, and then knows what they are called."""
    data = task(max_cases=80)
    knows = [
        {
            "match": "(?s)words of products.*<<<intent\n" + re.escape(case.shown["query"]) + "\n>>>",
            "json": {"query": title_words(data, case)},
        }
        for case in data.cases
    ]
    script = [
        {
            "match": "You find out why a prompt",
            "json": {"reason": "Silent on {{words 2}}.", "remedy": "Say {{words 2}}."},
        },
        {"match": FIELDS + "- change: ", "json": {"change": "speaks of {{words 2}}", "text": BETTER}},
        {"match": FIELDS + "Write (one new|this) prompt", "json": {"prompt": BETTER}},
        *knows,
        {"match": "(?s)Who searches", "json": {"query": "whatever {{words 2}}"}},
    ]
    server = fake_llm(script=script)
    config = checked(
        {
            "task": "rewrite",
            "metric": "union_ndcg@10",
            "task_options": {"personas": "expert", "intent": False},
            "model": f"{server.base_url}#fake",
            "search": 24,
            "selection": 24,
            "test": 24,
            "optimizer_options": {"rounds": 1, "width": 2},
        }
    )
    finished = await optimize_as(config, out=tmp_path / "run")
    assert finished.candidate is not None
    assert "words of products" in finished.candidate.texts["rewrite"]
    assert finished.verdict is not None
    assert finished.verdict["outcome"] == "better"
    assert {row["name"] for row in finished.verdict["baselines"]} == {"random", "rules", "RM3", "the query alone"}


def test_a_winner_is_a_prompt_file_that_the_agent_takes(tmp_path: Path) -> None:
    for abilities, node in ((None, "rewrite"), (SMALL, "choose")):
        found = task(abilities=abilities)
        assert isinstance(found, Task)
        assert list(found.components) == [node]
        file = tmp_path / f"{node}.md"
        file.write_text(found.components[node].text + "\nOne more line.\n", encoding="utf-8")
        assert Prompt.load(PROMPTS / f"{node}.md", override=file).used == Prompt.load(PROMPTS / f"{node}.md").used


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(OptimizeError, match="not judged by 'ndcg@5'"):
        task("ndcg@5")
    with pytest.raises(OptimizeError, match="no persona called 'pirate'"):
        task(personas="pirate")
    with pytest.raises(OptimizeError, match="no retriever 'bm52'"):
        task(retriever="bm52")


async def test_a_forecast_counts_every_persona_and_the_need() -> None:
    base = {"task": "rewrite", "model": "openai/gpt-4o-mini", "search": 12, "selection": 12, "test": 12}
    one, three = [
        await forecast(checked(base | {"task_options": options}))
        for options in ({"personas": "expert", "intent": False}, {"personas": "expert,newcomer"})
    ]
    assert (three.task_calls, three.test_calls) == (3 * one.task_calls, 3 * one.test_calls)
    assert three.proposals == one.proposals


def test_the_hash_follows_everything_that_changes_a_score() -> None:
    seen = {task().hash, task("reward").hash, task(personas="expert").hash, task(least=3).hash, task(max_cases=9).hash}
    assert len(seen) == 5
    assert task(data=load_search("shop-search")).hash in seen


@pytest.mark.local
async def test_a_small_model_chooses_among_what_rules_propose(model_file: str) -> None:
    found = task(abilities=SMALL, personas="expert")
    case = case_of(found, EVERYDAY)
    async with open_model("local/smollm2") as door:
        seed = {found.node: found.components[found.node].text}
        outcome = await found.run(seed, case, door, Place("seed", 0, case.id))
    assert outcome.ok
    assert query_key(outcome.value["expert"]) != query_key(EVERYDAY)
