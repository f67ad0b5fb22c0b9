"""Worlds whose truth is known, as features of pairs in views: one where agreement teaches something, one where it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
from recloop.methods.agent4ranking.train import Lesson, Pool

VIEWS, PAIRS, WIDTH = 4, 30, 8


def world(trap: bool, seed: int = 0, teaching: int = 12, stopping: int = 8, testing: int = 60) -> tuple[Any, list[Any]]:
    """(lesson, test pools). Feature 0 tells the grade, and is the same in every view. With `trap`, features 1.. tell it as
    well in training, but say something else in every view: whoever leans on them is not steady. Without, views are equal."""
    import torch

    rng = np.random.default_rng(seed)

    def pool() -> tuple[Any, Any]:
        need = rng.normal(size=PAIRS)
        grades = np.clip(np.digitize(need + 0.8 * rng.normal(size=PAIRS), (-0.8, 0.3, 1.2)), 0, 3)
        x = np.repeat((need + 0.5 * rng.normal(size=PAIRS))[:, None, None], VIEWS, 1)
        more = (VIEWS, WIDTH - 1)
        if trap:
            wobble = 0.6 * need[:, None, None] + 1.4 * rng.normal(size=(PAIRS, *more))
        else:
            wobble = np.repeat(rng.normal(size=(PAIRS, 1, WIDTH - 1)), VIEWS, 1)
        return torch.from_numpy(np.concatenate([x, wobble], 2).astype(np.float32)), grades

    taught = [pool() for _ in range(teaching)]
    valid, test = ([Pool(x, g.astype(float)) for x, g in (pool() for _ in range(n))] for n in (stopping, testing))
    labels = torch.from_numpy(np.concatenate([g for _, g in taught]).astype(np.int64))
    lesson = Lesson(torch.cat([x for x, _ in taught]), labels, valid, torch.arange(4.0), torch.ones(WIDTH))
    return lesson, test


def variances(head: Any, pools: list[Any], values: Any) -> Any:
    """Variance of NDCG@10 over each pool's views, all views by the expert for raw ones, float64 (pools,)."""
    import torch
    from recloop.methods.agent4ranking.train import ndcg

    with torch.inference_mode():
        return np.array([
            np.var([ndcg((head.one(p.features[:, v], 0).exp() @ values).numpy(), p.grades) for v in range(VIEWS)])
            for p in pools
        ])  # fmt: skip
