"""Re-ranking cases are a recommender's own lists, with its own order as the rival."""

from __future__ import annotations

import numpy as np
import pytest
from recloop.data import DataError, from_rows, load_dataset
from recloop.evaluators import parse_metric
from recloop.methods.recommenders import open_recommender
from recloop.prompt_opt.tasks.listwise import ListTask
from recloop.prompt_opt.tasks.open import open_task


def rerank(data: object = None, **options: object) -> ListTask:
    task = open_task("rerank", data, options=options)  # type: ignore[arg-type]
    assert isinstance(task, ListTask)
    return task


def test_candidates_are_the_recommenders_best_and_its_order_scores_as_it_would_itself() -> None:
    task = rerank(recommender="pop", max_cases=30, top=10)
    train, _, test = load_dataset("movietweetings").split("user_time", seed=0)
    pop = open_recommender("pop").fit(train)
    values = task.baselines(task.cases)
    for case, value in zip(task.cases, values["pop (own order)"], strict=True):
        ranking = pop.top_many([case.truth["owner"]], 10)[0]
        items = case.truth["items"]
        assert sorted(items.values()) == sorted(ranking.items)
        held_out = dict(zip(*_rows(test, case.truth["owner"]), strict=True))
        liked = {item for item in ranking.items if held_out.get(item, 0) >= 7}
        assert {items[name] for name in case.truth["relevant"]} == liked
        assert 0 < len(liked) < 10
        assert value == pytest.approx(parse_metric("ndcg@10").per_case(ranking, liked))
        assert not set(case.truth["history"]) & set(items.values())


def _rows(data: object, user: str) -> tuple[tuple[str, ...], list[float]]:
    history = data.history(user)  # type: ignore[attr-defined]
    return history.items, history.values.tolist()


def test_users_who_make_no_case_are_counted() -> None:
    task = rerank(recommender="pop", max_cases=30)
    (note,) = (note for note in task.notes if "passed over" in note)
    assert "nothing liked among the best" in note
    assert len(task.cases) == 30


def test_views_without_times_make_cases_too_and_what_makes_none_is_refused() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"u{u}", f"i{i}") for u in range(40) for i in rng.choice(30, 12, replace=False)]
    task = rerank(from_rows(rows), recommender="itemknn", top=10)
    assert task.cases
    assert any("(random)" in note for note in task.notes)
    with pytest.raises(DataError, match="too little history"):
        rerank(from_rows(rows), min_history=12)
