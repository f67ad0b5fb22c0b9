"""The causal study: items counted right, edges with both controls, and no verdict where a control fails."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recloop.evaluators.lingam import Edge
from recloop.runs import Run
from recloop.simulations.studies.carry import result_of, study
from recloop.simulations.studies.causal import VARIABLES, CausalConfig, _verdict
from recloop.simulations.studies.study import StudyError

FINE = {"sure": 0, "of": 200}
FOUND = {"right": 90, "edges": 100, "whole": 15, "wrong": 2, "noticed": 20, "of": 20}


def small(**changes: Any) -> dict[str, Any]:
    return {"rehearsal": {"users": 150, "pages": 4}, "seeds": 1, "resamples": 40, "least_exposures": 8} | changes


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asyncio.run(study("causal", small(), out=tmp_path_factory.mktemp("causal") / "study"))


def test_items_are_counted_as_the_rehearsal_has_them(carried: Path) -> None:
    with Run.open(carried / "runs" / "seed0") as run:
        shown, actions = run.table("exposures").to_pandas(), run.table("actions").to_pandas()
    with Run.open(carried) as run:
        cases = [json.loads(row["row"]) for row in run.table("cases").to_pylist()]
    taken = actions[actions.positive].groupby("item").size()
    counts = shown.groupby("item").size()
    expected = {item for item in counts.index if counts[item] >= 8 and taken.get(item, 0) > 0}
    assert {case["item"] for case in cases} == expected
    for name, raw in (
        ("exposure", [np.log1p(counts[case["item"]]) for case in cases]),
        ("views", [np.log1p(taken[case["item"]]) for case in cases]),
        ("rating", [actions[actions.positive & (actions["item"] == c["item"])].rating.mean() for c in cases]),
    ):
        z = (np.array(raw) - np.mean(raw)) / np.std(raw)
        assert [case[name] for case in cases] == pytest.approx(z)


def test_what_formulas_do_to_items_is_found_and_no_edge_among_shuffled_ones(carried: Path) -> None:
    with Run.open(carried) as run:
        result = result_of(run)
    assert result is not None
    sure = {(e["cause"], e["target"]): e for e in result["data"]["edges"] if e["confidence"] >= 0.9}
    assert {("exposure", "views"), ("popularity", "exposure"), ("quality", "rating")} <= set(sure)
    for pair in (("exposure", "views"), ("popularity", "exposure"), ("quality", "rating")):
        assert sure[pair]["low"] > 0
    tier = dict(zip(VARIABLES, (0, 0, 1, 2, 3), strict=True))
    assert all(tier[cause] <= tier[target] for cause, target in sure), "time is kept"
    assert result["data"]["shuffled"]["sure"] <= 2
    assert {"planted", "noticed", "shuffled"} <= set(result["rows"])
    assert result["plots"][0]["series"][0]["values"] == [edge["confidence"] for edge in result["data"]["edges"]]


@pytest.mark.parametrize(
    ("shuffled", "planted", "said"),
    [
        (FINE, FOUND, "1 edge in at least 90% of resamples: exposure → views (+0.50); directions are those of time"),
        ({"sure": 30, "of": 200}, FOUND, "no verdict: edges are found among shuffled columns"),
        (FINE, {**FOUND, "right": 20}, "no verdict: at this number of items a planted graph is not found again"),
    ],
)
def test_the_verdict_depends_on_both_controls(shuffled: Any, planted: Any, said: str) -> None:
    edge = Edge(2, 3, 0.97, 0.5, 0.4, 0.6, 0.0)
    assert _verdict(CausalConfig(), [edge], [], shuffled, planted).startswith(said)
    assert _verdict(CausalConfig(), [], [], FINE, FOUND).startswith("no edge found")


def test_without_a_prior_gaussian_noise_leaves_directions_open() -> None:
    edge, free = Edge(2, 3, 0.97, 0.5, 0.4, 0.6, 0.0), CausalConfig(prior="none")
    assert _verdict(free, [edge], ["views", "rating"], FINE, FOUND).endswith("for the noise looks Gaussian")
    assert _verdict(free, [edge], ["views"], FINE, FOUND).endswith("(+0.50)")


def test_too_few_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="too few for 5 variables"):
        asyncio.run(study("causal", small(least_exposures=1_000), out=tmp_path / "few"))
