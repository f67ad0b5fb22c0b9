"""Position: a planted fall is found and none is invented; Agent4Rec's recorded run is read by title."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from asking import asked, cases
from recloop.data import data_folder
from recloop.simulations.studies.position import _result
from recloop.simulations.studies.position_recorded import read_recorded
from recloop.simulations.studies.slot_counts import Exposures, bias, by_chance, count
from recloop.simulations.studies.study import StudyError


def exposures(fall: float, users: int = 250, pages: int = 5, seed: int = 1) -> Exposures:
    """Watched with probability 0.6 / (1 + fall * place), whatever stands there; true at one rate everywhere."""
    rng = np.random.default_rng(seed)
    n = users * pages * 4
    slot = np.arange(n) % 4
    watched = rng.random(n) < 0.6 / (1 + fall * slot)
    return Exposures(np.arange(n) // (pages * 4), np.arange(n) // 4, slot, watched, rng.random(n) < 0.3)


def test_a_planted_fall_of_attention_is_measured() -> None:
    by = count(exposures(fall=0.3))
    value, low, high = bias(by.watched, by.shown)
    assert value == pytest.approx(1.9, abs=0.25)
    assert (low or 9) < 1.9 < (high or 0)
    verdict = _result({"shuffled": exposures(fall=0.3)}, [], scripted=False).verdict
    assert verdict.startswith("the place decides: ")


def test_no_bias_is_found_where_none_is() -> None:
    seen = exposures(fall=0.0)
    by = count(seen)
    value, _, high = bias(by.watched, by.shown)
    _, most = by_chance(seen)
    assert (value or 9) < (most or 0) < 1.2
    assert _result({"shuffled": seen}, [], scripted=False).verdict.startswith("the place decides little")
    assert (high or 9) < 1.2


def test_few_users_whose_places_differ_by_luck_are_no_finding() -> None:
    """A highest over a lowest rate, and its whole interval, lie above the bar where little is watched and place decides nothing."""
    seen = exposures(fall=0.0, users=10, pages=2, seed=6)
    value, low, _ = bias(count(seen).watched, count(seen).shown)
    _, most = by_chance(seen)
    assert 1.2 < (low or 0) < (value or 9) < (most or 0)
    verdict = _result({"shuffled": seen}, [], scripted=False).verdict
    assert verdict.startswith("not settled, more users would tell: slot bias")
    assert verdict.endswith(f"shuffled choices reach {most:.2f} by luck")


def test_chance_keeps_how_many_of_a_page_are_watched() -> None:
    """Users who take whole pages or none leave no room for place: every shuffle is what it was."""
    n = 400
    watched = np.repeat(np.arange(n // 4) % 2 == 0, 4)
    seen = Exposures(np.arange(n) // 40, np.arange(n) // 4, np.arange(n) % 4, watched, None)
    assert by_chance(seen) == (1.0, 1.0)


def test_both_arms_play_the_same_users_and_cases_add_up(tmp_path: Path) -> None:
    result = asked("position", tmp_path)
    rows = result["rows"]
    assert {"bias_shuffled", "bias_in_order"} <= set(rows)
    assert rows["bias_shuffled"]["baselines"][2]["value"] == pytest.approx(
        1.3
    )  # scripted attention at the fourth place
    assert rows["fall_shuffled"]["unit"] == "pp", "a difference of shares"
    own = cases(tmp_path / "study", "users")
    for arm, key in (("shuffled", "shuffled"), ("in order", "in_order")):
        first = [c for c in own if c["arm"] == arm and c["slot"] == 1]
        assert sum(c["watched"] for c in first) / sum(c["shown"] for c in first) == pytest.approx(
            rows[f"{key}_slot1"]["value"]
        )
    assert any("scripted" in note for note in result["notes"])


def test_a_run_folder_can_be_looked_at(tmp_path: Path) -> None:
    first = asked("position", tmp_path)
    again = asked("position", tmp_path, "again", run=str(tmp_path / "study" / "runs" / "shuffled-seed0"))
    assert again["rows"]["bias_shuffled"] == first["rows"]["bias_shuffled"]
    assert "bias_in_order" not in again["rows"]


def test_what_is_no_recorded_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be read"):
        read_recorded(tmp_path / "nothing")
    (tmp_path / "other.jsonl").write_text('{"pages": {"1": {}}}\n')
    with pytest.raises(StudyError, match="is no recorded behaviour"):
        read_recorded(tmp_path / "other.jsonl")


def test_watched_is_told_by_title_not_by_stored_ids(tmp_path: Path) -> None:
    page = {
        "recommended": ["Matrix, The (1999)", "Heat (1995)", "Alien (1979)", "Clue (1985)"],
        "recommended_id": [1, 2, 3, 4],
        "watched": ["Heat", "The Matrix", "Nobody's Film"],
        "watch_id": [1, 2, 3],
        "align_id": [2],
        "ground_truth": [2, 4],
    }
    file = tmp_path / "behaviour.jsonl"
    file.write_text(
        json.dumps({"avatar_id": 7, "pages": {"1": page, "2": {**page, "watched": ["Clue (1985)"]}}}) + "\n"
    )
    run = read_recorded(file)
    assert run.seen.watched.tolist() == [True, True, False, False, False, False, False, True]
    assert run.by_id.watched.tolist() == [True, True, True, False] * 2
    assert (run.exact, run.turned, run.lost, run.first, run.pages) == (1, 2, 1, 2, 2)


@pytest.mark.realdata
def test_agent4recs_recorded_run_has_the_slot_rates_of_the_whole(tmp_path: Path) -> None:
    folder = data_folder()
    if folder is None or not (folder / "agent4rec").is_dir():
        pytest.skip("RECLOOP_DATA names no folder with agent4rec")
    rows = asked("position", tmp_path, recorded=str(folder / "agent4rec"))["rows"]
    for slot, whole in enumerate((0.91, 0.54, 0.37, 0.19), 1):
        assert rows[f"recorded_slot{slot}"]["value"] == pytest.approx(whole, abs=0.01)
    assert rows["precision"]["value"] == pytest.approx(0.452, abs=0.01)
    assert rows["base_rate"]["value"] == pytest.approx(0.414, abs=0.01)
    assert 4.5 < rows["bias_recorded"]["low"] < rows["bias_recorded"]["high"] < 5.5
