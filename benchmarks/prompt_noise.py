"""How noisy prompts' scores are: recorded rankings of two prompts by two models on the same cases, and the planted engine's.

    RECLOOP_DATA=DIR python benchmarks/prompt_noise.py

Reads `mind-recprompt/llm_outputs/*.jsonl.gz` (one target or few among about nine candidates; AUC, MRR, NDCG@5, NDCG@10 per
case). Per model and metric: means, sd over cases, correlation `rho` of the two prompts over cases, share of exact ties,
number of distinct values, and the standard error of the difference paired and unpaired. Then the same of the engine's
families, two prompts 0.15 apart, over many cases.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import planted_prompts as engine

METRICS = ("group_auc", "mean_mrr", "ndcg_5", "ndcg_10")
CASES = 100


def noise(a: Any, b: Any) -> dict[str, float]:
    """Of two prompts' values on the same cases; standard errors are for a hundred cases, in points."""
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    difference = second - first
    spread = first.var(ddof=1) + second.var(ddof=1)
    return {
        "mean": round(float(first.mean()), 3),
        "mean_2": round(float(second.mean()), 3),
        "sd": round(math.sqrt(spread / 2), 3),
        "rho": round(float(np.corrcoef(first, second)[0, 1]), 3),
        "ties": round(float(np.mean(np.abs(difference) < 1e-9)), 2),
        "distinct": len(np.unique(np.concatenate([first, second]).round(6))),
        "se_paired": round(100 * float(difference.std(ddof=1)) / math.sqrt(CASES), 2),
        "se_unpaired": round(100 * math.sqrt(spread / CASES), 2),
    }


def recorded(folder: Path) -> list[dict[str, Any]]:
    """The recorded rankings: a row per model and metric."""
    files: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for path in sorted((folder / "mind-recprompt" / "llm_outputs").glob("*.jsonl.gz")):
        model, prompt = path.name.split("--")[:2]
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            files.setdefault(model, {})[prompt] = [json.loads(line) for line in lines]
    rows = []
    for model, prompts in files.items():
        (one, first), (two, second) = sorted(prompts.items())
        assert [row["impression_id"] for row in first] == [row["impression_id"] for row in second]
        for metric in METRICS:
            values = ([float(row[metric]) for row in rows] for rows in (first, second))
            rows.append({"what": model, "prompts": [one, two], "metric": metric, "cases": len(first), **noise(*values)})
    return rows


def planted(cases: int = 20_000) -> list[dict[str, Any]]:
    """The engine's families at an effect of 0.15."""
    rows = []
    for name, kind in engine.FAMILIES.items():
        rng = np.random.default_rng(1)
        drawn = rng.standard_normal(cases), (rng.random(cases) >= kind.sticky).astype(float)
        luck, rivals = rng.standard_normal((2, cases)), rng.standard_normal((cases, engine.CANDIDATES - 1))
        found = engine.ranks(kind, *drawn, luck, np.array([[0.0], [0.15]]), rivals)
        rows.append({"what": name, "metric": "ndcg", "cases": cases, **noise(*engine.VALUES[found - 1])})
    return rows


def main() -> None:
    folder = os.environ.get("RECLOOP_DATA")
    if folder:
        for row in recorded(Path(folder)):
            print(json.dumps(row))
    else:
        print("RECLOOP_DATA names no folder of data sets: only the planted families", file=sys.stderr)
    for row in planted():
        print(json.dumps(row))


if __name__ == "__main__":
    main()
