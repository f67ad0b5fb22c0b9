"""What a run's rewrites are worth: each text once, means per persona, a table for look-up."""

from __future__ import annotations

from typing import Any

import pytest
from recloop.agents.rewriter.worth import ALONE, worth
from recloop.data.errors import DataError
from recloop.methods.search import SearchError

EVERYDAY = "roomy sneakers for her"
BETTER = "wide-fit women's running shoes"


def row(query: str, persona: str, text: str) -> dict[str, Any]:
    return {"query": query, "persona": persona, "text": text}


def test_personas_are_told_apart_and_a_text_of_both_counts_for_both() -> None:
    rows = [
        row(EVERYDAY, "expert", BETTER),
        row(EVERYDAY, "hurried", "desk lamp"),
        row("wide-fit running shoes", "expert", "shoes for wide feet"),
        row("wide-fit running shoes", "hurried", "Shoes for wide feet"),
        row("wide-fit running shoes", "typist", "WIDE-FIT running shoes"),
    ]
    found = worth(rows, "shop-search")
    assert [len(each.scores) for each in found.scored] == [2, 1]
    assert {name: len(scores) for name, scores in found.by_persona.items()} == {"expert": 2, "hurried": 2}
    assert found.dropped == {"repeated": 1, "the query itself": 1}
    means = found.estimates()
    assert set(means) == {ALONE, "expert", "hurried"}
    assert means["expert"]["relevance"].mean > means["hurried"]["relevance"].mean  # type: ignore[union-attr]
    assert found.judge == "people's judgements"
    assert found.json()["means"]["expert"]["increment"]["n"] == 2


def test_a_query_of_two_ids_is_one_case_for_personas_as_for_the_query_alone() -> None:
    found = worth([row(EVERYDAY, "expert", BETTER), row(EVERYDAY, "expert", BETTER)], "shop-search")
    assert (len(found.scored), len(found.by_persona["expert"])) == (1, 1)


def test_the_table_keeps_what_beats_the_query() -> None:
    rows = [row(EVERYDAY, "expert", BETTER), row(EVERYDAY, "hurried", "desk lamp"), row("grey sofa", "hurried", "lamp")]
    table = worth(rows[:2], "shop-search").table("m")
    entry = table.look("Roomy  sneakers for HER")
    assert entry is not None
    assert (entry.texts, entry.model) == ((BETTER,), "m")
    assert entry.index.startswith("bm25-")


@pytest.mark.local
def test_queries_that_nobody_judged_are_judged_by_a_model_with_a_threshold() -> None:
    found = worth([row("trainers with room for her toes", "expert", BETTER)], "shop-search")
    assert "deviations above the mean" in found.judge
    (score,) = found.scored[0].scores
    assert score.relevance > 0.5


def test_what_cannot_be_scored_on_says_why() -> None:
    with pytest.raises(DataError, match="no search set called"):
        worth([row("x", "a", "y")], "nowhere")
    with pytest.raises(SearchError, match="no retriever"):
        worth([row("x", "a", "y")], "shop-search", "bm52")
