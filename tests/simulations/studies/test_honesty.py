"""What a study says of who played its users: a model that nothing is read from is not taken for one that likes nothing."""

from __future__ import annotations

from pathlib import Path

from asking import asked, knows_tastes
from rehearsing import ScoringServer


def test_a_model_whose_margins_say_nothing_is_named(tmp_path: Path) -> None:
    notes = {}
    for name, nats in (("deaf", 0.0), ("knowing", 5.0)):
        with ScoringServer() as server:
            server.yes = lambda prompt, nats=nats: nats * knows_tastes(prompt)  # type: ignore[misc]
            rehearsal = {"model": "openai/fake", "base_url": server.base_url, "mode": "score", "pages": 1}
            notes[name] = asked("position", tmp_path, name, rehearsal=rehearsal)["notes"]
    (deaf,) = [note for note in notes["deaf"] if "no signal was found" in note]
    assert deaf.startswith("in 2 of 2 rehearsals with a model")
    assert not any("no signal" in note for note in notes["knowing"])
