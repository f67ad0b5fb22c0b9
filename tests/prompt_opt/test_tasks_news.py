"""News cases from MIND's files and JSONL, and the topics that an answer gives."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from recloop.data import DataError, data_folder
from recloop.evaluators.topic_score import merge_topics, topic_score
from recloop.llm import open_model
from recloop.llm.types import Place
from recloop.prompt_opt.guards import contract
from recloop.prompt_opt.tasks.items import names_of
from recloop.prompt_opt.tasks.listwise import ListTask
from recloop.prompt_opt.tasks.open import open_task
from recloop.prompt_opt.tasks.permutation import permutation
from recloop.prompt_opt.tasks.topics import word_vectors

if TYPE_CHECKING:
    from fake_llm import FakeLLM

NEWS = "N1\tsports\tgolf\tA golf story\t\nN2\tnews\tworld\tA vote abroad\t\nN3\ttv\t\tA new show\t\nN4\tnews\tus\tA law\t\n"


def news(data: Path | str, **options: Any) -> ListTask:
    task = open_task("news", data, options=options)
    assert isinstance(task, ListTask)
    return task


def mind(folder: Path, *behaviors: str) -> Path:
    (folder / "news.tsv").write_text(NEWS)
    with gzip.open(folder / "behaviors.tsv.gz", "wt") as file:
        file.write("\n".join(behaviors) + "\n")
    return folder


def test_minds_pair_of_files_makes_cases_with_several_clicks(tmp_path: Path) -> None:
    lines = (
        "1\tu1\tt\tN1 N2\tN3-1 N4-0",
        "2\tu2\tt\tN1\tN2-1 N3-1 N4-0",
        "3\tu3\tt\t\tN2-1 N3-0",
        "4\tu4\tt\tN1\tN2-0 N3-0",
        "5\tu5\tt\tN2\tN2-1 N3-0",
    )
    task = news(mind(tmp_path, *lines))
    assert [case.id for case in task.cases] == ["impression 1", "impression 2"]
    second = task.cases[1]
    assert {second.truth["items"][name] for name in second.truth["relevant"]} == {"N2", "N3"}
    assert "[H1] A golf story | sports, golf" in task.story(second)
    assert "golf |" not in news(tmp_path, categories="false").story(second)
    assert [note for note in task.notes if "left out" in note] == [
        "1 impressions left out: nobody clicked",
        "1 impressions left out: no history",
        "1 impressions left out: clicked before",
    ]


def test_baselines_know_histories_and_the_clicks_of_impressions_that_are_no_case(tmp_path: Path) -> None:
    task = news(mind(tmp_path, "1\tu1\tt\tN1\tN3-1 N4-0", "2\tu2\tt\tN1\tN2-1 N4-0"), max_cases=1)
    (case,) = task.cases
    other = {"impression 1": "N2", "impression 2": "N3"}[case.id]
    assert task.baskets.popularity(["N1", "N2", "N3"], "nobody") == [2, float(other == "N2"), float(other == "N3")]
    assert task.baskets.popularity(["N1"], case.truth["owner"]) == [1]


def test_parts_of_jsonl_are_kept_and_nothing_of_the_test_part_is_known(tmp_path: Path) -> None:
    def rows(part: str) -> str:
        pieces = [{"news_id": f"{part}{n}", "title": f"{part} story {n}"} for n in range(4)]
        row = {"history": pieces[:1], "candidate": pieces[1:], "clicked_news_id": [f"{part}1"]}
        return "\n".join(json.dumps({"impression_id": str(n), **row, "user_id": f"{part} {n}"}) for n in range(3))

    (tmp_path / "valid.jsonl").write_text(rows("v"))
    (tmp_path / "test.jsonl").write_text(rows("t"))
    task = news(tmp_path, max_cases=2)
    assert {name: len(ids) for name, ids in task.parts.items()} == {"search": 2, "test": 2}
    assert task.baskets.popularity(["v0", "v1", "v2", "t0", "t1"], "nobody") == [3, 3, 0, 0, 0]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1\tu1\tt\tN1", "4 cells"),
        ("1\tu1\tt\tN9\tN3-1 N4-0", "no news 'N9' in news.tsv"),
        ("1\tu1\tt\tN1\tN3 N4", "mark is 'N3'"),
        ("1\tu1\tt\tN1\tN3-x N4-0", "mark is 'x'"),
        ("1\tu1\tt\tN1\tN3-1 N3-0", "candidate 'N3' stands twice"),
    ],
)
def test_a_broken_impression_is_refused_by_its_line(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(DataError, match=rf"behaviors\.tsv\.gz:2: .*{says}"):
        news(mind(tmp_path, "1\tu1\tt\tN1\tN3-1 N4-0", line))


def test_what_is_no_news_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs data"):
        open_task("news")
    (tmp_path / "behaviors.tsv").write_text("1\tu\tt\tN1\tN2-1 N3-0\n")
    with pytest.raises(DataError, match=r"no news\.tsv beside"):
        news(tmp_path)
    piece = {"news_id": "a", "title": "A"}
    row = {"impression_id": "1", "history": [piece], "candidate": [piece, {"title": "B"}], "clicked_news_id": ["a"]}
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    with pytest.raises(DataError, match=r"x\.jsonl:1: a piece of news without news_id"):
        news(tmp_path / "x.jsonl")


def recprompt() -> Path:
    folder = data_folder()
    if folder is None or not (folder / "mind-recprompt").is_dir():
        pytest.skip("mind-recprompt is not under RECLOOP_DATA")
    return folder / "mind-recprompt"


@pytest.mark.realdata
def test_the_news_of_recprompt_keep_their_parts_and_the_floor_is_analytic() -> None:
    task = news(recprompt(), max_cases=240)
    assert {name: len(ids) for name, ids in task.parts.items()} == {"search": 100, "test": 240}
    values = {name: np.asarray(of) for name, of in task.baselines(task.cases).items()}
    assert values["random"].mean() == pytest.approx(0.4544, abs=1e-3)  # ten candidates, one click
    assert values["title overlap"].mean() > 0.5
    for component in (*task.components.values(), *news(recprompt(), read="likelihood").components.values()):
        assert list(contract(component.text, component)) == []


@pytest.mark.realdata
def test_recorded_answers_of_real_models_all_become_permutations_and_7_to_29_percent_are_incomplete() -> None:
    for file in sorted((recprompt() / "llm_outputs").glob("*.jsonl.gz")):
        incomplete = read = 0
        with gzip.open(file, "rt") as rows:
            for row in map(json.loads, rows):
                ids = [f"C{n}" for n in range(1, row["full_prompt"].count("\nC") + 1)]
                found = permutation(row["rank"].split(","), ids, 0, row["impression_id"])
                assert found is not None
                assert sorted(found.ranking.items) == sorted(ids)
                incomplete += found.counts["missing"] > 0
                read += 1
        assert read == 100
        assert 5 <= incomplete <= 30, file.name


def test_topics_that_say_the_same_count_as_one() -> None:
    assert merge_topics(["Politics", "politics ", "US Politic", "sport"]) == {
        "Politics": "Politics",
        "politics ": "Politics",
        "US Politic": "US Politic",
        "sport": "sport",
    }
    close = {"a": [1.0, 0.0], "b": [0.8, 0.6], "c": [0.28, 0.96], "far": [-1.0, 0.0]}
    merged = merge_topics([*close], lambda texts: np.asarray([close[text] for text in texts], np.float32))
    assert merged == {"a": "a", "b": "a", "c": "a", "far": "far"}, "a chain of close topics is one (union-find)"


def test_the_scores_are_the_papers_ratios() -> None:
    topics = {"H1": ["war", "food"], "H2": ["war"], "H3": [], "C1": ["food"]}
    right = {("H1", "war"): True, ("H1", "food"): False, ("H2", "war"): False, ("C1", "food"): True}
    score = topic_score(["H1", "H2", "H3"], topics, right)
    assert score == (pytest.approx(2 / 4), pytest.approx(1 / 3), 4)
    assert np.isnan(topic_score([], {}, {}).correctness)


async def test_topics_are_judged_in_a_second_call_and_reported_with_the_judges_bias(
    fake_llm: Callable[..., FakeLLM], tmp_path: Path
) -> None:
    task = news(mind(tmp_path, "1\tu1\tt\tN1 N2\tN3-1 N4-0"), topics="true")
    case = task.cases[0]
    said = {
        "history_topics": [{"id": "H1", "topics": ["Golf", "golf", "war"]}, {"id": "H2", "topics": ["war"]}],
        "candidate_topics": [{"id": name, "topics": ["tv"]} for name in names_of(case)],
        "ranking": [*case.truth["relevant"]],
    }
    verdicts = {"verdicts": {"1": 1, "2": 0, "3": 0, "4": 1, "5": 0}}
    script = [{"match": "You check whether", "reply": json.dumps(verdicts)}, {"match": ".*", "reply": json.dumps(said)}]
    async with open_model(f"{fake_llm(script=script).url}/v1#fake", attempts=1) as door:
        result = task.score(case, await task.run({"rank": task.components["rank"].text}, case, door, Place("a")))
    assert result.values["topic correctness"] == pytest.approx(2 / 5)
    assert result.values["topic completeness"] == pytest.approx(1 / 2)
    assert result.values["hr@1"] == 1
    assert len(result.calls) == 2
    assert any("4 to 21 points" in remark for remark in task.remarks([case], [result]))


async def test_a_judge_that_says_nothing_leaves_the_ranking_as_it_is(
    fake_llm: Callable[..., FakeLLM], tmp_path: Path
) -> None:
    task = news(mind(tmp_path, "1\tu1\tt\tN1 N2\tN3-1 N4-0"), topics="true")
    case = task.cases[0]
    said = {"history_topics": [{"id": "H1", "topics": ["golf"]}], "candidate_topics": [], "ranking": ["C1"]}
    script = [{"match": "You check whether", "status": 500}, {"match": ".*", "reply": json.dumps(said)}]
    async with open_model(f"{fake_llm(script=script).url}/v1#fake", attempts=1) as door:
        result = task.score(case, await task.run({"rank": task.components["rank"].text}, case, door, Place("a")))
    assert result.status == "ok"
    assert not any("topic" in name for name in result.values)


@pytest.mark.local
def test_word_vectors_are_used_where_they_lie() -> None:
    embed = word_vectors()
    if embed is None:
        pytest.skip("the static vectors are not in the cache")
    merged = merge_topics(["NFL football", "football", "recipes"], embed)
    assert merged["football"] == "NFL football"
    assert merged["recipes"] == "recipes"
