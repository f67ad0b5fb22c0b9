"""Score mode learns its margins from held-in rows, which the users' texts then do not tell."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recloop.agents.calibration_items import CalibrationItems, calibration_sets
from recloop.runs import CallRecord, Run
from recloop.simulations import SimulateConfig, prepare
from recloop.simulations.preparation import Prepared
from rehearsing import ScoringServer, events, rehearse, settings, status, title

LIKED = re.compile(r"this person liked:\n((?:- Zif-\d{3}[^\n]*\n)+)")
ASKED = re.compile(r"like to watch Zif-(\d{3})[^\n]*\nAnswer:$")
ITEM = re.compile(r"Zif-(\d{3})")


def knows_tastes(prompt: str) -> float:
    """Says yes to a film that is of the kind (every fourth one, see `write_ratings`) of most films this person liked."""
    liked, asked = LIKED.search(prompt), ASKED.search(prompt)
    if liked is None or asked is None:
        return 0.0
    ((kind, _),) = Counter(int(number) % 4 for number in ITEM.findall(liked[1])).most_common(1)
    return 6.0 * (int(asked[1]) % 4 == kind)


@dataclass(frozen=True)
class Scored:
    """A finished run in score mode, what it was made from, and its calls."""

    path: Path
    prepared: Prepared
    sets: dict[str, CalibrationItems]
    report: dict[str, Any]
    calls: list[CallRecord]


def score(folder: Path, server: ScoringServer, **changes: Any) -> Scored:
    given = {
        "model": "openai/fake",
        "base_url": server.base_url,
        "mode": "score",
        "users": 40,
        "pages": 2,
        "fatigue": 0.0,
    }
    config: SimulateConfig = settings(folder, **given | changes)
    path = rehearse(config, folder / "run")
    assert status(path)[0] == "finished"
    prepared = prepare(config)
    users = [persona.user for persona in prepared.personas]
    sets = calibration_sets(prepared.split.train, users, config.calibration_items // 2, config.seed)
    with Run.open(path) as run:
        calls = [call for call in run.calls.all() if call.kind == "score"]
    (report,) = events(path, "calibration")
    return Scored(path, prepared, sets, dict(report.data), calls)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scored]:
    with ScoringServer() as server:
        server.yes = knows_tastes
        yield score(tmp_path_factory.mktemp("scored"), server)


def items_of(texts: Any) -> set[str]:
    return {f"m{int(number)}" for number in ITEM.findall(json.dumps(texts, ensure_ascii=False))}


def test_only_held_in_items_are_asked_about(scored: Scored) -> None:
    """Own training items, and others in the training data that the user has no training row on."""
    train = scored.prepared.split.train
    known = {item for user in train.users.ids for item in train.history(user).items}
    calls = {call.agent: call for call in scored.calls if call.node == "calibrate"}
    assert set(calls) == set(scored.sets)
    for user, drawn in scored.sets.items():
        assert items_of(calls[user].request["questions"]) == set(drawn.items)
        assert len(drawn.positives) == len(drawn.negatives) == 4
        assert set(drawn.positives) <= set(train.history(user).items)
        assert not set(drawn.negatives) & set(train.history(user).items)
        assert set(drawn.items) <= known


def test_what_is_withheld_is_in_no_text_of_its_user(scored: Scored) -> None:
    """Neither while calibrating nor on any page; so the prompt does not hold the answer, and both are alike."""
    assert {call.node for call in scored.calls} == {"calibrate", "score"}
    for call in scored.calls:
        assert not items_of(call.request["prompt"]) & set(scored.sets[call.agent].positives)
    for event in events(scored.path, "persona"):
        told = [event.data[name] for name in ("tastes", "likes", "dislikes", "rating_tendency", "liked")]
        hidden = set(scored.sets[event.agent].positives)
        assert set(event.data["withheld"]) == hidden
        assert hidden <= set(event.data["history"]), "they count as seen all the same"
        assert not hidden & set(event.data["liked"])
        assert not [item for item in hidden if title(item) in json.dumps(told)]


def test_the_report_says_what_was_learned(scored: Scored) -> None:
    report, users = scored.report, list(scored.sets)
    assert report["n"] == 40 * 8 == len(report["positive_margins"]) + len(report["negative_margins"])
    assert len(report["positive_margins"]) == len(report["negative_margins"])
    assert list(report["target"]) == users == list(report["intercepts"])
    activity = {persona.user: persona.activity for persona in scored.prepared.personas}
    assert report["target"] == {user: {1: 0.25, 2: 0.4, 3: 0.55}[activity[user]] for user in users}
    quantiles = report["raw_margin_quantiles"]
    assert quantiles == sorted(quantiles)
    assert len(quantiles) == 5
    assert 0 < report["uncalibrated_rate"] < 1
    assert report["rating_n"] == 40 * 4
    assert -1 <= report["rating_spearman"] <= 1


def test_a_model_that_knows_something_is_believed_and_one_that_guesses_is_not(scored: Scored, tmp_path: Path) -> None:
    assert scored.report["signal"] is True
    assert scored.report["slope"] > 0
    assert scored.report["auc_low"] > 0.5
    assert np.mean(scored.report["positive_margins"]) > np.mean(scored.report["negative_margins"])
    with ScoringServer() as guesses:
        guessed = score(tmp_path, guesses)
    assert (guessed.report["signal"], guessed.report["slope"]) == (False, 0.0)
    assert guessed.report["auc_low"] < 0.5 < guessed.report["auc_high"]
    per_user = {}
    for event in events(guessed.path):
        per_user.setdefault(event.agent, set()).update(round(a["probability"], 6) for a in event.data["actions"])
    assert {user: min(found) for user, found in per_user.items()} == pytest.approx(guessed.report["target"])
    assert all(len(found) == 1 for found in per_user.values()), "each user's rate, whatever the model says"


def test_the_calibrated_users_watch_at_their_rate_and_what_suits_them(scored: Scored) -> None:
    actions = [a for event in events(scored.path) for a in event.data["actions"]]
    rate = np.mean([a["action"] == "watch" for a in actions])
    assert 0.2 < rate < 0.7
    watched, passed = ([a["margin"] for a in actions if (a["action"] == "watch") is want] for want in (True, False))
    assert np.mean(watched) > np.mean(passed)
    assert all(a["rating"] in (1, 2, 3, 4, 5) for a in actions if a["action"] == "watch")


def test_a_user_whose_calibration_fails_is_left_to_the_pooled_fit(scored: Scored, tmp_path: Path) -> None:
    lost = next(iter(scored.sets))
    (theirs,) = (call.request["prompt"] for call in scored.calls if (call.agent, call.node) == (lost, "calibrate"))
    questions = {title(item) for item in scored.sets[lost].items}
    with ScoringServer() as server:
        server.yes = knows_tastes
        server.fails = lambda prompt: (
            prompt.startswith(theirs) and any(each in prompt[len(theirs) :] for each in questions)
        )
        without = score(tmp_path, server, timeout=2)
    assert without.report["n"] == 39 * 8
    assert lost in without.report["intercepts"], "this user has an intercept all the same"
    assert without.report["target"] == scored.report["target"]
    assert without.report["slope"] == pytest.approx(scored.report["slope"], rel=0.5)
    pages = [event for event in events(without.path) if event.agent == lost]
    assert pages
    assert all(a["probability"] for event in pages for a in event.data["actions"])
    with Run.open(without.path) as run:
        (failed,) = (call for call in run.calls.all(agent=lost) if call.node == "calibrate")
    assert failed.status == "transport"


def test_the_last_sentence_of_a_scored_visit_is_a_recorded_call_of_its_own(tmp_path: Path) -> None:
    with ScoringServer() as server:
        run = score(tmp_path, server, users=3, pages=1, say=True)
    with Run.open(run.path) as opened:
        rows = opened.table("interviews").to_pylist()
        assert len(rows) == 3
        for row in rows:
            call = opened.calls.get(row["call"])
            assert call is not None
            assert (call.agent, call.node, row["source"]) == (row["agent"], "say", "model")
