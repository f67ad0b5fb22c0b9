"""`recloop rewrite --score`: what rewrites are worth, and refusals before anything is paid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recloop.methods.beque import RewriteTable

RULES = ("--data", "shop-search", "--limit", 6, "--model", "rules", "--persona", "newcomer", "--check", "none")


def test_the_worth_of_rewrites_is_told_and_their_table_written(cli: Any, tmp_path: Path) -> None:
    out = cli("rewrite", *RULES, "--score", "shop-search", "--table", tmp_path / "t.jsonl", "--out", tmp_path / "run")
    assert out.code == 0
    for words in ("Is it worth it?", "the query alone", "newcomer", "people's judgements", "t.jsonl"):
        assert words in " ".join(out.out.split())
    assert len(RewriteTable.load(tmp_path / "t.jsonl")) == 6


def test_the_worth_is_in_the_json(cli: Any, tmp_path: Path) -> None:
    told = json.loads(cli("rewrite", *RULES, "--score", "shop-search", "--json", "--out", tmp_path / "run").out)
    means = told["worth"]["means"]
    assert means["the query alone"]["increment"]["value"] == 0.0
    assert 0 < means["newcomer"]["relevance"]["value"] <= 1
    assert means["newcomer"]["relevance"]["low"] < means["newcomer"]["relevance"]["high"]


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--table", "t.jsonl"), "--score shop-search"),
        (("--retriever", "dense"), "--retriever searches to score rewrites"),
        (("--score", "nowhere"), "no search set called 'nowhere'"),
        (("--score", "shop-search", "--retriever", "bm52"), "did you mean bm25"),
        (("--score", "shop-search", "--table", "t.csv"), "t.csv: a table is"),
    ],
)
def test_what_cannot_be_scored_is_refused_before_anything_is_written(
    cli: Any, tmp_path: Path, flags: tuple[str, ...], why: str
) -> None:
    found = cli("rewrite", *RULES, *flags, "--out", tmp_path / "run")
    assert found.code == 2
    assert why in found.err
    assert not (tmp_path / "run").exists()
