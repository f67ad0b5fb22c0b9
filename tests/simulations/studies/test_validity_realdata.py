"""Validity on MovieLens: scripted users climb a ladder of known order as real data does, and strangers climb it too."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import asked, cases
from movielens import movielens_slice


@pytest.mark.realdata
def test_on_movielens_the_order_is_found_and_taste_has_no_part_in_it(tmp_path: Path) -> None:
    movielens_slice(tmp_path)
    ladder = {"recommenders": ["ease", "pop", "random"], "shares": [0.3, 0.6]}
    found = asked("validity", tmp_path, **ladder, seeds=1, rehearsal={"users": 120, "pages": 2})
    real = {case["recommender"]: case["ndcg@10"] for case in cases(tmp_path / "study", "recommenders")}
    assert real["ease"] > 1.1 * real["ease, 30% random"] > 1.3 * real["ease, 60% random"] > 3 * real["random"] > 0
    rows = found["rows"]
    assert rows["rank_watch_rate"]["value"] >= 0.9
    assert rows["taste_watch_rate"]["low"] <= 0 <= rows["taste_watch_rate"]["high"], "nothing is lost with the taste"
    assert rows["planted_watch_rate"]["low"] > 0.8, "the instrument would have shown it"
    assert found["verdict"].startswith("the order agrees, but not by taste")
    assert rows["smallest_watch_rate_80"]["value"] < 0.3 * max(real.values())
