"""What a dataset is like, in numbers that fit on a screen."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset

_QUANTILES = {"min": 0.0, "25%": 0.25, "median": 0.5, "75%": 0.75, "max": 1.0}


def describe(data: Dataset) -> dict[str, Any]:
    """A JSON-ready summary: sizes, density, ratings, time span, rows per user and item, genres, licence, warnings, problems.

    `ratings` maps each rating seen to its count (at most 50; a finer scale is put into 20 equal bins, named by their
    lower end) and is empty for implicit feedback; `genres` has the ten with most interactions, with their counts.
    """
    cells = len(data.users) * len(data.items)
    return {
        "name": data.name,
        "users": len(data.users),
        "items": len(data.items),
        "interactions": len(data),
        "density": len(data) / cells if cells else 0.0,
        "feedback": data.feedback,
        "scale": str(data.scale) if data.scale else None,
        "mean_rating": round(float(data.log.value.mean()), 4) if data.scale and len(data) else None,
        "ratings": _histogram(data.log.value) if data.scale else {},
        "time": _span(data),
        "per_user": _quantiles(data.activity()),
        "per_item": _quantiles(data.popularity()),
        "genres": _top_genres(data),
        "fields": list(data.catalogue.fields),
        "licence": data.licence or "not stated: ask where the data came from",
        "hash": data.hash,
        "source": data.report.source,
        "rows_read": data.report.rows,
        "rows_skipped": data.report.skipped,
        "warnings": list(data.report.warnings),
        "problems": [str(problem) for problem in data.report.problems],
        "notes": list(data.report.notes),
    }


def _histogram(values: NDArray[np.float32]) -> dict[str, int]:
    levels, counts = np.unique(np.round(values.astype(np.float64), 4), return_counts=True)
    if len(levels) > 50:
        counts, edges = np.histogram(values, bins=20)
        levels = edges[:-1]
    return {f"{level:g}": int(count) for level, count in zip(levels, counts, strict=True)}


def _span(data: Dataset) -> dict[str, str] | None:
    if not data.log.timed or not len(data):
        return None
    return {"first": _moment(int(data.log.time[0])), "last": _moment(int(data.log.time[-1]))}


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s"


def _quantiles(counts: NDArray[np.int64]) -> dict[str, float]:
    if not len(counts):
        return {}
    return {name: round(float(np.quantile(counts, share)), 2) for name, share in _QUANTILES.items()}


def _top_genres(data: Dataset) -> dict[str, int]:
    met: Counter[str] = Counter()
    for genres, count in zip(data.catalogue.genre_sets, data.popularity().tolist(), strict=True):
        for genre in genres:
            met[genre] += count
    return dict(sorted(met.items(), key=lambda pair: (-pair[1], pair[0]))[:10])
