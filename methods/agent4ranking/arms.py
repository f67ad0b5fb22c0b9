"""The arms of the experiment, and the fit that trains them all on the same folds: what the robust loss adds, and to what.

plain       learns from raw queries only                                        A
same-data   learns from all learnt forms, one adapter, no robust loss            B
single      the same with the robust loss                                       C
full        with the robust loss and an adapter per form beside a shared one     D
averaged    `plain`, its scores averaged over the text and what a rewriter makes of it    E
experts     `full` without the robust loss
shuffled    `full`, but views are compared with those of other pairs: a control that has nothing to learn from it
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...data.search import SearchSet
from ...evaluators.stability import LEAST_SPREAD
from ..recommenders.torch_extra import one_thread
from .artefact import MANIFEST, Fold, Manifest, Training, read_manifest, save_head, write_manifest
from .config import RankConfig
from .encode import Encoder, Tell
from .errors import RankError, import_torch
from .features import PairFeatures
from .views import Views

MOST_GRADES = 10
"""Classes that a head tells apart, at most."""


class Arm(NamedTuple):
    """How an arm's head is trained: its kind, whether from raw queries only, with the robust loss, and compared with whom."""

    kind: str
    raw_only: bool = False
    robust: bool = False
    shuffled: bool = False


ARMS: Mapping[str, Arm] = {
    "plain": Arm("single", raw_only=True),
    "same-data": Arm("single"),
    "single": Arm("single", robust=True),
    "full": Arm("experts", robust=True),
    "experts": Arm("experts"),
    "shuffled": Arm("experts", robust=True, shuffled=True),
}
AVERAGED = "averaged"
"""Trained as `plain`; differs in how it is asked."""


def key_of(fold: int, arm: str, alpha: float) -> str:
    """The name of a training. `experts` is `full` with weight 0, and the averaged arm is `plain`: neither is trained twice."""
    arm = {AVERAGED: "plain", "experts": "full"}.get(arm, arm)
    return f"{fold}-{arm}-{alpha:g}"


def alpha_of(arm: str, fold: Fold) -> float:
    """The weight of the robust loss in an arm's training."""
    return (fold.alpha or 0.0) if arm in ARMS and ARMS[arm].robust else 0.0


def grades_of(data: SearchSet) -> tuple[float, ...]:
    """The grades that are told apart: whole numbers, since raters' means are finer than what can be learnt."""
    found = {float(round(grade)) for pool in data.judgements.values() for grade in pool.values()}
    found |= {0.0} if data.whole else set()
    if len(found) < 2:
        raise RankError(f"{data.name} has {len(found)} grades: nothing can be learnt from one\n  give judged pairs")
    if len(found) > MOST_GRADES:
        raise RankError(
            f"{data.name} has {len(found)} grades, more than {MOST_GRADES}\n  bring them onto a coarser scale"
        )
    return tuple(sorted(found))


def folds_of(data: SearchSet, config: RankConfig) -> tuple[Fold, ...]:
    """Parts of the judged queries: a fold's part tests, the next stops training, the others teach. Queries that differ only
    in case or spaces fall into one part."""
    from ...data import split_queries

    judged = data.subset(query for query in data.queries if data.judgements.get(query))
    few = RankError(
        f"{data.name} has {len(judged.queries)} judged queries, too few for {config.folds} folds\n  ask for fewer"
    )
    if len(judged.queries) < config.folds:
        raise few
    parts: list[list[str]] = []
    rest = judged
    for left in range(config.folds, 1, -1):
        split = split_queries(rest, test=1 / left, seed=config.seed)
        parts.append(list(split.test.queries))
        rest = split.train
    parts.append(list(rest.queries))
    if not all(parts):
        raise few
    n = len(parts)
    return tuple(
        Fold(
            train=tuple(q for other in range(n) if other not in (i, (i + 1) % n) for q in parts[other]),
            valid=tuple(parts[(i + 1) % n]),
            test=tuple(parts[i]),
        )
        for i in range(n)
    )


def fit(
    data: SearchSet,
    views: Views,
    folder: Path,
    config: RankConfig = RankConfig(),
    encoder: Encoder | None = None,
    tell: Tell | None = None,
) -> Manifest:
    """Train every arm on every fold and write them into `folder`; a fit that was interrupted goes on where it was.

    `tell` hears how far it is. Raises `RankError` for data without enough grades or queries, and for a folder of another fit.
    """
    torch = import_torch()
    from .encode import minilm_encoder

    encoder = encoder or minilm_encoder(config.max_tokens)
    grades = grades_of(data)
    folds = folds_of(data, config)
    manifest = Manifest(
        status="fitting", data=data.name, data_hash=data.hash, licence=data.licence, views_hash=views.hash,
        learnt=views.learnt, encoder=encoder.identity, features=0, grades=grades, config=config, folds=folds,
        versions={"torch": str(torch.__version__), "numpy": np.__version__},
    )  # fmt: skip
    features = PairFeatures(data.documents, encoder, config.products, tell)
    features.know([views.text(query, form) for query in views.texts for form in views.learnt], tell)
    manifest = manifest.model_copy(update={"features": features.width})
    trainings: dict[str, Training] = {}
    if (folder / MANIFEST).exists():
        before = read_manifest(folder, finished=False)
        if not before.same_fit(manifest):
            raise RankError(
                f"{folder} holds another ranker (other data, views, encoder or settings)\n  choose another --out"
            )
        if before.status == "finished":
            return before
        trainings = dict(before.trainings)
    elif folder.exists() and any(folder.iterdir()):
        raise RankError(f"{folder} is not empty, and holds no ranker\n  choose another --out")
    write_manifest(folder, manifest.model_copy(update={"trainings": trainings}))
    pace = _Pace(len(folds) * (len(set(config.alphas) | {0.0}) + 4), tell)
    with one_thread(torch):
        for number, fold in enumerate(folds):
            lesson = _lesson(data, views, fold, features, grades, config)

            def trained(arm: str, alpha: float, number: int = number, lesson: Any = lesson) -> Training:
                name = key_of(number, arm, alpha)
                if name not in trainings:
                    trainings[name] = _train(folder, name, lesson, ARMS[arm], alpha, config, number, pace)
                    write_manifest(folder, manifest.model_copy(update={"trainings": trainings}))
                pace.done()
                return trainings[name]

            trained("plain", 0.0)
            trained("same-data", 0.0)
            tried = {alpha: trained("full", alpha) for alpha in sorted({0.0, *config.alphas})}
            alpha = choose({a: t for a, t in tried.items() if a in config.alphas}, tried[0.0], config.tolerance)
            for arm in ("single", "shuffled"):
                trained(arm, alpha)
            folds = (*folds[:number], fold.model_copy(update={"alpha": alpha}), *folds[number + 1 :])
    manifest = manifest.model_copy(update={"trainings": trainings, "status": "finished", "folds": folds})
    write_manifest(folder, manifest)
    return manifest


def choose(tried: Mapping[float, Training], without: Training, tolerance: float) -> float:
    """The weight whose validation queries depend least on their wording, of those that keep quality and spread.

    Out are weights that cost more than `tolerance` NDCG of raw queries against training `without` the robust loss, or that
    leave less than half of its spread of scores. Where all are out, the smallest weight is taken.
    """
    fit = {
        alpha: training
        for alpha, training in tried.items()
        if training.valid_ndcg >= without.valid_ndcg - tolerance
        and training.valid_spread >= LEAST_SPREAD * without.valid_spread
    }
    return min(fit, key=lambda alpha: (fit[alpha].valid_variance, alpha)) if fit else min(tried)


def _lesson(
    data: SearchSet, views: Views, fold: Fold, features: PairFeatures, grades: Sequence[float], config: RankConfig
) -> Any:
    import torch

    from .train import Lesson, Pool

    def table(query: str, places: Any) -> Any:
        return torch.from_numpy(np.stack([features(views.text(query, form), places) for form in views.learnt], axis=1))

    rows, labels, valid = [], [], []
    for query in fold.train:
        places, given = _documents(data, query, config)
        rows.append(table(query, places))
        labels += [int(np.argmin(np.abs(np.asarray(grades) - grade))) for grade in given]
    for query in fold.valid:
        places, given = _documents(data, query, config)
        valid.append(Pool(table(query, places), np.asarray(given, dtype=float)))
    return Lesson(
        torch.cat(rows),
        torch.tensor(labels),
        valid,
        torch.tensor(grades, dtype=torch.float32),
        torch.from_numpy(features.loudness),
    )


def _documents(data: SearchSet, query: str, config: RankConfig) -> tuple[np.ndarray, list[float]]:
    """Places and grades of a query's judged documents, and of some others where unjudged means not relevant."""
    pool = data.judgements[query]
    places, given = [data.place[document] for document in pool], list(pool.values())
    if data.whole:
        chance = np.random.default_rng([config.seed, *query.encode()])
        others = np.setdiff1d(np.arange(len(data.documents)), places)
        drawn = np.sort(chance.choice(others, min(config.negatives, len(others)), replace=False)).tolist()
        places, given = places + drawn, given + [0.0] * len(drawn)
    return np.asarray(places, dtype=np.int64), given


def _train(
    folder: Path, name: str, lesson: Any, arm: Arm, alpha: float, config: RankConfig, fold: int, pace: _Pace
) -> Training:
    from .train import Plan, learn

    plan = Plan(arm.kind, alpha, arm.shuffled, arm.raw_only)  # pyright: ignore[reportArgumentType]
    unfinished = folder / f"{name}.unfinished"
    # All arms of a fold begin with the same seed: what differs is the arm.
    learned = learn(lesson, plan, config, config.seed * 1000 + fold, unfinished, pace.epoch)
    file, digest = save_head(folder, name, learned.head)
    raw, variance, spread = _validated(learned.head, lesson)
    return Training(
        file=file, sha256=digest, kind=plan.kind, views=learned.head.views, epochs=learned.best,
        valid_ndcg=raw, valid_variance=variance, valid_spread=spread,
    )  # fmt: skip


def _validated(head: Any, lesson: Any) -> tuple[float, float, float]:
    """NDCG@10 of raw validation queries, variance over their forms, and spread: all forms by the expert for raw queries, as
    a form that nobody announced will be scored."""
    import torch

    from .train import ndcg

    raw, variances, spreads = [], [], []
    with torch.inference_mode():
        for pool in lesson.valid:
            scores = [
                (head.one(pool.features[:, view], 0).exp() @ lesson.values).numpy()
                for view in range(pool.features.shape[1])
            ]
            found = [ndcg(each, pool.grades) for each in scores]
            raw.append(found[0])
            variances.append(np.var(found))
            spreads.append(float(np.std(scores[0])))
    return tuple(float(np.nanmean(each)) if not np.isnan(each).all() else 0.0 for each in (raw, variances, spreads))  # pyright: ignore[reportReturnType]


class _Pace:
    """Tells how many trainings are done and how long the others will take."""

    def __init__(self, trainings: int, tell: Callable[[str], None] | None) -> None:
        self.of, self.tell, self.so_far = trainings, tell, 0
        self.began = self.told = time.monotonic()

    def epoch(self, epoch: Any) -> None:
        now = time.monotonic()
        if self.tell is not None and now - self.told > 10:
            self.told = now
            left = (now - self.began) / self.so_far * (self.of - self.so_far) if self.so_far else None
            about = f", about {left:.0f} s left" if left is not None else ""
            self.tell(f"training {self.so_far + 1} of {self.of}, epoch {epoch.done} of at most {epoch.of}{about}")

    def done(self) -> None:
        self.so_far += 1
