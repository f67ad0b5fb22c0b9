"""Who likes what, as two tables of vectors: fitted on train rows, or planted for controls whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .randomness import normals, uniforms

if TYPE_CHECKING:
    from ..data import Dataset

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

MOST_GENRES = 64
GENRE_PRIOR = 5.0
"""Catalogue items mixed into a user's genre shares."""
QUALITY_PRIOR = 10.0
"""Ratings at the overall mean mixed into an item's mean."""


@dataclass(frozen=True)
class TasteModel:
    """Tastes of a population. `users` (n, k) and `items` (m, k): their product, standardised per user by `centre` and
    `spread` (n,), is the taste; `quality` and `popularity` (m,) are the same for everybody, standardised over items."""

    users: FloatArray
    items: FloatArray
    centre: FloatArray
    spread: FloatArray
    quality: FloatArray
    popularity: FloatArray

    def taste(self, users: IntArray, items: IntArray) -> FloatArray:
        """Standardised taste, about N(0, 1) over the catalogue: users (n,), items (n, s) -> float64 (n, s).

        A row depends on its own user and items only, to the last bit.
        """
        raw = np.einsum("nk,nsk->ns", self.users[users], self.items[items], dtype=np.float64)
        return (raw - self.centre[users, None]) / self.spread[users, None]


def _standard(values: FloatArray) -> FloatArray:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 1e-12 else np.zeros_like(values)


def reference_items(popularity: npt.ArrayLike, n: int, seed: int) -> IntArray:
    """Up to n items to standardise and calibrate on: drawn without replacement by the square root of popularity, so that
    neither the head nor the tail of a catalogue alone decides. Ascending positions."""
    weight = np.sqrt(np.asarray(popularity, dtype=np.float64) + 1e-9)
    # Exponential clocks: the first n to ring are a weighted draw without replacement (Efraimidis and Spirakis 2006).
    clock = -np.log1p(-uniforms(seed, "reference items", np.arange(len(weight)))) / weight
    return np.sort(np.argsort(clock, kind="stable")[:n])


def fit_tastes(
    train: Dataset, users: Sequence[str], *, rank: int = 16, reference: IntArray, seed: int = 0
) -> TasteModel:
    """Tastes from TRAIN rows: what the user's genres say, and `rank` leading directions of the train matrix (0: genres only)."""
    rows = train.users.indices(users)
    matrix = train.matrix()
    own = matrix[rows]
    parts = [_genre_vectors(train, own)]
    if rank > 0 and min(len(train.users), len(train.items)) > 2:
        parts.append(_low_rank(matrix, rows, rank, seed))
    # Each part counts alike: scaled to unit spread over the reference items before they are put side by side.
    user_parts, item_parts = [], []
    for user_part, item_part in parts:
        scores = user_part @ item_part[reference].T
        spread = np.maximum(scores.std(axis=1, keepdims=True), 1e-9)
        user_parts.append(np.where(scores.std(axis=1, keepdims=True) > 1e-9, user_part / spread, 0.0))
        item_parts.append(item_part)
    user_vectors, item_vectors = np.hstack(user_parts), np.hstack(item_parts)
    scores = user_vectors @ item_vectors[reference].T
    spread = scores.std(axis=1)
    counts = train.popularity().astype(np.float64)
    return TasteModel(
        users=user_vectors,
        items=item_vectors,
        centre=scores.mean(axis=1),
        spread=np.where(spread > 1e-9, spread, 1.0),
        quality=_standard(_quality(train, counts)),
        popularity=_standard(np.log1p(counts)),
    )


def _quality(train: Dataset, counts: FloatArray) -> FloatArray:
    if train.scale is None or not len(train.log):
        return np.zeros(len(counts))
    mean = float(train.log.value.mean(dtype=np.float64))
    deviations = np.bincount(train.log.item, weights=train.log.value - mean, minlength=len(counts))
    return deviations / (counts + QUALITY_PRIOR)


def _genre_vectors(train: Dataset, own: Any) -> tuple[FloatArray, FloatArray]:
    """User vectors: log of own genre share over catalogue share; item vectors: 1 / number of genres on each of its own."""
    names: dict[str, int] = {}
    genres = [train.catalogue.genres(item) for item in train.items.ids]
    for row in genres:
        for genre in row:
            names[genre] = names.get(genre, 0) + 1
    kept = sorted(names, key=lambda g: (-names[g], g))[:MOST_GENRES]
    column = {genre: c for c, genre in enumerate(kept)}
    items = np.zeros((len(genres), max(1, len(kept))))
    for r, row in enumerate(genres):
        for genre in row:
            if genre in column:
                items[r, column[genre]] = 1.0
    base = (items.sum(axis=0) + 0.5) / (len(genres) + 1.0)
    counts = own @ items
    share = (counts + GENRE_PRIOR * base) / (np.asarray(own.sum(axis=1)).reshape(-1, 1) + GENRE_PRIOR)
    return np.log(share / base), items / np.maximum(items.sum(axis=1, keepdims=True), 1.0)


def _low_rank(matrix: Any, rows: IntArray, rank: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Leading right singular directions of the degree-normalised train matrix, without the first, which is popularity.

    Randomised subspace iteration (Halko, Martinsson and Tropp, SIAM Review 2011, algorithm 4.4).
    """
    from scipy.sparse import diags

    by_user = np.asarray(matrix.sum(axis=1)).ravel()
    by_item = np.asarray(matrix.sum(axis=0)).ravel()
    left = diags(1.0 / np.sqrt(np.maximum(by_user, 1.0)))
    right = diags(1.0 / np.sqrt(np.maximum(by_item, 1.0)))
    scaled = (left @ matrix @ right).tocsr().astype(np.float64)
    width = min(rank + 9, *matrix.shape)
    basis = normals(seed, "subspace", np.arange(matrix.shape[1])[:, None], np.arange(width)[None, :])
    for _ in range(5):
        basis, _ = np.linalg.qr(scaled.T @ (scaled @ basis))
    image = scaled @ basis
    values, turn = np.linalg.eigh(image.T @ image)
    order = np.argsort(-values, kind="stable")[1 : rank + 1]
    vectors = basis @ turn[:, order]
    return scaled[rows] @ vectors, vectors


def planted_tastes(n_users: int, n_items: int, *, rank: int = 4, seed: int = 0) -> TasteModel:
    """A truth to recover: normal user and item vectors, quality and popularity, all independent of each other."""
    users = normals(seed, "planted users", np.arange(n_users)[:, None], np.arange(rank)[None, :])
    items = normals(seed, "planted items", np.arange(n_items)[:, None], np.arange(rank)[None, :])
    scores = users @ items.T
    spread = scores.std(axis=1)
    return TasteModel(
        users=users,
        items=items,
        centre=scores.mean(axis=1),
        spread=np.where(spread > 1e-9, spread, 1.0),
        quality=_standard(normals(seed, "planted quality", np.arange(n_items))),
        popularity=_standard(normals(seed, "planted popularity", np.arange(n_items))),
    )
