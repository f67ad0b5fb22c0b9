"""Parts of a search set by query: whatever is learnt from one query's pairs is never tested on that query, in any wording."""

from __future__ import annotations

import hashlib
import unicodedata

from .errors import DataError
from .search import SearchSet, SearchSplit


def split_queries(data: SearchSet, *, test: float = 0.2, valid: float = 0.0, seed: int = 0) -> SearchSplit:
    """Train, valid and test queries; shares are of the queries, rounded to whole ones.

    Queries come in the order of a hash of their text and the seed, so that the parts do not depend on the order of rows, and
    queries that differ only in case or spaces fall into the same part. Raises `DataError` where a share leaves no training.
    """
    if not (0 <= test < 1 and 0 <= valid < 1 and test + valid < 1):
        raise DataError(f"shares test={test:g}, valid={valid:g} leave nothing to train on", "their sum must be below 1")
    alike: dict[str, list[str]] = {}
    for query, text in data.queries.items():
        alike.setdefault(" ".join(unicodedata.normalize("NFKC", text).casefold().split()), []).append(query)
    order = sorted(alike, key=lambda text: hashlib.sha256(f"{seed}\n{text}".encode()).digest())
    n_test, n_valid = int(len(order) * test + 0.5), int(len(order) * valid + 0.5)
    parts: list[set[str]] = [set(), set(), set()]
    for place, text in enumerate(order):
        parts[2 if place < n_test else 1 if place < n_test + n_valid else 0].update(alike[text])
    train, held, tested = (data.subset(query for query in data.queries if query in part) for part in parts)
    if not train.queries:
        raise DataError(f"no query of {data.name} is left to train on", "hold out a smaller share")
    return SearchSplit(train, held, tested)
