"""A trained ranker in use: scores of documents for a query, and how much they depend on how it is put."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ...data.search import Documents
from ...evaluators.ranking import Ranking
from ...evaluators.stability import RAW
from ...evaluators.stability import stability as measured
from ..recommenders.torch_extra import one_thread
from .arms import alpha_of, key_of
from .artefact import Manifest, load_head, read_manifest
from .encode import Encoder, minilm_encoder
from .errors import RankError, import_torch
from .features import PairFeatures

AT_ONCE = 4096
"""Pairs scored together: bounds the memory of a long list of documents."""


class Scored(NamedTuple):
    """One document: its expected grade, and the probability of each grade, float32 (grades,)."""

    id: str
    score: float
    p: NDArray[np.float32]


class Steadiness(NamedTuple):
    """How much a ranking depends on the wording; NaN with one wording only."""

    kendall_tau_min: float
    top10_overlap: float


class Ranker:
    """The heads of one arm, one per fold, whose probabilities are averaged.

    A query nobody announced is scored by the expert for raw queries. `persona`: a form that was learnt; say it only where
    the person said it. A group that somebody belongs to is never guessed from a query.
    """

    def __init__(self, manifest: Manifest, heads: Sequence[Any], encoder: Encoder) -> None:
        self.manifest, self._heads, self._encoder = manifest, heads, encoder
        self._grades = np.asarray(manifest.grades, dtype=np.float32)
        self._known: tuple[Documents, PairFeatures] | None = None

    @classmethod
    def open(cls, folder: Path, encoder: Encoder | None = None, arm: str = "full") -> Self:
        """Raises `RankError` for a folder that is no finished ranker, or one that was trained with another encoder."""
        import_torch()
        manifest = read_manifest(folder)
        encoder = checked(encoder or minilm_encoder(manifest.config.max_tokens), manifest)
        names = [key_of(fold, arm, alpha_of(arm, found)) for fold, found in enumerate(manifest.folds)]
        return cls(manifest, [load_head(folder, manifest, name) for name in names], encoder)

    def score(
        self, query: str, documents: Documents | Sequence[tuple[str, str]], persona: str | None = None
    ) -> list[Scored]:
        """The documents (or pairs of id and text), best first, equal ones in their order. Raises `RankError` for an unknown persona."""
        if persona is not None and persona not in self.manifest.learnt:
            raise RankError(f"no persona or form {persona!r}\n  learnt: {', '.join(self.manifest.learnt)}")
        documents = _documents(documents)
        if not len(documents):
            return []
        p = probabilities(self._heads, self._features(documents)(query, np.arange(len(documents))), self._view(persona))
        scores = p @ self._grades
        order = np.argsort(-scores, kind="stable").tolist()
        return [Scored(documents.ids[place], float(scores[place]), p[place]) for place in order]

    def stability(
        self, query: str, documents: Documents | Sequence[tuple[str, str]], phrasings: Sequence[str]
    ) -> Steadiness:
        """How alike the query and other wordings of it put the documents: the smallest Kendall tau, the mean share of the first ten."""
        documents = _documents(documents)
        forms = {RAW: query} | {str(place): text for place, text in enumerate(phrasings)}
        rankings = {form: _ranking(self.score(text, documents)) for form, text in forms.items()}
        found = measured({"": rankings})
        return Steadiness(float(found.tau_min[0]), float(found.overlap[0]))

    def _view(self, persona: str | None) -> int:
        return 0 if persona is None else self.manifest.learnt.index(persona)

    def _features(self, documents: Documents) -> PairFeatures:
        if self._known is None or self._known[0] is not documents:
            self._known = documents, PairFeatures(documents, self._encoder, self.manifest.config.products)
        return self._known[1]


def checked(encoder: Encoder, manifest: Manifest) -> Encoder:
    """The encoder, if it is the one that the heads were trained with; else raises `RankError`."""
    if encoder.identity != manifest.encoder:
        raise RankError(
            f"the ranker was trained with the encoder {manifest.encoder}, this is {encoder.identity}\n  fit it again"
        )
    return encoder


def probabilities(heads: Sequence[Any], features: NDArray[np.float32], view: int) -> NDArray[np.float32]:
    """float32 (pairs, grades): the mean over heads, each by the expert for this view. A head of one view has that one only."""
    import torch

    with torch.inference_mode(), one_thread(torch):
        parts = []
        for start in range(0, len(features), AT_ONCE):
            pairs = torch.from_numpy(features[start : start + AT_ONCE])
            each = [head.one(pairs, view if view < head.views else 0).exp() for head in heads]
            parts.append(torch.stack(each).mean(0).numpy())
    return np.concatenate(parts)


def _documents(given: Documents | Sequence[tuple[str, str]]) -> Documents:
    if isinstance(given, Documents):
        return given
    return Documents(tuple(name for name, _ in given), ("",) * len(given), tuple(text for _, text in given))


def _ranking(scored: Sequence[Scored]) -> Ranking:
    return Ranking(tuple(each.id for each in scored), np.array([each.score for each in scored], dtype=np.float32))
