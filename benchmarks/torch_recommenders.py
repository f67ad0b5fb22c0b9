"""LightGCN and MultVAE: processor seconds an epoch beside plain autograd and BPR-MF, and quality over seeds.

    python benchmarks/torch_recommenders.py [--data movielens-100k] [--seeds 5] [--rounds 5] [--oracles]

Needs the torch extra. Rounds run each contender for a few epochs in turn, on one thread, and a ratio is between neighbours of
one round. "autograd" is LightGCN written the usual way: a sparse adjacency in COO (or CSR), layers stacked and averaged, a
loss that torch differentiates; same batches, same negatives, same optimizer. Quality: seed s draws the split (random 80/20 per
user) and what is learned; the interval is Student's over seeds. `--oracles` adds other people's code where it is installed:
cornac's BPR, VAECF and LightGCN (the last needs dgl 1.1.3), PyTorch Geometric's LightGCN, implicit's ALS.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from recloop.data import Dataset, load_dataset
from recloop.methods.recommenders import BPRConfig, LightGCNConfig, MultVAEConfig, held_out_quality, open_recommender
from recloop.methods.recommenders.past import Past
from scipy.stats import t as student

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "recommenders"))

import oracles

QUALITY = {"pop": {}, "bpr": {}, "ease": {}, "ials": {}, "lightgcn": {}, "multvae": {}}
"""Recommender -> configuration."""


def cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def own_epochs(name: str, config: Any, data: Dataset) -> float:
    """Processor seconds an epoch of ours, the first left out where each epoch is told: it warms up."""
    model: Any = open_recommender(name, config=config)
    if name == "bpr":
        return cpu(lambda: model.fit(data)) / config.epochs
    marks: list[float] = []
    model.on_epoch = lambda epoch: marks.append(time.process_time())
    model.fit(data)
    return (marks[-1] - marks[0]) / (len(marks) - 1)


def speed(data: Dataset, rounds: int, epochs: int) -> dict[str, Any]:
    past = Past(data)
    ours = LightGCNConfig(epochs=epochs)
    contenders: dict[str, Callable[[], float]] = {
        "lightgcn": lambda: own_epochs("lightgcn", ours, data),
        "autograd_coo": lambda: oracles.autograd_lightgcn(past, ours, "coo").cpu_per_epoch,
        "autograd_csr": lambda: oracles.autograd_lightgcn(past, ours, "csr").cpu_per_epoch,
        "bpr": lambda: own_epochs("bpr", BPRConfig(epochs=epochs, batch=ours.batch), data),
        "multvae": lambda: own_epochs("multvae", MultVAEConfig(epochs=epochs), data),
    }
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            took[name].append(run())
    row: dict[str, Any] = {"what": "CPU s/epoch, median of rounds"}
    row |= {name: round(median(times), 4) for name, times in took.items()}
    for rival in ("autograd_coo", "autograd_csr", "bpr"):
        ratios = [mine / other for mine, other in zip(took["lightgcn"], took[rival], strict=True)]
        row[f"lightgcn_over_{rival}"] = {
            "median": round(median(ratios), 3),
            "least": round(min(ratios), 3),
            "most": round(max(ratios), 3),
        }
    return row


def summary(values: Sequence[float]) -> dict[str, float]:
    """Mean and 95 % interval over seeds."""
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0
    center = mean(values)
    return {"mean": round(center, 4), "low": round(float(center - half), 4), "high": round(float(center + half), 4)}


def quality(name: str, seeds: int, with_oracles: bool) -> Iterator[dict[str, Any]]:
    splits = [load_dataset(name).split("random", seed=seed) for seed in range(seeds)]

    def judged(fit: Callable[[Dataset, int], Any]) -> Iterator[float]:
        for seed, split in enumerate(splits):
            yield held_out_quality(fit(split.train, seed), split.test, ["ndcg@10"]).estimate("ndcg@10").mean

    rivals: dict[str, Callable[[Dataset, int], Any]] = {
        name: lambda data, seed, name=name, config=config: open_recommender(name, seed, config).fit(data)
        for name, config in QUALITY.items()
    }
    if with_oracles:
        rivals |= {label: fit for label, (needs, fit) in oracles.OTHERS.items() if all(map(installed, needs))}
    found: dict[str, list[float]] = {}
    for label, fit in rivals.items():
        start = time.process_time()
        found[label] = list(judged(fit))
        row = {"what": "quality", "recommender": label, "ndcg@10": summary(found[label])}
        row |= {"seeds": seeds, "fit_cpu_s": round((time.process_time() - start) / seeds, 2)}
        own, config = oracles.ORACLE_OF.get(label, ("", {}))
        if own and not config:
            row[f"{own}_minus_it"] = summary([a - b for a, b in zip(found[own], found[label], strict=True)])
        yield row


def installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="movielens-100k")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=6, help="epochs a contender and round, for the timing")
    parser.add_argument("--oracles", action="store_true")
    given = parser.parse_args()

    def say(row: dict[str, Any]) -> None:
        print(json.dumps({"data": given.data, **row, "load": round(os.getloadavg()[0], 2)}), flush=True)

    if given.rounds:
        say(speed(load_dataset(given.data).split("random", seed=0).train, given.rounds, given.epochs))
    if given.seeds:
        for row in quality(given.data, given.seeds, given.oracles):
            say(row)


if __name__ == "__main__":
    main()
