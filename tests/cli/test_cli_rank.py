"""recloop rank: fit, eval and query in a small shop, and what is said where something is missing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="the torch extra is not installed")

THINGS = ("lamp", "sofa", "rug", "kettle", "phone", "laptop")
COLOURS = ("red", "blue", "green")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of judged pairs where commands run; vectors come from hashed words, so that no model is needed."""
    import numpy as np
    from recloop.methods.agent4ranking import encode

    def embed(texts: Any) -> Any:
        rows = np.zeros((len(texts), 8), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.split():
                row[sum(word.encode()) % 8] += 1
        return rows

    def small(max_tokens: int = 48, folder: Path | None = None) -> Any:
        return encode.Encoder(embed, f"hashed-{max_tokens}", 8, tmp_path / "vectors")

    monkeypatch.setattr(encode, "minilm_encoder", small)
    for module in ("rank", "evaluate"):
        monkeypatch.setattr(f"recloop.methods.agent4ranking.{module}.minilm_encoder", small)
    rows = [
        f"{colour} {thing},{other} {what},{(thing == what) * (1 + (colour == other))}"
        for thing in THINGS
        for colour in COLOURS[:2]
        for what in THINGS
        for other in COLOURS
    ]
    file = tmp_path / "pairs.csv"
    file.write_text("\n".join(["query,title,grade", *rows]) + "\n")
    return file


@needs_torch
def test_a_ranker_among_runs_is_not_taken_for_a_damaged_run(cli: Any, shop: Path) -> None:
    assert cli("rank", "fit", "--data", "pairs.csv", *QUICK, "--out", "r").code == 0
    listed = cli("runs", "list", ".")
    assert "unreadable" not in listed.out + listed.err
    assert "damaged" not in listed.out + listed.err


@needs_torch
def test_an_interrupted_fit_says_how_it_goes_on(cli: Any, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("recloop.methods.agent4ranking.arms.fit", interrupted)
    found = cli("rank", "fit", "--data", "pairs.csv", *QUICK, "--out", "r")
    assert found.code == 130
    assert "the same command again goes on" in found.err


QUICK = ("--folds", "3", "--epochs", "2", "--alphas", "0,1")


@needs_torch
def test_a_ranker_is_fitted_measured_and_used(cli: Any, shop: Path, tmp_path: Path) -> None:
    fitted = cli("rank", "fit", "--data", "pairs.csv", *QUICK, "--out", "r", "--json")
    assert fitted.code == 0, fitted.err
    assert fitted.json["learnt"] == ["raw", "typo", "order", "synonym", "verbose"]
    assert fitted.json["grades"] == [0, 1, 2]
    measured = cli("rank", "eval", "r", "--data", "pairs.csv", "--json")
    assert measured.code == (0 if measured.json["passed"] else 1)
    arms = measured.json["arms"]["held_out"]
    assert arms["full"]["raw"]["n"] == 12
    assert arms["constant"]["tells_apart"] is False
    assert arms["random"]["variance"]["mean"] > arms["constant"]["variance"]["mean"] == 0
    shown = cli("rank", "eval", "r", "--data", "pairs.csv")
    assert "Pass rule, full against same data" in shown.out
    assert shown.code == measured.code
    (tmp_path / "docs.csv").write_text("document,title\na,blue sofa\nb,red lamp\nc,green rug\n")
    found = cli("rank", "query", "r", "red lamp", "--docs", "docs.csv", "--json")
    assert found.json["documents"][0]["id"] == "b"
    assert -1 <= found.json["kendall_tau_min"] <= 1
    assert "red lamp" in cli("rank", "query", "r", "red lamp", "--docs", "docs.csv").out


@needs_torch
def test_a_file_of_rewrites_is_learnt_from_by_persona(cli: Any, shop: Path, tmp_path: Path) -> None:
    rows = [
        {"query_id": f"{c} {t}", "persona": who, "text": text, "fell_back": who == "clerk"}
        for t in THINGS
        for c in COLOURS[:2]
        for who, text in (("student", f"some {t}, {c}"), ("clerk", f"{c} {t}"))
    ]
    (tmp_path / "rewrites.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    asked = ("--data", "pairs.csv", "--rewrites", "rewrites.jsonl")
    fitted = cli("rank", "fit", *asked, *QUICK, "--out", "r", "--json")
    assert fitted.json["learnt"] == ["raw", "student", "clerk"]
    measured = cli("rank", "eval", "r", *asked, "--json").json
    assert measured["fallback"]["learnt"] == 0.5
    refused = cli("rank", "eval", "r", "--data", "pairs.csv")
    assert refused.code == 2
    assert "has learnt raw, student, clerk" in refused.err


@needs_torch
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fit", "--data", "pairs.csv", "--alphas", "much"), "no numbers"),
        (("fit", "--data", "pairs.csv", "--held-out", "martian"), "no family of wordings called 'martian'"),
        (("fit", "--data", "pairs.csv", "--rewrites", "none.csv"), "no file of rewrites"),
        (("fit", "--data", "pairs.csv", "--rewrites", "pairs.csv"), "has no column persona"),
        (("fit", "--data", "pairs.csv", "--folds", "50"), "too few for 50 folds"),
        (("eval", "nowhere", "--data", "pairs.csv"), "no trained ranker"),
        (("query", "nowhere", "lamp", "--docs", "none.csv"), "no file of documents"),
        (("query", "nowhere", " ", "--docs", "pairs.csv"), "the query is empty"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_next_step(cli: Any, shop: Path, arguments: Any, said: str) -> None:
    result = cli("rank", *arguments)
    assert result.code == 2
    assert said in " ".join(result.err.split())
    assert "\n  " in result.err


def test_without_torch_the_command_says_how_to_get_it(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    result = cli("rank", "fit")
    assert result.code == 2
    assert 'pip install "recloop[torch]"' in result.err
