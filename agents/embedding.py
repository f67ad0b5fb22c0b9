"""Text to vectors for memory retrieval: a hashing bag of words that needs no model, and a cache around any embedder."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .randomness import key

Vectors: TypeAlias = npt.NDArray[np.floating[Any]]
Embed: TypeAlias = Callable[[list[str]], Vectors]
"""Texts -> one row each. A row depends on its own text only."""

_WORD = re.compile(r"\w+")
WIDTH = 256


def hashed_words(texts: list[str], width: int = WIDTH) -> Vectors:
    """Signed hashing of words and of their first five letters, log counts, unit rows (Weinberger et al., ICML 2009).

    float32 (n, width); a text without a word is a row of zeros. The same on every machine.
    """
    rows = np.zeros((len(texts), width), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        counts: dict[int, int] = {}
        for word in _WORD.findall(text.casefold()):
            for feature in {word, word[:5]}:
                hashed = key(feature)
                counts[hashed] = counts.get(hashed, 0) + 1
        for hashed, count in sorted(counts.items()):
            row[hashed % width] += (1.0 if hashed >> 63 else -1.0) * np.log1p(count)
        length = float(np.linalg.norm(row))
        if length > 0:
            row /= length
    return rows


class CachedEmbedder:
    """An embedder that asks for each text once; the least recently used of `size` texts are dropped."""

    def __init__(self, embed: Embed, size: int = 20_000) -> None:
        self.embed, self.size = embed, size
        self._rows: OrderedDict[str, Vectors] = OrderedDict()
        self._cosines: dict[str, dict[str, float]] = {}

    def __call__(self, texts: Sequence[str]) -> Vectors:
        found = {text: self._rows[text] for text in texts if text in self._rows}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            rows = np.asarray(self.embed(missing), dtype=np.float32)
            if rows.ndim != 2 or len(rows) != len(missing) or not np.isfinite(rows).all():
                raise ValueError(
                    f"the embedder gave an array of shape {rows.shape} for {len(missing)} texts: one finite row each is needed"
                )
            found |= dict(zip(missing, rows, strict=True))
        for text in texts:
            self._rows[text] = found[text]
            self._rows.move_to_end(text)
        while len(self._rows) > self.size:
            self._rows.popitem(last=False)
        return np.stack([found[text] for text in texts]) if texts else np.zeros((0, 1), dtype=np.float32)

    def cosines(self, query: str, texts: Sequence[str]) -> list[float]:
        """Cosine of `query` with each text, rounded to nine decimals (0 for a row of zeros). Each pair is worked out once:
        memory asks a few questions of the same records again and again."""
        known = self._cosines.setdefault(query, {})
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            rows = self([query, *missing]).astype(np.float64)
            lengths = np.maximum(np.linalg.norm(rows, axis=1), 1e-6)
            for text, row, length in zip(missing, rows[1:], lengths[1:], strict=True):
                known[text] = round(float(rows[0] @ row / (lengths[0] * length)), 9)
        found = [known[text] for text in texts]
        if len(known) > self.size or len(self._cosines) > self.size:
            self._cosines.clear()
        return found


@lru_cache(maxsize=8)
def cached(embed: Embed | None = None) -> CachedEmbedder:
    """The one cache of this embedder in this process; None is `hashed_words`."""
    return embed if isinstance(embed, CachedEmbedder) else CachedEmbedder(embed or hashed_words)
