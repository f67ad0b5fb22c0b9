"""Whatever a model answers becomes a whole ranking of the candidates, by one stated policy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from recloop.evaluators import AUC
from recloop.llm.schemas import UnfitAnswer, closed_schema, is_strict
from recloop.prompt_opt.tasks.permutation import RankingForm, by_score, permutation

IDS = tuple(f"C{n}" for n in range(1, 9))
ANSWERS = st.lists(st.sampled_from([*IDS, "C99", "Gravity (2013)", "c3", " [C4] ", "5", 6, ""]), max_size=25)


@given(ANSWERS, st.integers(0, 3), st.text(max_size=4))
def test_every_answer_is_a_whole_permutation_or_none_and_the_same_again(answered: list, seed: int, case: str) -> None:
    found = permutation(answered, IDS, seed, case)
    named = {str(a).strip(" []").upper() for a in answered}
    if not named & {*IDS, *"12345678"}:
        assert found is None
        return
    assert found is not None
    assert sorted(found.ranking.items) == sorted(IDS)
    assert np.all(np.diff(found.ranking.scores) <= 0)
    listed = len(IDS) - found.counts["missing"]
    assert listed + found.counts["duplicate"] + found.counts["invented"] == len(answered)
    assert permutation(answered, IDS, seed, case) == found


def test_duplicates_count_once_invented_ids_not_at_all_and_the_rest_follows() -> None:
    found = permutation(["C3", "C1", "C3", "C42", "The Matrix", "7"], IDS, 0, "a")
    assert found is not None
    assert found.ranking.items[:3] == ("C3", "C1", "C7")
    assert found.counts == {"missing": 5, "duplicate": 1, "invented": 2}


def test_unlisted_candidates_are_ties_for_auc_and_no_place_is_favoured() -> None:
    found = permutation(["C3"], IDS, 0, "a")
    assert found is not None
    assert AUC().per_case(found.ranking, {"C8"}) == pytest.approx(3 / 7)  # below C3, equal to six others: a half each
    where = [permutation(["C3"], IDS, 0, f"case {n}").ranking.items.index("C8") for n in range(2000)]  # type: ignore[union-attr]
    assert np.bincount(where, minlength=8)[1:] == pytest.approx(np.full(7, 2000 / 7), abs=75)  # 4.8 standard errors


@given(st.lists(st.sampled_from([-1.0, 0.0, 2.5, float("nan")]), min_size=8, max_size=8), st.text(max_size=3))
def test_scores_fall_equal_ones_are_drawn_and_what_is_no_number_is_last(scores: list[float], case: str) -> None:
    ranking = by_score(IDS, scores, 3, case)
    assert sorted(ranking.items) == sorted(IDS)
    given_scores = dict(zip(IDS, scores, strict=True))
    seen = [given_scores[name] for name in ranking.items]
    numbers = [score for score in seen if score == score]
    assert numbers == sorted(numbers, reverse=True)
    assert all(score != score for score in seen[len(numbers) :])


def test_the_form_enumerates_the_ids_and_takes_an_answer_that_names_at_least_one() -> None:
    form = RankingForm(IDS, ("H1",), reason=True, topics=True)
    schema = closed_schema(form)
    assert is_strict(dict(schema))
    assert list(schema["properties"]) == ["reason", "history_topics", "candidate_topics", "ranking"]
    assert schema["properties"]["ranking"]["items"]["enum"] == list(IDS)
    text = json.dumps(
        {
            "reason": "x",
            "history_topics": [{"id": "H1", "topics": ["war"]}],
            "candidate_topics": [],
            "ranking": ["C9", 2],
        }
    )
    assert form.read(text) == {"ranking": ["C9", "2"], "topics": {"H1": ["war"]}}
    with pytest.raises(UnfitAnswer, match="C1 to C8"):
        form.read('{"ranking": ["Gravity", "C9"]}')
    with pytest.raises(ValidationError):
        form.read('{"ranking": {"C1": 1}}')
