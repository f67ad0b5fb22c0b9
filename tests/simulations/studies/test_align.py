"""Taste alignment: pages are what they say, thresholds see no test user, planted tastes are found and absent ones are not."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import knows_tastes
from fake_llm import FakeLLM
from movielens import movielens_slice
from recloop.agents.ask import Failure
from recloop.agents.planted import planted_world
from recloop.agents.unmet import Unmet
from recloop.data import PromptGuard, data_folder
from recloop.runs import Run
from recloop.simulations.studies.align_cells import cells_of
from recloop.simulations.studies.align_design import AGENTS, MASKED, AlignConfig
from recloop.simulations.studies.align_judged import Judged
from recloop.simulations.studies.align_pages import TastePage, draw_pages, judgeable, masked
from recloop.simulations.studies.align_recorded import judge_recorded
from recloop.simulations.studies.align_rules import fit_rule
from recloop.simulations.studies.align_scorers import _enough
from recloop.simulations.studies.carry import result_of, resume, study
from recloop.simulations.studies.study import StudyError
from recloop.simulations.studies.workshop import Halted
from rehearsing import STAY_FAITHFUL, ScoringServer, write_ratings

WORLD = planted_world(80, 120, per_user=30, seed=4).data
SPLIT = WORLD.split("random", test=0.4, seed=0)
KINDS = ("random", "popular", "matched")


@cache
def pages(ratios: tuple[int, ...] = (1, 9), size: int = 20, seed: int = 0) -> list[TastePage]:
    guard = PromptGuard(SPLIT.train, SPLIT.test)
    return draw_pages(SPLIT, guard, judgeable(SPLIT, size // 2, seed), KINDS, ratios, size, seed)


def ask(folder: Path, name: str = "study", **values: Any) -> dict[str, Any]:
    """A study over the small ratings table; pages of ten items."""
    data = folder / "ratings.csv"
    if not data.exists():
        write_ratings(data)
    rehearsal = {"data": str(data), "users": 20} | values.pop("rehearsal", {})
    values = {"items": 10, "ratios": [1, 4], "validation": 15, "rivals": ["itemknn"], "on_policy": False} | values
    asyncio.run(study("align", {"rehearsal": rehearsal, **values}, out=folder / name, api_key="x"))
    with Run.open(folder / name) as run:
        return dict(result_of(run) or {"status": run.status, "reason": run.manifest.reason})


def test_a_page_holds_one_to_m_items_and_no_training_row() -> None:
    drawn = pages((1, 2, 3, 9))
    assert {(p.ratio, sum(p.labels)) for p in drawn} == {(1, 10), (2, 7), (3, 5), (9, 2)}
    for page in drawn:
        assert len(set(page.items)) == 20
        assert not set(page.items) & set(SPLIT.train.history(page.user).items)
        held = set(SPLIT.test.history(page.user).items)
        assert [item in held for item in page.items] == [label == 1 for label in page.labels]
    few = {(p.user, p.kind): {i for i, y in zip(p.items, p.labels, strict=True) if y} for p in drawn if p.ratio == 9}
    many = {(p.user, p.kind): {i for i, y in zip(p.items, p.labels, strict=True) if y} for p in drawn if p.ratio == 1}
    assert all(few[key] <= many[key] for key in few)


def test_matched_items_are_as_popular_as_held_out_ones_and_popular_ones_more_than_random_ones() -> None:
    level = SPLIT.train.popularity()
    index = SPLIT.train.items.index

    def mean(kind: str, label: int) -> float:
        found = [level[index(i)] for p in pages() if p.kind == kind for i, y in zip(p.items, p.labels, strict=True) if y == label]  # fmt: skip
        return float(np.mean(found))

    assert abs(mean("matched", 0) - mean("matched", 1)) < 0.1 * mean("matched", 1)
    assert mean("popular", 0) > mean("random", 0) + 0.5


def test_draws_of_a_user_depend_on_nobody_else() -> None:
    unmet = Unmet(SPLIT.train, 0)
    alone = unmet.draw("u3", [1, 2, 3], 9, "matched", near=[5, 7])
    unmet.draw("u4", [9], 9)
    assert unmet.draw("u3", [1, 2, 3], 9, "matched", near=[5, 7]) == alone
    assert unmet.draw("u3", [1, 2, 3], 5, "random") == unmet.draw("u3", [1, 2, 3], 9, "random")[:5]


def test_no_threshold_depends_on_a_test_user() -> None:
    drawn = [page for page in pages((1,)) if page.kind == "random"]
    users = [page.user for page in drawn]
    test = frozenset(users[: len(users) // 2])
    rng = np.random.default_rng(0)
    scores = [(rng.normal(size=20) + np.array(page.labels)).tolist() for page in drawn]
    shaken = [rng.normal(size=20).tolist() if p.user in test else s for p, s in zip(drawn, scores, strict=True)]
    config = AlignConfig(negatives=("random",), ratios=(1,))
    one, other = (next(cells_of(config, Judged(drawn, test, {AGENTS: s}, False, ""))) for s in (scores, shaken))
    assert one.rules == other.rules
    assert one.mean(AGENTS, "auc") != other.mean(AGENTS, "auc")
    assert set(one.users) == set(test)


def test_more_pages_of_a_user_are_one_case(tmp_path: Path) -> None:
    one, three = (ask(tmp_path, f"seeds-{n}", seeds=n, negatives=["random"], ratios=[4]) for n in (1, 3))
    assert one["rows"]["random_1_4_auc"]["n"] == three["rows"]["random_1_4_auc"]["n"] == 20
    assert one["rows"]["random_1_4_auc"]["value"] != three["rows"]["random_1_4_auc"]["value"]

    def width(found: dict[str, Any]) -> float:
        return found["rows"]["random_1_4_auc"]["high"] - found["rows"]["random_1_4_auc"]["low"]

    assert width(three) < width(one)


def test_the_best_threshold_is_found_on_either_scale() -> None:
    labels = np.array([[True, False, False, True]] * 6)
    own = np.where(labels, 0.9, 0.2).astype(np.float64)
    assert (fit_rule(own, labels, "balanced").taken(own) == labels).all()
    shifted = (
        own + np.arange(6)[:, None] * 10
    )  # every user on a level of their own: only the standing on the page tells
    rule = fit_rule(shifted, labels, "f1")
    assert rule.scale == "page"
    assert (rule.taken(shifted) == labels).all()


def planted_table(path: Path, strength: float) -> None:
    """Ratings drawn from planted tastes as a file: users who choose by taste, or (strength 0) by chance and popularity."""
    data = planted_world(120, 100, per_user=30, seed=9, strength=strength).data
    lines = ["user,item,rating,timestamp,title,genres"]
    for at, (user, item, value) in enumerate(zip(data.log.user, data.log.item, data.log.value, strict=True)):
        title, genres = data.catalogue.titles[item], "|".join(data.catalogue.genre_sets[item])
        lines.append(f"{user},{item},{value:g},{at},{title},{genres}")
    path.write_text("\n".join(lines), encoding="utf-8")


def test_planted_tastes_are_found_and_another_persona_has_them_not(tmp_path: Path) -> None:
    planted_table(tmp_path / "ratings.csv", strength=4.0)
    found = ask(tmp_path, rehearsal={"users": 60, "split": "random"}, negatives=["random", "matched"])
    assert "unmet items better than popularity (random, matched)" in found["verdict"]
    rows = found["rows"]
    assert rows["matched_1_4_auc"]["low"] > 0.6
    assert rows["matched_1_4_minus_agents_personas_swapped"]["low"] > 0
    assert 0.4 < {b["words"]: b["value"] for b in rows["matched_1_4_auc"]["baselines"]}["popularity"] < 0.6
    assert any("not people" in note for note in found["notes"])


def test_where_there_is_no_taste_none_is_found(tmp_path: Path) -> None:
    planted_table(tmp_path / "ratings.csv", strength=0.0)
    found = ask(tmp_path, rehearsal={"users": 60, "split": "random"}, negatives=["matched"])
    assert "unmet items no better than chance (matched)" in found["verdict"]


def test_with_titles_masked_no_title_and_no_id_reaches_the_model(
    tmp_path: Path, fake_llm: Callable[..., FakeLLM]
) -> None:
    llm = fake_llm(script=STAY_FAITHFUL, keep=5000)
    rehearsal = {"model": "openai/fake", "base_url": llm.base_url, "plan": "faithful", "users": 6}
    found = ask(tmp_path, rehearsal=rehearsal, validation=4, ratios=[1], negatives=["random"])
    prompts = [
        "\n".join(m["content"] for m in body["messages"]) for body in llm.requests() if len(body["messages"]) > 1
    ]
    veiled = [prompt for prompt in prompts if "item 000" in prompt]
    assert len(veiled) == 10  # test and validation users, a page each
    assert not [prompt for prompt in veiled if "Zif-" in prompt or "[m" in prompt]
    assert [prompt for prompt in prompts if "Zif-" in prompt]
    assert "random_1_1_minus_agents_titles_masked" in found["rows"]
    assert found["data"]["table"][0]["arms"][AGENTS]["scale"] == "answer"  # a yes stays a yes


def test_a_study_that_ran_out_of_budget_goes_on_to_the_same_numbers(
    tmp_path: Path, fake_llm: Callable[..., FakeLLM]
) -> None:
    llm = fake_llm(script=STAY_FAITHFUL)
    rehearsal = {"model": "openai/fake", "base_url": llm.base_url, "plan": "faithful", "users": 6, "concurrency": 2}
    asked = {"rehearsal": rehearsal, "validation": 4, "ratios": [1], "negatives": ["random"], "masked": False}
    whole = ask(tmp_path, "whole", **asked)
    halted = ask(tmp_path, "halted", **asked, budget="calls=5")
    assert halted["status"] == "paused"
    before = llm.stats()["requests"]
    asyncio.run(resume(tmp_path / "halted", budget="calls=100", api_key="x"))
    with Run.open(tmp_path / "halted") as run:
        assert result_of(run) == whole
    assert (
        llm.stats()["requests"] - before <= 10 - 4 + 1
    )  # what was answered is not asked again; one call looks whether it is there


def test_in_score_mode_margins_are_read_and_masked_titles_take_the_knowledge_away(tmp_path: Path) -> None:
    with ScoringServer() as server:
        server.yes = knows_tastes
        rehearsal = {"model": "openai/fake", "base_url": server.base_url, "mode": "score", "users": 10}
        found = ask(tmp_path, rehearsal=rehearsal, validation=5, ratios=[1], negatives=["matched"])
    arms = found["data"]["table"][0]["arms"]
    assert arms[AGENTS]["auc"] > 0.6
    assert arms[AGENTS]["scale"] in ("score", "page")  # a threshold was chosen
    assert arms[MASKED]["auc"] < arms[AGENTS]["auc"]


@pytest.mark.local
def test_the_embedded_model_judges_pages_and_says_what_it_is(tmp_path: Path, model_file: str) -> None:
    rehearsal = {"model": "local/smollm2", "users": 4}
    found = ask(tmp_path, rehearsal=rehearsal, validation=4, items=4, ratios=[1], negatives=["random"], masked=False)
    assert any(note.startswith("plumbing-grade") for note in found["notes"])
    assert 0 <= found["rows"]["random_1_1_auc"]["value"] <= 1
    assert found["rows"]["random_1_1_auc"]["n"] == 4


def test_too_few_users_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"hold more out .* or ask about smaller pages"):
        ask(tmp_path, items=60)


def test_masked_rows_are_the_same_rows() -> None:
    hidden = masked(WORLD, genres_in_title=False)
    assert (hidden.log.item == WORLD.log.item).all()
    assert hidden.catalogue.genre_sets == WORLD.catalogue.genre_sets
    assert not set(hidden.items.ids) & set(WORLD.items.ids)


def test_a_recorded_run_is_judged_against_its_base_rate(tmp_path: Path) -> None:
    """Two avatars: of four shown two were met; one aligns with both, the other with none of them."""
    page = {"ground_truth": [1, 2], "recommended_id": [1, 2, 3, 4]}
    lines = [
        {"avatar_id": 1, "pages": {"1": page | {"align_id": [1, 2]}}},
        {"avatar_id": 2, "pages": {"1": page | {"align_id": [3]}}},
    ]
    file = tmp_path / "behaviour_lightgcn_1000.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    rows = {row.key: row for row in judge_recorded(tmp_path).rows}
    assert rows["precision"].value == pytest.approx(2 / 3)
    assert rows["recall"].value == pytest.approx(1 / 2)
    assert rows["base"].value == pytest.approx(1 / 2)
    assert {b.words: b.value for b in rows["precision"].baselines}["the top of the page"] == pytest.approx(1.0)
    with pytest.raises(StudyError, match="cannot be read"):
        judge_recorded(tmp_path / "elsewhere")


@pytest.mark.realdata
def test_on_movielens_scripted_users_tell_what_popularity_cannot(tmp_path: Path) -> None:
    movielens_slice(tmp_path)
    found = ask(tmp_path, items=20, ratios=[9], negatives=["matched"], rehearsal={"users": 200}, validation=60)
    assert "better than popularity (matched)" in found["verdict"]
    assert found["rows"]["matched_1_9_minus_popularity"]["low"] > 0


@pytest.mark.realdata
def test_agent4recs_recorded_run_picks_no_better_than_popularity() -> None:
    folder = data_folder()
    if folder is None or not (folder / "agent4rec").is_dir():
        pytest.skip("RECLOOP_DATA has no agent4rec")
    found = judge_recorded(folder / "agent4rec")
    rows = {row.key: row for row in found.rows}
    assert rows["precision"].value == pytest.approx(0.447, abs=0.001)  # whole run, 1,000 avatars: 0.452
    assert rows["base"].value == pytest.approx(0.409, abs=0.001)  # 0.414
    assert rows["recall"].value == pytest.approx(0.710, abs=0.001)  # 0.707
    assert rows["lift"].value == pytest.approx(1.093, abs=0.001)  # 1.09
    assert "no better than taking the most popular of each page" in found.verdict


def test_a_lost_endpoint_pauses_and_useless_answers_fail() -> None:
    gone, useless = Failure("page", "transport", "refused", ""), Failure("page", "invalid", "no JSON", "")
    _enough(2, 4, [gone, gone])
    with pytest.raises(Halted, match="3 of 4 questions got no answer"):
        _enough(3, 4, [gone, gone, useless])
    with pytest.raises(StudyError, match="no usable answer") as refused:
        _enough(3, 4, [gone, useless, useless])
    assert not isinstance(refused.value, Halted)
