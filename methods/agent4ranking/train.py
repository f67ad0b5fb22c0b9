"""One training: a head learns from pairs in all their views, stops by validation queries, and goes on where it was killed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...evaluators.ranking import Ranking
from ...evaluators.ranking_metrics import NDCG
from .config import RankConfig
from .errors import RankError
from .head import Kind, RobustHead
from .losses import accuracy_loss, robust_loss

KEEP_EVERY = 5.0
"""Seconds between two writes of an unfinished training."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One query's documents: features float32 (documents, views, features), grades (documents,)."""

    features: Tensor
    grades: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learnt from: features float32 (pairs, views, features), labels int64 (pairs,); and what tells when to stop.

    `values` (classes,): the grade of each label. `loudness` (features,): see `PairFeatures`.
    """

    features: Tensor
    labels: Tensor
    valid: Sequence[Pool]
    values: Tensor
    loudness: Tensor


class Plan(NamedTuple):
    """Which training: kind of head, weight of the robust loss, and whether views are compared with those of other pairs."""

    kind: Kind
    alpha: float
    shuffled: bool = False
    raw_only: bool = False


class Epoch(NamedTuple):
    """How far a training is."""

    done: int
    of: int
    """Early stop may end it before."""
    loss: float
    ndcg: float
    """Of the validation queries, mean over their views."""


class Learned(NamedTuple):
    """A head at its best epoch, and the epochs it took."""

    head: RobustHead
    best: int
    history: list[Epoch]


def learn(
    lesson: Lesson,
    plan: Plan,
    config: RankConfig,
    seed: int,
    file: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Learned:
    """Train a head. The same lesson, plan and seed give the same head, also where a killed training was taken up again.

    `file`: where the unfinished training is kept, at the end of an epoch, with the optimizer's state.
    """
    views = 1 if plan.raw_only else lesson.features.shape[1]
    features = lesson.features[:, :views]
    start = torch.Generator().manual_seed(seed)
    head = RobustHead(features.shape[2], len(lesson.values), views, config.bottleneck, plan.kind, start)
    head.centre(features, lesson.loudness)
    optimizer = torch.optim.AdamW(head.parameters(), lr=config.rate, weight_decay=config.weight_decay)
    history: list[Epoch] = []
    best = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    if file is not None and file.exists():
        history, best = _take_up(file, head, optimizer)
    kept = time.monotonic()
    while not _over(history, config):
        loss = _epoch(features, lesson.labels, head, optimizer, plan, config, seed, len(history))
        gain = validation(head, lesson.valid, lesson.values, views)
        history.append(Epoch(len(history) + 1, config.epochs, loss, gain))
        if _best(history) == len(history):
            best = {name: tensor.clone() for name, tensor in head.state_dict().items()}
        if on_epoch is not None:
            on_epoch(history[-1])
        if file is not None and (time.monotonic() - kept > KEEP_EVERY):
            _keep(file, head, optimizer, best, history)
            kept = time.monotonic()
    head.load_state_dict(best)
    if file is not None:
        file.unlink(missing_ok=True)
    return Learned(head.eval(), _best(history), history)


def _epoch(
    features: Tensor,
    labels: Tensor,
    head: RobustHead,
    optimizer: torch.optim.Optimizer,
    plan: Plan,
    config: RankConfig,
    seed: int,
    number: int,
) -> float:
    # A generator of the epoch's own: what comes does not depend on how often training was interrupted.
    chance = torch.Generator().manual_seed((seed << 20) + 1 + number)
    total = 0.0
    for rows in torch.randperm(len(labels), generator=chance).split(config.batch):
        log_p = head(features[rows])
        loss = accuracy_loss(log_p, labels[rows])
        if plan.alpha:
            loss = loss + plan.alpha * robust_loss(_shuffled(log_p, chance) if plan.shuffled else log_p)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += float(loss.detach()) * len(rows)
    return total / max(1, len(labels))


def _shuffled(log_p: Tensor, chance: torch.Generator) -> Tensor:
    """Each view but the first with its pairs in another order: a control, in which views compared have no need in common."""
    others = [log_p[torch.randperm(len(log_p), generator=chance), view] for view in range(1, log_p.shape[1])]
    return torch.stack([log_p[:, 0], *others], dim=1)


def validation(head: RobustHead, pools: Sequence[Pool], values: Tensor, views: int) -> float:
    """Mean NDCG@10 over queries and views, each view by its own expert; 0 where nothing can be judged."""
    found = []
    for pool in pools:
        with torch.inference_mode():
            scores = (head(pool.features[:, :views]).exp() @ values).numpy()
        found += [ndcg(scores[:, view], pool.grades) for view in range(views)]
    known = [each for each in found if not np.isnan(each)]
    return float(np.mean(known)) if known else 0.0


def ndcg(scores: NDArray[np.floating], grades: NDArray[np.float64]) -> float:
    """NDCG@10 of documents in the order of their scores."""
    order = np.argsort(-scores, kind="stable")
    names = [str(place) for place in order.tolist()]
    relevant = {str(place): float(grade) for place, grade in enumerate(grades) if grade > 0}
    return NDCG(10).per_case(Ranking(tuple(names), scores[order]), relevant)


def _best(history: Sequence[Epoch]) -> int:
    """The epoch with the highest NDCG, the earliest of equals; 0 without any."""
    return max(history, key=lambda epoch: (epoch.ndcg, -epoch.done)).done if history else 0


def _over(history: Sequence[Epoch], config: RankConfig) -> bool:
    return len(history) >= config.epochs or (bool(history) and len(history) - _best(history) >= config.patience)


def _keep(
    file: Path, head: RobustHead, optimizer: torch.optim.Optimizer, best: dict[str, Tensor], history: list[Epoch]
) -> None:
    tensors = {f"now.{name}": tensor for name, tensor in head.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for place, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{place}.{name}": torch.as_tensor(tensor) for name, tensor in state.items()}
    part = file.with_suffix(f".{os.getpid()}.tmp")
    save_file(
        {name: tensor.contiguous().clone() for name, tensor in tensors.items()}, part, {"history": json.dumps(history)}
    )
    os.replace(part, file)


def _take_up(file: Path, head: RobustHead, optimizer: torch.optim.Optimizer) -> tuple[list[Epoch], dict[str, Tensor]]:
    """Put head and optimizer where they were. Raises `RankError` for a file of another training."""
    try:
        with safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            history = [Epoch(*row) for row in json.loads((opened.metadata() or {})["history"])]
        head.load_state_dict({name[4:]: tensor for name, tensor in tensors.items() if name.startswith("now.")})
        state = optimizer.state_dict()
        state["state"] = {}
        for name, tensor in tensors.items():
            if name.startswith("adam."):
                _, place, what = name.split(".")
                state["state"].setdefault(int(place), {})[what] = tensor
        optimizer.load_state_dict(state)
    except Exception as error:
        raise RankError(
            f"{file} is no unfinished training of this ranker: {error}\n  remove it and fit again"
        ) from error
    return history, {name[5:]: tensor for name, tensor in tensors.items() if name.startswith("best.")}
